package screen

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
			return fmt.Errorf("screen: %w", err)
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
		v.input().key(v.id, Key{Down: msg[1] != 0, Sym: u32(4)})
	case rfb.MsgPointerEvent:
		v.input().pointer(v.id, image.Pt(u16(2), u16(4)), buttons(msg))
	case rfb.MsgClientCutText:
		return v.cutText(msg)
	case rfb.MsgXvp:
		v.input().power(v.id, msg[3])
	case rfb.MsgSetDesktopSize:
		v.askSize(image.Pt(u16(2), u16(4)), rfb.ParseScreens(msg[8:]))
	case rfb.MsgQEMU:
		if msg[1] == rfb.QEMUKeyEvent {
			v.input().key(v.id, Key{Down: u16(2) != 0, Sym: u32(4), Code: u32(8)})
		}
	}
	return nil
}

// askSize passes a SetDesktopSize on.
func (v *viewer) askSize(size image.Point, screens []rfb.Screen) {
	if ask := v.input().Resize; ask != nil {
		ask(v.id, size, screens)
		return
	}
	v.post(func(p *pending) { p.layout, p.reason, p.status = true, rfb.ResizeByClient, rfb.ResizeProhibited })
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
