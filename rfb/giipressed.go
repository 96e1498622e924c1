package rfb

import (
	"encoding/binary"
	"slices"
)

// Types of gii events (rfbproto, "gii Client Message"): each is U8 length, U8
// type, 2 pad and a body, which begins with the U32 device.
const (
	giiKeyPressed     = 5 // U32 modifiers, symbol, label, button
	giiKeyReleased    = 6
	giiButtonPressed  = 10 // U32 number
	giiButtonReleased = 11

	giiKeyLen    = 24
	giiButtonLen = 12
)

// A giiHeld is a key or a button that a viewer holds on a device of its own.
type giiHeld struct {
	event string // that pressed it
	swap  uint8  // bit 7 of the message it came in: its byte order
	id    giiID
}

// A giiID is what stays the same of a key or a button while it is down. The
// symbol of a key does not: a shift may be pressed meanwhile.
type giiID struct {
	key           bool
	device        uint32
	label, number uint32
}

// giiPressed is what a viewer holds on devices of its own, as its display has
// been told. The display forgets the devices when the viewer leaves.
type giiPressed struct {
	held []giiHeld // oldest first
	lost bool      // more is down than anybody holds, and not all of it is known
}

// saw takes note of a whole message of events that goes to the display. What is
// no event ends it: displays cannot read on behind that either.
func (g *giiPressed) saw(msg []byte) {
	swap := msg[1] & 0x80
	for events := msg[4:]; len(events) > 1; {
		n := int(events[0])
		if n < 2 || n > len(events) {
			return
		}
		g.event(events[:n], swap)
		events = events[n:]
	}
}

func (g *giiPressed) event(e []byte, swap uint8) {
	id, ok := giiIDOf(e, giiOrder(swap))
	if !ok {
		return
	}
	at := slices.IndexFunc(g.held, func(h giiHeld) bool { return h.id == id })
	down := e[1] == giiKeyPressed || e[1] == giiButtonPressed
	switch {
	case !down && at >= 0:
		g.held = slices.Delete(g.held, at, at+1)
	case down && at < 0 && len(g.held) < maxPressed:
		g.held = append(g.held, giiHeld{string(e), swap, id})
	case down && at < 0:
		g.lost = true
	}
}

// giiIDOf reads an event that presses or releases something.
func giiIDOf(e []byte, order binary.ByteOrder) (id giiID, ok bool) {
	switch e[1] {
	case giiKeyPressed, giiKeyReleased:
		if len(e) < giiKeyLen {
			return id, false
		}
		return giiID{true, order.Uint32(e[4:]), order.Uint32(e[16:]), order.Uint32(e[20:])}, true
	case giiButtonPressed, giiButtonReleased:
		if len(e) < giiButtonLen {
			return id, false
		}
		return giiID{false, order.Uint32(e[4:]), 0, order.Uint32(e[8:])}, true
	}
	return id, false
}

// giiOrder is the byte order that bit 7 of a sub-type stands for.
func giiOrder(sub uint8) binary.ByteOrder {
	if sub&0x80 != 0 {
		return be
	}
	return binary.LittleEndian
}

// appendReleases appends a message for each that is down, and forgets them.
func (g *giiPressed) appendReleases(b []byte) []byte {
	for _, h := range g.held {
		b = append(b, MsgGii, h.swap|giiEvents, 0, 0)
		giiOrder(h.swap).PutUint16(b[len(b)-2:], uint16(len(h.event)))
		at := len(b)
		b = append(b, h.event...)
		b[at+1]++ // pressed to released
	}
	g.held = nil
	return b
}
