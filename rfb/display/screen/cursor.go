package screen

import (
	"image"

	"vncgate/rfb"
)

// A Cursor is the shape that viewers draw where their pointer is.
type Cursor struct {
	// Shape begins at 0, 0 and has premultiplied alpha. TigerVNC refuses one of
	// more than 256 pixels a side; an empty one draws nothing.
	Shape *image.RGBA
	// Hot is the point of Shape that lies at the pointer's place.
	Hot image.Point
}

// cursor appends the cursor as a rectangle: with alpha where the viewer knows
// that (rfbproto, "Cursor With Alpha"), else as pixels and a mask (RFC 6143,
// 7.8.1).
func (e *encoder) cursor(c *Cursor, alpha bool) {
	size := c.Shape.Rect.Max
	place := image.Rectangle{Min: c.Hot, Max: c.Hot.Add(size)}
	if alpha {
		e.header(place, rfb.EncodingCursorWithAlpha)
		e.out = append(e.out, 0, 0, 0, 0) // the pixels inside are raw
		e.out = append(e.out, c.Shape.Pix...)
		return
	}
	e.header(place, rfb.EncodingCursor)
	pix := make([]uint32, size.X*size.Y)
	e.conv.row(pix, c.Shape.Pix)
	e.out = e.conv.pixels(e.out, pix)
	for y := range size.Y {
		mask := make([]byte, (size.X+7)/8)
		for x := range size.X {
			if c.Shape.RGBAAt(x, y).A >= 0x80 {
				mask[x/8] |= 0x80 >> (x % 8)
			}
		}
		e.out = append(e.out, mask...)
	}
}
