package gateway_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/rfb"
)

// TestShortOfMemory has somebody in, and then no memory for others.
func TestShortOfMemory(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	const room = 256 << 20 // far more than all else in this test holds
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, func(g *gateway.Gateway) { g.Limits.Memory = room })
	first := g.view(t)
	hold := make([]byte, 2*room)
	runtime.GC()
	eventually(t, "newcomers are refused", func() bool { return errors.Is(g.Ready(), gateway.ErrMemory) })
	if _, err := g.Admit(gateway.Front{}); !errors.Is(err, gateway.ErrMemory) {
		t.Errorf("Admit = %v", err)
	}
	_, err := viewOver(g.dial(t))
	var refused *rfb.DisplayError
	if !errors.As(err, &refused) || refused.Reason != "The gateway is short of memory. Try again later." {
		t.Errorf("a viewer was told %v", err)
	}
	if n := g.TurnedAway().Memory; n != 2 {
		t.Errorf("%d were turned away", n)
	}
	if !strings.Contains(g.log.String(), "short of memory") {
		t.Error("the log does not say so")
	}
	if _, err := first.Write(keyA); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(first, make([]byte, len(keyA))); err != nil {
		t.Errorf("who was in before does not go on: %v", err)
	}
	runtime.KeepAlive(hold)
	hold = nil
	eventually(t, "there is room again", func() bool { runtime.GC(); return g.Ready() == nil })
	g.view(t)
}

func TestNoMemoryLimit(t *testing.T) {
	g := &gateway.Gateway{}
	for range 3 {
		if err := g.Ready(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}
