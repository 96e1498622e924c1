package screen

import "image"

// Bits of a hextile tile's mask (RFC 6143, 7.7.4).
const (
	hextileRaw         = 1 << iota // pixels follow and nothing else
	hextileBackground              // a pixel follows
	hextileForeground              // a pixel follows
	hextileSubrects                // U8 count, then the subrectangles
	hextileColoured                // each subrectangle begins with its pixel
	hextileSide        = 16
	hextileMaxSubrects = 255
)

// hextile appends r as tiles of sixteen pixels.
func (e *encoder) hextile(r image.Rectangle) {
	split(r, hextileSide, func(t image.Rectangle) {
		e.hextileTile(e.read(t), t.Dx())
	})
}

// hextileTile appends one tile: the first colour is the background, runs of
// other colours are subrectangles, and raw wins where that would be longer.
// Background and foreground are always said anew, so that tiles stay apart.
func (e *encoder) hextileTile(pix []uint32, w int) {
	start, background := len(e.out), pix[0]
	e.out = append(e.out, hextileBackground)
	e.out = e.conv.pixel(e.out, background)
	count, at := 0, len(e.out)
	for i := 0; i < len(pix); {
		run := runLength(pix[i:], w-i%w)
		if pix[i] != background {
			if count == 0 {
				e.out[start] |= hextileSubrects | hextileColoured
				e.out = append(e.out, 0)
			}
			count++
			e.out = e.conv.pixel(e.out, pix[i])
			e.out = append(e.out, byte(i%w<<4|i/w), byte((run-1)<<4))
		}
		i += run
		if count > hextileMaxSubrects || len(e.out)-start > 1+len(pix)*e.conv.size {
			e.out = append(e.out[:start], hextileRaw)
			e.out = e.conv.pixels(e.out, pix)
			return
		}
	}
	if count > 0 {
		e.out[at] = byte(count)
	}
}

// runLength is how many of the first limit pixels are equal to the first.
func runLength(pix []uint32, limit int) int {
	limit = min(limit, len(pix))
	n := 1
	for n < limit && pix[n] == pix[0] {
		n++
	}
	return n
}
