// Package display turns what a display sends into a picture. It stands above
// package rfb, which knows no pixels: whoever only relays does without it.
//
//	conn, err := rfb.Client(ctx, c, cfg)
//	…                                       // WriteClientInit, ReadServerInit
//	picture, err := display.Snapshot(ctx, conn, init)
//
// A Decoder does the same for what somebody else asked for, message by message:
//
//	d, err := display.NewDecoder(bytesOfTheDisplay, init)
//	for {
//		message, err := d.Next()
//		…                               // d.Image() is the screen as it is now
//	}
//
// Each encoding is decoded in a file of its own, by a function that is found by
// its number. A display cannot make one draw outside the framebuffer, nor the
// framebuffer larger than MaxPixels, nor an update draw more than a number of
// screens.
package display

import (
	"encoding/binary"

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
	// maxOverdraw is how many times its screen one update may draw: a few bytes
	// can fill all of it, and then again.
	maxOverdraw = 32
	// maxResizes is how many times one update may change the size.
	maxResizes = 4
)

// be is the byte order of everything on the wire but pixels.
var be = binary.BigEndian

// decoders are the functions that read what stands behind the header of a
// rectangle and act on it.
var decoders = map[rfb.Encoding]func(d *Decoder, r rect) error{
	rfb.EncodingRaw:      decodeRaw,
	rfb.EncodingCopyRect: decodeCopyRect,
	rfb.EncodingRRE:      decodeRRE,
	rfb.EncodingCoRRE:    decodeRRE,
	rfb.EncodingHextile:  decodeHextile,
	rfb.EncodingZlib:     decodeZlib,
	rfb.EncodingTight:    decodeTight,
	rfb.EncodingTightPNG: decodeTight,
	rfb.EncodingTRLE:     decodeTRLE,
	rfb.EncodingZRLE:     decodeZRLE,
	rfb.EncodingZYWRLE:   decodeZRLE,
	rfb.EncodingJPEG:     decodeJPEG,
}

// pseudo are those of rectangles that are not pixels of the screen.
var pseudo = map[rfb.Encoding]func(d *Decoder, r rect) error{
	rfb.EncodingDesktopSize:         decodeDesktopSize,
	rfb.EncodingExtendedDesktopSize: decodeExtendedDesktopSize,
	rfb.EncodingDesktopName:         decodeDesktopName,
	rfb.EncodingWMVi:                decodeDisplayMode,
	rfb.EncodingCursor:              decodeCursor,
	rfb.EncodingXCursor:             decodeXCursor,
	rfb.EncodingCursorWithAlpha:     decodeCursorWithAlpha,
	rfb.EncodingVMwareCursor:        decodeVMwareCursor,
	rfb.EncodingPointerPos:          decodePointerPos,

	rfb.EncodingPointerMotion:        skipBody(0),
	rfb.EncodingExtendedKeyEvent:     skipBody(0),
	rfb.EncodingAudio:                skipBody(0),
	rfb.EncodingExtendedMouseButtons: skipBody(0),
	rfb.EncodingLEDState:             skipBody(1),
	rfb.EncodingVMwareLEDState:       skipBody(4),
}

// Decodes reports whether a Decoder understands e, as an encoding or as a
// feature that is answered by a rectangle.
func Decodes(e rfb.Encoding) bool { return decoders[e] != nil || pseudo[e] != nil }

// skipBody passes over a rectangle that says nothing about the picture.
func skipBody(n int64) func(d *Decoder, r rect) error {
	return func(d *Decoder, _ rect) error { return d.skip(n, "rectangle") }
}
