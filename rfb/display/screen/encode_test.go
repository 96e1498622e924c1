package screen

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display/screen/screentest"
)

// pictures are of odd sizes and drive every branch of the encoders.
func pictures() map[string]*image.RGBA {
	rng := rand.New(rand.NewPCG(1, 2))
	paint := func(size image.Point, at func(x, y int) [3]byte) *image.RGBA {
		img := image.NewRGBA(image.Rectangle{Max: size})
		for y := range size.Y {
			for x := range size.X {
				c := at(x, y)
				copy(img.Pix[img.PixOffset(x, y):], append(c[:], 255))
			}
		}
		return img
	}
	colours := func(n int) func(x, y int) [3]byte {
		return func(x, y int) [3]byte {
			i := byte(rng.IntN(n))
			return [3]byte{i * 37, i * 91, 255 - i}
		}
	}
	return map[string]*image.RGBA{
		"solid":     paint(image.Pt(130, 70), func(x, y int) [3]byte { return [3]byte{10, 200, 30} }),
		"noise":     paint(image.Pt(131, 67), func(x, y int) [3]byte { return [3]byte{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())} }),
		"2":         paint(image.Pt(99, 65), colours(2)),
		"4":         paint(image.Pt(77, 65), colours(4)),
		"16":        paint(image.Pt(77, 65), colours(16)),
		"100":       paint(image.Pt(90, 90), colours(100)),
		"127":       paint(image.Pt(64, 64), func(x, y int) [3]byte { return [3]byte{byte(x + 64*y%127), byte((x + 64*y) % 127), 0} }),
		"128":       paint(image.Pt(64, 64), func(x, y int) [3]byte { return [3]byte{byte((x + 64*y) / 32), 1, 1} }),
		"rows":      paint(image.Pt(200, 64), func(x, y int) [3]byte { return [3]byte{byte(y * 4), byte(y * 2), 7} }),
		"long runs": paint(image.Pt(64, 64), func(x, y int) [3]byte { return [3]byte{byte(y / 8), byte(y / 30), 0} }),
		"one pixel": paint(image.Pt(1, 1), func(x, y int) [3]byte { return [3]byte{1, 2, 3} }),
		"one line":  paint(image.Pt(5000, 1), colours(5)),
		"gradient":  paint(image.Pt(150, 80), func(x, y int) [3]byte { return [3]byte{byte(x), byte(y), byte(x + y)} }),
	}
}

func TestEncodingsRoundTrip(t *testing.T) {
	for name, f := range screentest.Formats() {
		conv, err := newConverter(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, enc := range []rfb.Encoding{rfb.EncodingRaw, rfb.EncodingHextile, rfb.EncodingZRLE} {
			t.Run(fmt.Sprintf("%s/%v", name, enc), func(t *testing.T) {
				fb := &framebuffer{}
				e := newEncoder(fb) // one stream for all pictures
				e.conv = conv
				dec := &screentest.Decoder{Format: f}
				for what, img := range pictures() {
					fb.img, e.out = img, nil
					e.rect(img.Rect, enc)
					if len(e.out) < 12 {
						t.Fatalf("%s: %d bytes", what, len(e.out))
					}
					r := bytes.NewReader(e.out[12:])
					dec.R = r
					dec.Resize(img.Rect.Max)
					if err := dec.Rect(img.Rect, enc); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					if r.Len() != 0 {
						t.Errorf("%s: %d bytes left over", what, r.Len())
					}
					for i, v := range screentest.Want(img, f) {
						if dec.Pix[i] != v {
							t.Fatalf("%s: pixel %d is %#x, not %#x", what, i, dec.Pix[i], v)
						}
					}
				}
			})
		}
	}
}

func TestEncodedSizeIsBounded(t *testing.T) {
	fb := &framebuffer{img: image.NewRGBA(image.Rect(0, 0, 512, 512))}
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range fb.img.Pix {
		fb.img.Pix[i] = byte(rng.Uint32())
	}
	for _, enc := range []rfb.Encoding{rfb.EncodingRaw, rfb.EncodingHextile, rfb.EncodingZRLE} {
		e := newEncoder(fb)
		e.rect(fb.img.Rect, enc)
		if most := maxRectArea*4 + maxRectArea/64; len(e.out) > most {
			t.Errorf("%v: %d bytes for noise, more than %d", enc, len(e.out), most)
		}
	}
}

func TestZRLECompresses(t *testing.T) {
	img := pictures()["rows"]
	e := newEncoder(&framebuffer{img: img})
	e.rect(img.Rect, rfb.EncodingZRLE)
	if len(e.out) > len(img.Pix)/4 {
		t.Errorf("rows take %d bytes", len(e.out))
	}
}

func TestBestEncoding(t *testing.T) {
	for _, c := range []struct {
		list []rfb.Encoding
		want rfb.Encoding
	}{
		{nil, rfb.EncodingRaw},
		{[]rfb.Encoding{rfb.EncodingTight, rfb.EncodingCursor}, rfb.EncodingRaw},
		{[]rfb.Encoding{rfb.EncodingCopyRect, rfb.EncodingTight, rfb.EncodingZRLE, rfb.EncodingHextile}, rfb.EncodingZRLE},
		{[]rfb.Encoding{rfb.EncodingHextile, rfb.EncodingZRLE}, rfb.EncodingHextile},
		{[]rfb.Encoding{rfb.EncodingRaw, rfb.EncodingZRLE}, rfb.EncodingRaw},
	} {
		if got := bestEncoding(c.list); got != c.want {
			t.Errorf("%v: %v, not %v", c.list, got, c.want)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	img := image.NewRGBA(image.Rect(0, 0, 1280, 800))
	for i := range 1280 * 800 { // stripes, slopes, and a bit that is neither
		x, y := i%1280, i/1280
		copy(img.Pix[4*i:], []byte{byte(x / 40 * 9), byte(y / 4), byte(x * y >> 12), 255})
	}
	fb := &framebuffer{img: img}
	for _, enc := range []rfb.Encoding{rfb.EncodingRaw, rfb.EncodingHextile, rfb.EncodingZRLE} {
		b.Run(enc.String(), func(b *testing.B) {
			e := newEncoder(fb)
			for b.Loop() {
				e.out = e.out[:0]
				e.rect(fb.img.Rect, enc)
			}
			b.SetBytes(int64(len(img.Pix)))
			b.ReportMetric(float64(len(e.out)), "wire-B")
		})
	}
}

// Whatever the pixels are, a viewer decodes them as they were.
func FuzzEncodings(f *testing.F) {
	f.Add([]byte{1, 2, 3, 1, 2, 3, 9}, uint8(3), uint8(0))
	f.Add(bytes.Repeat([]byte{0, 0, 255, 7}, 900), uint8(70), uint8(4))
	f.Add([]byte("a few letters make few colours, letters in runs aaaaaaaaaaaaaaaaaaaaaaaaa"), uint8(9), uint8(8))
	formats := screentest.Formats()
	var names []string
	for name := range formats {
		names = append(names, name)
	}
	slices.Sort(names)
	f.Fuzz(func(t *testing.T, colours []byte, width, format uint8) {
		w := int(width)%130 + 1
		h := min(len(colours)/w, 130)
		if h == 0 {
			return
		}
		img := image.NewRGBA(image.Rect(0, 0, w, h))
		for i := range w * h {
			copy(img.Pix[4*i:], []byte{colours[i], colours[i] << 3, 255 - colours[i], 255})
		}
		e, dec := newEncoder(&framebuffer{img: img}), &screentest.Decoder{Format: formats[names[int(format)%len(names)]]}
		e.conv, _ = newConverter(dec.Format)
		dec.Resize(img.Rect.Max)
		for _, enc := range []rfb.Encoding{rfb.EncodingHextile, rfb.EncodingZRLE, rfb.EncodingZRLE} {
			e.out = e.out[:0]
			e.rect(img.Rect, enc)
			dec.R = bytes.NewReader(e.out[12:])
			if err := dec.Rect(img.Rect, enc); err != nil {
				t.Fatalf("%v: %v", enc, err)
			}
			if !slices.Equal(dec.Pix, screentest.Want(img, dec.Format)) {
				t.Fatalf("%v: other pixels", enc)
			}
		}
	})
}
