package gateway

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// DefaultAcceptRate is how many connections a second one address may open.
	// Five hundred people behind one NAT who all log in within a minute, with
	// seven connections each for page and display, need sixty.
	DefaultAcceptRate = 100
	// acceptBurst is for how many seconds an address may open them all at once,
	// when it has opened none for as long: those who come back together after a
	// restart.
	acceptBurst = 5
	// maxRationed is how many addresses are remembered. A crowd of more, all
	// within the burst, is forgotten as a whole: no ration by address would hold
	// it, and what else bounds newcomers does.
	maxRationed = 1 << 16
)

// Ration bounds how fast each address opens connections, over all listeners
// that share it. IPv6 counts by the /64, which one customer has. What is beyond
// is closed before anything is spent on it. Peers without an address (unix
// sockets) and those on this machine are exempt. The zero Ration is ready, and it
// is safe for concurrent use.
type Ration struct {
	// PerSecond is the lasting rate of one address; five times as many may come
	// at once. 0 means DefaultAcceptRate, negative: as many as come.
	PerSecond int
	// Exempt says who else may open as many as come; nil: nobody.
	Exempt func(netip.Addr) bool
	// Log is warned of what was closed, every ten seconds at most; nil: nobody.
	Log *slog.Logger

	mu    sync.Mutex
	begun time.Time
	due   map[netip.Prefix]time.Duration // when the connections so far would be over at the lasting rate, since begun
	warn  rate.Sometimes
	over  atomic.Uint64 // connections beyond it
}

// Refused returns how many connections have been closed since they were beyond
// the ration.
func (r *Ration) Refused() uint64 { return r.over.Load() }

// Listener is ln without the connections that are beyond the ration. trusted are
// proxies that speak for many addresses, and exempt here; nil: none.
func (r *Ration) Listener(ln net.Listener, trusted func(netip.Addr) bool) net.Listener {
	if r.PerSecond < 0 {
		return ln
	}
	return &rationedListener{ln, r, trusted}
}

// allow takes one connection of addr from its ration.
func (r *Ration) allow(addr netip.Addr, now time.Time) bool {
	if !addr.IsValid() || addr.IsLoopback() || r.Exempt != nil && r.Exempt(addr) {
		return true
	}
	each := time.Second / time.Duration(orDefault(r.PerSecond, DefaultAcceptRate))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.due == nil {
		r.begun, r.due = now, map[netip.Prefix]time.Duration{}
	}
	at, from := now.Sub(r.begun), prefixOf(addr)
	due, known := r.due[from]
	due = max(due, at) + each
	if due > at+acceptBurst*time.Second {
		return false
	}
	if !known && len(r.due) >= maxRationed {
		r.forget(at)
	}
	r.due[from] = due
	return true
}

// forget drops the addresses whose whole ration is free again, or else all.
func (r *Ration) forget(at time.Duration) {
	for from, due := range r.due {
		if due <= at {
			delete(r.due, from)
		}
	}
	if len(r.due) >= maxRationed {
		clear(r.due)
	}
}

// refuse closes c without waiting for the peer to agree.
func (r *Ration) refuse(c net.Conn, listener net.Addr) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
	r.over.Add(1)
	if r.Log == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warn.Interval = 10 * time.Second
	r.warn.Do(func() {
		r.Log.Warn("an address opens connections too fast; what is beyond limits: accept_rate is closed",
			"listener", listener.String(), "address", addressOf(c))
	})
}

// prefixOf is what counts as one address; the zero Prefix for none.
func prefixOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits)
	return p
}

// rationedListener is a listener under a Ration.
type rationedListener struct {
	net.Listener
	ration  *Ration
	trusted func(netip.Addr) bool
}

func (l *rationedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := ipOf(c)
		if l.trusted != nil && addr.IsValid() && l.trusted(addr) || l.ration.allow(addr, time.Now()) {
			return c, nil
		}
		l.ration.refuse(c, l.Addr())
	}
}
