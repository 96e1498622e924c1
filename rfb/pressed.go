package rfb

// maxPressed is how many keys can be down at once. No hand has more, but some
// viewers release another symbol than they have pressed, "A" for "a", and so
// leave what is never released: a press beyond releases the oldest.
const maxPressed = 64

// A pressedKey is a key that the viewer holds, in the form in which it said so.
type pressedKey struct {
	keysym, keycode uint32
	qemu            bool // by QEMU's extended key event
	dropped         bool // its press was over the rate: its release is dropped too
}

// same reports whether both are one key, said in the same way: QEMU goes by the
// key code, and the symbol of a key can change under a shift that is pressed
// meanwhile. What a display makes of a symbol beside a code, nobody here knows.
func (k pressedKey) same(other pressedKey) bool {
	switch {
	case k.qemu != other.qemu:
		return false
	case k.keycode != 0 || other.keycode != 0:
		return k.keycode == other.keycode
	}
	return k.keysym == other.keysym
}

// appendRelease appends the release of k in the form in which it was pressed;
// nothing if the display has not been told.
func (k pressedKey) appendRelease(b []byte) []byte {
	switch {
	case k.dropped:
		return b
	case k.qemu:
		return AppendQEMUKeyEvent(b, false, k.keysym, k.keycode)
	}
	return AppendKeyEvent(b, false, k.keysym)
}

// pressed is what a viewer holds down, as its display has been told.
type pressed struct {
	keys    []pressedKey // oldest first; most who only look have none
	n       int
	buttons uint16
	at      [4]byte // where the pointer was last: U16 x, y
}

// find returns the index of k, or -1.
func (p *pressed) find(k pressedKey) int {
	for i := range p.keys[:p.n] {
		if p.keys[i].same(k) {
			return i
		}
	}
	return -1
}

// add appends to b the release of the key that has to make room for k, if one
// has to.
func (p *pressed) add(b []byte, k pressedKey) []byte {
	if p.n == maxPressed {
		b = p.keys[0].appendRelease(b)
		p.remove(0)
	}
	if p.n == len(p.keys) {
		p.keys = append(p.keys, k)
	}
	p.keys[p.n] = k
	p.n++
	return b
}

func (p *pressed) remove(i int) {
	copy(p.keys[i:], p.keys[i+1:p.n])
	p.n--
}

// pointer notes a whole PointerEvent and reports whether a button changed.
func (p *pressed) pointer(msg []byte) (changed bool) {
	buttons := uint16(msg[1])
	if len(msg) == 7 { // extended: bit 7 says that there is more
		buttons = buttons&0x7f | uint16(msg[6])<<7
	}
	copy(p.at[:], msg[2:6])
	changed = buttons != p.buttons
	p.buttons = buttons
	return changed
}

// appendKeyReleases appends the releases of all keys and forgets them.
func (p *pressed) appendKeyReleases(b []byte) []byte {
	for _, k := range p.keys[:p.n] {
		b = k.appendRelease(b)
	}
	p.n = 0
	return b
}

// stay has the release of buttons move nothing on a display that takes
// PointerEvents for movements.
func (p *pressed) stay() {
	be.PutUint16(p.at[:], noMovement)
	be.PutUint16(p.at[2:], noMovement)
}

// appendPointerRelease appends the release of all buttons where the pointer is.
// The six-byte form says so of the extended ones too, and every display knows
// it.
func (p *pressed) appendPointerRelease(b []byte) []byte {
	if p.buttons == 0 {
		return b
	}
	p.buttons = 0
	return append(append(b, MsgPointerEvent, 0), p.at[:]...)
}
