package display

import (
	"encoding/binary"
	"fmt"
	"image"

	"vncgate/rfb"
)

// Cursor is the pointer that a viewer draws over the picture.
type Cursor struct {
	// Shape has premultiplied alpha; nil: there is none to draw, or the display
	// draws it itself.
	Shape *image.RGBA
	// Hot is the point of Shape that lies at the pointer's place.
	Hot image.Point
	// At is the pointer's place as the display has told it; Told says whether it
	// has.
	At   image.Point
	Told bool
}

// Cursor is the pointer as it is now. Its Shape is not drawn into later.
func (d *Decoder) Cursor() Cursor { return d.cursor }

// shape begins a new shape of the size of r, whose place is the hot spot.
func (d *Decoder) shape(r rect) (framebuffer, error) {
	d.message.Pointer = true
	d.cursor.Shape, d.cursor.Hot = nil, image.Pt(r.x, r.y)
	if r.w > maxCursor || r.h > maxCursor {
		return framebuffer{}, fmt.Errorf("a cursor's side is at most %d pixels", maxCursor)
	}
	if r.w == 0 || r.h == 0 {
		return framebuffer{image.NewRGBA(image.Rectangle{})}, nil
	}
	d.cursor.Shape = image.NewRGBA(image.Rect(0, 0, r.w, r.h))
	return framebuffer{d.cursor.Shape}, d.spend(r.w * r.h)
}

// decodeCursor takes w·h pixels, and a mask of whole bytes a row (RFC 6143,
// 7.8.1).
func decodeCursor(d *Decoder, r rect) error {
	shape, err := d.shape(r)
	if err != nil {
		return err
	}
	if err := d.rows(d.in, shapeRect(r, &shape), &r.px.raw); err != nil {
		return err
	}
	return d.bitmap(shape, r.h, func(px []byte, set bool) {
		if !set {
			clear(px)
		}
	})
}

// shapeRect is r as a rectangle of the shape alone.
func shapeRect(r rect, shape *framebuffer) rect {
	r.x, r.y, r.to = 0, 0, shape
	if shape.Rect.Empty() {
		r.w, r.h = 0, 0
	}
	return r
}

// bitmap reads a bit for each pixel of a shape, in whole bytes a row.
func (d *Decoder) bitmap(shape framebuffer, h int, each func(px []byte, set bool)) error {
	w := shape.Rect.Dx()
	if w == 0 {
		return nil
	}
	for y := range h {
		b, err := d.bytes(d.in, (w+7)/8)
		if err != nil {
			return err
		}
		for x := range w {
			each(shape.line(x, y, 1), b[x/8]>>(7-x%8)&1 != 0)
		}
	}
	return nil
}

// decodeXCursor takes two colours of three bytes, a bitmap of which pixels have
// the first, and a mask (rfbproto, "X Cursor Pseudo-encoding").
func decodeXCursor(d *Decoder, r rect) error {
	shape, err := d.shape(r)
	if err != nil || shape.Rect.Empty() {
		return err
	}
	b, err := d.head(6, "colours")
	if err != nil {
		return err
	}
	first := opaque | uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	second := opaque | uint32(b[3]) | uint32(b[4])<<8 | uint32(b[5])<<16
	err = d.bitmap(shape, r.h, func(px []byte, set bool) {
		if set {
			binary.LittleEndian.PutUint32(px, first)
		} else {
			binary.LittleEndian.PutUint32(px, second)
		}
	})
	if err != nil {
		return err
	}
	return d.bitmap(shape, r.h, func(px []byte, set bool) {
		if !set {
			clear(px)
		}
	})
}

// decodeCursorWithAlpha takes an encoding and pixels in it, red, green, blue and
// alpha, premultiplied (rfbproto, "Cursor With Alpha Pseudo-encoding").
func decodeCursorWithAlpha(d *Decoder, r rect) error {
	b, err := d.head(4, "encoding")
	if err != nil {
		return err
	}
	inner := rfb.Encoding(be.Uint32(b))
	decode := decoders[inner]
	if decode == nil || inner == rfb.EncodingCopyRect {
		return fmt.Errorf("%s in a cursor", inner)
	}
	shape, err := d.shape(r)
	if err != nil {
		return err
	}
	r = shapeRect(r, &shape)
	px := alphaCodecs()
	r.encoding, r.px = inner, &px
	return decode(d, r)
}

// Kinds of VMware's cursors.
const (
	vmwareMasks = iota // what of the screen stays, and what is turned over, each of w·h pixels
	vmwareAlpha        // red, green, blue and alpha, not premultiplied: TigerVNC and noVNC agree
)

// decodeVMwareCursor takes U8 kind, pad and the pixels of that kind (TigerVNC
// rfb/CMsgReader.cxx, readSetVMwareCursor).
func decodeVMwareCursor(d *Decoder, r rect) error {
	b, err := d.head(2, "kind")
	if err != nil {
		return err
	}
	kind := b[0]
	shape, err := d.shape(r)
	if err != nil {
		return err
	}
	inner := shapeRect(r, &shape)
	switch kind {
	case vmwareAlpha:
		px := alphaCodecs()
		err := d.rows(d.in, inner, &px.raw)
		premultiply(shape.Pix)
		return err
	case vmwareMasks:
		return d.masks(inner)
	}
	return fmt.Errorf("a cursor of kind %d", kind)
}

// premultiply brings the colours of pixels down by their alpha.
func premultiply(pix []byte) {
	for ; len(pix) >= 4; pix = pix[4:] {
		for i := range 3 {
			pix[i] = byte((int(pix[i])*int(pix[3]) + 127) / 255)
		}
	}
}

// masks draws a cursor of two masks: a pixel is what the second says where the
// first keeps nothing, nothing where it keeps all and the second turns nothing
// over, and else what no viewer can draw: half of black.
func (d *Decoder) masks(r rect) error {
	if r.w == 0 {
		return nil
	}
	px := &r.px.raw
	and, err := d.chunk(r.w * r.h * px.size)
	if err != nil {
		return err
	}
	for y := range r.h {
		xor, err := d.bytes(d.in, r.w*px.size)
		if err != nil {
			return err
		}
		line := r.to.line(0, y, r.w)
		for x := range r.w {
			at := (y*r.w + x) * px.size
			kept, turned := and[at:at+px.size], xor[x*px.size:(x+1)*px.size]
			var colour uint32
			switch {
			case allZero(kept):
				colour = px.one(turned)
			case !allZero(turned):
				colour = 0x80 << 24
			}
			binary.LittleEndian.PutUint32(line[4*x:], colour)
		}
	}
	return nil
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// decodePointerPos takes the pointer's place (rfbproto, "PointerPos").
func decodePointerPos(d *Decoder, r rect) error {
	d.cursor.At, d.cursor.Told = image.Pt(r.x, r.y), true
	d.message.Pointer = true
	return nil
}
