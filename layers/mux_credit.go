package layers

import "time"

const (
	// maxMuxWindow bounds MuxConfig.MaxWindow.
	maxMuxWindow = 64 << 20
	// leastGrant is what is worth a frame of credit, where a window is narrow.
	leastGrant = 128 << 10
	// smallFrame is the payload below which what a frame costs beside its bytes
	// counts, smallCost, and smallFree is what is let pass.
	smallFrame = 512
	smallCost  = 64
	smallFree  = 16 << 10
)

// widen grants a new stream its first window, if there is memory, and returns
// what is granted beyond that of the protocol; m.mu is held.
func (s *MuxStream) widen() (credit uint32) {
	window := int64(s.m.cfg.Window)
	if !s.reserve(window, muxToBegin) {
		return 0
	}
	s.window = window
	s.updated = time.Now()
	return s.grant()
}

// grant lets the other end send as much as the window still has room for.
func (s *MuxStream) grant() (credit uint32) {
	more := max(s.consumed+s.window-s.granted, 0)
	s.granted += more
	return uint32(more)
}

// reserve takes memory for that much, or gives back what is beyond.
func (s *MuxStream) reserve(n int64, purpose muxPurpose) bool {
	switch more := n - s.reserved; {
	case more > 0:
		if !s.m.cfg.Memory.take(more, purpose) {
			return false
		}
	case more < 0:
		s.m.cfg.Memory.give(-more)
	}
	s.reserved = n
	return true
}

// consume is called when n bytes were read: what is free of the window is granted
// anew before it is much, since each grant comes back as one burst, which fills
// queues on the way and is then waited for. A window of which half was used up
// in less than four round trips bounds what goes through, so it doubles.
func (s *MuxStream) consume(n int) {
	roundTrip := s.m.RoundTrip()
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.consumed += int64(n)
	if s.m.streams[s.id] != s || s.m.err != nil {
		return
	}
	s.small.read(s)
	if s.consumed+s.window-s.granted >= max(s.window/8, min(s.window/2, leastGrant)) && !s.peerEnded && s.reset == nil {
		if now := time.Now(); s.consumed-s.tuned >= s.window/2 {
			s.tune(now.Sub(s.updated) < 4*roundTrip)
			s.updated, s.tuned = now, s.consumed
		}
		if credit := s.grant(); credit > 0 {
			s.m.control(muxUpdate, 0, s.id, credit)
		}
	}
	need := max(s.window, s.granted-s.consumed)
	if s.peerEnded {
		need = s.received - s.consumed
	}
	s.reserve(need+s.small.charge, muxToOpen)
}

// tune doubles the window if that is wanted and there is memory. When there is
// none for growth, a window that has grown goes back as it is used, so that
// other streams have their turn.
func (s *MuxStream) tune(more bool) {
	wider := min(2*s.window, int64(s.m.cfg.MaxWindow))
	switch {
	case s.m.cfg.Memory.short():
		s.window = max(s.window/2, min(s.window, int64(s.m.cfg.Window)))
	case more && wider > s.window && s.reserve(wider+s.small.charge, muxToGrow):
		s.window = wider
	}
}

// smallFrames counts the frames that were not read and cost more than their
// bytes: a window of single bytes would hold fifty times its size. Their number
// is bounded from above, in two ages: what had come when the newer one began is
// forgotten once that much was read.
type smallFrames struct {
	older, newer int
	until        int64 // where the older ones end
	charge       int64 // memory that was taken for them
}

// came counts one, and reports whether there is memory for it.
func (f *smallFrames) came(s *MuxStream) bool {
	f.newer++
	cost := int64(f.older+f.newer) * smallCost
	if cost <= f.charge+smallFree {
		return true
	}
	if !s.reserve(s.reserved+smallFree, muxToOpen) {
		return false
	}
	f.charge += smallFree
	return true
}

// read forgets those that have been read. The caller gives the charge back.
func (f *smallFrames) read(s *MuxStream) {
	if s.consumed == s.received {
		*f = smallFrames{}
		return
	}
	if s.consumed >= f.until {
		f.older, f.newer, f.until = f.newer, 0, s.received
		f.charge = max(int64(f.older)*smallCost-smallFree, 0)
	}
}
