package main

import (
	"context"
	"fmt"
	"image"
	_ "image/png"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"vncgate/rfb/display/player"
	"vncgate/rfb/display/recording"
)

// A stock viewer sees of a recording what was on the screen, pixel by pixel.
func TestRecordingPlayToGtkVnc(t *testing.T) {
	needPeer(t, "gvnccapture", "gvncviewer")
	folder := t.TempDir()
	last := recordSession(t, folder, "one", "desk", 3)
	r, err := recording.Open(filepath.Join(folder, "one"), recording.OpenOptions{})
	must(t, err)
	defer r.Close()
	p, err := player.New(player.TapeOf(r), player.Options{Paused: true})
	must(t, err)
	defer p.Close()
	p.Seek(r.Duration())
	eventually(t, "the end", func() bool { return p.State().AtEnd })
	ln := listenLocal(t)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- playTo(ctx, ln, p) }()
	file := filepath.Join(t.TempDir(), "picture.png")
	out, err := exec.CommandContext(visit(t), "gvnccapture", "-q", fmt.Sprintf("127.0.0.1:%d", ln.Addr().(*net.TCPAddr).Port-5900), file).CombinedOutput()
	if err != nil {
		t.Fatalf("gvnccapture: %v\n%s", err, out)
	}
	stop()
	must(t, <-done)
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	img, _, err := image.Decode(f)
	must(t, err)
	if img.Bounds() != last.Rect {
		t.Fatalf("the picture has %v", img.Bounds())
	}
	for i := range 120 * 80 {
		x, y := i%120, i/120
		r, g, b, _ := img.At(x, y).RGBA()
		if c := last.RGBAAt(x, y); uint8(r>>8) != c.R || uint8(g>>8) != c.G || uint8(b>>8) != c.B {
			t.Fatalf("pixel %d,%d is %x %x %x, not %v", x, y, r>>8, g>>8, b>>8, c)
		}
	}
}

func TestRecordingPlayRefuses(t *testing.T) {
	for _, f := range []recordingPlay{{speed: 0}, {speed: 17}, {speed: 1}} {
		if err := f.run(t.Context(), io.Discard, filepath.Join(t.TempDir(), "none.fbs")); err == nil {
			t.Errorf("%+v: no error", f)
		}
	}
}
