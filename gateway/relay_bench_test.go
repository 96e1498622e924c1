package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/layers/layertest"
	"vncgate/rfb"
)

// BenchmarkRelay moves the display's updates to a viewer over loopback TCP and
// each stack that viewers come by: with everything granted, so that nobody looks
// at them, and with all withheld that can be, so that every rectangle is
// followed (benchstat -col /policy). The load generator shares the machine, so
// compare figures of one run only.
func BenchmarkRelay(b *testing.B) {
	certs := layertest.Certificates(b)
	ws := layers.WebSocketServer(layers.WebSocketConfig{})
	wsClient := layers.WebSocketClient("ws://localhost/websockify", nil)
	tlsServer, tlsClient := layers.TLSServer(certs.Server), layers.TLSClient(certs.Client)
	stacks := []struct {
		name            string
		server, browser []layers.Layer
	}{
		{"tcp-tcp", nil, nil},
		{"tcp-ws", []layers.Layer{ws}, []layers.Layer{wsClient}},
		{"tcp-tls", []layers.Layer{tlsServer}, []layers.Layer{tlsClient}},
		{"tcp-wss", []layers.Layer{tlsServer, ws}, []layers.Layer{tlsClient, wsClient}},
	}
	for _, stack := range stacks {
		for _, size := range []int{600, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d/policy=none", stack.name, size), func(b *testing.B) {
				benchmarkRelay(b, stack.server, stack.browser, size, auth.AllRights)
			})
			b.Run(fmt.Sprintf("%s/%d/policy=full", stack.name, size), func(b *testing.B) {
				benchmarkRelay(b, stack.server, stack.browser, size, auth.View)
			})
		}
	}
}

func benchmarkRelay(b *testing.B, server, browser []layers.Layer, size int, rights auth.Rights) {
	front, viewer := stackedPair(b, server, browser)
	back, display := stackedPair(b, nil, nil)
	r := newRelay(front, back, &auth.Grant{Rights: rights}, rfb.ServerInit{Format: rfb.Format32()}, time.Minute, nil)
	ended := make(chan struct{})
	go func() { defer close(ended); r.wait() }()
	go writeMany(display, rawUpdate(size), b.N)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := io.CopyN(io.Discard, viewer, int64(b.N)*int64(size)); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	r.cut(endShutdown)
	<-ended
}

// rawUpdate is an update of one line of pixels, size bytes long.
func rawUpdate(size int) []byte {
	const heads = 4 + 12
	b := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, uint16((size-heads)/4), 1, rfb.EncodingRaw)
	return append(b, make([]byte, size-heads)...)
}

func writeMany(c net.Conn, p []byte, n int) {
	for range n {
		if _, err := c.Write(p); err != nil {
			return
		}
	}
}

// stackedPair joins two ends over loopback TCP and stacks layers on each.
func stackedPair(b testing.TB, server, client []layers.Layer) (ours, theirs net.Conn) {
	b.Helper()
	accepted, dialled := layertest.TCP(b)
	type result struct {
		c   net.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := layers.Stack(context.Background(), dialled, client...)
		done <- result{c, err}
	}()
	ours, err := layers.Stack(context.Background(), accepted, server...)
	if err != nil {
		b.Fatal(err)
	}
	other := <-done
	if other.err != nil {
		b.Fatal(other.err)
	}
	return ours, other.c
}
