package gateway

import "errors"

// TurnedAway counts viewers that found no place, and so have no session and no
// event of their own: in a crowd there may be very many.
type TurnedAway struct {
	// Full are those beyond what may log in or be joined to displays at once,
	// those of a class included; Memory those that came when there was too little
	// of it, Draining when nobody was let in any more.
	Full, Memory, Draining uint64
}

// TurnedAway returns how many have been so far.
func (g *Gateway) TurnedAway() TurnedAway {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.turned
}

func (t *TurnedAway) count(err error) {
	switch {
	case errors.Is(err, ErrDraining):
		t.Draining++
	case errors.Is(err, ErrMemory):
		t.Memory++
	default:
		t.Full++
	}
}
