package display

// decodeDesktopSize takes the new size, which is the rectangle's (rfbproto,
// "DesktopSize Pseudo-encoding"). What was on the screen is no longer known.
func decodeDesktopSize(s *stream, r rect) error { return s.fb.resize(r.w, r.h) }

// decodeExtendedDesktopSize is DesktopSize with a list of screens: U8 n, 3 pad,
// 16n (rfbproto, "ExtendedDesktopSize Pseudo-encoding"). y is not 0 in the
// answer to a SetDesktopSize that failed. Displays also send it at the
// beginning, with the size there is.
func decodeExtendedDesktopSize(s *stream, r rect) error {
	b, err := s.head(4, "screens")
	if err != nil {
		return err
	}
	if err := s.skip(16*int64(b[0]), "screens"); err != nil {
		return err
	}
	if r.y != 0 {
		return nil
	}
	return s.fb.resize(r.w, r.h)
}
