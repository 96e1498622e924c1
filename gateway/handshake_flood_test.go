package gateway_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"

	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/layers/layertest"
	"vncgate/rfb"
)

// TestSlowHandshakesDisturbNobody has one viewer in, then a crowd that begins TLS
// handshakes and goes no further, and then another viewer. Both get on.
func TestSlowHandshakesDisturbNobody(t *testing.T) {
	certs := layertest.Certificates(t)
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	front := gateway.Front{Layers: []layers.Layer{layers.NewTurns(1).TLSServer(certs.Server)}}
	g := newGateway(t, display.target(rfb.None{}), front, func(g *gateway.Gateway) { g.Limits.Handshakes = 2000 })
	over := func(c net.Conn) *rfb.Conn {
		t.Helper()
		secured, err := layers.TLSClient(certs.Client)(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		viewer, err := viewOver(secured)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = viewer.Close() })
		return viewer
	}
	works := func(who string, viewer net.Conn) {
		t.Helper()
		if _, err := viewer.Write(keyA); err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		if _, err := io.ReadFull(viewer, make([]byte, len(keyA))); err != nil {
			t.Fatalf("%s: %v", who, err)
		}
	}
	first := over(g.dial(t))
	hello := clientHello(t, certs.Client)
	for i := range 1000 {
		c := g.dial(t)
		t.Cleanup(func() { _ = c.Close() })
		if _, err := c.Write(hello[:i%len(hello)+1]); err != nil { // some of them all of it
			t.Fatal(err)
		}
		if i%100 == 0 {
			works("the first viewer, in the crowd", first)
		}
	}
	works("another viewer", over(g.dial(t)))
	works("the first viewer", first)
}

// clientHello is what a TLS client says first.
func clientHello(t *testing.T, config *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		_ = tls.Client(near, config).Handshake()
		_ = near.Close()
	}()
	b := make([]byte, 4096)
	n, err := far.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	_ = far.Close()
	return b[:n]
}
