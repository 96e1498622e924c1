package rfb

import (
	"encoding/binary"
	"fmt"
)

// Server messages beyond RFC 6143's that are known by their length, with what
// follows the type byte.
const (
	msgResizeFrameBuffer = 4   // UltraVNC: pad, U16 w, h
	msgPalmResize        = 15  // PalmVNC: pad, U16 desktop w, h, buffer w, h, pad
	msgServerState       = 173 // UltraVNC: 3 pad, U32 state, value
	msgMonitorInfo       = 252 // UltraVNC: U8 count, 2 pad
)

// Limits on what a display may announce; what is longer is a *StreamError: it
// is more likely that the place in the stream has been lost.
const (
	MaxServerCutText = 64 << 20 // bytes
	MaxAudioLen      = 1 << 20  // bytes of a message (gtk-vnc and TigerVNC take no more)
	MaxRectLen       = 64 << 20 // bytes that a rectangle counts itself
)

// StreamError is a place from which on what a display sends cannot be
// understood.
type StreamError struct {
	Message  uint8    // type of the message
	Encoding Encoding // of the rectangle, if the message is a FramebufferUpdate
	InRect   bool     // it happened in a rectangle
	Why      string
}

func (e *StreamError) Error() string {
	if e.InRect {
		return fmt.Sprintf("rfb: rectangle in %s: %s", e.Encoding, e.Why)
	}
	return fmt.Sprintf("rfb: server message of type %d: %s", e.Message, e.Why)
}

// nextMessage waits for the type of a message.
func (s *ServerFilter) nextMessage() {
	s.part, s.need = partMessage, 1
	s.hold, s.drop = true, false
}

// message sees the head of a message, which may be its first byte alone. It
// returns how much it would see of it, 0 if that is enough.
func (s *ServerFilter) message(head []byte) (more int, err error) {
	if len(head) == 1 {
		s.policy, s.kind = s.filter.wanted.Load(), displayKindOf[head[0]]
	}
	switch head[0] {
	case MsgFramebufferUpdate:
		s.hold = false
		if len(head) < 4 {
			s.update.lens, s.update.sure = s.formats.updateBegins()
			return 4, nil
		}
		s.pass(true)
		return 0, s.beginUpdate(int(be.Uint16(head[2:])))
	case MsgServerCutText:
		return s.cutText(head)
	case MsgFence:
		return s.fence(head)
	}
	n, more, err := ServerMessageLen(head)
	if err != nil || more > 0 {
		return more, err
	}
	s.pass(s.passes(head[0]))
	s.part, s.skip = partEnd, n-int64(len(head))
	return 0, nil
}

// pass lets the message under way through or not.
func (s *ServerFilter) pass(pass bool) {
	s.drop = !pass
	s.tally.add(MessageKind(s.kind), pass)
	if pass {
		s.forwarded++
	} else {
		s.withheld++
	}
}

// serverHeads is how much of a message must be seen to know its length; where
// that is all of it, serverHeadOnly.
var serverHeads = [256]uint8{
	MsgSetColourMapEntries: 6, MsgBell: 1, msgResizeFrameBuffer: 6, MsgTextChat: 8, MsgKeepAlive: 1,
	msgPalmResize: 12, MsgRequestSession: 1, MsgNotifyPluginStreaming: 4,
	MsgFileListRequest: 8, MsgFileDownloadRequest: 6, MsgFileUploadRequest: 4, MsgFileUploadData: 4,
	MsgEndOfContinuousUpdates: 1, MsgNTP: 20, msgServerState: 12, MsgXvp: 4, msgMonitorInfo: 4,
	MsgGii: 4, MsgQEMU: 4,
}

// passes reports whether messages of a type are let through.
func (s *ServerFilter) passes(t uint8) bool {
	switch t {
	case MsgBell:
		return s.policy.Bell
	case MsgFileListRequest, MsgFileDownloadRequest, MsgFileUploadRequest, MsgFileUploadData:
		return s.policy.FileTransfer
	case MsgQEMU:
		return s.policy.Audio
	}
	return true
}

// ServerMessageLen returns the length of the message of a display that begins
// with head, or that more bytes in all must be seen to tell. It is for the
// messages that say nothing of pixels or clipboards: of MsgFramebufferUpdate,
// MsgServerCutText and MsgFence it knows nothing, like of what is unknown, and
// returns a *StreamError. head has a byte at least.
func ServerMessageLen(head []byte) (n int64, more int, err error) {
	need := int(serverHeads[head[0]])
	if need == 0 {
		return 0, 0, &StreamError{Message: head[0], Why: "unknown"}
	}
	if len(head) < need {
		return 0, need, nil
	}
	n = int64(need)
	switch head[0] {
	case MsgSetColourMapEntries:
		n = 6 + 6*int64(be.Uint16(head[4:]))
	case MsgTextChat:
		n, err = chatLen(head)
	case MsgGii:
		// rfbproto, "gii": the high bit of the sub-type gives the byte order.
		var order binary.ByteOrder = binary.LittleEndian
		if head[1]&0x80 != 0 {
			order = be
		}
		n = 4 + int64(order.Uint16(head[2:]))
	case MsgFileListRequest, MsgFileDownloadRequest, MsgFileUploadRequest, MsgFileUploadData:
		n = serverFileLen(head)
	case MsgQEMU:
		n, more, err = audioLen(head)
	}
	return n, more, err
}

// chatLen returns the length of UltraVNC's TextChat, some of whose lengths are
// words.
func chatLen(head []byte) (int64, error) {
	switch n := be.Uint32(head[4:]); {
	case n >= 0xfffffffd:
		return 8, nil
	case n > MaxTextChat:
		return 0, &StreamError{Message: head[0], Why: fmt.Sprintf("%d bytes, more than %d", n, MaxTextChat)}
	default:
		return 8 + int64(n), nil
	}
}

// serverFileLen returns the length of what a display answers to Tight's file
// messages (libvncserver, tightvnc-filetransfer/rfbtightproto.h): FileListData,
// FileDownloadData, FileUploadCancel, FileDownloadFailed.
func serverFileLen(head []byte) int64 {
	switch head[0] {
	case MsgFileListRequest:
		return 8 + 8*int64(be.Uint16(head[2:])) + int64(be.Uint16(head[6:]))
	case MsgFileDownloadRequest:
		real, compressed := be.Uint16(head[2:]), be.Uint16(head[4:])
		if real == 0 && compressed == 0 { // the end: a modification time
			return 10
		}
		return 6 + int64(compressed)
	}
	return 4 + int64(be.Uint16(head[2:]))
}

// audioLen returns the length of QEMU's audio messages (rfbproto, "QEMU Audio
// Server Message").
func audioLen(head []byte) (n int64, more int, err error) {
	op := be.Uint16(head[2:])
	switch {
	case head[1] != QEMUAudio || op > 2:
		return 0, 0, &StreamError{Message: head[0], Why: fmt.Sprintf("unknown sub-type %d/%d", head[1], op)}
	case op < 2: // end, begin
		return 4, 0, nil
	case len(head) < 8:
		return 0, 8, nil
	}
	size := be.Uint32(head[4:])
	if size > MaxAudioLen {
		return 0, 0, &StreamError{Message: head[0], Why: fmt.Sprintf("%d bytes of audio, more than %d", size, MaxAudioLen)}
	}
	return 8 + int64(size), 0, nil
}

// fence sees a fence. It passes unless it answers one of ours.
func (s *ServerFilter) fence(head []byte) (more int, err error) {
	if len(head) < 9 {
		return 9, nil
	}
	n := int(head[8])
	if n > MaxFenceLen {
		return 0, &StreamError{Message: head[0], Why: fmt.Sprintf("%d bytes, more than %d", n, MaxFenceLen)}
	}
	if len(head) < 9+n {
		return 9 + n, nil
	}
	ours, err := s.formats.fence(be.Uint32(head[4:]), head[9:])
	if ours {
		s.drop = true
	} else {
		s.pass(true)
	}
	s.part = partEnd
	return 0, err
}
