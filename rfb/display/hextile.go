package display

import (
	"fmt"
	"image"
)

// What the mask of a Hextile tile says.
const (
	hextileRaw = 1 << iota
	hextileBackground
	hextileForeground
	hextileSubrects
	hextileColoured
)

// hextileSide is that of a tile, in pixels; at the right and at the bottom they
// are cut off.
const hextileSide = 16

// decodeHextile draws tiles, each raw or a background with rectangles on it. The
// colours hold until a tile brings others (RFC 6143, 7.7.4).
func decodeHextile(d *Decoder, r rect) error {
	colours := hextileColours{opaque, opaque}
	for y := r.y; y < r.y+r.h; y += hextileSide {
		for x := r.x; x < r.x+r.w; x += hextileSide {
			tile := image.Rect(x, y, x+hextileSide, y+hextileSide).Intersect(r.bounds())
			if err := d.hextile(r, tile, &colours); err != nil {
				return err
			}
		}
	}
	return nil
}

type hextileColours struct{ back, fore uint32 }

func (d *Decoder) hextile(r rect, tile image.Rectangle, colours *hextileColours) error {
	b, err := d.head(1, "tile")
	if err != nil {
		return err
	}
	mask, px := b[0], &r.px.raw
	if mask&hextileRaw != 0 {
		return d.rows(d.in, within(r, tile), px)
	}
	if mask&hextileBackground != 0 {
		if b, err = d.head(px.size, "background"); err != nil {
			return err
		}
		colours.back = px.one(b)
	}
	r.to.fill(tile, colours.back)
	if mask&hextileForeground != 0 {
		if b, err = d.head(px.size, "foreground"); err != nil {
			return err
		}
		colours.fore = px.one(b)
	}
	if mask&hextileSubrects == 0 {
		return nil
	}
	return d.hextileSubrects(r, tile, mask&hextileColoured != 0, colours.fore)
}

// hextileSubrects draws U8 n rectangles: PIXEL if they are coloured, then four
// bits each of x, y, w-1, h-1. There are few enough to draw without counting.
func (d *Decoder) hextileSubrects(r rect, tile image.Rectangle, coloured bool, colour uint32) error {
	b, err := d.head(1, "subrectangles")
	if err != nil {
		return err
	}
	px, size := &r.px.raw, 2
	if coloured {
		size += px.size
	}
	for range b[0] {
		b, err := d.head(size, "subrectangle")
		if err != nil {
			return err
		}
		if coloured {
			colour, b = px.one(b), b[px.size:]
		}
		at := tile.Min.Add(image.Pt(int(b[0]>>4), int(b[0]&15)))
		sub := image.Rectangle{at, at.Add(image.Pt(int(b[1]>>4)+1, int(b[1]&15)+1))}
		if !sub.In(tile) {
			return fmt.Errorf("subrectangle %v", sub)
		}
		r.to.fill(sub, colour)
	}
	return nil
}

// within is the part of r that a tile is.
func within(r rect, tile image.Rectangle) rect {
	r.x, r.y, r.w, r.h = tile.Min.X, tile.Min.Y, tile.Dx(), tile.Dy()
	return r
}
