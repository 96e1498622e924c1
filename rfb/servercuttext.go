package rfb

import "fmt"

// cutText sees the head of a ServerCutText.
func (s *ServerFilter) cutText(head []byte) (more int, err error) {
	if len(head) < 8 {
		return 8, nil
	}
	n := int64(int32(be.Uint32(head[4:])))
	size := max(n, -n)
	if size > MaxServerCutText || n < 0 && size < 4 {
		return 0, &StreamError{Message: head[0], Why: fmt.Sprintf("%d bytes of text", n)}
	}
	s.part = partEnd
	if n >= 0 {
		p := s.policy
		s.pass(p.ClipboardOut && p.formats()&ClipboardText != 0 && (p.ClipboardOutMax == 0 || size <= int64(p.ClipboardOutMax)))
		s.skip = size
		return 0, nil
	}
	if len(head) < 12 {
		s.part = partMessage
		return 12, nil
	}
	s.skip = size - 4
	s.extendedCutText(head)
	return 0, nil
}

// extendedCutText decides on an extended one by its flags, which it may change.
func (s *ServerFilter) extendedCutText(head []byte) {
	p := s.policy
	flags := be.Uint32(head[8:])
	instead, ok := extendedFlags(flags, p.formats(), p.ClipboardOut, p.ClipboardIn)
	provides := flags&ClipboardCaps == 0 && flags&ClipboardProvide != 0
	switch {
	case !ok, provides && p.ClipboardOutMax > 0 && s.skip > int64(p.ClipboardOutMax)+deflateSlack:
		s.pass(false)
	case provides && p.ClipboardOutMax > 0:
		// How much it comes to is only known at its end.
		s.gather = true
		s.gathered = append(s.gathered[:0], head...)
		if s.skip == 0 {
			s.gatherBody(nil, 0)
		}
	default:
		be.PutUint32(head[8:], instead)
		s.pass(true)
	}
}

// gatherBody adds to a provide, and lets it go when it is whole. The buffer at
// hand has been read up to read.
func (s *ServerFilter) gatherBody(b []byte, read int) {
	s.drop = true // of b, nothing stays where it is
	s.gathered = append(s.gathered, b...)
	if s.skip > 0 {
		return
	}
	fits := provideFits(s.gathered, s.policy.ClipboardOutMax)
	s.pass(fits)
	if fits {
		s.out.insert(s.gathered, read)
	}
	s.drop = true // the bytes themselves are out, or never will be
	s.gather, s.gathered = false, nil
}
