package gateway

import (
	"sync"
	"time"

	"vncgate/layers"
)

// ping sends pings to a viewer that is a browser and calls gone, once, when it
// gives no sign of life any more. up is what reads from the viewer, if that can
// be kept from it by a display that takes nothing, or by a pause: the viewer's
// silence means nothing then. nil always reads. It returns nil for a viewer that
// cannot be pinged.
func (s *Session) ping(up *pump, gone func()) *pinger {
	ws, ok := layers.As[*layers.WebSocketConn](s.below)
	if !ok || s.kept.ping < 0 {
		return nil
	}
	p := &pinger{s: s, ws: ws, every: orDefault(s.kept.ping, layers.DefaultHeartbeat), up: up, gone: gone}
	p.alarm.ring = p.rings
	p.next(p.every)
	return p
}

// pinger sends a ping at every interval, and looks for a sign of life when the
// next is due. A viewer that was silent is asked once more, so that one that could
// not be heard until this very moment is not given up.
type pinger struct {
	s     *Session
	ws    *layers.WebSocketConn
	every time.Duration
	up    *pump
	gone  func()

	pulse   layers.Pulse
	waiting bool  // for a sign of life
	asked   bool  // once more; moved is what had been then
	moved   int64 // by up

	alarm alarm
	mu    sync.Mutex
	over  bool
}

// next sets the alarm unless it is over.
func (p *pinger) next(in time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.alarm.set(p.s.alarms(), time.Now().Add(in))
	}
}

// rings begins what is due in a goroutine of its own: a ping may take its time.
func (p *pinger) rings() { p.s.run(p.beat) }

// beat is the work of one ring.
func (p *pinger) beat() {
	if p.waiting && !p.pulse.Alive() {
		p.waiting = false
		p.silent()
		return
	}
	if p.waiting {
		p.asked = false
	}
	p.waiting = true
	p.pulse.Beat(p.ws)
	p.next(p.patience())
}

// patience is how long an answer may take.
func (p *pinger) patience() time.Duration {
	if p.asked {
		return p.every / 2
	}
	return p.every
}

// silent is for a viewer of whom nothing has come.
func (p *pinger) silent() {
	writing, moved := p.state()
	switch {
	case writing || p.asked && moved != p.moved:
		p.asked = false
		p.next(p.every)
	case !p.asked:
		p.asked, p.moved = true, moved
		p.next(p.every / 2)
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

// end has no ping begin any more. p may be nil.
func (p *pinger) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.alarm.stop()
}
