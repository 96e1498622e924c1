package display

import (
	"image"
	"image/draw"
)

// decodeCopyRect moves pixels that are there already: U16 x, y of where from
// (RFC 6143, 7.7.2). The two places may overlap.
func decodeCopyRect(d *Decoder, r rect) error {
	b, err := d.head(4, "source")
	if err != nil {
		return err
	}
	from := image.Pt(int(be.Uint16(b)), int(be.Uint16(b[2:])))
	to := r.bounds()
	if !r.to.has(to.Sub(to.Min).Add(from)) {
		return errOutside
	}
	draw.Draw(r.to.RGBA, to, r.to.RGBA, from, draw.Src)
	return nil
}
