// Package display turns what a display sends into a picture. It stands above
// package rfb, which knows no pixels: whoever only relays does without it.
//
//	conn, err := rfb.Client(ctx, c, cfg)
//	…                                       // WriteClientInit, ReadServerInit
//	picture, err := display.Snapshot(ctx, conn, init)
//
// Each encoding is decoded in a file of its own, by a decoder that is found by
// its number. A display cannot make a decoder draw outside the framebuffer, nor
// the framebuffer larger than MaxPixels.
package display

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"image"
	"io"

	"vncgate/rfb"
)

// Limits on what a display may announce.
const (
	// MaxPixels is the area of the largest framebuffer: an 8K screen has 33
	// million, and each takes 4 bytes here.
	MaxPixels = 40 << 20
	// maxCutText is how much clipboard is passed over, in bytes.
	maxCutText = 16 << 20
	// maxCursor is the largest side of a cursor's shape, in pixels.
	maxCursor = 1024
)

// be is the byte order of everything on the wire but pixels.
var be = binary.BigEndian

// A decoder reads what stands behind the header of a rectangle and acts on it.
type decoder func(s *stream, r rect) error

// A rect is the header of a rectangle (RFC 6143, 7.6.1). For pseudo-encodings
// its numbers mean something else.
type rect struct {
	x, y, w, h int
	encoding   rfb.Encoding
}

func (r rect) bounds() image.Rectangle { return image.Rect(r.x, r.y, r.x+r.w, r.y+r.h) }

// decoders are what we know, in the order in which it is asked for: what the
// display likes best of it, it sends.
func decoders() ([]rfb.Encoding, map[rfb.Encoding]decoder) {
	order := []rfb.Encoding{
		rfb.EncodingCopyRect, rfb.EncodingRaw,
		rfb.EncodingExtendedDesktopSize, rfb.EncodingDesktopSize, rfb.EncodingCursor,
	}
	return order, map[rfb.Encoding]decoder{
		rfb.EncodingRaw:                 decodeRaw,
		rfb.EncodingCopyRect:            decodeCopyRect,
		rfb.EncodingExtendedDesktopSize: decodeExtendedDesktopSize,
		rfb.EncodingDesktopSize:         decodeDesktopSize,
		rfb.EncodingCursor:              passCursor,
	}
}

// A stream is what a display sends behind ServerInit, and the framebuffer that
// it makes.
type stream struct {
	in     *bufio.Reader
	fb     framebuffer
	decode map[rfb.Encoding]decoder
	row    []byte // scratch
}

// next reads a message and acts on it. It reports whether it was a
// FramebufferUpdate.
func (s *stream) next() (update bool, err error) {
	t, err := s.in.ReadByte()
	if err != nil {
		return false, fmt.Errorf("display: read message: %w", err)
	}
	switch t {
	case rfb.MsgFramebufferUpdate:
		return true, s.update()
	case rfb.MsgSetColourMapEntries: // means nothing to true colour
		b, err := s.head(5, "colour map")
		if err != nil {
			return false, err
		}
		return false, s.skip(6*int64(be.Uint16(b[3:])), "colour map")
	case rfb.MsgBell:
		return false, nil
	case rfb.MsgServerCutText:
		return false, s.cutText()
	}
	return false, fmt.Errorf("display: message of unknown type %d", t)
}

// update reads a FramebufferUpdate (RFC 6143, 7.6.1). LastRect is not asked
// for, so the count is the truth.
func (s *stream) update() error {
	b, err := s.head(3, "update")
	if err != nil {
		return err
	}
	for range be.Uint16(b[1:]) {
		if err := s.rectangle(); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) rectangle() error {
	b, err := s.head(12, "rectangle")
	if err != nil {
		return err
	}
	u16 := func(i int) int { return int(be.Uint16(b[i:])) }
	r := rect{x: u16(0), y: u16(2), w: u16(4), h: u16(6), encoding: rfb.Encoding(be.Uint32(b[8:]))}
	decode, ok := s.decode[r.encoding]
	if !ok {
		return fmt.Errorf("display: rectangle in %s, which was not asked for", r.encoding)
	}
	if err := decode(s, r); err != nil {
		return fmt.Errorf("display: %s %v: %w", r.encoding, r.bounds(), err)
	}
	return nil
}

// cutText passes over the display's clipboard; a negative length is that of
// the extended one.
func (s *stream) cutText() error {
	b, err := s.head(7, "clipboard")
	if err != nil {
		return err
	}
	n := int64(int32(be.Uint32(b[3:])))
	if n = max(n, -n); n > maxCutText {
		return fmt.Errorf("display: clipboard of %d bytes, more than %d", n, maxCutText)
	}
	return s.skip(n, "clipboard")
}

// head reads n bytes, at most a rectangle's header; they stay until the next
// read.
func (s *stream) head(n int, what string) ([]byte, error) {
	b, err := s.in.Peek(n)
	if err != nil {
		return nil, fmt.Errorf("display: read %s: %w", what, short(err))
	}
	_, err = s.in.Discard(n)
	return b, err
}

// skip passes over n bytes, which have been checked against a limit.
func (s *stream) skip(n int64, what string) error {
	if _, err := io.CopyN(io.Discard, s.in, n); err != nil {
		return fmt.Errorf("display: read %s: %w", what, short(err))
	}
	return nil
}

// short is err where more had been promised.
func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
