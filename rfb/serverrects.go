package rfb

import "fmt"

// A part is what comes next in what a display sends.
type part uint8

const (
	partMessage   part = iota
	partEnd            // of a message
	partRect           // U16 x, y, w, h, S32 encoding
	partCounted        // U32 n, n bytes
	partH264           // U32 n, U32 flags, n bytes
	partRRE            // U32 n, background, n subrectangles
	partScreens        // U8 n, 3 pad, SCREEN[n]
	partAlpha          // S32 encoding, what that encoding has
	partVMware         // U8 type, pad, cursor
	partMode           // PIXEL_FORMAT
	partHextile        // a tile
	partTRLE           // a tile
	partTight          // from the control byte on
	partTightData      // compact length, data
	partMarker         // of a JPEG: FF, kind
	partSegment        // of a JPEG: U16 length, length-2 bytes
	partEntropy        // of a JPEG: up to the next marker
	partRuns           // of a TRLE tile
)

// scanned reports whether p is walked over byte by byte.
func (p part) scanned() bool { return p == partEntropy || p == partRuns }

// serverUpdate is a FramebufferUpdate under way.
type serverUpdate struct {
	left   int // rectangles to come
	alone  bool
	pixels bool // there have been some
	sure   bool // the format of a cursor that came unasked is certain
	lens   pixelLens

	rect serverRect
}

// serverRect is a rectangle under way.
type serverRect struct {
	w, h     int
	encoding Encoding
	lens     pixelLens

	x, y    int // the tile, for encodings that have some
	palette int // TRLE: of the last tile that had one
	left    int // TRLE: pixels to come in runs
	pixel   int // TRLE: bytes to come of a run's pixel
	run     int // TRLE: what its length has come to
	indexed bool
	stored  bool  // Tight: the data is not compressed
	size    int64 // Tight: of the data before compression
	ff      bool  // JPEG: the last byte was FF
	begun   bool  // JPEG: the first marker was seen
	kind    uint8 // JPEG: the last marker
}

// see is shown the head of s.part, as much as it has asked for.
func (s *ServerFilter) see(head []byte) (more int, err error) {
	switch s.part {
	case partMessage:
		return s.message(head)
	case partRect:
		return 0, s.rectangle(head)
	case partCounted, partH264:
		n := be.Uint32(head)
		if n > MaxRectLen {
			return 0, s.bad(fmt.Sprintf("%d bytes, more than %d", n, MaxRectLen))
		}
		return 0, s.endRect(int64(n))
	case partRRE:
		return 0, s.rre(int64(be.Uint32(head)))
	case partScreens:
		return 0, s.endRect(screenLen * int64(head[0]))
	case partAlpha:
		return 0, s.alpha(Encoding(be.Uint32(head)))
	case partVMware:
		return 0, s.vmware(head[0])
	case partMode:
		return 0, s.displayMode(head)
	case partHextile:
		return s.hextile(head)
	case partTRLE:
		return s.trle(head)
	case partTight:
		return s.tight(head)
	case partTightData:
		return s.tightData(head)
	case partMarker:
		return 0, s.marker(head)
	case partSegment:
		return 0, s.segmentLen(head)
	}
	panic("rfb: no such part of a server message")
}

func (s *ServerFilter) bad(why string) error {
	return &StreamError{Encoding: s.update.rect.encoding, InRect: true, Why: why}
}

// beginUpdate begins a FramebufferUpdate of n rectangles.
func (s *ServerFilter) beginUpdate(n int) error {
	s.update.left, s.update.alone, s.update.pixels = n, n == 1, false
	return s.nextRect()
}

// nextRect waits for a rectangle, or ends the update.
func (s *ServerFilter) nextRect() error {
	if s.update.left == 0 {
		s.part = partEnd
		return s.formats.updateEnds(s.update.pixels)
	}
	s.update.left--
	s.part, s.need = partRect, 12
	return nil
}

// endRect ends a rectangle n bytes from here.
func (s *ServerFilter) endRect(n int64) error {
	s.skip = n
	return s.nextRect()
}

// expect waits for a part of which need bytes must be seen.
func (s *ServerFilter) expect(p part, need int) error {
	s.part, s.need = p, need
	return nil
}

// rectangle sees the header of a rectangle (RFC 6143, 7.6.1).
func (s *ServerFilter) rectangle(head []byte) error {
	s.update.rect = serverRect{
		w: int(be.Uint16(head[4:])), h: int(be.Uint16(head[6:])),
		encoding: Encoding(be.Uint32(head[8:])), lens: s.update.lens,
	}
	r := &s.update.rect
	if pixelEncoding(r.encoding) {
		s.update.pixels = true
		return s.pixels()
	}
	area, row := int64(r.w)*int64(r.h), int64(r.w+7)/8
	switch r.encoding {
	case EncodingDesktopSize, EncodingPointerPos, EncodingExtendedKeyEvent, EncodingAudio,
		encodingNTP, encodingVMwareCursorPosition, encodingUltraLED:
		return s.endRect(0)
	case EncodingPointerMotion:
		s.formats.pointerMotion(be.Uint16(head) == 0)
		return s.endRect(0)
	case EncodingExtendedMouseButtons:
		s.formats.confirmExtendedPointer()
		return s.endRect(0)
	case EncodingLastRect:
		s.update.left = 0
		return s.endRect(0)
	case EncodingCursor:
		if !s.update.sure && s.update.alone {
			return &PixelFormatError{"a cursor came that may be in either"}
		}
		return s.endRect(area*int64(r.lens.raw) + row*int64(r.h))
	case EncodingXCursor:
		if area == 0 {
			return s.endRect(0)
		}
		return s.endRect(6 + 2*row*int64(r.h))
	case EncodingLEDState:
		return s.endRect(1)
	case encodingVMwareCursorState, encodingVMwareVMState:
		return s.endRect(2)
	case EncodingVMwareLEDState:
		return s.endRect(4)
	case encodingPTS:
		return s.endRect(8)
	case encodingVMwareKeyRepeat:
		return s.endRect(10)
	case encodingSupportedMessages:
		return s.endRect(64)
	case encodingSupportedEncodings, encodingServerIdentity:
		return s.endRect(int64(r.w))
	case EncodingDesktopName:
		return s.expect(partCounted, 4)
	case EncodingExtendedDesktopSize:
		return s.expect(partScreens, 4)
	case EncodingCursorWithAlpha:
		return s.expect(partAlpha, 4)
	case EncodingVMwareCursor:
		return s.expect(partVMware, 2)
	case EncodingWMVi:
		return s.expect(partMode, PixelFormatLen)
	}
	return s.bad("unknown")
}

// pixels begins the body of a rectangle of pixels.
func (s *ServerFilter) pixels() error {
	r := &s.update.rect
	switch r.encoding {
	case EncodingRaw:
		return s.endRect(int64(r.w) * int64(r.h) * int64(r.lens.raw))
	case EncodingCopyRect:
		return s.endRect(4)
	case EncodingRRE, EncodingCoRRE:
		return s.expect(partRRE, 4)
	case EncodingHextile, EncodingZlibHex:
		return s.firstTile(partHextile)
	case EncodingTRLE:
		return s.firstTile(partTRLE)
	case EncodingTight, EncodingTightPNG:
		return s.expect(partTight, 1)
	case EncodingJPEG:
		return s.expect(partMarker, 2)
	case EncodingH264:
		return s.expect(partH264, 8)
	}
	return s.expect(partCounted, 4)
}

// rre sees how many subrectangles there are (RFC 6143, 7.7.3).
func (s *ServerFilter) rre(n int64) error {
	r := &s.update.rect
	if n > int64(r.w)*int64(r.h) {
		return s.bad(fmt.Sprintf("%d subrectangles, more than pixels", n))
	}
	sub := 8
	if r.encoding == EncodingCoRRE {
		sub = 4
	}
	return s.endRect(int64(r.lens.raw) + n*int64(r.lens.raw+sub))
}

// alpha sees the encoding inside a cursor with alpha, whose pixels are four
// bytes whatever the format (rfbproto, "Cursor With Alpha Pseudo-encoding").
func (s *ServerFilter) alpha(inner Encoding) error {
	r := &s.update.rect
	if !pixelEncoding(inner) || inner == EncodingCopyRect {
		return s.bad(fmt.Sprintf("%s in a cursor", inner))
	}
	r.encoding = inner
	r.lens = pixelLens{raw: 4, tight: 4, compact: 4}
	return s.pixels()
}

// vmware sees the kind of VMware's cursor.
func (s *ServerFilter) vmware(kind uint8) error {
	r := &s.update.rect
	area := int64(r.w) * int64(r.h)
	switch kind {
	case 0:
		if !s.update.sure && s.update.alone {
			return &PixelFormatError{"a cursor came that may be in either"}
		}
		return s.endRect(2 * area * int64(r.lens.raw))
	case 1:
		return s.endRect(4 * area)
	}
	return s.bad(fmt.Sprintf("cursor of kind %d", kind))
}

// displayMode sees the format that holds from here on.
func (s *ServerFilter) displayMode(head []byte) error {
	f, err := ParsePixelFormat(head)
	if err != nil {
		return s.bad(err.Error())
	}
	if s.update.lens, err = s.formats.displayMode(f); err != nil {
		return err
	}
	return s.nextRect()
}
