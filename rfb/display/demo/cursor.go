package demo

import (
	"image"
	"image/color"

	"vncgate/rfb/display/screen"
)

// Cursor size in pixels. TigerVNC refuses more than 256.
const (
	cursorWidth  = 20
	cursorHeight = 26
)

// arrow is the outline of the cursor, tip first.
var arrow = [...]point{{2.5, 1.5}, {2.5, 20}, {7, 16}, {10.2, 23.4}, {13.6, 21.9}, {10.5, 14.8}, {16.6, 14.6}}

// newCursor draws the cursor: a light arrow with a dark edge.
func newCursor() *screen.Cursor {
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
	return &screen.Cursor{Shape: c.img, Hot: image.Pt(2, 1)}
}
