package rfb

import (
	"bufio"
	"io"
)

// The functions below append one client message each, as a viewer sends it.

// AppendSetPixelFormat appends a SetPixelFormat.
func AppendSetPixelFormat(b []byte, f PixelFormat) []byte {
	return f.Append(append(b, MsgSetPixelFormat, 0, 0, 0))
}

// AppendSetEncodings appends a SetEncodings, best encoding first.
func AppendSetEncodings(b []byte, es ...Encoding) []byte {
	b = be.AppendUint16(append(b, MsgSetEncodings, 0), uint16(len(es)))
	for _, e := range es {
		b = be.AppendUint32(b, uint32(e))
	}
	return b
}

// AppendFramebufferUpdateRequest appends a request for the rectangle: for what
// has changed there, or for all of it.
func AppendFramebufferUpdateRequest(b []byte, incremental bool, x, y, w, h uint16) []byte {
	return appendU16s(append(b, MsgFramebufferUpdateRequest, u8(incremental)), x, y, w, h)
}

// AppendKeyEvent appends a KeyEvent; keysym is X11's.
func AppendKeyEvent(b []byte, down bool, keysym uint32) []byte {
	return be.AppendUint32(append(b, MsgKeyEvent, u8(down), 0, 0), keysym)
}

// AppendQEMUKeyEvent appends QEMU's extended KeyEvent; keycode is the XT scan
// code, with 0x80 set for those prefixed by e0.
func AppendQEMUKeyEvent(b []byte, down bool, keysym, keycode uint32) []byte {
	b = appendU16s(append(b, MsgQEMU, QEMUKeyEvent), uint16(u8(down)))
	return be.AppendUint32(be.AppendUint32(b, keysym), keycode)
}

// AppendPointerEvent appends a PointerEvent; bit n of buttons is button n+1,
// held.
func AppendPointerEvent(b []byte, buttons uint8, x, y uint16) []byte {
	return appendU16s(append(b, MsgPointerEvent, buttons), x, y)
}

// AppendExtendedPointerEvent appends a PointerEvent of up to 15 buttons, once
// the display has confirmed EncodingExtendedMouseButtons.
func AppendExtendedPointerEvent(b []byte, buttons, x, y uint16) []byte {
	b = appendU16s(append(b, MsgPointerEvent, uint8(buttons)|0x80), x, y)
	return append(b, uint8(buttons>>7))
}

// AppendClientCutText appends a ClientCutText, in Latin-1 as the protocol has
// it: what Latin-1 lacks becomes "?".
func AppendClientCutText(b []byte, text string) []byte {
	return appendCutText(append(b, MsgClientCutText), text)
}

// AppendClientClipboard appends an extended ClientCutText, once the display
// has sent its caps.
func AppendClientClipboard(b []byte, c Clipboard) []byte {
	return c.append(append(b, MsgClientCutText))
}

// AppendSetDesktopSize appends a SetDesktopSize.
func AppendSetDesktopSize(b []byte, w, h uint16, screens ...Screen) []byte {
	b = appendU16s(append(b, MsgSetDesktopSize, 0), w, h)
	return appendScreens(append(b, uint8(len(screens)), 0), screens)
}

// AppendEnableContinuousUpdates appends an EnableContinuousUpdates.
func AppendEnableContinuousUpdates(b []byte, on bool, x, y, w, h uint16) []byte {
	return appendU16s(append(b, MsgEnableContinuousUpdates, u8(on)), x, y, w, h)
}

// Flags of a fence.
const (
	FenceBlockBefore uint32 = 1 << 0
	FenceBlockAfter  uint32 = 1 << 1
	FenceSyncNext    uint32 = 1 << 2
	FenceRequest     uint32 = 1 << 31
)

// AppendFence appends a fence, which is the same in both directions. payload
// is at most MaxFenceLen bytes.
func AppendFence(b []byte, flags uint32, payload []byte) []byte {
	b = be.AppendUint32(append(b, MsgFence, 0, 0, 0), flags)
	return append(append(b, uint8(len(payload))), payload...)
}

// Codes of xvp; the first two come from the display.
const (
	XvpFail     = 0
	XvpInit     = 1
	XvpShutdown = 2
	XvpReboot   = 3
	XvpReset    = 4
)

// AppendXvp appends an xvp message of version 1, which is the same in both
// directions.
func AppendXvp(b []byte, code uint8) []byte { return append(b, MsgXvp, 0, 1, code) }

// Screen is one of the screens that a desktop is made of.
type Screen struct {
	ID         uint32
	X, Y, W, H uint16
	Flags      uint32
}

// screenLen is the length of a SCREEN on the wire.
const screenLen = 16

func appendScreens(b []byte, screens []Screen) []byte {
	for _, s := range screens {
		b = appendU16s(be.AppendUint32(b, s.ID), s.X, s.Y, s.W, s.H)
		b = be.AppendUint32(b, s.Flags)
	}
	return b
}

// ParseScreens reads the screens of a SetDesktopSize or ExtendedDesktopSize;
// b is as long as screens that fit.
func ParseScreens(b []byte) []Screen {
	screens := make([]Screen, 0, len(b)/screenLen)
	for ; len(b) >= screenLen; b = b[screenLen:] {
		screens = append(screens, Screen{
			ID: be.Uint32(b), X: be.Uint16(b[4:]), Y: be.Uint16(b[6:]),
			W: be.Uint16(b[8:]), H: be.Uint16(b[10:]), Flags: be.Uint32(b[12:]),
		})
	}
	return screens
}

func appendU16s(b []byte, vs ...uint16) []byte {
	for _, v := range vs {
		b = be.AppendUint16(b, v)
	}
	return b
}

// ClientReader reads whole client messages, for those who play the display to
// its end. A relay uses a Filter, which does not wait for whole ones.
type ClientReader struct {
	// Framing follows the messages read.
	Framing ClientFraming

	r   *bufio.Reader
	msg []byte
}

// NewClientReader returns a reader of the messages behind ClientInit.
func NewClientReader(r io.Reader) *ClientReader {
	return &ClientReader{r: bufio.NewReader(r)}
}

// Next returns the next message, which is good until the next call. Its errors
// are those of the reader, *UnknownMessage and *MessageTooLongError; io.EOF
// means an end between messages.
func (c *ClientReader) Next() ([]byte, error) {
	c.msg = c.msg[:0]
	for {
		n, err := c.Framing.Len(c.msg)
		if err != nil {
			return nil, err
		}
		if n <= len(c.msg) {
			c.Framing.Saw(c.msg)
			return c.msg, nil
		}
		if err := c.more(n); err != nil {
			return nil, err
		}
	}
}

// more reads until n bytes of the message are there. Long ones grow as they
// come, so that a length alone costs no memory.
func (c *ClientReader) more(n int) error {
	for len(c.msg) < n {
		at := len(c.msg)
		step := min(n-at, 64<<10)
		c.msg = append(c.msg, make([]byte, step)...)
		k, err := io.ReadFull(c.r, c.msg[at:])
		c.msg = c.msg[:at+k]
		if err == io.EOF && at > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}
