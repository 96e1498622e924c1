package gateway_test

import (
	"io"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/rfb"
)

// A browser in front of a display that shows nothing new for longer than a
// Write may take still hears pings, and its answers are heard.
func TestBrowserThatOnlyLooks(t *testing.T) {
	t.Parallel()
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), webFront(2*time.Second), func(g *gateway.Gateway) {
		g.Limits.Stall = time.Second
	})
	viewer := g.browser(t)
	const pointer = "\x05\x00\x00\x00\x00\x00"
	if _, err := viewer.Write([]byte(pointer)); err != nil { // its echo sets the deadline
		t.Fatal(err)
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = io.Copy(io.Discard, viewer) // which answers pings
	}()
	select {
	case <-left:
		t.Error("given up as gone")
	case <-time.After(5 * time.Second):
	}
	_ = viewer.Close()
	<-left
}
