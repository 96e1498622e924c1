package gateway

import (
	"sync"
	"time"

	"vncgate/layers"
)

// ping sends pings to a viewer that is a browser and calls gone, once, when it
// gives no sign of life any more. up is what reads from the viewer, if that can
// be kept from it by a display that takes nothing, or by a pause: the viewer's
// silence means nothing then. nil always reads.
func (s *Session) ping(up *pump, gone func()) (stop func()) {
	ws, ok := layers.As[*layers.WebSocketConn](s.below)
	if !ok || s.front.Ping < 0 {
		return func() {}
	}
	every := s.front.Ping
	if every == 0 {
		every = layers.DefaultHeartbeat
	}
	p := &pinger{ws: ws, every: every, up: up, gone: gone}
	p.beat(every)
	return p.end
}

// pinger is a heartbeat that begins again where a viewer could not be heard. A
// viewer that was silent is asked once more, so that one that could not be
// heard until this very moment is not given up.
type pinger struct {
	ws    *layers.WebSocketConn
	every time.Duration
	up    *pump
	gone  func()

	asked bool  // once more; moved is what had been then
	moved int64 // by up

	mu   sync.Mutex
	stop func() // of the heartbeat that runs
	over bool
}

func (p *pinger) beat(every time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.stop = layers.Heartbeat(p.ws, every, every, p.silent)
	}
}

// silent runs in the heartbeat's goroutine, which ends behind it.
func (p *pinger) silent() {
	writing, moved := p.state()
	switch {
	case writing || p.asked && moved != p.moved:
		p.asked = false
		p.beat(p.every)
	case !p.asked:
		p.asked, p.moved = true, moved
		p.beat(p.every / 2)
	default:
		p.gone()
	}
}

// state is whether up is kept from reading, and what it has done.
func (p *pinger) state() (writing bool, moved int64) {
	if p.up == nil {
		return false, 0
	}
	return p.up.writing.Load() || p.up.relay.isPaused(), p.up.moved.Load()
}

func (p *pinger) end() {
	p.mu.Lock()
	p.over = true
	stop := p.stop
	p.mu.Unlock()
	stop()
}
