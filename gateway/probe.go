package gateway

import (
	"context"
	"net"
	"time"

	"vncgate/layers"
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
	// Took is how long it was until then.
	Took time.Duration
}

// Probe opens a session to a target by the way that those of viewers take, up to
// ServerInit, and ends it: dial, layers, security, and its start where it has a
// Launcher. The display is asked to share, so that nobody is sent away; a display
// that takes one at a time may still refuse. It tries once. The error matches
// ErrNoTarget or is an *Unreachable. ctx and Limits.DialTimeout bound it.
func (g *Gateway) Probe(ctx context.Context, name string) (Probed, error) {
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
		found, err := g.probe(ctx, t)
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

func (g *Gateway) probe(ctx context.Context, t *Target) (Probed, error) {
	if t.Launcher != nil {
		if !g.launches(t.Launcher) {
			return Probed{}, ErrDraining
		}
		if _, err := t.Launcher.acquire(ctx); err != nil {
			return Probed{}, t.unreachable(ctx, "start", err)
		}
		defer t.Launcher.release()
	}
	ctx, cancel := context.WithTimeout(ctx, g.Limits.DialTimeout+g.Limits.GreetTimeout)
	defer cancel()
	spent := newStages(time.Now())
	display, err := t.connect(ctx, nobody{}, g.Limits.GreetTimeout, &spent)
	if err != nil {
		return Probed{}, err
	}
	defer display.Close()
	found := Probed{Security: methodOf(display.Secured), Stack: layers.Describe(display.Conn)}
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
