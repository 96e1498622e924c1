package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// behindAgent is a target whose agent is connected while up holds.
func behindAgent(t *testing.T) (target *gateway.Target, up *atomic.Bool) {
	target = newDisplay(t, []rfb.Security{rfb.None{}}, echo).target(rfb.None{})
	dial := target.Dial
	up = &atomic.Bool{}
	target.Agent = "lab"
	target.Dial = func(ctx context.Context) (net.Conn, error) {
		if !up.Load() {
			return nil, fmt.Errorf("%w: lab", gateway.ErrNoAgent)
		}
		return dial(ctx)
	}
	return target, up
}

// A viewer is told that it is the agent that is missing, and a session which one
// it goes through.
func TestAgentThatIsNotConnected(t *testing.T) {
	target, up := behindAgent(t)
	g := newGateway(t, target, gateway.Front{})
	if _, err := viewOver(g.dial(t)); told(err) != "The display's agent is not connected." {
		t.Error(err)
	}
	eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="agent not connected"`) })
	if down := g.Down(); len(down) != 1 || down[0].Reason != "agent not connected" {
		t.Error(down)
	}
	up.Store(true)
	g.view(t)
	eventually(t, "the session says by which agent", func() bool {
		list := g.List()
		return len(list) == 1 && list[0].Agent == "lab"
	})
}

func TestViewerWaitsForAnAgent(t *testing.T) {
	t.Parallel()
	target, up := behindAgent(t)
	target.Retry = time.Minute
	g := newGateway(t, target, gateway.Front{})
	c := g.dial(t)
	seen := make(chan error, 1)
	go func() {
		_, err := viewOver(c)
		seen <- err
	}()
	eventually(t, "those who ask are told what is missing", func() bool {
		words, _, ok := g.Waiting("display")
		return ok && words == "The display's agent is not connected. Waiting for it."
	})
	up.Store(true)
	if err := <-seen; err != nil {
		t.Error(err)
	}
}

// throughTunnel has target reached by streams of a tunnel that cut ends.
func throughTunnel(t *testing.T, target *gateway.Target) (cut func()) {
	t.Helper()
	a, b := net.Pipe()
	ours, err := layers.NewMux(a, false, layers.MuxConfig{})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := layers.NewMux(b, true, layers.MuxConfig{})
	if err != nil {
		t.Fatal(err)
	}
	dial := target.Dial
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			s, err := theirs.Accept(context.Background())
			if err != nil {
				return
			}
			serving.Go(func() {
				defer s.Close()
				display, err := dial(context.Background())
				if err != nil {
					return
				}
				defer display.Close()
				serving.Go(func() { _, _ = io.Copy(s, display); _ = s.Close() })
				_, _ = io.Copy(display, s)
			})
		}
	})
	target.Agent = "lab"
	target.Dial = func(ctx context.Context) (net.Conn, error) { return ours.Open(ctx) }
	t.Cleanup(func() {
		_ = ours.Close()
		_ = theirs.Close()
		serving.Wait()
	})
	return func() { _ = a.Close() }
}

// The loss of a tunnel is the end of its sessions, which says what it was.
func TestTunnelThatIsLost(t *testing.T) {
	target := newDisplay(t, []rfb.Security{rfb.None{}}, echo).target(rfb.None{})
	cut := throughTunnel(t, target)
	g := newGateway(t, target, gateway.Front{})
	viewer := g.view(t)
	eventually(t, "the session tells of its stream", func() bool {
		list := g.List()
		return len(list) == 1 && list[0].Stream != nil && list[0].Stream.ID != 0 && list[0].Stream.In > 0 && list[0].DisplayStack == "mux"
	})
	cut()
	_, _ = io.Copy(io.Discard, viewer) // until it is over
	eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="tunnel lost"`) })
	eventually(t, "nobody is left", func() bool { return g.Sessions() == 0 })
}
