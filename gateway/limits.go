package gateway

import (
	"container/list"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Limits bounds what a Gateway does at once. A zero field means its default.
type Limits struct {
	// Sessions is the number of viewers joined to a display, or waiting for one
	// to come up (1000).
	Sessions int
	// Handshakes is the number of viewers between accept and ServerInit
	// (256). When they are all taken, of those that have not proved who they
	// are the address with most of them (IPv6: the /64) loses its oldest to the
	// newcomer, so that a thousand silent connections do not keep a good viewer
	// out.
	Handshakes int
	// HandshakeTimeout is the time from accept to ServerInit, within which a
	// person may have to type a password (60 s).
	HandshakeTimeout time.Duration
	// LayerTimeout is the part of it for PROXY header, TLS and WebSocket,
	// where nobody types (10 s).
	LayerTimeout time.Duration
	// DialTimeout is the part of it for reaching the display and proving
	// ourselves to it (10 s).
	DialTimeout time.Duration
	// GreetTimeout is the part of that for the display's first twelve bytes,
	// which a VNC server sends as soon as it is connected to (5 s).
	GreetTimeout time.Duration
	// Stall ends a session one end of which takes no bytes for this long
	// while there are some for it (2 min).
	Stall time.Duration
	// KickTime is how long a viewer that was kicked is kept out, from its last
	// try on (30 s).
	KickTime time.Duration
	// Memory is how many bytes the process should hold at most. When four fifths
	// are in use, newcomers are refused (0: however much it is).
	Memory int64
}

// WithDefaults is l as it is in force.
func (l Limits) WithDefaults() Limits {
	l.Sessions = orDefault(l.Sessions, 1000)
	l.Handshakes = orDefault(l.Handshakes, 256)
	l.HandshakeTimeout = orDefault(l.HandshakeTimeout, 60*time.Second)
	l.LayerTimeout = orDefault(l.LayerTimeout, 10*time.Second)
	l.DialTimeout = orDefault(l.DialTimeout, 10*time.Second)
	l.GreetTimeout = orDefault(l.GreetTimeout, 5*time.Second)
	l.Stall = orDefault(l.Stall, 2*time.Minute)
	l.KickTime = orDefault(l.KickTime, 30*time.Second)
	return l
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// SetLimits changes what bounds the gateway, at any time. Counts hold for those who
// come from then on, and end nobody who is in already; times are those of
// handshakes, dials, bans and sessions that begin from then on. Zero fields mean the
// defaults.
func (g *Gateway) SetLimits(l Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepare()
	g.setLimits(l.WithDefaults())
}

// setLimits puts l in force; g.mu is held.
func (g *Gateway) setLimits(l Limits) {
	g.slots.limits = l
	g.limits.Store(&l)
}

// limitsNow are those in force, of a gateway that was used before.
func (g *Gateway) limitsNow() *Limits { return g.limits.Load() }

// slots counts who is in. The lock is the gateway's.
type slots struct {
	limits      Limits
	handshakes  list.List            // of *Session, oldest first
	from        map[netip.Prefix]int // how many of them an address has
	established int
	memory      memory
}

// enter gives s a place among the handshakes; a stranger makes room.
func (t *slots) enter(s *Session) error {
	if err := t.room(); err != nil {
		return err
	}
	if t.handshakes.Len() >= t.limits.Handshakes && !t.evict(nil) {
		return ErrFull
	}
	if c := s.entry; c != nil && c.Handshakes > 0 && t.shaking(c) >= c.Handshakes && !t.evict(c) {
		return ErrFull
	}
	s.place = t.handshakes.PushBack(s)
	return nil
}

func (t *slots) full() error {
	if t.established >= t.limits.Sessions {
		return ErrFull
	}
	return nil
}

// room is full, and says ErrMemory where there would be a place but nothing to
// hold it with.
func (t *slots) room() error {
	if err := t.full(); err != nil {
		return err
	}
	if t.memory.short(t.limits.Memory, time.Now()) {
		return ErrMemory
	}
	return nil
}

// shaking counts the handshakes that came in by a class.
func (t *slots) shaking(c *class) (n int) {
	for e := t.handshakes.Front(); e != nil; e = e.Next() {
		n += count(e.Value.(*Session).entry == c)
	}
	return n
}

// evict ends the oldest stranger of the address that has most of them; of those
// that came in by a class, unless that is nil.
func (t *slots) evict(by *class) bool {
	var loser *Session
	most := 0
	for e := t.handshakes.Front(); e != nil; e = e.Next() {
		s := e.Value.(*Session)
		if n := max(t.from[s.origin], 1); n > most && !s.proved.Load() && (by == nil || s.entry == by) {
			loser, most = s, n
		}
	}
	if loser == nil {
		return false
	}
	t.leaveHandshakes(loser)
	loser.stop(endEvicted)
	return true
}

// locate notes where a session that is in the handshakes comes from; nobody is
// told apart by a unix socket.
func (t *slots) locate(s *Session, addr netip.Addr) {
	if s.place == nil {
		return
	}
	t.uncount(s)
	if s.origin = prefixOf(addr); s.origin.IsValid() {
		if t.from == nil {
			t.from = map[netip.Prefix]int{}
		}
		t.from[s.origin]++
	}
}

func (t *slots) uncount(s *Session) {
	if !s.origin.IsValid() {
		return
	}
	if t.from[s.origin]--; t.from[s.origin] <= 0 {
		delete(t.from, s.origin)
	}
	s.origin = netip.Prefix{}
}

// establish moves s over to the sessions. One that was evicted meanwhile is
// told so by its stop.
func (t *slots) establish(s *Session) error {
	if err := t.full(); err != nil {
		return err
	}
	t.leaveHandshakes(s)
	t.established++
	s.established = true
	return nil
}

func (t *slots) leave(s *Session) {
	t.leaveHandshakes(s)
	if s.established {
		t.established--
		s.established = false
	}
}

func (t *slots) leaveHandshakes(s *Session) {
	if s.place != nil {
		t.handshakes.Remove(s.place)
		s.place = nil
		t.uncount(s)
	}
}

// backoff is the pause between failing accepts, as in net/http.
type backoff struct{ pause time.Duration }

// temporary reports whether accepting may work again later: a lack of
// descriptors or memory, or a connection that was gone before we had it.
func (b *backoff) temporary(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func (b *backoff) sleep() {
	b.pause = min(max(2*b.pause, 5*time.Millisecond), time.Second)
	time.Sleep(b.pause)
}

func (b *backoff) reset() { b.pause = 0 }
