package rfb

import "time"

// judge decides on a whole message and takes note of what it does. If it
// passes, f.before is to be written in front of it; if not, f.instead in its
// place.
func (f *Filter) judge(msg []byte) (pass bool, err error) {
	switch msg[0] {
	case MsgFramebufferUpdateRequest:
		pass = true
	case MsgKeyEvent:
		pass = f.policy.Keyboard && f.key(msg[1] != 0, pressedKey{keysym: be.Uint32(msg[4:])})
	case MsgPointerEvent:
		pass = f.policy.Pointer && f.pointer(msg)
	case MsgQEMU:
		pass = f.policy.allows(msg, len(msg)) && (msg[1] != QEMUKeyEvent || f.key(msg[3] != 0 || msg[2] != 0,
			pressedKey{keysym: be.Uint32(msg[4:]), keycode: be.Uint32(msg[8:]), qemu: true}))
	case MsgClientCutText:
		pass = f.policy.allows(msg, len(msg)) && f.cutText(msg)
	case MsgSetEncodings:
		pass = f.encodings(msg)
	case MsgGii:
		if pass = f.policy.allows(msg, len(msg)); pass && msg[1]&0x7f == giiEvents {
			f.gii.saw(msg)
			f.giiLost.Store(f.gii.lost)
		}
	default:
		pass = f.policy.allows(msg, len(msg))
	}
	if f.formats != nil && (pass || f.instead != nil) {
		err = f.seeFormats(msg)
	}
	f.count(msg, (pass || f.instead != nil) && err == nil)
	// Nothing comes between a fence and the change of format that it is about.
	if f.late != nil && msg[0] != MsgPointerEvent && msg[0] != MsgSetPixelFormat {
		f.sendLate(msg)
	}
	return pass && err == nil, err
}

// now is the time of this Write, read when first asked for.
func (f *Filter) now() time.Time {
	if f.clock.IsZero() {
		f.clock = time.Now()
	}
	return f.clock
}

// key decides on a key event, apart from the right to it.
func (f *Filter) key(down bool, k pressedKey) bool {
	at := f.pressed.find(k)
	if !down {
		if at < 0 {
			return f.policy.KeyRate == 0 || f.keys.take(f.now(), false)
		}
		dropped := f.pressed.keys[at].dropped
		f.pressed.remove(at)
		return !dropped
	}
	pass := f.policy.KeyRate == 0 || f.keys.take(f.now(), false)
	if at >= 0 { // it repeats
		return pass && !f.pressed.keys[at].dropped
	}
	k.dropped = !pass
	if release := f.pressed.add(f.beforeMem[:0], k); len(release) > 0 {
		f.before = release
	}
	return pass
}

// pointer decides on a PointerEvent, apart from the right to it.
func (f *Filter) pointer(msg []byte) bool {
	changed := f.pressed.pointer(msg)
	if f.policy.PointerRate != 0 && !f.moves.take(f.now(), changed) {
		f.late = append(f.lateMem[:0], msg...)
		return false
	}
	f.late = nil
	if len(msg) == 6 {
		return true
	}
	return f.extendedPointer(msg)
}

// extendedPointer decides on a PointerEvent of seven bytes. A display that does
// not know them takes the last for the type of a message, and what follows for
// that message: whatever is withheld of a viewer would pass in there.
func (f *Filter) extendedPointer(msg []byte) bool {
	switch {
	case f.formats.knowsExtendedPointer():
		return true
	case f.formats == nil && f.policy.unbounded():
		f.extended.Store(true) // what the display has said nobody has read
		return true
	}
	f.instead = append(f.insteadMem[:0], msg[:6]...)
	f.instead[1] &= 0x7f
	return false
}

// sendLate has the last motion go before msg, if msg is a key, which is meant
// for where the pointer is, or if it is the motion's turn.
func (f *Filter) sendLate(msg []byte) {
	key := msg[0] == MsgKeyEvent || msg[0] == MsgQEMU
	if f.policy.PointerRate != 0 && !f.moves.take(f.now(), key) {
		return
	}
	if f.before == nil {
		f.before = f.beforeMem[:0]
	}
	f.before = append(f.before, f.late...)
	f.late = nil
}

// cutText decides on a ClientCutText that has the right length.
func (f *Filter) cutText(msg []byte) bool {
	if int32(be.Uint32(msg[4:])) >= 0 {
		return true
	}
	p := f.policy
	flags := be.Uint32(msg[8:])
	instead, ok := extendedFlags(flags, p.formats(), p.ClipboardIn, p.ClipboardOut)
	switch {
	case !ok:
		return false
	case flags&ClipboardCaps == 0 && flags&ClipboardProvide != 0:
		return provideFits(msg, p.inflatedMax())
	case instead != flags:
		c := Clipboard{Flags: instead}
		f.instead = c.append(append(f.insteadMem[:0], MsgClientCutText))
		return false
	}
	return true
}

// encodings applies the policy to a whole SetEncodings and remembers what the
// display will go by. If not all of it is kept as it is, f.instead is what to
// send.
func (f *Filter) encodings(msg []byte) (unchanged bool) {
	var rewritten []byte
	for at := 4; at < len(msg); at += 4 {
		e := Encoding(be.Uint32(msg[at:]))
		instead, keep := f.policy.entry(e, f.formats != nil)
		if e == EncodingExtendedMouseButtons && f.listed {
			// It may have been confirmed, and the viewer then sends seven
			// bytes whatever it lists later: they have to be read as such.
			instead, keep = e, true
		}
		if rewritten == nil {
			if keep && instead == e {
				continue
			}
			rewritten = append(make([]byte, 0, len(msg)), msg[:at]...)
		}
		if keep {
			rewritten = be.AppendUint32(rewritten, uint32(instead))
		}
	}
	if rewritten != nil {
		be.PutUint16(rewritten[2:], uint16(len(rewritten)/4-1))
		f.instead, msg = rewritten, rewritten
	}
	f.framing.Saw(msg)
	f.listed = f.listed || f.framing.ExtendedPointer
	return rewritten == nil
}
