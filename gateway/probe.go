package gateway

import (
	"context"
	"net"
	"time"

	"vncgate/rfb"
)

// Probed is what a Probe has found at a display.
type Probed struct {
	// Reached is the target that answered: a fall-back, where the first does
	// not.
	Reached string
	// Security is what we proved ourselves by, Stack the layers of the
	// connection, bottom first.
	Security, Stack string
	// Init is what the display says of itself: its name, size and form.
	Init rfb.ServerInit
	// Asleep says that the display is not running, and would be started for a
	// viewer: nothing else is known of it then.
	Asleep bool
	// Took is how long it was until then.
	Took time.Duration
}

// Probe opens a session to a target by the way that those of viewers take, up to
// ServerInit, and ends it: dial, layers, security, and its start where it has a
// Launcher. The display is asked to share, so that nobody is sent away; a display
// that takes one at a time may still refuse. It tries once. The error matches
// ErrNoTarget or is an *Unreachable. ctx and Limits.DialTimeout bound it.
func (g *Gateway) Probe(ctx context.Context, name string) (Probed, error) {
	return g.probeAll(ctx, name, false)
}

// Check is Probe for programs that ask again and again, so it disturbs nobody:
// a display that somebody sees is asked no further than whether it would let us
// in, since some send others away once a newcomer has said ClientInit, and one
// that is started when it is wanted is not started (Probed.Asleep).
func (g *Gateway) Check(ctx context.Context, name string) (Probed, error) {
	return g.probeAll(ctx, name, true)
}

func (g *Gateway) probeAll(ctx context.Context, name string, gently bool) (Probed, error) {
	g.mu.Lock()
	g.prepare()
	g.mu.Unlock()
	target, err := g.resolve(ctx, name)
	if err != nil {
		return Probed{}, err
	}
	var first error
	for _, t := range append([]*Target{target}, target.Fallbacks...) {
		begun := time.Now()
		if gently && t.Launcher != nil && !t.Launcher.running() {
			return Probed{Reached: t.Name, Asleep: true}, nil
		}
		found, err := g.probe(ctx, t, gently && g.seen(name))
		g.tried(ctx, t, err)
		if err == nil {
			found.Reached, found.Took = t.Name, time.Since(begun)
			return found, nil
		}
		if first == nil {
			first = err
		}
	}
	return Probed{}, first
}

// seen reports whether a viewer sees the target.
func (g *Gateway) seen(name string) bool {
	for _, s := range g.List() {
		if s.Open && s.Target == name {
			return true
		}
	}
	return false
}

// probe ends behind the SecurityResult if it is to be brief.
func (g *Gateway) probe(ctx context.Context, t *Target, brief bool) (Probed, error) {
	if t.Launcher != nil {
		if !g.launches(t.Launcher) {
			return Probed{}, ErrDraining
		}
		if _, err := t.Launcher.acquire(ctx); err != nil {
			return Probed{}, t.unreachable(ctx, "start", err)
		}
		defer t.Launcher.release()
	}
	limits := g.limitsNow()
	ctx, cancel := context.WithTimeout(ctx, limits.DialTimeout+limits.GreetTimeout)
	defer cancel()
	spent := newStages(time.Now())
	display, err := t.connect(ctx, nobody{}, limits.GreetTimeout, &spent)
	if err != nil {
		return Probed{}, err
	}
	defer display.Close()
	found := Probed{Security: methodOf(display.Secured), Stack: displayStack(display.Conn)}
	if brief {
		return found, nil
	}
	if err := display.WriteClientInit(ctx, true); err != nil {
		return Probed{}, t.unreachable(ctx, "handshake", err)
	}
	if found.Init, err = display.ReadServerInit(ctx); err != nil {
		return Probed{}, t.unreachable(ctx, "handshake", err)
	}
	return found, nil
}

// nobody is whom a probe is for. A PROXY header says then that the connection is
// our own (LOCAL).
type nobody struct{ net.Conn }

// RemoteAddr is none.
func (nobody) RemoteAddr() net.Addr { return nil }

// LocalAddr is none.
func (nobody) LocalAddr() net.Addr { return nil }
