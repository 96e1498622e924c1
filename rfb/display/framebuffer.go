package display

import (
	"errors"
	"fmt"
	"image"

	"vncgate/rfb"
)

// errOutside is a rectangle of pixels that the framebuffer has no place for.
var errOutside = errors.New("it reaches outside the framebuffer")

// pixelLen is the length of a pixel in the one format that we ask for.
const pixelLen = 4

// pixelFormat is asked of every display, so that pixels need no conversion but
// of the order of their bytes: blue, green, red and one that means nothing.
func pixelFormat() rfb.PixelFormat { return rfb.Format32() }

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

// setRow draws pixels in pixelFormat from (x, y) on; they have been checked to
// fit.
func (f *framebuffer) setRow(x, y int, pixels []byte) {
	to := f.Pix[f.PixOffset(x, y):]
	for len(pixels) >= pixelLen {
		to[0], to[1], to[2], to[3] = pixels[2], pixels[1], pixels[0], 0xff
		to, pixels = to[4:], pixels[pixelLen:]
	}
}
