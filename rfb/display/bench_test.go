package display_test

import (
	"bytes"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	vnc "github.com/amitbet/vnc2video"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// over brings first, and then the same bytes as often as they are read.
type over struct {
	left, again []byte
}

func (o *over) Read(p []byte) (int, error) {
	if len(o.left) == 0 {
		o.left = o.again
	}
	n := copy(p, o.left)
	o.left = o.left[n:]
	return n, nil
}

// fullHD is a desk in each encoding, one colour, and a desk that scrolls.
func fullHD() map[string]frame {
	desk := deskPicture(1920, 1080)
	all := frames(desk)
	all["tight-fill"] = frames(image.NewRGBA(desk.Rect))["tight"]
	copied := update(append(rfb.AppendRect(nil, 0, 0, 1920, 1060, rfb.EncodingCopyRect), 0, 0, 0, 20)) // scrolled by a line
	all["copyrect"] = frame{append(bytes.Clone(all["tight"].first), copied...), copied}
	return all
}

// BenchmarkFullHD decodes whole screens of 1920 by 1080 pixels with a desk, in
// every encoding, and with vnc2video beside it in those that it decodes to the
// same picture:
//
//	go test -run '^$' -bench FullHD -count 6 ./rfb/display | benchstat -col /by -
func BenchmarkFullHD(b *testing.B) {
	init := screenOf(1920, 1080, rfb.Format32())
	all := fullHD()
	for _, name := range sortedNames(all) {
		f := all[name]
		b.Run("encoding="+name+"/by=vncgate", func(b *testing.B) {
			d, err := display.NewDecoder(&over{f.first, f.again}, init)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Next(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
		})
		if !slices.Contains(theirs, name) {
			continue
		}
		b.Run("encoding="+name+"/by=vnc2video", func(b *testing.B) {
			next, _ := vnc2video(b, init, &over{f.first, f.again})
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

// theirs are the encodings in which vnc2video draws the same picture as we do:
// TestVnc2video looks.
var theirs = []string{"raw", "rre", "hextile", "zlib", "zrle", "tight", "tight-jpeg", "tight-png", "tight-fill"}

func sortedNames(all map[string]frame) []string {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestVnc2video draws the desk twice by another's decoders.
func TestVnc2video(t *testing.T) {
	desk := deskPicture(320, 200)
	init := screenOf(320, 200, rfb.Format32())
	for name, f := range frames(desk) {
		t.Run(name, func(t *testing.T) {
			if !slices.Contains(theirs, name) {
				t.Skip("which it does not decode")
			}
			next, picture := vnc2video(t, init, &over{f.first, f.again})
			next()
			next()
			least := math.Inf(1)
			if name == "tight-jpeg" {
				least = nearJPEG
			}
			if by := apart(picture(), desk); by < least {
				t.Errorf("the picture is %.1f dB away", by)
			}
		})
	}
}

// heard is a connection of vnc2video's whose bytes come from elsewhere.
type heard struct {
	*vnc.FbsConn
	in io.Reader
}

func (h heard) Read(p []byte) (int, error) { return h.in.Read(p) }

// vnc2video returns a function that draws the next update, and one that tells
// what was drawn.
func vnc2video(t testing.TB, init rfb.ServerInit, in io.Reader) (next func(), picture func() *image.RGBA) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "init.fbs")
	if err := os.WriteFile(path, recorded(t, init), 0o600); err != nil {
		t.Fatal(err)
	}
	encodings := []vnc.Encoding{
		&vnc.RawEncoding{}, &vnc.RREEncoding{}, &vnc.HextileEncoding{}, &vnc.ZLibEncoding{},
		&vnc.ZRLEEncoding{}, &vnc.TightEncoding{}, &vnc.TightPngEncoding{},
	}
	c, err := vnc.NewFbsConn(path, encodings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	canvas := vnc.NewVncCanvas(int(init.Width), int(init.Height))
	for _, e := range encodings {
		if drawn, ok := e.(vnc.Renderer); ok {
			drawn.SetTargetImage(canvas)
		}
	}
	conn := heard{c, in}
	next = func() {
		if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := new(vnc.FramebufferUpdate).Read(conn); err != nil {
			t.Fatal(err)
		}
	}
	return next, func() *image.RGBA {
		img := canvas.Image.(*vnc.RGBImage)
		out := image.NewRGBA(img.Rect)
		for i := range img.Rect.Dx() * img.Rect.Dy() {
			copy(out.Pix[4*i:], img.Pix[3*i:3*i+3])
			out.Pix[4*i+3] = 255
		}
		return out
	}
}
