package demo

import (
	"encoding/binary"
	"fmt"
	"image"

	"vncgate/rfb"
)

// readAll acts on the viewer's messages until it leaves, which is io.EOF, or
// sends what cannot be understood.
func (v *viewer) readAll(r *rfb.ClientReader) error {
	for {
		msg, err := r.Next()
		if err != nil {
			return err
		}
		if err := v.handle(msg); err != nil {
			return err
		}
	}
}

// handle acts on a whole message. Extensions that were never announced are
// passed over.
func (v *viewer) handle(msg []byte) error {
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
		v.display.point(v.id, image.Pt(u16(2), u16(4)), buttons(msg))
	case rfb.MsgClientCutText:
		return v.cutText(msg)
	case rfb.MsgXvp:
		v.display.power(msg[3])
	case rfb.MsgSetDesktopSize:
		v.display.setDesktopSize(v, image.Pt(u16(2), u16(4)), rfb.ParseScreens(msg[8:]))
	case rfb.MsgQEMU:
		if msg[1] == rfb.QEMUKeyEvent {
			v.display.key(keyPress{viewer: v.id, down: u16(2) != 0, sym: u32(4), code: u32(8)})
		}
	}
	return nil
}

// buttons is the mask of a PointerEvent. In one of seven bytes, bit 7 of the
// first mask only says that the last byte has the buttons from the eighth on
// (rfbproto, "Extended Mouse Buttons").
func buttons(msg []byte) uint16 {
	mask := uint16(msg[1])
	if len(msg) == 7 {
		mask = mask&0x7f | uint16(msg[6])<<7
	}
	return mask
}

// cutText acts on a ClientCutText of either kind.
func (v *viewer) cutText(msg []byte) error {
	if c, ok := rfb.ParseClipboard(msg); ok {
		return v.clipboard(c)
	}
	text, _ := rfb.CutText(msg)
	if len(text) > maxClipboard {
		v.display.tell(fmt.Sprintf("A text of %d bytes is more than the demo keeps.", len(text)))
		return nil
	}
	v.display.paste(text)
	return nil
}
