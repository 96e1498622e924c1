package display

import (
	"bytes"
	"fmt"
	"image"
	"slices"

	"vncgate/rfb"
)

// A viewerSide is what a Follower knows of what the viewer has said, as far as
// what the display sends depends on it.
type viewerSide struct {
	framing   rfb.ClientFraming
	held      []byte // a message, as far as it has come
	skip      int    // bytes of a message that need not be seen
	encodings []rfb.Encoding
	lost      error // why nothing is understood any more

	pushed   bool     // continuous updates are on
	disabled int      // times that they were ended without an answer yet
	sync     []byte   // of the fence that was the last message, if it was about the next
	changes  []change // of the format, in their order
}

// A change of format is one that a viewer has asked for and that does not hold
// yet.
type change struct {
	to   rfb.PixelFormat
	when changeAt
	sync []byte // changeAtFence: its payload
}

// changeAt is the place in what a display says from which on pixels are in
// another format. Nothing but these tells (rfbproto, "SetPixelFormat"): each is
// what a careful viewer waits for (TigerVNC common/rfb/CConnection.cxx). Where
// nothing is under way the format holds at once.
type changeAt uint8

const (
	changeAtEnd   changeAt = iota // of the update under way
	changeAtPause                 // EndOfContinuousUpdates
	changeAtFence                 // its answer
)

const (
	// maxChanges is how many changes of format may be on their way.
	maxChanges = 16
	// maxHeld is how much of a viewer's message is kept: SetEncodings is the
	// longest that is looked into.
	maxHeld = 4 + 4*rfb.MaxEncodings
)

// Viewer takes what the viewer has said. b is lent for the call. The error says
// from where on it is not understood, and stays; what the display says goes on
// to be drawn with the format that holds.
func (f *Follower) Viewer(b []byte) error {
	v := &f.viewer
	for v.lost == nil {
		if v.skip > 0 {
			n := min(v.skip, len(b))
			v.skip, b = v.skip-n, b[n:]
		}
		msg := b
		if len(v.held) > 0 {
			msg = v.held
		}
		if len(msg) == 0 {
			break
		}
		n, err := v.framing.Len(msg)
		switch {
		case err != nil:
			v.lost = fmt.Errorf("display: %w", err)
		case n > maxHeld: // clipboard
			v.skip, v.held = n-len(v.held), v.held[:0]
		case n > len(msg):
			take := min(n-len(v.held), len(b))
			if take == 0 {
				return nil
			}
			v.held, b = append(v.held, b[:take]...), b[take:]
		default:
			if len(v.held) == 0 {
				b = b[n:]
			}
			f.viewerSaid(msg[:n])
			v.held = v.held[:0]
		}
	}
	return v.lost
}

// viewerSaid takes note of a whole message.
func (f *Follower) viewerSaid(msg []byte) {
	v := &f.viewer
	v.framing.Saw(msg)
	sync := v.sync
	v.sync = nil
	switch msg[0] {
	case rfb.MsgSetEncodings:
		v.encodings = v.encodings[:0]
		for list := msg[4:]; len(list) >= 4; list = list[4:] {
			v.encodings = append(v.encodings, rfb.Encoding(be.Uint32(list)))
		}
		f.d.SetEncodings(v.encodings)
	case rfb.MsgSetPixelFormat:
		if to, err := rfb.ParsePixelFormat(msg[4:]); err == nil {
			f.change(to, sync)
		}
	case rfb.MsgEnableContinuousUpdates:
		if msg[1] == 0 && v.pushed {
			v.disabled++
		}
		v.pushed = msg[1] != 0
	case rfb.MsgFence:
		if flags := be.Uint32(msg[4:]); flags&rfb.FenceRequest != 0 && flags&rfb.FenceSyncNext != 0 {
			v.sync = bytes.Clone(msg[9:])
		}
	case rfb.MsgPointerEvent:
		f.d.cursor.At, f.d.cursor.Told = image.Pt(int(be.Uint16(msg[2:])), int(be.Uint16(msg[4:]))), true
	}
}

// change has a format hold from where the display goes by it.
func (f *Follower) change(to rfb.PixelFormat, sync []byte) {
	v := &f.viewer
	c := change{to: to}
	switch {
	case v.disabled > 0:
		c.when = changeAtPause
	case sync != nil && (v.pushed || f.d.updating):
		c.when, c.sync = changeAtFence, sync
	case f.d.updating:
		c.when = changeAtEnd
	default:
		f.hold(to)
		v.changes = v.changes[:0]
		return
	}
	if len(v.changes) == maxChanges {
		v.changes = append(v.changes[:0], v.changes[1:]...)
	}
	v.changes = append(v.changes, c)
}

// hold has the pixels of the next update be in a valid format.
func (f *Follower) hold(to rfb.PixelFormat) { _ = f.d.SetFormat(to) }

// ended takes note of the end of a message of the display's.
func (f *Follower) ended(m Message) {
	v := &f.viewer
	switch m.Type {
	case rfb.MsgFramebufferUpdate:
		// A gateway may have taken out the answer to a fence of its own.
		f.reached(true, func(c change) bool { return c.when == changeAtEnd || c.when == changeAtFence && !v.pushed })
	case rfb.MsgEndOfContinuousUpdates:
		if v.disabled > 0 {
			v.disabled--
			f.reached(false, func(c change) bool { return c.when == changeAtPause })
		}
	case rfb.MsgFence:
		f.reached(false, func(c change) bool { return c.when == changeAtFence && bytes.Equal(c.sync, f.d.answered) })
	}
}

// reached has the first of the changes hold that is at its place, or the last of
// those that follow each other there; those before it are past.
func (f *Follower) reached(all bool, at func(change) bool) {
	v := &f.viewer
	first := slices.IndexFunc(v.changes, at)
	if first < 0 {
		return
	}
	n := first + 1
	for all && n < len(v.changes) && at(v.changes[n]) {
		n++
	}
	f.hold(v.changes[n-1].to)
	v.changes = append(v.changes[:0], v.changes[n:]...)
}
