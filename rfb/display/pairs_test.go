package display_test

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// TestPairs decodes what the encoders of these tests make: the same picture, or
// one that is near where an encoding has loss, twice over in one stream.
func TestPairs(t *testing.T) {
	noise := image.NewRGBA(image.Rect(0, 0, 33, 17))
	rnd := rand.New(rand.NewPCG(7, 7))
	for i := range noise.Pix {
		noise.Pix[i] = byte(rnd.Uint32()) | byte(i%4/3*255)
	}
	for size, img := range map[string]*image.RGBA{"desk": deskPicture(300, 210), "small": deskPicture(5, 40), "noise": noise} {
		for name, f := range frames(img) {
			t.Run(size+" "+name, func(t *testing.T) {
				lossy := name == "jpeg" || name == "tight-jpeg"
				if lossy && size == "noise" {
					t.Skip("of which JPEG keeps little")
				}
				init := screenOf(uint16(img.Rect.Dx()), uint16(img.Rect.Dy()), rfb.Format32())
				d, messages := decode(t, init, append(bytes.Clone(f.first), f.again...))
				if len(messages) != 2 || messages[1].Drawn != img.Rect {
					t.Errorf("%d messages, the last drew %v", len(messages), messages[1].Drawn)
				}
				if by := apart(d.Image(), img); by < nearJPEG || !lossy && !math.IsInf(by, 1) {
					t.Errorf("the picture is %.1f dB away", by)
				}
			})
		}
	}
}

// TestPairsUse sees that the encoders use every form of a tile, so that the
// pairs are worth something.
func TestPairsUse(t *testing.T) {
	e := encoder{img: deskPicture(640, 480)}
	kinds := map[string]bool{}
	var before int
	tiles(e.img.Rect, 16, 16, func(r image.Rectangle) {
		alone := e.tiled(r, 16, true)[0]
		kinds[kindOf(alone)] = true
	})
	for y := 0; y < 480; y += 16 {
		row := e.tiled(image.Rect(0, y, 640, y+16), 16, true)
		init := screenOf(640, 16, rfb.Format32())
		if _, err := display.NewDecoder(bytes.NewReader(update(body(init, rfb.EncodingTRLE, row...))), init); err != nil {
			t.Fatal(err)
		}
		alone := 0
		tiles(image.Rect(0, y, 640, y+16), 16, 16, func(r image.Rectangle) { alone += len(e.tiled(r, 16, true)) })
		if len(row) < alone {
			before++ // palettes were used again
		}
	}
	for _, kind := range []string{"raw", "solid", "packed", "runs", "indexed runs"} {
		if !kinds[kind] {
			t.Errorf("no tile of %s", kind)
		}
	}
	if before == 0 {
		t.Error("no palette is used again")
	}
}

func kindOf(b byte) string {
	switch {
	case b == 0:
		return "raw"
	case b == 1:
		return "solid"
	case b <= 16:
		return "packed"
	case b == 128:
		return "runs"
	}
	return "indexed runs"
}

// nearJPEG is how near to a desk JPEG comes at least, in decibels: it has half the
// colours of text.
const nearJPEG = 24

// apart is the peak signal-to-noise ratio of two pictures, in decibels.
func apart(a, b *image.RGBA) float64 {
	sum := 0.0
	for i := range a.Pix {
		by := float64(a.Pix[i]) - float64(b.Pix[i])
		sum += by * by
	}
	return 10 * math.Log10(255*255*float64(len(a.Pix)*3/4)/sum)
}
