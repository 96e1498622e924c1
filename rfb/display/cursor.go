package display

import "fmt"

// passCursor passes over the shape of the pointer, w·h pixels and a mask of
// whole bytes a row (RFC 6143, 7.8.1). Asking for it keeps the pointer out of
// the picture.
func passCursor(s *stream, r rect) error {
	if r.w > maxCursor || r.h > maxCursor {
		return fmt.Errorf("a cursor's side is at most %d pixels", maxCursor)
	}
	return s.skip(int64(r.w*r.h*pixelLen+(r.w+7)/8*r.h), "cursor")
}
