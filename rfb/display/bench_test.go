package display_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// again brings the same bytes as often as they are read.
type again struct {
	b  []byte
	at int
}

func (a *again) Read(p []byte) (int, error) {
	n := copy(p, a.b[a.at:])
	a.at = (a.at + n) % len(a.b)
	return n, nil
}

// BenchmarkFullHD decodes whole screens of 1920 by 1080 pixels: text-like where
// the encoding has a way for that, noise where it has none.
func BenchmarkFullHD(b *testing.B) {
	init := screenOf(1920, 1080, rfb.Format32())
	rnd := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 1920*1080*4)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	hextile := bytes.Repeat(join([]byte{2 | 4 | 8}, red, green, []byte{8}, bytes.Repeat([]byte{0x11, 0x11}, 8)), 120*68)
	for _, bb := range []struct {
		name string
		rect []byte
	}{
		{"raw", body(init, rfb.EncodingRaw, noise...)},
		{"hextile", body(init, rfb.EncodingHextile, hextile...)},
		{"trle-raw", body(init, rfb.EncodingTRLE, tiled(noise, 1920, 1080, 16, 3)...)},
		{"trle-runs", runsOf(init)},
		{"tight-fill", body(init, rfb.EncodingTight, join([]byte{0x80}, tred)...)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			said := update(bb.rect)
			d, err := display.NewDecoder(&again{b: said}, init)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(said)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Next(); err != nil && err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}

// runsOf fills the screen with tiles of 16 by 16 pixels in runs of a palette.
func runsOf(init rfb.ServerInit) []byte {
	var out []byte
	for y := 0; y < int(init.Height); y += 16 {
		for x := 0; x < int(init.Width); x += 16 {
			pixels := min(16, int(init.Width)-x) * min(16, int(init.Height)-y)
			out = append(join(out, []byte{130}, cred, cgreen), bytes.Repeat([]byte{0x80, 15, 0x81, 15}, pixels/32)...)
			if pixels%32 != 0 {
				out = append(out, 0x80, byte(pixels%32-1))
			}
		}
	}
	return body(init, rfb.EncodingTRLE, out...)
}

// tiled is noise as raw tiles.
func tiled(noise []byte, w, h, side, size int) []byte {
	var out []byte
	for y := 0; y < h; y += side {
		for x := 0; x < w; x += side {
			n := min(side, w-x) * min(side, h-y) * size
			out = append(append(out, 0), noise[:n]...)
		}
	}
	return out
}
