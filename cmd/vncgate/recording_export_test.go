package main

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/display/video"
)

// aRecording is of 64×48 pixels: red, after ten seconds green, after twelve blue.
func aRecording(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	init := rfb.ServerInit{Width: 64, Height: 48, Format: rfb.Format32(), Name: "desk"}
	w, err := display.NewFBSWriter(&b, init)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at     time.Duration
		colour color.RGBA
	}{{0, color.RGBA{R: 255}}, {10 * time.Second, color.RGBA{G: 255}}, {12 * time.Second, color.RGBA{B: 255}}} {
		update := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, 64, 48, rfb.EncodingRaw)
		for range 64 * 48 {
			update = append(update, c.colour.B, c.colour.G, c.colour.R, 0)
		}
		if err := w.Block(c.at, update); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "desk.fbs")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func animation(t *testing.T, path string) *gif.GIF {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := gif.DecodeAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestRecordingExport(t *testing.T) {
	from := aRecording(t)
	to := filepath.Join(t.TempDir(), "desk.gif")
	out, notes, err := command(t, "recording", "export", from, to, "--cut-idle", "500ms", "--size", "32x")
	if err != nil || notes != "" || !strings.Contains(out, "0:01, 32×24 pixels, 10 frames") || !strings.Contains(out, "0:11 in which nothing changes are left out") {
		t.Fatalf("%q, %q, %v", out, notes, err)
	}
	g := animation(t, to)
	if len(g.Image) != 2 || g.Delay[0] != 50 || g.Image[0].Bounds() != image.Rect(0, 0, 32, 24) {
		t.Errorf("%v", g.Delay)
	}
	if r, _, b, _ := g.Image[0].At(5, 5).RGBA(); r>>8 < 250 || b>>8 > 5 {
		t.Errorf("it begins with %v", g.Image[0].At(5, 5))
	}
	out, _, err = command(t, "recording", "export", from, to, "--from", "0:11", "--to", "11.5")
	if err != nil || !strings.Contains(out, "64×48 pixels, 5 frames") {
		t.Errorf("a part: %q, %v", out, err)
	}
	if _, green, _, _ := animation(t, to).Image[0].At(5, 5).RGBA(); green>>8 < 250 {
		t.Error("the part is of another time")
	}
	out, _, err = command(t, "recording", "export", from, to, "--max-duration", "1s")
	if err != nil || !strings.Contains(out, "it ends at 0:01 of the recording, after --max-duration 1s") {
		t.Errorf("%q, %v", out, err)
	}
	avi := filepath.Join(t.TempDir(), "desk.avi")
	if out, _, err = command(t, "recording", "export", from, avi, "--speed", "10", "--fps", "5"); err != nil || !strings.Contains(out, "6 frames") {
		t.Errorf("%q, %v", out, err)
	}
	if b, err := os.ReadFile(avi); err != nil || !bytes.HasPrefix(b, []byte("RIFF")) {
		t.Errorf("%v", err)
	}
}

// A recording that breaks off is shown up to there.
func TestRecordingExportOfHalf(t *testing.T) {
	from := aRecording(t)
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(from, b[:len(b)-5000], 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "desk.gif")
	if out, _, err := command(t, "recording", "export", from, to); err != nil || !strings.Contains(out, "0:10, ") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestRecordingExportSaysWhatIsWrong(t *testing.T) {
	from, dir := aRecording(t), t.TempDir()
	for _, tt := range []struct {
		usage bool
		says  string
		args  []string
	}{
		{true, "needs a recording and the file", []string{from}},
		{true, ".mp4, .webm, .avi or .gif", []string{from, "a.mov"}},
		{true, "do not have vp9", []string{from, "a.mp4", "--codec", "vp9"}},
		{true, "write 90, 1m30s", []string{from, "a.gif", "--from", "later"}},
		{true, "is nothing", []string{from, "a.gif", "--from", "5", "--to", "4"}},
		{true, "320x200", []string{from, "a.gif", "--size", "small"}},
		{true, "--max-size", []string{from, "a.gif", "--max-size", "much"}},
		{true, "speed", []string{from, "a.gif", "--speed", "-1"}},
		{true, "no such file", []string{from, "a.mp4", "--ffmpeg", "/none/ffmpeg"}},
		{false, "no such file", []string{"/none/desk.fbs", "a.gif"}},
		{false, "lasts 12s", []string{from, "a.gif", "--from", "1:00"}},
		{false, "not a recording", []string{os.Args[0], "a.gif"}},
	} {
		if len(tt.args) > 1 {
			tt.args[1] = filepath.Join(dir, tt.args[1])
		}
		_, _, err := command(t, append([]string{"recording", "export"}, tt.args...)...)
		if err == nil || !strings.Contains(err.Error(), tt.says) || errors.As(err, new(*usageError)) != tt.usage {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v is left behind", left)
	}
}

func TestPlaceIn(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "90": 90 * time.Second, "1m30s": 90 * time.Second, "1:30": 90 * time.Second, "01:01:30": 3690 * time.Second, "0:01.5": 1500 * time.Millisecond, "11.5": 11500 * time.Millisecond,
	} {
		if got, err := placeIn(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"x", "-5", "-5s", "1:60", "1:2:3:4", "1.5:30", ":", "1e9", "nan"} {
		if got, err := placeIn(text); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestProgressBar(t *testing.T) {
	p := &progressBar{name: "desk.mp4", width: 80, first: 0}
	got := p.line(video.Progress{At: time.Minute, End: 4 * time.Minute, Bytes: 3_140_000}, 10*time.Second)
	if want := "desk.mp4 [#######-----------------------]  25 % 1:00 of 4:00, 3.1 MB, 0:30 left"; got != want {
		t.Errorf("%q", got)
	}
	for width := range 100 {
		p.width = width
		if line := p.line(video.Progress{At: time.Hour, End: 2 * time.Hour}, time.Minute); width > 60 && len(line) >= width {
			t.Errorf("%d columns: %q", width, line)
		}
	}
	if got := p.line(video.Progress{At: time.Hour, Bytes: 12}, 0); got != "desk.mp4 1:00:00, 12 B" {
		t.Errorf("%q", got)
	}
	var out bytes.Buffer
	quiet := newProgressBar(&out, "a", false)
	quiet.tell(video.Progress{})
	quiet.end()
	if out.Len() > 0 {
		t.Errorf("%q, and no terminal", out.String())
	}
}
