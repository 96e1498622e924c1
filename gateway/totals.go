package gateway

import "vncgate/rfb"

// Totals are what all sessions have moved, those included that have ended.
type Totals struct {
	// BytesUp and BytesDown are the payload from the viewers and to them.
	BytesUp, BytesDown int64
	// Messages are those of the viewers.
	Messages rfb.Tally
	// Display are messages of the displays, in the sessions in which what the
	// display sends is filtered: nobody takes it apart in others.
	Display rfb.DisplayTally
}

// Totals adds up what has been moved so far. It never falls.
func (g *Gateway) Totals() Totals {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.past
	for s := range g.sessions {
		t.add(s)
	}
	return t
}

// add adds what s has moved; the gateway's lock is held, so that each session is
// counted once: as it is, or as it was.
func (t *Totals) add(s *Session) {
	r := s.moves()
	if r == nil {
		return
	}
	t.BytesUp += r.up.moved.Load()
	t.BytesDown += r.down.moved.Load()
	tally := r.filter.Tally()
	t.Messages.Add(&tally)
	if r.server != nil {
		tally := r.server.Tally()
		t.Display.Add(&tally)
	}
}

// moves is nil until the session is open.
func (s *Session) moves() *relay {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.traffic
}

// Handshakes returns how many viewers have no display yet: those that log in and
// those that wait.
func (g *Gateway) Handshakes() (n int) {
	for _, s := range g.all() {
		if s.moves() == nil {
			n++
		}
	}
	return n
}
