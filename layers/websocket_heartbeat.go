package layers

import (
	"sync"
	"time"
)

// DefaultHeartbeat is the interval of pings: well below the 60 seconds after
// which common load balancers take a connection for idle, also if one is late.
const DefaultHeartbeat = 25 * time.Second

// Heartbeat sends c a ping at every interval, and calls dead, once and from a
// goroutine of its own, if nothing has come from the peer for the time patience
// since a ping went out, or a Write has been stuck for as long. Anything that
// comes is a sign of life, not only a pong: a peer behind a full pipe answers
// late. An interval of 0 is DefaultHeartbeat, a patience of 0 twice the interval.
//
// Pings are answered in the peer's Read, and what it answers is noticed in ours,
// so someone must read c all the while. dead must not call stop; stop returns
// when no ping is sent any more and dead is not running.
func Heartbeat(c *WebSocketConn, every, patience time.Duration, dead func()) (stop func()) {
	if every <= 0 {
		every = DefaultHeartbeat
	}
	if patience <= 0 {
		patience = 2 * every
	}
	h := &heartbeat{c: c, patience: patience, stop: make(chan struct{}), ended: make(chan struct{})}
	go h.run(every, dead)
	return h.end
}

// heartbeat looks at what a connection has counted when the time has come to,
// so that the clock is read once for each ping and not for each message.
type heartbeat struct {
	c           *WebSocketConn
	patience    time.Duration
	once        sync.Once
	stop, ended chan struct{}

	pulse   Pulse
	waiting bool // since limit was set nothing has been seen
	limit   *time.Timer
}

func (h *heartbeat) end() {
	h.once.Do(func() { close(h.stop) })
	<-h.ended
}

func (h *heartbeat) run(every time.Duration, dead func()) {
	defer close(h.ended)
	tick := time.NewTicker(every)
	defer tick.Stop()
	h.limit = time.NewTimer(h.patience)
	defer h.limit.Stop()
	h.limit.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-tick.C:
			h.beat()
		case <-h.limit.C:
			if !h.pulse.Alive() {
				dead()
				return
			}
			h.waiting = false
		}
	}
}

// beat sends a ping, and begins to wait unless it waits already.
func (h *heartbeat) beat() {
	if h.waiting && !h.pulse.Alive() {
		_ = h.c.Ping()
		return
	}
	h.waiting = true
	h.pulse.Beat(h.c)
	h.limit.Reset(h.patience)
}

// Pulse is one beat of a Heartbeat, for whoever has a clock already: after Beat,
// Alive says whether the peer has given a sign of life. It is for one goroutine at
// a time; the zero value is ready for Beat.
type Pulse struct {
	c           *WebSocketConn
	heard, sent uint64 // what had been counted at the beat
	stuck       bool   // a Write was under way then, and no ping went out
}

// Beat sends c a ping, unless a Write is under way: its end is as good a sign. It
// may take as long as a frame beside the stream may.
func (p *Pulse) Beat(c *WebSocketConn) {
	p.c, p.heard, p.sent = c, c.heard.Load(), c.sent.Load()
	pinged, _ := c.tryPing() // an error shows in the session's own Reads and Writes
	p.stuck = !pinged
}

// Alive reports whether something has come since the last Beat.
func (p *Pulse) Alive() bool {
	return p.c.heard.Load() != p.heard || p.stuck && p.c.sent.Load() != p.sent
}
