package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vncgate/rfb/display/recording"
)

// exitUnended is the exit code of 'recording verify' for what is good as far as it
// goes, and was not ended properly.
const exitUnended = 3

func newRecordingVerifyCommand() *cobra.Command {
	f := &recordingFlags{}
	var trusted []string
	cmd := &cobra.Command{
		Use:   "verify FILE…",
		Short: "Say whether recordings are as they were written",
		Long: `verify reads recordings from end to end and compares them with their seals. It
finds any byte that was changed, records that were taken out and an end that was
cut off, and says up to when each recording is good.

Seals prove something where they are signed ('key:' of 'recordings:' in the
configuration), and where you know the key: give it with --key, as 'recording key'
has printed it, in words or as a file. Without --key verify says who signed, and
finds what has happened by accident: somebody who changes a recording could sign
it anew with a key of his own.

It ends with 0 if all are as they were written, with 1 if one is not or cannot be
read, and with 3 if one is good as far as it goes and was not ended properly: it
is being written still, or the gateway died, or somebody cut it between two seals.`,
		Example: `  vncgate recording verify NAME.fbs --key recordings.pub
  vncgate recording verify *.fbs.zst --json | jq '.[] | select(.closed | not)'`,
		Args:              someRecordings,
		ValidArgsFunction: completeRecordings,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.verify(cmd, args, trusted) },
	}
	cmd.Flags().StringArrayVarP(&trusted, "key", "k", nil, "`KEY` that is trusted, as 'recording key' prints it, or a file of it (may be repeated)")
	f.identityFlag(cmd)
	f.jsonFlag(cmd, "an array of name, meta, duration (nanoseconds), closed, signed, trusted, good, problems")
	return cmd
}

// verified is what verify writes as JSON.
type verified struct {
	recording.Report
	Intact bool   `json:"intact"`
	Error  string `json:"error,omitempty"`
}

func (f *recordingFlags) verify(cmd *cobra.Command, names, trusted []string) error {
	o := recording.VerifyOptions{}
	var err error
	if o.Identities, err = f.keys(); err != nil {
		return err
	}
	for _, k := range trusted {
		key, err := publicKey(k)
		if err != nil {
			return usagef("--key: %w", err)
		}
		o.Keys = append(o.Keys, key)
	}
	code := 0
	all := []verified{}
	for _, name := range names {
		o.Progress = f.progress(cmd, name)
		report, err := recording.Verify(name, o)
		o.Progress(0, 0)
		v := verified{Report: report, Intact: report.Intact()}
		if v.Name = name; err != nil {
			v.Error = recordingAdvice(name, err).Error()
		}
		switch {
		case err != nil || len(report.Problems) > 0:
			code = exitFailed
		case !report.Closed && code == 0:
			code = exitUnended
		}
		all = append(all, v)
		if !f.json {
			if err := say(cmd, "%s", v.words()); err != nil {
				return err
			}
		}
	}
	if f.json {
		if err := writeJSON(cmd.OutOrStdout(), all); err != nil {
			return err
		}
	}
	if code != 0 {
		return &exitStatus{code}
	}
	return nil
}

// words says what was found.
func (v *verified) words() string {
	if v.Error != "" {
		return v.Error
	}
	var b strings.Builder
	good := v.Good.Round(time.Millisecond)
	switch {
	case v.Intact:
		fmt.Fprintf(&b, "%s: as it was written, all %s of it", v.Name, v.Duration.Round(time.Millisecond))
	case len(v.Problems) > 0:
		fmt.Fprintf(&b, "%s: NOT as it was written; good up to %s", v.Name, good)
	default:
		fmt.Fprintf(&b, "%s: good up to %s, but it was not ended: it is being written, or its end is missing", v.Name, good)
	}
	switch {
	case v.Trusted:
		b.WriteString("; signed by a key that you trust")
	case v.Signed:
		b.WriteString("; signed by " + v.Meta.Key + ", which you have not said to trust (--key)")
	default:
		b.WriteString("; not signed")
	}
	for _, p := range v.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// progress says on a terminal how far a long file is; behind the end, with nothing
// to say, it clears that.
func (f *recordingFlags) progress(cmd *cobra.Command, name string) func(done, all int64) {
	out, ok := cmd.ErrOrStderr().(*os.File)
	if !ok || !term.IsTerminal(int(out.Fd())) {
		return func(int64, int64) {}
	}
	last := time.Now()
	shown := false
	return func(done, all int64) {
		switch {
		case all == 0 && shown:
			fmt.Fprint(out, "\r\x1b[K")
		case all > 0 && time.Since(last) > 200*time.Millisecond:
			last, shown = time.Now(), true
			fmt.Fprintf(out, "\r%s: %d%% of %s\x1b[K", name, 100*done/all, bytesText(all))
		}
	}
}

// publicKey is a key in words, or in a file: as 'recording key' prints it, or PEM.
func publicKey(s string) (ed25519.PublicKey, error) {
	key, err := recording.ParsePublicKey(strings.TrimSpace(s))
	if err == nil {
		return key, nil
	}
	b, readErr := os.ReadFile(s)
	if readErr != nil {
		return nil, fmt.Errorf("neither a key nor a file: %w", readErr)
	}
	if block, _ := pem.Decode(b); block != nil {
		any, err := x509.ParsePKIXPublicKey(block.Bytes)
		if key, ok := any.(ed25519.PublicKey); ok && err == nil {
			return key, nil
		}
		return nil, fmt.Errorf("%s has no ed25519 public key: 'vncgate recording key --sign FILE' prints one", s)
	}
	if key, err = recording.ParsePublicKey(strings.TrimSpace(string(b))); err != nil {
		return nil, fmt.Errorf("%s has no ed25519 public key: 'vncgate recording key --sign FILE' prints one", s)
	}
	return key, nil
}
