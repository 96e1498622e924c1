package display

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
)

// errOutside is a rectangle of pixels that the framebuffer has no place for.
var errOutside = errors.New("it reaches outside the framebuffer")

// A framebuffer is the display's screen as far as it is known: what has not
// arrived yet is transparent.
type framebuffer struct{ *image.RGBA }

// resize replaces the framebuffer by an empty one of another size.
func (f *framebuffer) resize(w, h int) error {
	if f.RGBA != nil && f.Rect.Dx() == w && f.Rect.Dy() == h {
		return nil // nothing was lost
	}
	if w == 0 || h == 0 {
		return fmt.Errorf("a framebuffer of %d×%d pixels has no picture", w, h)
	}
	if w > MaxPixels/h {
		return fmt.Errorf("a framebuffer of %d×%d pixels is more than %d", w, h, MaxPixels)
	}
	f.RGBA = image.NewRGBA(image.Rect(0, 0, w, h))
	return nil
}

// has reports whether r lies inside.
func (f *framebuffer) has(r image.Rectangle) bool { return r.In(f.Rect) }

// line is n pixels from (x, y) on, which have been checked to fit.
func (f *framebuffer) line(x, y, n int) []byte {
	at := f.PixOffset(x, y)
	return f.Pix[at : at+4*n]
}

// fill gives all of r, which has been checked to fit, one colour.
func (f *framebuffer) fill(r image.Rectangle, colour uint32) {
	if r.Empty() {
		return
	}
	first := f.line(r.Min.X, r.Min.Y, r.Dx())
	binary.LittleEndian.PutUint32(first, colour)
	for done := 4; done < len(first); done *= 2 {
		copy(first[done:], first[:done])
	}
	for y := r.Min.Y + 1; y < r.Max.Y; y++ {
		copy(f.line(r.Min.X, y, r.Dx()), first)
	}
}
