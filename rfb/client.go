package rfb

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Client message types (RFC 6143, 7.5; rfbproto, "Client to Server Messages"),
// with what follows the type byte.
const (
	MsgSetPixelFormat           = 0   // 3 pad, PIXEL_FORMAT
	MsgFixColourMapEntries      = 1   // pad, U16 first, U16 n, 6n; obsolete
	MsgSetEncodings             = 2   // pad, U16 n, S32[n]
	MsgFramebufferUpdateRequest = 3   // U8 incremental, U16 x, y, w, h
	MsgKeyEvent                 = 4   // U8 down, 2 pad, U32 keysym
	MsgPointerEvent             = 5   // U8 mask, U16 x, y; extended: U8 mask, U16 x, y, U8 more
	MsgClientCutText            = 6   // 3 pad, S32 len, text; negative: U32 flags and body in -len bytes
	MsgFileTransfer             = 7   // UltraVNC; its length fields cannot be relied on
	MsgSetScale                 = 8   // UltraVNC: U8 scale, 2 pad
	MsgSetServerInput           = 9   // UltraVNC: U8 status, 2 pad
	MsgSetSW                    = 10  // UltraVNC, one window of many: U8 mode, U16 x, y
	MsgTextChat                 = 11  // UltraVNC: 3 pad, U32 len, text
	MsgKeepAlive                = 13  // UltraVNC
	MsgSetScaleFactor           = 15  // PalmVNC: U8 scale, 2 pad
	MsgRequestSession           = 20  // UltraVNC
	MsgSetSession               = 21  // UltraVNC: U8 number
	MsgNotifyPluginStreaming    = 80  // UltraVNC: 3 pad
	MsgFileListRequest          = 130 // Tight: U8 flags, U16 len, name
	MsgFileDownloadRequest      = 131 // Tight: U8 level, U16 len, U32 position, name
	MsgFileUploadRequest        = 132 // Tight: U8 level, U16 len, U32 position, name
	MsgFileUploadData           = 133 // Tight: U8 level, U16 real, U16 compressed, data; or U32 time
	MsgFileDownloadCancel       = 134 // Tight: pad, U16 len, reason
	MsgFileUploadFailed         = 135 // Tight: pad, U16 len, reason
	MsgFileCreateDir            = 136 // Tight: pad, U16 len, name
	MsgEnableContinuousUpdates  = 150 // U8 on, U16 x, y, w, h
	MsgNTP                      = 160 // neatvnc: 3 pad, 4 × U32
	MsgFence                    = 248 // 3 pad, U32 flags, U8 len, payload
	MsgXvp                      = 250 // pad, U8 version, U8 code
	MsgSetDesktopSize           = 251 // pad, U16 w, h, U8 n, pad, SCREEN[n]
	MsgGii                      = 253 // U8 sub-type and byte order, U16 len, body
	MsgSetMonitor               = 254 // UltraVNC: U8 number, 2 pad
	MsgQEMU                     = 255 // U8 sub-type, body
)

// Sub-types of MsgQEMU.
const (
	QEMUKeyEvent = 0 // U16 down, U32 keysym, U32 keycode
	QEMUAudio    = 1 // U16 operation; format: U8 sample format, U8 channels, U32 Hz
)

// Sub-types of MsgGii, whose high bit is the byte order.
const (
	giiEvents  = 0
	giiVersion = 1
)

// Limits on what a viewer may announce; what is longer is a
// *MessageTooLongError.
const (
	MaxEncodings     = 512      // entries of SetEncodings; real viewers send at most 60
	MaxClientCutText = 16 << 20 // bytes; a Policy has a lower limit of its own
	MaxTextChat      = 4096     // bytes
	MaxFenceLen      = 64       // bytes (rfbproto, "ClientFence")
	MaxScreens       = 64       // of SetDesktopSize
	MaxGiiLen        = 8 << 10  // bytes
)

// UnknownMessage is a message that cannot be delimited, because its type is
// unknown or its length unknowable. Nothing behind it can be understood.
type UnknownMessage struct {
	Type uint8
	Sub  uint8 // sub-type, for MsgQEMU
}

func (e *UnknownMessage) Error() string {
	if e.Type == MsgQEMU {
		return fmt.Sprintf("rfb: client message of unknown type %d/%d", e.Type, e.Sub)
	}
	return fmt.Sprintf("rfb: client message of unknown type %d", e.Type)
}

// MessageTooLongError is a message that announces more than its kind may have.
type MessageTooLongError struct {
	Type uint8
	Len  int64 // what was announced, in the unit of Max
	Max  int
}

func (e *MessageTooLongError) Error() string {
	return fmt.Sprintf("rfb: client message of type %d announces %d, more than %d", e.Type, e.Len, e.Max)
}

// ClientFraming is what the lengths of client messages depend on beside the
// message itself. The zero ClientFraming is that of viewers that have neither
// listed the extended pointer nor chosen the Tight security type.
type ClientFraming struct {
	// ExtendedPointer says that the viewer's latest SetEncodings listed
	// EncodingExtendedMouseButtons: a PointerEvent with bit 7 of its mask set
	// is then 7 bytes long (TigerVNC common/rfb/SMsgReader.cxx).
	ExtendedPointer bool
	// Tight says that Tight's file transfer messages may occur.
	Tight bool
}

// Len returns the length of the client message that b begins with. An n greater
// than len(b) asks for more: n is then either the length of the message or how
// much of it must be seen to know. Its errors are *UnknownMessage and
// *MessageTooLongError.
func (f ClientFraming) Len(b []byte) (n int, err error) {
	n, _, err = f.size(b)
	return n, err
}

// Saw updates f by a whole message that was sent.
func (f *ClientFraming) Saw(msg []byte) {
	if len(msg) < 4 || msg[0] != MsgSetEncodings {
		return
	}
	f.ExtendedPointer = false
	for list := msg[4:]; len(list) >= 4; list = list[4:] {
		if Encoding(be.Uint32(list)) == EncodingExtendedMouseButtons {
			f.ExtendedPointer = true
		}
	}
}

// fixedLen holds the lengths of the messages that have only one.
var fixedLen = [256]uint8{
	MsgSetPixelFormat: 20, MsgFramebufferUpdateRequest: 10, MsgKeyEvent: 8, MsgPointerEvent: 6,
	MsgSetScale: 4, MsgSetServerInput: 4, MsgSetSW: 6, MsgKeepAlive: 1, MsgSetScaleFactor: 4,
	MsgRequestSession: 1, MsgSetSession: 2, MsgNotifyPluginStreaming: 4,
	MsgEnableContinuousUpdates: 10, MsgNTP: 20, MsgXvp: 4, MsgSetMonitor: 4,
}

// size returns the length of the message that b begins with, if it is known;
// otherwise how many bytes to see before asking again.
func (f ClientFraming) size(b []byte) (n int, known bool, err error) {
	if len(b) == 0 {
		return 1, false, nil
	}
	if n := fixedLen[b[0]]; n != 0 && !(f.ExtendedPointer && b[0] == MsgPointerEvent) {
		return int(n), true, nil
	}
	head := headLen(b[0], f.Tight)
	switch {
	case head == 0:
		return 0, false, &UnknownMessage{Type: b[0]}
	case len(b) < head:
		return head, false, nil
	case b[0] >= MsgFileListRequest && b[0] <= MsgFileCreateDir:
		return tightLen(b), true, nil
	case b[0] == MsgQEMU:
		return qemuLen(b)
	}
	n, err = variableLen(b)
	return n, err == nil, err
}

// headLen returns how much to see of a message of type t; 0 if t is unknown.
func headLen(t uint8, tight bool) int {
	switch t {
	case MsgPointerEvent, MsgQEMU:
		return 2
	case MsgSetEncodings, MsgGii:
		return 4
	case MsgFixColourMapEntries:
		return 6
	case MsgClientCutText, MsgTextChat, MsgSetDesktopSize:
		return 8
	case MsgFence:
		return 9
	case MsgFileListRequest, MsgFileDownloadRequest, MsgFileUploadRequest,
		MsgFileDownloadCancel, MsgFileUploadFailed, MsgFileCreateDir:
		if tight {
			return 4
		}
	case MsgFileUploadData:
		if tight {
			return 6
		}
	}
	return 0
}

// variableLen returns the length of a message whose head is there.
func variableLen(b []byte) (int, error) {
	switch b[0] {
	case MsgPointerEvent:
		return 6 + int(b[1]>>7), nil
	case MsgFixColourMapEntries:
		return 6 + 6*int(be.Uint16(b[4:])), nil
	case MsgSetEncodings:
		return counted(b[0], 4, 4, int64(be.Uint16(b[2:])), MaxEncodings)
	case MsgClientCutText:
		n := int64(int32(be.Uint32(b[4:])))
		if n < 0 && n > -4 {
			// Too short for its flags: what a display reads is anyone's guess.
			return 0, &UnknownMessage{Type: b[0]}
		}
		return counted(b[0], 8, 1, max(n, -n), MaxClientCutText)
	case MsgTextChat:
		n := be.Uint32(b[4:])
		if n >= math.MaxUint32-2 { // open, close, finished: no text
			return 8, nil
		}
		return counted(b[0], 8, 1, int64(n), MaxTextChat)
	case MsgFence:
		return counted(b[0], 9, 1, int64(b[8]), MaxFenceLen)
	case MsgSetDesktopSize:
		return counted(b[0], 8, 16, int64(b[6]), MaxScreens)
	case MsgGii:
		// rfbproto, "gii": the high bit of the sub-type gives the byte order.
		var order binary.ByteOrder = binary.LittleEndian
		if b[1]&0x80 != 0 {
			order = be
		}
		return counted(b[0], 4, 1, int64(order.Uint16(b[2:])), MaxGiiLen)
	}
	return 0, &UnknownMessage{Type: b[0]}
}

// counted returns head + n·size, if n is at most most.
func counted(t uint8, head, size int, n int64, most int) (int, error) {
	if n > int64(most) {
		return 0, &MessageTooLongError{Type: t, Len: n, Max: most}
	}
	return head + size*int(n), nil
}

// qemuLen returns the length of QEMU's extended messages.
func qemuLen(b []byte) (n int, known bool, err error) {
	switch b[1] {
	case QEMUKeyEvent:
		return 12, true, nil
	case QEMUAudio:
		if len(b) < 4 {
			return 4, false, nil
		}
		switch be.Uint16(b[2:]) {
		case 0, 1: // enable, disable
			return 4, true, nil
		case 2: // format
			return 10, true, nil
		}
	}
	return 0, false, &UnknownMessage{Type: b[0], Sub: b[1]}
}

// tightLen returns the length of a file transfer message of Tight's
// (libvncserver, tightvnc-filetransfer/rfbtightproto.h).
func tightLen(b []byte) int {
	switch b[0] {
	case MsgFileDownloadRequest, MsgFileUploadRequest:
		return 8 + int(be.Uint16(b[2:]))
	case MsgFileUploadData:
		real, compressed := be.Uint16(b[2:]), be.Uint16(b[4:])
		if real == 0 && compressed == 0 { // the end: a modification time
			return 10
		}
		return 6 + int(compressed)
	}
	return 4 + int(be.Uint16(b[2:]))
}
