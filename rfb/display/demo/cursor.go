package demo

import (
	"image"
	"image/color"

	"vncgate/rfb"
)

// A cursor is the shape that viewers draw where their pointer is: an arrow,
// premultiplied alpha.
type cursor struct {
	img     *image.RGBA
	hotspot image.Point
}

// Cursor size in pixels. TigerVNC refuses more than 256.
const (
	cursorWidth  = 20
	cursorHeight = 26
)

// arrow is the outline of the cursor, tip first.
var arrow = [...]point{{2.5, 1.5}, {2.5, 20}, {7, 16}, {10.2, 23.4}, {13.6, 21.9}, {10.5, 14.8}, {16.6, 14.6}}

// newCursor draws the cursor: a light arrow with a dark edge.
func newCursor() *cursor {
	c := newCanvas(image.Pt(cursorWidth, cursorHeight))
	outline := func(p pen) {
		p.move(arrow[0].x, arrow[0].y)
		for _, a := range arrow[1:] {
			p.line(a.x, a.y)
		}
	}
	edge := color.RGBA{0x0a, 0x10, 0x20, 0xff}
	for i, a := range arrow {
		b := arrow[(i+1)%len(arrow)]
		c.stroke(a, b, 3, edge)
		c.disc(a.x, a.y, 1.5, edge)
	}
	c.fill(0, 0, cursorWidth, cursorHeight, bright, outline)
	return &cursor{img: c.img, hotspot: image.Pt(2, 1)}
}

// cursor appends the cursor as a rectangle: with alpha where the viewer knows
// that (rfbproto, "Cursor With Alpha"), else as pixels and a mask (RFC 6143,
// 7.8.1).
func (e *encoder) cursor(c *cursor, alpha bool) {
	place := image.Rectangle{Min: c.hotspot, Max: c.hotspot.Add(c.img.Rect.Max)}
	if alpha {
		e.header(place, rfb.EncodingCursorWithAlpha)
		e.out = append(e.out, 0, 0, 0, 0) // the pixels inside are raw
		e.out = append(e.out, c.img.Pix...)
		return
	}
	e.header(place, rfb.EncodingCursor)
	pix := make([]uint32, cursorWidth*cursorHeight)
	e.conv.row(pix, c.img.Pix)
	e.out = e.conv.pixels(e.out, pix)
	for y := range cursorHeight {
		var mask [(cursorWidth + 7) / 8]byte
		for x := range cursorWidth {
			if c.img.RGBAAt(x, y).A >= 0x80 {
				mask[x/8] |= 0x80 >> (x % 8)
			}
		}
		e.out = append(e.out, mask[:]...)
	}
}
