package screen

import (
	"bytes"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display/screen/screentest"
)

func TestPixelsOnTheWire(t *testing.T) {
	for name, c := range map[string]struct{ pixel, cpixel []byte }{
		"rgb888":    {[]byte{0x03, 0x82, 0xff, 0}, []byte{0x03, 0x82, 0xff}},
		"bgr888":    {[]byte{0xff, 0x82, 0x03, 0}, []byte{0xff, 0x82, 0x03}},
		"rgb888 be": {[]byte{0, 0xff, 0x82, 0x03}, []byte{0xff, 0x82, 0x03}},
		"high":      {[]byte{0, 0x03, 0x82, 0xff}, []byte{0x03, 0x82, 0xff}},
		"high be":   {[]byte{0xff, 0x82, 0x03, 0}, []byte{0xff, 0x82, 0x03}},
		"deep":      {[]byte{0x0c, 0x28, 0xf8, 0x3f}, []byte{0x0c, 0x28, 0xf8, 0x3f}},
		"rgb565":    {[]byte{0x00, 0xfc}, []byte{0x00, 0xfc}},
		"rgb565 be": {[]byte{0xfc, 0x00}, []byte{0xfc, 0x00}},
		"rgb332":    {[]byte{0xf0}, []byte{0xf0}},
		"rgb111":    {[]byte{0x06}, []byte{0x06}},
	} {
		conv, err := newConverter(screentest.Formats()[name])
		if err != nil {
			t.Fatal(err)
		}
		var pix [1]uint32
		conv.row(pix[:], []byte{0xff, 0x82, 0x03, 0xff})
		if got := conv.pixel(nil, pix[0]); !bytes.Equal(got, c.pixel) {
			t.Errorf("%s: pixel % x, not % x", name, got, c.pixel)
		}
		if got := conv.cpixel(nil, pix[0]); !bytes.Equal(got, c.cpixel) {
			t.Errorf("%s: cpixel % x, not % x", name, got, c.cpixel)
		}
	}
}

func TestFormatsRefused(t *testing.T) {
	for name, f := range map[string]rfb.PixelFormat{
		"zero":           {},
		"map of 16 bits": {BitsPerPixel: 16, Depth: 16},
		"map of 32 bits": {BitsPerPixel: 32, Depth: 8},
	} {
		if _, err := newConverter(f); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if c, err := newConverter(rfb.PixelFormat{BitsPerPixel: 8, Depth: 8}); err != nil || c.red[255] != 7 || c.blue[255] != 0xc0 {
		t.Errorf("a colour map of 8 bits: %v", err)
	}
}

func TestPalette(t *testing.T) {
	var p palette
	p.reset()
	for i := range uint32(zrleMaxPalette) {
		p.add(i << 23) // all in few slots
		p.add(i << 23)
	}
	if len(p.colours) != zrleMaxPalette || p.full {
		t.Fatalf("%d colours, full %v", len(p.colours), p.full)
	}
	for i := range uint32(zrleMaxPalette) {
		if got := p.index(i << 23); got != int(i) {
			t.Errorf("colour %d has index %d", i, got)
		}
	}
	p.add(1)
	if !p.full || len(p.colours) != zrleMaxPalette {
		t.Error("one more did not fill it")
	}
}
