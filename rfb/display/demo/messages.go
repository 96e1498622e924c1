package demo

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"image"
	"io"

	"vncgate/rfb"
)

// Server messages that are sent here (RFC 6143, 7.6; rfbproto), with what
// follows the type byte.
const (
	msgFramebufferUpdate   = 0   // pad, U16 n, rectangles
	msgSetColourMapEntries = 1   // pad, U16 first, U16 n, 6n
	msgBell                = 2   // nothing
	msgServerCutText       = 3   // 3 pad, S32 length, text
	msgServerXvp           = 250 // pad, U8 version, U8 code
)

// The xvp extension (rfbproto, "xvp").
const (
	xvpVersion = 1
	xvpInit    = 1 // code of the message that says the display knows xvp
)

// maxMessage bounds a client message in memory. Only texts can be longer: they
// are read past and not kept.
const maxMessage = maxClipboard + 16

// messageBuffer is how much of the buffer for messages is kept from one to the
// next.
const messageBuffer = 4 << 10

// readAll acts on the viewer's messages until it leaves, which is io.EOF, or
// sends what cannot be understood.
func (v *viewer) readAll(r *bufio.Reader) error {
	var framing rfb.ClientFraming
	var buf []byte
	for {
		msg, skip, err := readMessage(r, framing, buf)
		if err != nil {
			return err
		}
		if skip > 0 {
			v.display.tell(fmt.Sprintf("A text of %d bytes was too long for the demo.", len(msg)+skip))
			continue
		}
		framing.Saw(msg)
		if err := v.handle(msg, framing); err != nil {
			return err
		}
		if buf = msg; cap(buf) > messageBuffer {
			buf = nil
		}
	}
}

// readMessage reads one message into buf, or more room if that is too small. A
// text beyond maxMessage is passed over: only its head is returned, with the
// bytes that were skipped.
func readMessage(r *bufio.Reader, f rfb.ClientFraming, buf []byte) (msg []byte, skip int, err error) {
	buf = buf[:0]
	for {
		n, err := f.Len(buf)
		if err != nil {
			return nil, 0, fmt.Errorf("demo: %w", err)
		}
		if n <= len(buf) && len(buf) > 0 {
			return buf, 0, nil
		}
		if n > maxMessage {
			if buf[0] != rfb.MsgClientCutText {
				return nil, 0, fmt.Errorf("demo: message of type %d has %d bytes", buf[0], n)
			}
			skip = n - len(buf)
			_, err := r.Discard(skip)
			return buf, skip, unexpected(err)
		}
		have := len(buf)
		buf = grow(buf, n)
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			if have > 0 {
				err = unexpected(err)
			}
			return nil, 0, err
		}
	}
}

// grow returns b with the length n.
func grow(b []byte, n int) []byte {
	if n <= cap(b) {
		return b[:n]
	}
	return append(b, make([]byte, n-len(b))...)
}

// unexpected makes the end of the stream in the midst of a message an error.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// handle acts on a whole message. Extensions that were never announced are
// passed over.
func (v *viewer) handle(msg []byte, framing rfb.ClientFraming) error {
	u16 := func(i int) int { return int(binary.BigEndian.Uint16(msg[i:])) }
	u32 := func(i int) uint32 { return binary.BigEndian.Uint32(msg[i:]) }
	switch msg[0] {
	case rfb.MsgSetPixelFormat:
		f, err := rfb.ParsePixelFormat(msg[4:])
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		return v.setFormat(f)
	case rfb.MsgSetEncodings:
		list := make([]rfb.Encoding, u16(2))
		for i := range list {
			list[i] = rfb.Encoding(u32(4 + 4*i))
		}
		v.setEncodings(list)
	case rfb.MsgFramebufferUpdateRequest:
		v.request(image.Rect(u16(2), u16(4), u16(2)+u16(6), u16(4)+u16(8)), msg[1] != 0)
	case rfb.MsgKeyEvent:
		v.display.key(keyPress{viewer: v.id, down: msg[1] != 0, sym: u32(4)})
	case rfb.MsgPointerEvent:
		v.display.point(v, image.Pt(u16(2), u16(4)), buttons(msg, framing))
	case rfb.MsgClientCutText:
		if int32(u32(4)) < 0 {
			return v.clipboard(msg[8:])
		}
		v.display.paste(latin1(msg[8:]))
	case rfb.MsgXvp:
		v.display.power(msg[3])
	case rfb.MsgSetDesktopSize:
		screens := make([]screen, msg[6])
		for i := range screens {
			screens[i] = parseScreen(msg[8+screenLen*i:])
		}
		v.display.setDesktopSize(v, image.Pt(u16(2), u16(4)), screens)
	case rfb.MsgQEMU:
		if msg[1] == rfb.QEMUKeyEvent {
			v.display.key(keyPress{viewer: v.id, down: u16(2) != 0, sym: u32(4), code: u32(8)})
		}
	}
	return nil
}

// buttons is the mask of a PointerEvent. In a longer one bit 7 says that there
// are two more buttons in the last byte (rfbproto, "Extended Mouse Buttons").
func buttons(msg []byte, framing rfb.ClientFraming) uint16 {
	mask := uint16(msg[1])
	if framing.ExtendedPointer && len(msg) == 7 {
		mask = mask&0x7f | uint16(msg[6])<<7
	}
	return mask
}
