package gateway

import (
	"context"
	"errors"
	"time"

	"vncgate/rfb"
)

// Errors of Look that callers branch on.
var (
	// ErrSeen says that a viewer sees the display, and was not to be disturbed.
	ErrSeen = errors.New("gateway: a viewer sees the display")
	// ErrAsleep says that the display is not running: it is started for viewers.
	ErrAsleep = errors.New("gateway: the display is not running")
)

// Look opens a session to a target by the way that those of viewers take, has see
// look at it, and ends it. The display is asked to share, so that nobody is sent
// away who came through a display that shares; some do not, whatever they are
// asked, which is why beside has to be true for a target that a viewer sees. A
// display that is started when it is wanted is not started. Fall-backs are tried
// in order.
//
// see has conn behind ServerInit, as long as ctx lasts; Limits.DialTimeout and
// GreetTimeout bound the time until then. The error matches ErrNoTarget, ErrSeen
// or ErrAsleep, is an *Unreachable, or what see returned.
func (g *Gateway) Look(ctx context.Context, name string, beside bool, see func(ctx context.Context, conn *rfb.Conn, init rfb.ServerInit) error) error {
	g.mu.Lock()
	g.prepare()
	g.mu.Unlock()
	target, err := g.resolve(ctx, name)
	if err != nil {
		return err
	}
	if !beside && g.seen(name) {
		return ErrSeen
	}
	var first error
	for _, t := range append([]*Target{target}, target.Fallbacks...) {
		conn, init, err := g.lookAt(ctx, t)
		if !errors.Is(err, ErrAsleep) {
			g.tried(ctx, t, err)
		}
		if err == nil {
			defer conn.Close()
			return see(ctx, conn, init)
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// lookAt connects to a target that runs.
func (g *Gateway) lookAt(ctx context.Context, t *Target) (*rfb.Conn, rfb.ServerInit, error) {
	if t.Launcher != nil && !t.Launcher.running() {
		return nil, rfb.ServerInit{}, ErrAsleep
	}
	limits := g.limitsNow()
	ctx, cancel := context.WithTimeout(ctx, limits.DialTimeout+limits.GreetTimeout)
	defer cancel()
	spent := newStages(time.Now())
	conn, err := t.connect(ctx, nobody{}, limits.GreetTimeout, &spent)
	if err != nil {
		return nil, rfb.ServerInit{}, err
	}
	init, err := enter(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, init, t.unreachable(ctx, "handshake", err)
	}
	return conn, init, nil
}

// enter goes from the log-in to ServerInit, beside whoever is there.
func enter(ctx context.Context, conn *rfb.Conn) (rfb.ServerInit, error) {
	if err := conn.WriteClientInit(ctx, true); err != nil {
		return rfb.ServerInit{}, err
	}
	return conn.ReadServerInit(ctx)
}
