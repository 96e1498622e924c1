package gateway

import "time"

// pause has both directions stop reading, without losing a byte: what was read
// is still written. Keys and buttons that are down are released towards the
// display. The session can still end, and a peer that leaves ends it where its
// socket can be watched. A second pause changes nothing.
func (r *relay) pause() {
	r.mu.Lock()
	if r.paused || !r.over.IsZero() {
		r.mu.Unlock()
		return
	}
	r.paused = true
	woken := r.wakeAll() // they come to rest again, as in a pause
	r.mu.Unlock()
	_ = r.viewer.SetReadDeadline(past)
	_ = r.display.SetReadDeadline(past)
	r.carry(woken)
}

// resume goes on after a pause.
func (r *relay) resume() {
	r.mu.Lock()
	var woken []*pump
	if r.paused {
		r.paused = false
		woken = r.wakeAll()
	}
	r.mu.Unlock()
	r.carry(woken)
}

func (r *relay) isPaused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paused
}

// lift releases what the viewer holds down, for a pause.
func (r *relay) lift() {
	if r.filter == nil {
		return
	}
	r.up.setDeadline(r.display.SetWriteDeadline, time.Now().Add(r.up.stall))
	_ = r.filter.Lift() // a display that is gone has nothing down, and shows when we go on
}

// leaving is the end that comes of the peer's leaving from which p reads.
func (r *relay) leaving(p *pump) ending {
	if p == &r.up {
		return endViewerLeft
	}
	return endDisplayClosed
}
