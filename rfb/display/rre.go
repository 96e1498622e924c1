package display

import (
	"fmt"
	"image"

	"vncgate/rfb"
)

// decodeRRE draws a background and rectangles of one colour on it: U32 n, PIXEL,
// then n times PIXEL, U16 x, y, w, h (RFC 6143, 7.7.3). CoRRE is the same with
// bytes for the places.
func decodeRRE(d *Decoder, r rect) error {
	px := &r.px.raw
	b, err := d.head(4+px.size, "background")
	if err != nil {
		return err
	}
	n := be.Uint32(b)
	if uint64(n) > uint64(r.w)*uint64(r.h) {
		return fmt.Errorf("%d subrectangles, more than pixels", n)
	}
	r.to.fill(r.bounds(), px.one(b[4:]))
	places := 8
	if r.encoding == rfb.EncodingCoRRE {
		places = 4
	}
	for range n {
		b, err := d.head(px.size+places, "subrectangle")
		if err != nil {
			return err
		}
		sub := subrectangle(b[px.size:]).Add(image.Pt(r.x, r.y))
		if !sub.In(r.bounds()) {
			return fmt.Errorf("subrectangle %v", sub)
		}
		if err := d.spend(sub.Dx() * sub.Dy()); err != nil {
			return err
		}
		r.to.fill(sub, px.one(b))
	}
	return nil
}

// subrectangle is one of four bytes or of four words.
func subrectangle(b []byte) image.Rectangle {
	if len(b) == 4 {
		x, y := int(b[0]), int(b[1])
		return image.Rect(x, y, x+int(b[2]), y+int(b[3]))
	}
	x, y := int(be.Uint16(b)), int(be.Uint16(b[2:]))
	return image.Rect(x, y, x+int(be.Uint16(b[4:])), y+int(be.Uint16(b[6:])))
}
