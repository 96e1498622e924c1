package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"vncgate/gateway"
	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/display/still"
)

// screenshotFlags say of what a picture is taken, and of which kind.
type screenshotFlags struct {
	doctorFlags // for what is said of the display
	format      string
	size        string
	quality     int
	wait        time.Duration

	kind still.Kind
	box  image.Point
}

func newScreenshotCommand() *cobra.Command {
	f := &screenshotFlags{}
	cmd := &cobra.Command{
		Use:   "screenshot TARGET|ADDRESS FILE",
		Short: "Take a picture of a display",
		Long: `screenshot connects to a display as the gateway would, takes a picture of the
whole screen without the pointer, and writes it to FILE: PNG for .png, JPEG for
.jpg and .jpeg. A FILE that is there is replaced, once the picture is whole. "-" is
standard output, in the --format that is said (PNG).

TARGET is a name among the targets of the configuration (--config, else
` + defaultConfig + ` where that is there). Without one, give the ADDRESS
of the display: HOST:PORT, unix:PATH, ws://… or wss://…, and what it demands by the
flags --target-…, whose names may be shortened as with 'vncgate doctor'.

The display is asked to share. One that takes one viewer at a time may all the same
send that one away, or refuse us: take the picture through the gateway then, by
GET /api/v1/targets/TARGET/screenshot of its admin listener, which knows who is
there. Of a target with screenshots: never in the configuration none is taken.`,
		Example: `  vncgate screenshot desk desk.png --config /etc/vncgate/vncgate.yaml
  vncgate screenshot localhost:5901 thumbnail.jpg --size 320x200 --quality 70
  vncgate screenshot vm.example:5900 - --password-file vm.password --wait 1m > vm.png`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return usagef("%s needs a display and a file, such as localhost:5901 screen.png\nrun '%s --help' for what there is", cmd.CommandPath(), cmd.CommandPath())
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args[0], args[1], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
		ValidArgsFunction: completeScreenshot,
	}
	f.register(cmd.Flags())
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"png", "jpeg"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *screenshotFlags) register(flags *pflag.FlagSet) {
	shortNames(flags)
	flags.StringVar(&f.config, "config", "", "`FILE` that names the target")
	f.displayFlags.register(flags)
	flags.StringVar(&f.format, "format", "", "png or jpeg (default: what FILE ends in)")
	flags.StringVar(&f.size, "size", "", "make it fit into `WIDTHxHEIGHT`, in proportion; 320x and x200 leave one side free")
	flags.IntVar(&f.quality, "quality", still.DefaultQuality, "of JPEG, from 1 to 100")
	flags.DurationVar(&f.wait, "wait", 0, "wait up to `TIME` for a screen that shows something, not one colour all over")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long the connection may take, and then the picture")
}

// completeScreenshot completes the names of targets, and files behind them.
func completeScreenshot(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return []string{"png", "jpg", "jpeg"}, cobra.ShellCompDirectiveFilterFileExt
	}
	path := cmd.Flag("config").Value.String()
	if path == "" {
		path = defaultConfig
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return keys(cfg.Targets), cobra.ShellCompDirectiveNoFileComp
}

func (f *screenshotFlags) run(ctx context.Context, subject, path string, out, notes io.Writer) error {
	if err := f.check(path, out); err != nil {
		return &usageError{err}
	}
	t, err := f.subject(subject)
	if err != nil {
		return &usageError{err}
	}
	img, err := f.take(ctx, t, notes)
	if err != nil {
		return f.explained(subject, err)
	}
	picture := still.Fit(img, f.box)
	write := func(w io.Writer) error { return still.Encode(w, picture, f.kind, f.quality) }
	if path == "-" {
		return write(out)
	}
	if err := still.WriteFile(path, write); err != nil {
		return err
	}
	size := picture.Bounds().Size()
	_, err = fmt.Fprintf(out, "%s: %d×%d pixels\n", path, size.X, size.Y)
	return err
}

// check looks at what is asked for, before anybody is connected to.
func (f *screenshotFlags) check(path string, out io.Writer) (err error) {
	switch {
	case f.format != "":
		f.kind, err = still.ParseKind(f.format)
	case path == "-":
		f.kind = still.PNG
	default:
		if f.kind, err = still.KindOf(path); err != nil {
			err = fmt.Errorf("%s: the name says no format: end it in .png or .jpg, or say --format png", path)
		}
	}
	if err == nil && f.size != "" {
		f.box, err = still.ParseSize(f.size)
	}
	switch file, _ := out.(*os.File); {
	case err != nil:
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "still: "))
	case f.quality < 1 || f.quality > 100:
		return errors.New("--quality is from 1 to 100")
	case f.timeout <= 0 || f.wait < 0:
		return errors.New("--timeout and --wait are times such as 30s")
	case path == "-" && file != nil && term.IsTerminal(int(file.Fd())):
		return errors.New("a picture is nothing for a terminal: name a file, or send standard output on (> screen.png)")
	}
	return nil
}

// subject is the display that is meant.
func (f *screenshotFlags) subject(subject string) (targetConfig, error) {
	if f.config == "" && !strings.ContainsAny(subject, ":/") {
		if _, err := os.Stat(defaultConfig); err == nil {
			f.config = defaultConfig
		}
	}
	var t targetConfig
	var err error
	if f.config != "" {
		t, err = f.configured(subject, &report{})
	} else {
		t, err = f.display(subject)
	}
	if err == nil && t.Screenshots == screenshotsNever {
		err = fmt.Errorf("%s has screenshots: never in %s", subject, f.config)
	}
	if err == nil {
		err = t.validate()
	}
	return t, err
}

// take connects to the display by the gateway's own way, with nobody else in the
// house.
func (f *screenshotFlags) take(ctx context.Context, t targetConfig, notes io.Writer) (image.Image, error) {
	w := &wiring{cfg: &config{}, log: slog.New(slog.DiscardHandler)}
	t.Start = nil // it runs, or does not: whoever starts it is the gateway
	target, err := w.target("display", t)
	if err != nil {
		return nil, err
	}
	if err := t.Password.readable(ctx); err != nil {
		return nil, err
	}
	g := &gateway.Gateway{
		Resolve: func(context.Context, string) (*gateway.Target, error) { return target, nil },
		Limits:  gateway.Limits{DialTimeout: f.timeout, GreetTimeout: f.timeout},
	}
	var img *image.RGBA
	err = g.Look(ctx, "display", true, func(ctx context.Context, conn *rfb.Conn, init rfb.ServerInit) (err error) {
		img, err = f.picture(ctx, conn, init, notes)
		return err
	})
	return img, err
}

// picture is what the screen shows, once it shows something or --wait is over.
func (f *screenshotFlags) picture(ctx context.Context, conn *rfb.Conn, init rfb.ServerInit, notes io.Writer) (*image.RGBA, error) {
	limited, cancel := context.WithTimeoutCause(ctx, max(f.timeout, f.wait), errNoPicture)
	defer cancel()
	img, err := display.SnapshotWhen(limited, conn, init, func(img *image.RGBA) bool { return f.wait == 0 || !oneColour(img) })
	if img != nil && errors.Is(err, errNoPicture) {
		fmt.Fprintf(notes, "vncgate: the screen was of one colour for %v; this is its picture\n", f.wait)
		return img, nil
	}
	return img, err
}

var errNoPicture = errors.New("the display has let us in and sent no picture in time; --timeout says how long it has")

// oneColour reports whether a picture is of one colour.
func oneColour(img *image.RGBA) bool {
	for y := range img.Rect.Dy() {
		line := img.Pix[y*img.Stride:][:4*img.Rect.Dx()]
		for x := 0; x < len(line); x += 4 {
			if [3]byte(line[x:]) != [3]byte(img.Pix) {
				return false
			}
		}
	}
	return true
}

// explained says where it went wrong, and who knows more.
func (f *screenshotFlags) explained(subject string, err error) error {
	text := err.Error()
	if gone, ok := errors.AsType[*gateway.Unreachable](err); ok {
		text = gone.Stage + ": " + gone.Err.Error()
	}
	if f.config != "" {
		subject += " --config " + f.config
	}
	return fmt.Errorf("no picture: %s\n'vncgate doctor %s' goes through it step by step, and says what to change", text, subject)
}
