package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/rfb"
)

// glance notes that there was something to see.
func glance(seen *int) func(context.Context, *rfb.Conn, rfb.ServerInit) error {
	return func(_ context.Context, _ *rfb.Conn, init rfb.ServerInit) error {
		*seen = int(init.Width)
		return nil
	}
}

func TestLook(t *testing.T) {
	ended := make(chan struct{})
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) { _, _ = io.Copy(io.Discard, c); close(ended) })
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	var width int
	if err := g.Look(t.Context(), "display", false, glance(&width)); err != nil || width != int(testInit.Width) {
		t.Errorf("%d, %v", width, err)
	}
	if shared := <-display.shared; !shared {
		t.Error("the display was asked for alone")
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the connection is left behind")
	}
	if _, up := g.Up("display"); !up || g.Sessions() != 0 {
		t.Errorf("up is %v, %d sessions", up, g.Sessions())
	}
	if err := g.Look(t.Context(), "other", false, nil); !errors.Is(err, gateway.ErrNoTarget) {
		t.Errorf("%v", err)
	}
}

// A display that a viewer sees is left alone, unless it is known to bear it.
func TestLookDisturbsNobody(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	g.view(t)
	<-display.shared
	eventually(t, "the session is open", func() bool { list := g.List(); return len(list) == 1 && list[0].Open })
	var width int
	if err := g.Look(t.Context(), "display", false, glance(&width)); !errors.Is(err, gateway.ErrSeen) || width != 0 {
		t.Errorf("%v", err)
	}
	if len(display.shared) != 0 {
		t.Error("it was connected to")
	}
	if err := g.Look(t.Context(), "display", true, glance(&width)); err != nil || width == 0 {
		t.Errorf("beside: %v", err)
	}
	if len(g.List()) != 1 {
		t.Error("the viewer is gone")
	}
}

func TestLookAtWhatSleeps(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	target := display.target(rfb.None{})
	target.Launcher = &gateway.Launcher{Start: func(context.Context) error { t.Error("it was started"); return nil }}
	g := newGateway(t, target, gateway.Front{})
	if err := g.Look(t.Context(), "display", false, nil); !errors.Is(err, gateway.ErrAsleep) {
		t.Errorf("%v", err)
	}
	if down := g.Down(); len(down) != 0 {
		t.Errorf("it is called down: %v", down)
	}
}

func TestLookTakesFallbacks(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	target := display.target(rfb.None{})
	down := *target
	down.Name, down.Dial = "down", func(context.Context) (net.Conn, error) { return nil, errors.New("no route") }
	g := newGateway(t, &down, gateway.Front{})
	var gone *gateway.Unreachable
	if err := g.Look(t.Context(), "display", false, nil); !errors.As(err, &gone) || gone.Stage != "dial" {
		t.Errorf("%v", err)
	}
	down.Fallbacks = []*gateway.Target{target}
	blind := errors.New("nothing to see")
	err := g.Look(t.Context(), "display", false, func(context.Context, *rfb.Conn, rfb.ServerInit) error { return blind })
	if !errors.Is(err, blind) {
		t.Errorf("%v", err)
	}
}
