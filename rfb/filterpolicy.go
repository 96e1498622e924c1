package rfb

import "io"

// SetPolicy has p hold from the next message on. It never waits: if the display
// takes nothing at the moment, p holds once it does. What is down of keys and
// buttons that p takes away is released towards the display at once, without
// waiting for anything from the viewer; so the write deadline of the display's
// connection, if it has one, must lie ahead.
//
// ErrNotFiltered means that p cannot be enforced on this session.
func (f *Filter) SetPolicy(p Policy) error {
	f.wanted.Store(&p)
	f.changed.Store(true)
	switch {
	case !f.canEnforce(&p):
		return ErrNotFiltered
	case !f.turn.TryLock():
		return nil // whoever has it will see
	case f.wouldWrite(&p):
		go f.settleLocked()
	default:
		f.settleLocked()
	}
	return nil
}

// settleLocked applies what is wanted for a caller that has the turn.
func (f *Filter) settleLocked() {
	if err := f.apply(); f.err == nil {
		f.err = err
	}
	f.turn.Unlock()
	f.settle()
}

// settle applies what was wanted while somebody had the turn.
func (f *Filter) settle() {
	for f.changed.Load() && f.turn.TryLock() {
		if err := f.apply(); f.err == nil {
			f.err = err
		}
		f.turn.Unlock()
	}
}

// canEnforce reports whether what has passed so far leaves p a meaning.
func (f *Filter) canEnforce(p *Policy) bool {
	return !(f.opaque.Load() && !p.open() || f.extended.Load() && !p.unbounded() || f.giiLost.Load() && !p.allowsGii(giiEvents))
}

// wouldWrite reports whether p takes away something that is down.
func (f *Filter) wouldWrite(p *Policy) bool {
	return !p.Keyboard && f.pressed.n > 0 || !p.Pointer && f.pressed.buttons != 0 || !p.allowsGii(giiEvents) && len(f.gii.held) > 0
}

// apply makes the policy that is wanted the one that holds.
func (f *Filter) apply() error {
	f.changed.Store(false)
	p := f.wanted.Load()
	f.adopt(p)
	if !f.canEnforce(p) {
		return ErrNotFiltered
	}
	return f.release(!p.Keyboard, !p.Pointer, !p.allowsGii(giiEvents))
}

func (f *Filter) adopt(p *Policy) {
	f.policy = p
	f.keys.set(p.KeyRate)
	f.moves.set(p.PointerRate)
}

// release writes the releases of what is down.
func (f *Filter) release(keys, buttons, gii bool) error {
	if f.broken || f.opaque.Load() {
		return nil
	}
	var b []byte
	if keys {
		b = f.pressed.appendKeyReleases(b)
	}
	if buttons {
		if f.formats.takesMovements() {
			f.pressed.stay()
		}
		b = f.pressed.appendPointerRelease(b)
		f.late = nil
	}
	if gii {
		b = f.gii.appendReleases(b)
	}
	return f.flush(b)
}

// Lift releases all keys and buttons that are down; what the viewer sends
// afterwards passes as before. It waits for a Write under way. Its error is that
// of the display, and every further Write's.
func (f *Filter) Lift() error {
	f.turn.Lock()
	if f.err == nil {
		f.err = f.release(true, true, true)
	}
	err := f.err
	f.turn.Unlock()
	f.settle()
	return err
}

// Release releases all keys and buttons that are down, and has every further
// Write fail: it is for the end of a session. It waits for a Write under way.
// Its error is that of the display.
func (f *Filter) Release() error {
	f.turn.Lock()
	defer f.turn.Unlock()
	err := f.release(true, true, true)
	if f.err == nil {
		f.err = io.ErrClosedPipe
	}
	return err
}
