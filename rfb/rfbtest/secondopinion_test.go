package rfbtest_test

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"testing"
	"time"

	vnc "github.com/amitbet/vnc2video"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// TestSecondOpinion records a display and has vnc2video read the recording: it
// sees the same picture, in the encodings that it decodes as they are meant.
func TestSecondOpinion(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a display")
	}
	installed(t, "Xtigervnc", "display")
	r := &recording{t: t, name: "Xvnc", dir: t.TempDir(), port: freePort(t)}
	hang(r, r.bigXvnc())
	raw := stillScreen(r, rfb.Format32())
	for _, e := range []rfb.Encoding{rfb.EncodingRaw, rfb.EncodingHextile, rfb.EncodingZRLE} {
		t.Run(e.String(), func(t *testing.T) {
			var heard bytes.Buffer
			ours, used := viewedBy(r, &heard, rfb.Format32(), e)
			same(t, "ours", ours, raw, 0)
			if !used[e] {
				t.Fatalf("the display sent %v", used)
			}
			path := filepath.Join(r.dir, e.String()+".fbs")
			size := ours.Bounds().Size()
			record(t, path, rfb.ServerInit{Width: uint16(size.X), Height: uint16(size.Y), Format: rfb.Format32(), Name: "desk"}, heard.Bytes())
			same(t, "vnc2video", played(t, path), ours, 0)
		})
	}
}

// record writes what a display said in blocks of a few thousand bytes.
func record(t *testing.T, path string, init rfb.ServerInit, said []byte) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := display.NewFBSWriter(file, init)
	if err != nil {
		t.Fatal(err)
	}
	for at := time.Duration(0); len(said) > 0; at += time.Millisecond {
		n := min(len(said), 5000)
		if err := w.Block(at, said[:n]); err != nil {
			t.Fatal(err)
		}
		said = said[n:]
	}
}

// played is what vnc2video draws of a recording.
func played(t *testing.T, path string) image.Image {
	t.Helper()
	encodings := []vnc.Encoding{&vnc.RawEncoding{}, &vnc.HextileEncoding{}, &vnc.ZRLEEncoding{}, &vnc.CursorPseudoEncoding{}}
	c, err := vnc.NewFbsConn(path, encodings)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	canvas := vnc.NewVncCanvas(int(c.Width()), int(c.Height()))
	for _, e := range encodings {
		if drawn, ok := e.(vnc.Renderer); ok {
			drawn.SetTargetImage(canvas)
		}
	}
	helper := vnc.NewFBSPlayHelper(c)
	for {
		if _, err := helper.ReadFbsMessage(false, 1); err != nil {
			return inColours(canvas.Image.(*vnc.RGBImage))
		}
	}
}

// inColours is a picture of vnc2video's, whose own colours are no colours of
// package image.
func inColours(img *vnc.RGBImage) image.Image {
	out := image.NewRGBA(img.Rect)
	for i := range img.Rect.Dx() * img.Rect.Dy() {
		copy(out.Pix[4*i:], img.Pix[3*i:3*i+3])
		out.Pix[4*i+3] = 255
	}
	return out
}
