package main

import (
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vncgate/rfb/display/recording"
)

// recordingInfo is what info and list write as JSON.
type recordingInfo struct {
	File      string         `json:"file"`
	Meta      recording.Meta `json:"meta"`
	Seconds   float64        `json:"seconds"`
	Bytes     int64          `json:"bytes"` // of both files
	Closed    bool           `json:"closed"`
	Reason    string         `json:"reason,omitempty"`
	Keyframes int            `json:"keyframes"`
	Error     string         `json:"error,omitempty"` // why nothing else is known
}

func infoOf(name string, r *recording.Recording) recordingInfo {
	closed, reason := r.Closed()
	return recordingInfo{
		File: name, Meta: r.Meta(), Seconds: r.Duration().Seconds(), Bytes: r.Size(),
		Closed: closed, Reason: reason, Keyframes: r.Keyframes(),
	}
}

// state is how a recording ended, in words.
func (i recordingInfo) state() string {
	switch {
	case i.Error != "":
		return i.Error
	case i.Meta.Version == 0:
		return "no index: from another program"
	case !i.Closed:
		return "not ended: being written, or cut"
	}
	return i.Reason
}

func newRecordingInfoCommand() *cobra.Command {
	f := &recordingFlags{}
	var events bool
	cmd := &cobra.Command{
		Use:   "info FILE",
		Short: "Say whose session a recording is of, and what is in it",
		Long: `info says whose session a recording is of, how long it is and how it ended. With
--events it lists what the viewer did and what else happened, as far as that is
recorded: a redacted recording has no keys.`,
		Example: `  vncgate recording info NAME.fbs
  vncgate recording info NAME.fbs --events
  vncgate recording info NAME.fbs.zst.age --identity me.key --json`,
		Args:              oneRecording,
		ValidArgsFunction: completeRecordings,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.info(cmd, args[0], events) },
	}
	cmd.Flags().BoolVar(&events, "events", false, "list what happened")
	f.identityFlag(cmd)
	f.jsonFlag(cmd, "file, meta, seconds, bytes, closed, reason, keyframes")
	cmd.MarkFlagsMutuallyExclusive("events", "json")
	return cmd
}

func (f *recordingFlags) info(cmd *cobra.Command, name string, events bool) error {
	r, err := f.open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	i := infoOf(name, r)
	if f.json {
		return writeJSON(cmd.OutOrStdout(), i)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	m := i.Meta
	row("display", orText(m.Target, m.Name))
	row("user", m.User)
	row("from", m.From)
	row("listener", m.Listener)
	row("session", m.Session)
	if !m.Since.IsZero() {
		row("since", m.Since.Local().Format("2006-01-02 15:04:05 MST"))
	}
	row("duration", r.Duration().Round(time.Millisecond).String())
	row("ended", i.state())
	row("screen", fmt.Sprintf("%d×%d at first", m.Width, m.Height))
	row("size", bytesText(i.Bytes))
	row("left out", withheldWords(m.Redact))
	row("signed by", m.Key)
	row("keyframes", fmt.Sprint(i.Keyframes))
	if err := w.Flush(); err != nil || !events {
		return err
	}
	return printEvents(cmd, r)
}

// withheldWords is what a recording does not have, in words.
func withheldWords(r recording.Redact) string {
	var text string
	add := func(what string) {
		if text != "" {
			text += ", "
		}
		text += what
	}
	switch r.Keys {
	case recording.KeysNone:
		add("keys")
	case recording.KeysMarked:
		add("keys of passwords")
	}
	if r.Clipboard {
		add("clipboards")
	}
	for _, region := range r.Regions {
		add("screen " + region.String())
	}
	return text
}

func printEvents(cmd *cobra.Command, r *recording.Recording) error {
	all, err := r.Events()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nAT\tWHAT\t")
	for _, e := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", e.At.Round(time.Millisecond), e.Kind, eventWords(e))
	}
	return w.Flush()
}

func eventWords(e recording.Event) string {
	switch e.Kind {
	case recording.EventKey:
		if e.Keysym > 0x20 && e.Keysym < 0x7f {
			return string(rune(e.Keysym))
		}
		return fmt.Sprintf("%#x", e.Keysym)
	case recording.EventPointer:
		return fmt.Sprintf("pressed at %d,%d", e.Place.X, e.Place.Y)
	case recording.EventSize:
		return fmt.Sprintf("%d×%d", e.Size.X, e.Size.Y)
	case recording.EventMark:
		return e.Name + ": " + e.Text
	}
	return fmt.Sprintf("%q", e.Text)
}

func newRecordingListCommand() *cobra.Command {
	f := &recordingFlags{}
	cmd := &cobra.Command{
		Use:   "list [DIRECTORY]",
		Short: "List the recordings in a folder",
		Long: `list lists the recordings in DIRECTORY, or here, with whose session each is of.
Those that are encrypted are listed by name, unless --identity opens them.`,
		Example: `  vncgate recording list /var/lib/vncgate/recordings
  vncgate recording list --json | jq -r '.[] | select(.meta.user == "alice") | .file'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("%s takes one DIRECTORY, not %d", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return f.list(cmd, dir)
		},
	}
	f.identityFlag(cmd)
	f.jsonFlag(cmd, "an array of file, meta, seconds, bytes, closed, reason, keyframes, error")
	return cmd
}

func (f *recordingFlags) list(cmd *cobra.Command, dir string) error {
	keys, err := f.keys()
	if err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	all := []recordingInfo{}
	for _, file := range files {
		if !isRecording(file.Name()) {
			continue
		}
		path := filepath.Join(dir, file.Name())
		r, err := recording.Open(path, recording.OpenOptions{Identities: keys})
		if err != nil {
			all = append(all, recordingInfo{File: path, Error: err.Error()})
			continue
		}
		all = append(all, infoOf(path, r))
		r.Close()
	}
	if f.json {
		return writeJSON(cmd.OutOrStdout(), all)
	}
	if len(all) == 0 {
		return say(cmd, "no recordings in %s", dir)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FILE\tSINCE\tDURATION\tUSER\tDISPLAY\tSIZE\tENDED")
	for _, i := range all {
		since := "-"
		if !i.Meta.Since.IsZero() {
			since = i.Meta.Since.Local().Format("2006-01-02 15:04:05")
		}
		duration := time.Duration(i.Seconds * float64(time.Second)).Round(time.Second)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", filepath.Base(i.File), since, duration, orText(i.Meta.User, "-"),
			orText(orText(i.Meta.Target, i.Meta.Name), "-"), bytesText(i.Bytes), i.state())
	}
	return w.Flush()
}
