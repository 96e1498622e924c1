package main

import (
	"context"
	"net"
	"net/netip"

	"vncgate/gateway"
)

// Displays that dial in: listeners with arrivals take them, targets with
// arrives say which they are.

// arrivalsOf makes what takes them in, nil where no listener does. Which target
// one is, those say that are in force when it comes.
func (w *wiring) arrivalsOf(cfg *config) *gateway.Arrivals {
	a := &gateway.Arrivals{Log: w.log, Bind: func(id string, from net.Addr) (string, bool) {
		for _, b := range w.now().bound {
			if b.fits(id, addrOf(from)) {
				return b.target, true
			}
		}
		return "", false
	}}
	listens := false
	for i := range cfg.Listeners {
		if l := &cfg.Listeners[i]; l.Arrivals != nil {
			listens = true
			a.Max += l.Arrivals.Waiting
		}
	}
	if !listens {
		return nil
	}
	return a
}

// boundTarget is a target whose display dials in.
type boundTarget struct {
	target, id string
	anywhere   bool
	from       func(netip.Addr) bool
}

func (b boundTarget) fits(id string, from netip.Addr) bool {
	return b.id == id && (b.anywhere || b.from(from))
}

func boundTargets(cfg *config) ([]boundTarget, error) {
	var list []boundTarget
	for _, name := range keys(cfg.Targets) {
		a := cfg.Targets[name].Arrives
		if a == nil {
			continue
		}
		from, err := parsePrefixes(a.From)
		if err != nil {
			return nil, err
		}
		list = append(list, boundTarget{name, a.ID, len(a.From) == 0, from})
	}
	return list, nil
}

// addrOf is the zero Addr for a peer without one.
func addrOf(a net.Addr) netip.Addr {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// arrival reaches a display that dials in.
func (w *wiring) arrival(target string) func(context.Context) (net.Conn, error) {
	if w.arrivals == nil { // a look at the configuration alone
		return func(context.Context) (net.Conn, error) { return nil, gateway.ErrNotArrived }
	}
	return w.arrivals.Dialer(target)
}

// targetOfID is the target that a viewer of UltraVNC's repeater means by an ID.
func (c *config) targetOfID(id string) string {
	for name, t := range c.Targets {
		if t.Arrives != nil && t.Arrives.ID == id {
			return name
		}
	}
	return id
}
