package display

import (
	"image"
	"image/draw"
)

// decodeCopyRect moves pixels that are there already: U16 x, y of where from
// (RFC 6143, 7.7.2). The two places may overlap.
func decodeCopyRect(s *stream, r rect) error {
	b, err := s.head(4, "source")
	if err != nil {
		return err
	}
	from := image.Pt(int(be.Uint16(b)), int(be.Uint16(b[2:])))
	to := r.bounds()
	if !s.fb.has(to) || !s.fb.has(to.Sub(to.Min).Add(from)) {
		return errOutside
	}
	draw.Draw(s.fb, to, s.fb, from, draw.Src)
	return nil
}
