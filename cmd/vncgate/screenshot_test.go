package main

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// command runs the program in this process.
func command(t *testing.T, args ...string) (out, notes string, err error) {
	t.Helper()
	root := newRootCommand()
	var o, n bytes.Buffer
	root.SetOut(&o)
	root.SetErr(&n)
	root.SetArgs(args)
	err = root.ExecuteContext(t.Context())
	return o.String(), n.String(), err
}

// coloured is a display of 64×48 pixels of that colour.
func coloured(colours ...color.RGBA) *rfbtest.Display {
	init := rfb.ServerInit{Width: 64, Height: 48, Format: rfb.Format32(), Name: "coloured"}
	asked := 0
	return &rfbtest.Display{Init: init, Answer: func(msg []byte) []byte {
		if msg[0] != rfb.MsgFramebufferUpdateRequest {
			return nil
		}
		c := colours[min(asked, len(colours)-1)]
		asked++
		b := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, 64, 48, rfb.EncodingRaw)
		for range 64 * 47 {
			b = append(b, c.B, c.G, c.R, 0)
		}
		for range 64 {
			b = append(b, 0, 0, 0, 0) // the last line is black
		}
		return b
	}}
}

func picture(t *testing.T, b []byte) (image.Image, string) {
	t.Helper()
	img, format, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%v in %d bytes", err, len(b))
	}
	return img, format
}

var meadow = color.RGBA{G: 200, A: 255}

func TestScreenshot(t *testing.T) {
	display := vncDisplay("sesame")
	display.Answer, display.Init = coloured(meadow).Answer, coloured(meadow).Init
	address, password := display.Listen(t), passwordText(t, "sesame")
	for _, tt := range []struct {
		file, format string
		size         image.Point
		flags        []string
	}{
		{"a.png", "png", image.Pt(64, 48), nil},
		{"a.png", "png", image.Pt(32, 24), []string{"--size", "32x"}}, // in place of the other
		{"a.jpg", "jpeg", image.Pt(64, 48), []string{"--quality", "100"}},
		{"b", "jpeg", image.Pt(13, 10), []string{"--format", "jpeg", "--size", "30x10"}},
	} {
		path := filepath.Join(t.TempDir(), tt.file)
		out, _, err := command(t, append([]string{"screenshot", address, path, "--password-file", password}, tt.flags...)...)
		if err != nil || !strings.Contains(out, tt.file+": ") {
			t.Fatalf("%q, %v", out, err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		img, format := picture(t, b)
		r, g, _, _ := img.At(3, 3).RGBA()
		if format != tt.format || img.Bounds().Size() != tt.size || g>>8 < 195 || g>>8 > 205 || r>>8 > 5 {
			t.Errorf("%v: %s %v %v", tt, format, img.Bounds(), img.At(3, 3))
		}
	}
	out, notes, err := command(t, "screenshot", address, "-", "--password-file", password)
	if img, format := picture(t, []byte(out)); err != nil || notes != "" || format != "png" || img.At(0, 0) != color.Color(meadow) {
		t.Errorf("%s, %q, %v", format, notes, err)
	}
}

// A screen that shows nothing yet is waited for.
func TestScreenshotWaits(t *testing.T) {
	address := coloured(color.RGBA{}, color.RGBA{}, meadow).Listen(t)
	out, notes, err := command(t, "screenshot", address, "-", "--wait", "1m")
	if err != nil || notes != "" {
		t.Fatalf("%q, %v", notes, err)
	}
	if img, _ := picture(t, []byte(out)); img.At(0, 0) != color.Color(meadow) {
		t.Errorf("%v", img.At(0, 0))
	}
}

// One that stays as it is is taken when the time is over.
func TestScreenshotOfOneColour(t *testing.T) {
	ctx, over := context.WithCancelCause(t.Context())
	black := coloured(color.RGBA{}).Answer
	asked := 0
	display := &rfbtest.Display{Init: coloured().Init, Answer: func(msg []byte) []byte {
		if msg[0] == rfb.MsgFramebufferUpdateRequest {
			if asked++; asked == 2 {
				over(errNoPicture)
				return nil
			}
		}
		return black(msg)
	}}
	f := &screenshotFlags{wait: time.Minute}
	f.timeout = time.Minute
	var notes bytes.Buffer
	img, err := f.take(ctx, targetConfig{Address: display.Listen(t)}, &notes)
	if err != nil || !strings.Contains(notes.String(), "of one colour") || img.Bounds().Dx() != 64 {
		t.Errorf("%q, %v", notes.String(), err)
	}
}

func TestScreenshotSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	silent := (&rfbtest.Display{Answer: func([]byte) []byte { return nil }}).Listen(t)
	closed := listen(t, func(c net.Conn) { c.Close() })
	config := filepath.Join(dir, "vncgate.yaml")
	text := "listeners:\n  - {address: \"127.0.0.1:0\", security: [none], target: desk}\ntargets:\n  desk: {address: \"" + silent + "\", screenshots: false}\n  down: {address: \"" + closed + "\"}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.png")
	for _, tt := range []struct {
		usage bool
		says  string
		args  []string
	}{
		{true, "needs a display and a file", []string{"localhost:5901"}},
		{true, "end it in .png or .jpg", []string{"localhost:5901", "a.gif"}},
		{true, "pictures are png or jpeg", []string{"localhost:5901", "a.png", "--format", "webp"}},
		{true, "320x200", []string{"localhost:5901", "a.png", "--size", "small"}},
		{true, "from 1 to 100", []string{"localhost:5901", "a.png", "--quality", "0"}},
		{true, "times such as", []string{"localhost:5901", "a.png", "--timeout", "0s"}},
		{true, "needs --config", []string{"desk", "a.png"}},
		{true, `unknown target "desk2"`, []string{"desk2", file, "--config", config}},
		{true, "screenshots: never", []string{"desk", file, "--config", config}},
		{false, "vncgate doctor down --config", []string{"down", file, "--config", config}},
		{false, "no picture", []string{silent, file, "--timeout", "50ms"}},
		{false, "doctor", []string{"127.0.0.1:1", file}},
	} {
		_, _, err := command(t, append([]string{"screenshot"}, tt.args...)...)
		if err == nil || !strings.Contains(err.Error(), tt.says) || errors.As(err, new(*usageError)) != tt.usage {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a file without a picture")
	}
}

func TestScreenshotCompletion(t *testing.T) {
	config := filepath.Join(t.TempDir(), "vncgate.yaml")
	text := "listeners:\n  - {address: \"127.0.0.1:0\", security: [none], target: desk}\ntargets:\n  desk: {address: \"localhost:5901\"}\n  lab: {address: \"localhost:5902\"}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := newScreenshotCommand()
	_ = cmd.Flags().Set("config", config)
	if names, what := cmd.ValidArgsFunction(cmd, nil, ""); !slices.Equal(names, []string{"desk", "lab"}) || what != cobra.ShellCompDirectiveNoFileComp {
		t.Errorf("%v, %v", names, what)
	}
	if ends, what := cmd.ValidArgsFunction(cmd, []string{"desk"}, ""); !slices.Contains(ends, "png") || what != cobra.ShellCompDirectiveFilterFileExt {
		t.Errorf("%v, %v", ends, what)
	}
	_ = cmd.Flags().Set("config", "/none")
	if names, _ := cmd.ValidArgsFunction(cmd, nil, ""); len(names) != 0 {
		t.Errorf("%v", names)
	}
}

func TestScreenshotsOfTargets(t *testing.T) {
	for text, want := range map[string]screenshots{"false": screenshotsNever, "never": screenshotsNever, "true": screenshotsFree, "free": screenshotsFree, "always": screenshotsAlways} {
		var s screenshots
		if err := s.UnmarshalYAML([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %q, %v", text, s, err)
		}
	}
	var s screenshots
	if err := s.UnmarshalYAML([]byte("alway")); err == nil || !strings.Contains(err.Error(), "always") {
		t.Errorf("%v", err)
	}
}
