package layers

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// Opcodes of RFC 6455, 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8 // U16 code ‖ UTF-8 reason, or nothing
	opPing         = 0x9 // up to 125 bytes
	opPong         = 0xA // the ping's bytes
)

const (
	finBit  = 0x80
	rsvBits = 0x70
	maskBit = 0x80

	// maxFrameHeader is the longest header: flags, length 127, U64, mask key.
	maxFrameHeader = 14
)

// A violation is a breach of the protocol by the peer and the code to close with.
type violation struct {
	code int
	what string
}

func (v *violation) Error() string { return fmt.Sprintf("layers: websocket: %s", v.what) }

func breach(what string) *violation { return &violation{CloseProtocol, what} }

type frameHeader struct {
	fin    bool
	opcode byte
	masked bool
	key    [4]byte
	length uint64
}

func (h *frameHeader) control() bool { return h.opcode&0x8 != 0 }

// frameHeaderSize tells how long the header that starts with b is, or how many
// bytes it takes to know more: it is never more than the header has.
func frameHeaderSize(b []byte) int {
	if len(b) < 2 {
		return 2
	}
	n := 2
	switch b[1] &^ maskBit {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b[1]&maskBit != 0 {
		n += 4
	}
	return n
}

// parseFrameHeader reads the whole header b, as frameHeaderSize measured it.
func parseFrameHeader(b []byte) (frameHeader, *violation) {
	h := frameHeader{fin: b[0]&finBit != 0, opcode: b[0] & 0xF, masked: b[1]&maskBit != 0}
	if b[0]&rsvBits != 0 {
		return h, breach("reserved bits set and no extension agreed")
	}
	switch short := b[1] &^ maskBit; short {
	case 126:
		h.length = uint64(binary.BigEndian.Uint16(b[2:]))
		if h.length < 126 {
			return h, breach("frame length not in its shortest form")
		}
	case 127:
		h.length = binary.BigEndian.Uint64(b[2:])
		if h.length <= 0xFFFF || h.length>>63 != 0 {
			return h, breach("frame length not in its shortest form or above 2^63")
		}
	default:
		h.length = uint64(short)
	}
	if h.masked {
		copy(h.key[:], b[len(b)-4:])
	}
	return h, h.checkOpcode()
}

func (h *frameHeader) checkOpcode() *violation {
	switch h.opcode {
	case opContinuation, opBinary:
		return nil
	case opText:
		return &violation{CloseUnsupported, "text frame; only binary ones carry RFB"}
	case opClose, opPing, opPong:
		if !h.fin {
			return breach("fragmented control frame")
		}
		if h.length > maxControl {
			return breach("control frame longer than 125 bytes")
		}
		return nil
	}
	return breach(fmt.Sprintf("unknown opcode %#x", h.opcode))
}

// outHeaderSize is the length of our own header for a payload of n bytes.
func outHeaderSize(n int, masked bool) int {
	size := 2
	switch {
	case n > 0xFFFF:
		size += 8
	case n > 125:
		size += 2
	}
	if masked {
		size += 4
	}
	return size
}

// putFrameHeader writes the header of a final frame into b, which has the
// length outHeaderSize gives; key is nil for an unmasked frame.
func putFrameHeader(b []byte, opcode byte, n int, key *[4]byte) {
	b[0] = finBit | opcode
	switch {
	case n > 0xFFFF:
		b[1] = 127
		binary.BigEndian.PutUint64(b[2:], uint64(n))
	case n > 125:
		b[1] = 126
		binary.BigEndian.PutUint16(b[2:], uint16(n))
	default:
		b[1] = byte(n)
	}
	if key != nil {
		b[1] |= maskBit
		copy(b[len(b)-4:], key[:])
	}
}

// maskBytes applies the mask to b, whose first byte is at offset pos of the
// payload, eight bytes at a time (RFC 6455, 5.3).
func maskBytes(b []byte, key [4]byte, pos uint64) {
	k := binary.LittleEndian.Uint32(key[:])
	k = bits.RotateLeft32(k, -8*int(pos&3))
	kk := uint64(k)<<32 | uint64(k)
	for len(b) >= 32 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^kk)
		binary.LittleEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(b[8:])^kk)
		binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])^kk)
		binary.LittleEndian.PutUint64(b[24:], binary.LittleEndian.Uint64(b[24:])^kk)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^kk)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(kk >> (8 * i))
	}
}

// parseClose reads the payload of a close frame.
func parseClose(b []byte) (code int, reason string, v *violation) {
	if len(b) == 0 {
		return CloseNoStatus, "", nil
	}
	if len(b) == 1 {
		return 0, "", breach("close frame with half a code")
	}
	code = int(binary.BigEndian.Uint16(b))
	if !sendable(code) {
		return 0, "", breach(fmt.Sprintf("close code %d must not be sent", code))
	}
	if !utf8.Valid(b[2:]) {
		return 0, "", &violation{CloseInvalidText, "close reason is not UTF-8"}
	}
	return code, string(b[2:]), nil
}

// sendable tells the codes that may stand in a close frame (RFC 6455, 7.4).
func sendable(code int) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code == 1004, code == 1005, code == 1006:
		return false
	}
	return code >= 1000 && code <= 1014
}
