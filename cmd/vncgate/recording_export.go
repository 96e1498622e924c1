package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vncgate/auth"
	"vncgate/rfb/display"
	"vncgate/rfb/display/recording"
	"vncgate/rfb/display/still"
	"vncgate/rfb/display/video"
)

// exportFlags say what is made of a recording.
type exportFlags struct {
	recordingFlags
	from, to    string
	size        string
	codec       string
	maxSize     string
	ffmpeg      string
	speed       float64
	fps         int
	idle        time.Duration
	maxDuration time.Duration
	noPointer   bool
	quiet       bool
}

func newRecordingExportCommand() *cobra.Command {
	f := &exportFlags{}
	cmd := &cobra.Command{
		Use:   "export RECORDING FILE",
		Short: "Make a video of a recording",
		Long: `export makes a video that every player shows: FILE ends in
  .mp4   H.264, by ffmpeg
  .webm  VP8, or VP9 with --codec vp9, by ffmpeg
  .avi   Motion JPEG: large, and needs no ffmpeg
  .gif   for chats and reports: few frames, 256 colours, no ffmpeg

Times of the recording are 90, 1m30s, 1:30 or 01:01:30. Screens that change their
size are fitted into the first one's, or into --size. The pointer is drawn where it
is known to have been. A FILE that is there is replaced once the video is whole;
after an error, or Ctrl-C, there is no half of one.

A recording that breaks off, as after a crash, is shown up to there.`,
		Example: `  vncgate recording export desk.fbs desk.mp4
  vncgate recording export desk.fbs desk.webm --from 1:30 --to 4:00 --cut-idle 2s
  vncgate recording export desk.fbs desk.gif --speed 8 --size 800x --max-size 20MB`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return usagef("%s needs a recording and the file to make of it, such as desk.fbs desk.mp4\nrun '%s --help' for what there is", cmd.CommandPath(), cmd.CommandPath())
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return completeRecordings(nil, nil, "")
			}
			return []string{"mp4", "webm", "avi", "gif"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args[0], args[1], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd.Flags())
	f.identityFlag(cmd)
	_ = cmd.RegisterFlagCompletionFunc("codec", cobra.FixedCompletions([]string{"h264", "vp8", "vp9", "mjpeg", "gif"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *exportFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.from, "from", "", "begin at this `TIME` of the recording")
	flags.StringVar(&f.to, "to", "", "end at this `TIME` of the recording")
	flags.Float64Var(&f.speed, "speed", 1, "so many times as fast")
	flags.DurationVar(&f.idle, "cut-idle", 0, "leave out what is longer than this of times in which nothing changes")
	flags.StringVar(&f.size, "size", "", "make it fit into `WIDTHxHEIGHT`, in proportion; 800x and x600 leave one side free")
	flags.IntVar(&f.fps, "fps", 0, "pictures a second (15; GIF: 10)")
	flags.StringVar(&f.codec, "codec", "", "h264, vp8, vp9, mjpeg or gif (default: what FILE ends in)")
	flags.BoolVar(&f.noPointer, "no-pointer", false, "leave the pointer out")
	flags.DurationVar(&f.maxDuration, "max-duration", 0, "end the video after this time of its own")
	flags.StringVar(&f.maxSize, "max-size", "2GiB", "end the video at about this `SIZE`")
	flags.StringVar(&f.ffmpeg, "ffmpeg", "", "`PROGRAM` to use (default: ffmpeg in PATH)")
	flags.BoolVar(&f.quiet, "quiet", false, "show no progress")
}

func (f *exportFlags) run(ctx context.Context, from, to string, out, notes io.Writer) error {
	o, err := f.options(to)
	if err != nil {
		return &usageError{err}
	}
	film, err := f.film(from, o.From)
	if err != nil {
		return err
	}
	defer film.close()
	bar := newProgressBar(notes, filepath.Base(to), f.quiet)
	o.Progress = bar.tell
	report, err := video.Export(ctx, to, film, o)
	bar.end()
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "video: "))
	}
	return f.tell(out, to, &report)
}

// options reads the flags.
func (f *exportFlags) options(to string) (o video.Options, err error) {
	o = video.Options{Speed: f.speed, FPS: f.fps, CutIdle: f.idle, MaxDuration: f.maxDuration, NoPointer: f.noPointer, FFmpeg: f.ffmpeg}
	if o.Codec, err = video.CodecOf(to, f.codec); err == nil {
		o.From, err = placeIn(f.from)
	}
	if err == nil {
		o.To, err = placeIn(f.to)
	}
	if err == nil && f.size != "" {
		o.Size, err = still.ParseSize(f.size)
	}
	if err == nil {
		if o.MaxSize, err = auth.ParseSize(f.maxSize); err != nil {
			err = fmt.Errorf("--max-size: %w", err)
		}
	}
	if err == nil {
		err = o.Check()
	}
	if err != nil {
		return o, errors.New(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "still: "), "video: "))
	}
	if f.ffmpeg != "" {
		if o.FFmpeg, err = filepath.Abs(f.ffmpeg); err == nil {
			_, err = os.Stat(o.FFmpeg)
		}
	}
	return o, err
}

// placeIn reads a time of a recording: 90, 1m30s, 1:30, 01:01:30. Seconds may have
// a fraction.
func placeIn(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, nil
	}
	parts := strings.Split(text, ":")
	var seconds float64
	for i, part := range parts {
		n, err := strconv.ParseFloat(part, 64)
		last := i == len(parts)-1
		if err != nil || len(parts) > 3 || !(n >= 0 && n < 1e6) || i > 0 && n >= 60 || !last && n != float64(int(n)) {
			return 0, fmt.Errorf("%q is no time in a recording; write 90, 1m30s, 1:30 or 01:01:30", text)
		}
		seconds = 60*seconds + n
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// open has the recording at the place where the video begins.
func (f *exportFlags) film(path string, at time.Duration) (*film, error) {
	r, err := f.recordingFlags.open(path)
	if err != nil {
		return nil, err
	}
	if at > r.Duration() {
		r.Close()
		return nil, fmt.Errorf("the recording lasts %s, and --from is %s", r.Duration().Round(time.Millisecond), at)
	}
	p, err := r.At(at)
	if err != nil {
		r.Close()
		return nil, err
	}
	film := &film{r: r, p: p}
	p.Follower().Each = func(m display.Message) { film.drawn = film.drawn || !m.Drawn.Empty() || m.Resized || m.Pointer }
	return film, nil
}

// tell says what was made, and why it is not all.
func (f *exportFlags) tell(out io.Writer, path string, r *video.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %d×%d pixels, %d frames, %s\n", path, lasting(r.Duration), r.Size.X, r.Size.Y, r.Frames, sizeText(r.Bytes))
	if r.Skipped > 0 {
		fmt.Fprintf(&b, "%s in which nothing changes are left out\n", lasting(r.Skipped))
	}
	switch r.CutOff {
	case "size":
		fmt.Fprintf(&b, "it ends at %s of the recording, at --max-size %s; for the rest: --from %s, or --speed, --fps, --size, --cut-idle\n", lasting(r.Reached), f.maxSize, lasting(r.Reached))
	case "time":
		fmt.Fprintf(&b, "it ends at %s of the recording, after --max-duration %s\n", lasting(r.Reached), f.maxDuration)
	}
	if r.Broken != nil {
		fmt.Fprintf(&b, "it ends at %s of the recording, since what follows is not understood: %v\n", lasting(r.Reached), r.Broken)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// film is a recording that is played for a video.
type film struct {
	r     *recording.Recording
	p     *recording.Playhead
	drawn bool
}

// Next, Draw, Image, Cursor and Duration are those of a video.Source.
func (f *film) Next() (time.Duration, error) {
	s, err := f.p.Peek()
	return s.At, err
}

// Draw has the next step happen; a pointer that the viewer moves is a change, too.
func (f *film) Draw() (bool, error) {
	f.drawn = false
	before := f.p.Follower().Cursor()
	_, err := f.p.Next()
	after := f.p.Follower().Cursor()
	return f.drawn || before.At != after.At, err
}

// Image is the screen.
func (f *film) Image() *image.RGBA { return f.p.Follower().Image() }

// Cursor is the pointer.
func (f *film) Cursor() display.Cursor { return f.p.Follower().Cursor() }

// Duration is that of the recording.
func (f *film) Duration() time.Duration { return f.r.Duration() }

func (f *film) close() {
	f.p.Close()
	f.r.Close()
}
