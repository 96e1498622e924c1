package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/rfb"
)

// TestSilentCrowdDoesNotKeepAViewerOut opens more half-open connections than
// there are places; the oldest make room.
func TestSilentCrowdDoesNotKeepAViewerOut(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, func(g *gateway.Gateway) { g.Limits.Handshakes = 16 })
	var crowd []net.Conn
	for range 200 {
		crowd = append(crowd, g.dial(t))
	}
	g.view(t)
	eventually(t, "no more than the places and the viewer are held", func() bool { return g.Sessions() <= 16+1 })
	for _, c := range crowd {
		_ = c.Close()
	}
	eventually(t, "the crowd is gone", func() bool { return g.Sessions() == 1 })
}

func TestHandshakeTimeout(t *testing.T) {
	t.Parallel()
	g := newGateway(t, nil, gateway.Front{}, func(g *gateway.Gateway) { g.Limits.HandshakeTimeout = time.Second })
	c := g.dial(t)
	b, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(b), "RFB ") {
		t.Errorf("got %q, %v", b, err)
	}
	eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="handshake timeout"`) })
}

func TestFullHouse(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, func(g *gateway.Gateway) { g.Limits.Sessions = 1 })
	first := g.view(t)
	if _, err := g.Admit(gateway.Front{}); !errors.Is(err, gateway.ErrFull) {
		t.Fatalf("Admit = %v", err)
	}
	if err := g.Ready(); !errors.Is(err, gateway.ErrFull) {
		t.Errorf("Ready = %v", err)
	}
	_, err := viewOver(g.dial(t))
	var refused *rfb.DisplayError
	if !errors.As(err, &refused) || refused.Reason != "The gateway is full. Try again later." {
		t.Errorf("a viewer too many was told %v", err)
	}
	if got, want := g.TurnedAway(), (gateway.TurnedAway{Full: 2}); got != want {
		t.Errorf("turned away: %+v", got)
	}
	_ = first.Close()
	eventually(t, "the place is free again", func() bool { return g.Sessions() == 0 })
	g.view(t)
}

// TestSetLimits: who comes from then on is held to the new ones, and who is in stays.
func TestSetLimits(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, func(g *gateway.Gateway) { g.Limits.Sessions = 1 })
	g.view(t)
	g.SetLimits(gateway.Limits{Sessions: 2, HandshakeTimeout: 50 * time.Millisecond})
	if _, err := io.ReadAll(g.dial(t)); err != nil {
		t.Errorf("a viewer that says nothing: %v", err)
	}
	eventually(t, "it is forgotten", func() bool { return g.Sessions() == 1 })
	g.SetLimits(gateway.Limits{Sessions: 2})
	second := g.view(t)
	if err := g.Ready(); !errors.Is(err, gateway.ErrFull) {
		t.Errorf("Ready = %v", err)
	}
	g.SetLimits(gateway.Limits{Sessions: 1})
	if n := g.Sessions(); n != 2 {
		t.Errorf("%d sessions are left", n)
	}
	_ = second.Close()
	eventually(t, "it has ended", func() bool { return g.Sessions() == 1 })
	if err := g.Ready(); !errors.Is(err, gateway.ErrFull) {
		t.Errorf("Ready = %v", err)
	}
}

func TestReleaseGivesThePlaceBack(t *testing.T) {
	g := &gateway.Gateway{}
	s, err := g.Admit(gateway.Front{})
	if err != nil {
		t.Fatal(err)
	}
	if g.Sessions() != 1 {
		t.Error("an admitted session is not counted")
	}
	s.Release()
	if g.Sessions() != 0 {
		t.Error("a released session is still counted")
	}
}

func TestShutdownWaitsForSessions(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	viewer := g.view(t)
	done := make(chan error, 1)
	go func() { done <- g.Shutdown(context.Background()) }()
	eventually(t, "no new viewer gets in", func() bool {
		s, err := g.Admit(gateway.Front{})
		if err == nil {
			s.Release()
		}
		return errors.Is(err, gateway.ErrDraining)
	})
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned %v with a session running", err)
	default:
	}
	if _, err := viewer.Write(keyA); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(viewer, make([]byte, len(keyA))); err != nil {
		t.Fatalf("the session does not go on: %v", err)
	}
	_ = viewer.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestShutdownCutsWhenItsTimeIsOver(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	viewer := g.view(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := g.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v", err)
	}
	if _, err := io.ReadAll(viewer); err != nil {
		t.Errorf("the viewer saw %v", err)
	}
	if !strings.Contains(g.log.String(), "reason=shutdown") {
		t.Error("the log does not say why")
	}
}

// A viewer that stops reading is cut after Stall; until then its display feels
// the back-pressure, since nothing queues in between.
func TestStalledViewerIsCut(t *testing.T) {
	blocked := make(chan struct{})
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) {
		defer close(blocked)
		for b := make([]byte, 1<<20); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, func(g *gateway.Gateway) { g.Limits.Stall = 200 * time.Millisecond })
	g.view(t) // and never read again
	eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="viewer stalled"`) })
	<-blocked
}
