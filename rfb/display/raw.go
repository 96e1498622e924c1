package display

import "io"

// decodeRaw draws w·h pixels (RFC 6143, 7.7.1), a row at a time.
func decodeRaw(s *stream, r rect) error {
	if !s.fb.has(r.bounds()) {
		return errOutside
	}
	if r.w == 0 {
		return nil
	}
	row := s.scratch(r.w * pixelLen)
	for y := r.y; y < r.y+r.h; y++ {
		if _, err := io.ReadFull(s.in, row); err != nil {
			return short(err)
		}
		s.fb.setRow(r.x, y, row)
	}
	return nil
}

// scratch returns n bytes, at most a row of the framebuffer, that are good
// until it is called again.
func (s *stream) scratch(n int) []byte {
	if cap(s.row) < n {
		s.row = make([]byte, n)
	}
	return s.row[:n]
}
