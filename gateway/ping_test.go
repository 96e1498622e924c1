package gateway_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// browser comes in by WebSocket.
func (g *testGateway) browser(t *testing.T) *rfb.Conn {
	t.Helper()
	c, err := layers.Stack(context.Background(), g.dial(t), layers.WebSocketClient("ws://localhost/", nil))
	if err != nil {
		t.Fatal(err)
	}
	viewer, err := viewOver(c)
	if err != nil {
		t.Fatal(err)
	}
	return viewer
}

func webFront(every time.Duration) gateway.Front {
	return gateway.Front{Layers: []layers.Layer{layers.WebSocketServer(layers.WebSocketConfig{})}, Ping: every}
}

// A browser whose machine has gone to sleep answers no ping. Ours answers where
// it reads, and here nobody does.
func TestBrowserThatIsGone(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), webFront(20*time.Millisecond))
	g.browser(t)
	eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="viewer gone"`) })
}
