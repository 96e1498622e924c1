package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"vncgate/gateway"
	"vncgate/rfb"
)

func TestProbe(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	target := display.target(rfb.None{})
	target.SendProxy = 0
	g := newGateway(t, target, gateway.Front{})
	found, err := g.Probe(t.Context(), "display")
	if err != nil || found.Reached != target.Name || found.Security != "None" && found.Security != "none" || found.Init.Width == 0 || found.Took <= 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if shared := <-display.shared; !shared {
		t.Error("the display was asked for alone")
	}
	if n := g.Sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

func TestProbeOfWhatIsNotThere(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(net.Conn) {})
	target := display.target(rfb.None{})
	down := *target
	down.Name, down.Dial = "down", func(context.Context) (net.Conn, error) { return nil, errors.New("no route") }
	var seen observer
	g := newGateway(t, &down, gateway.Front{}, seen.on)
	if _, err := g.Probe(t.Context(), "other"); !errors.Is(err, gateway.ErrNoTarget) {
		t.Errorf("%v", err)
	}
	_, err := g.Probe(t.Context(), "display")
	var gone *gateway.Unreachable
	if !errors.As(err, &gone) || gone.Stage != "dial" {
		t.Errorf("%v", err)
	}
	if seen.kinds() != string(gateway.TargetDown) {
		t.Errorf("observed %s", seen.kinds())
	}
	down.Fallbacks = []*gateway.Target{target}
	if found, err := g.Probe(t.Context(), "display"); err != nil || found.Reached != target.Name {
		t.Errorf("%+v, %v", found, err)
	}
}
