package rfb

import (
	"bytes"
	"fmt"
)

// The high nibbles of a Tight control byte (rfbproto, "Tight Encoding"). The
// low one resets streams, in every mode.
const (
	tightBasicMost  = 0x7 // up to here: a stream, and with bit 2 a filter
	tightFill       = 0x8
	tightJPEG       = 0x9
	tightPNG        = 0xa // in TightPNG
	tightStored     = 0xa // in Tight: basic, not compressed, and with bit 2 a filter
	tightFilterBit  = 0x4
	filterCopy      = 0
	filterPalette   = 1
	filterGradient  = 2
	tightUncounted  = 12 // data shorter than this is sent as it is, without a length
	maxCompactBytes = 3
)

// tight sees a Tight body up to what its length depends on.
func (s *ServerFilter) tight(head []byte) (more int, err error) {
	r := &s.update.rect
	mode := head[0] >> 4
	switch {
	case mode == tightFill:
		if r.lens.tight == 0 {
			return 0, s.bad("displays do not agree on the length of its pixels")
		}
		return 0, s.endRect(int64(r.lens.tight))
	case mode == tightJPEG, mode == tightPNG && r.encoding == EncodingTightPNG:
		return 0, s.expect(partTightData, 1)
	case mode&^tightFilterBit == tightStored && r.encoding == EncodingTight:
		// libvncserver does so at compression level 0, asked or not, and
		// counts the data; others, when asked, do not. So the count must be
		// what the data is.
		r.stored = true
	case mode > tightBasicMost:
		return 0, s.bad(fmt.Sprintf("unknown control byte %#x", head[0]))
	}
	switch {
	case mode&tightFilterBit == 0:
		return 0, s.tightBasic(filterCopy, 0)
	case len(head) < 2:
		return 2, nil
	case head[1] != filterPalette:
		return 0, s.tightBasic(head[1], 0)
	case len(head) < 3:
		return 3, nil
	}
	return 0, s.tightBasic(filterPalette, int(head[2])+1)
}

// tightBasic ends the head of a basic body with the stated filter.
func (s *ServerFilter) tightBasic(filter uint8, palette int) error {
	r := &s.update.rect
	if r.lens.tight == 0 {
		return s.bad("displays do not agree on the length of its pixels")
	}
	size := int64(r.w) * int64(r.h)
	switch {
	case filter > filterGradient:
		return s.bad(fmt.Sprintf("unknown filter %d", filter))
	case filter != filterPalette:
		size *= int64(r.lens.tight)
	case palette <= 2:
		size = int64(r.w+7) / 8 * int64(r.h)
	}
	colours := int64(palette) * int64(r.lens.tight)
	if size < tightUncounted {
		return s.endRect(colours + size)
	}
	s.skip = colours
	r.size = size
	return s.expect(partTightData, 1)
}

// tightData sees a compact length: seven bits, seven, eight.
func (s *ServerFilter) tightData(head []byte) (more int, err error) {
	n := 0
	for i, c := range head {
		if i == maxCompactBytes-1 {
			return 0, s.endTight(int64(n | int(c)<<14))
		}
		n |= int(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return 0, s.endTight(int64(n))
		}
	}
	return len(head) + 1, nil
}

// endTight ends a body whose data counts itself as n bytes.
func (s *ServerFilter) endTight(n int64) error {
	if r := &s.update.rect; r.stored && n != r.size {
		return s.bad(fmt.Sprintf("%d bytes that are not compressed counted as %d", r.size, n))
	}
	return s.endRect(n)
}

// JPEG markers (ITU T.81, B.1.1.3).
const (
	jpegTEM  = 0x01
	jpegRST0 = 0xd0
	jpegRST7 = 0xd7
	jpegSOI  = 0xd8
	jpegEOI  = 0xd9
	jpegSOS  = 0xda
)

// marker sees a marker of a JPEG.
func (s *ServerFilter) marker(head []byte) error {
	r := &s.update.rect
	switch {
	case head[0] != 0xff || head[1] == 0:
		return s.bad("no marker where one must be")
	case !r.begun && head[1] != jpegSOI:
		return s.bad("no JPEG")
	}
	r.begun = true
	return s.segment(head[1])
}

// segment begins what stands behind a marker: for most a length and as many
// bytes.
func (s *ServerFilter) segment(kind uint8) error {
	r := &s.update.rect
	r.kind = kind
	switch {
	case kind == jpegEOI:
		return s.endRect(0)
	case kind == 0xff: // for filling; the kind is yet to come
		r.ff = true
		return s.expect(partEntropy, 0)
	case kind == jpegSOI, kind == jpegTEM, kind >= jpegRST0 && kind <= jpegRST7:
		return s.expect(partMarker, 2)
	}
	return s.expect(partSegment, 2)
}

// segmentLen sees the length of a segment, which counts itself.
func (s *ServerFilter) segmentLen(head []byte) error {
	r := &s.update.rect
	n := int64(be.Uint16(head))
	if n < 2 {
		return s.bad("a segment shorter than its length")
	}
	s.skip = n - 2
	if r.kind == jpegSOS {
		r.ff = false
		return s.expect(partEntropy, 0)
	}
	return s.expect(partMarker, 2)
}

// entropy passes over compressed data, up to and with the next marker. In it FF
// is followed by 00, or by a restart marker, which has no length.
func (s *ServerFilter) entropy(b []byte) (n int, err error) {
	r := &s.update.rect
	for n < len(b) {
		if !r.ff {
			i := bytes.IndexByte(b[n:], 0xff)
			if i < 0 {
				return len(b), nil
			}
			n += i + 1
			r.ff = true
			continue
		}
		c := b[n]
		n++
		switch {
		case c == 0xff:
		case c == 0, c >= jpegRST0 && c <= jpegRST7:
			r.ff = false
		default:
			return n, s.segment(c)
		}
	}
	return n, nil
}
