package layers_test

import (
	"io"
	"net"
	"testing"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

const wsURL = "ws://display.test/websockify"

// websockets joins a client and a server in memory.
func websockets(t testing.TB) (client, server *layers.WebSocketConn) {
	t.Helper()
	near, far := layertest.Pipe()
	a, b := join(t, near, far, layers.WebSocketClient(wsURL, nil), layers.WebSocketServer(layers.WebSocketConfig{}))
	return a.(*layers.WebSocketConn), b.(*layers.WebSocketConn)
}

func TestWebSocketOverTLS(t *testing.T) {
	certs := layertest.Certificates(t)
	near, far := layertest.Pipe()
	client, server := join(t, near, far,
		stack(layers.TLSClient(certs.Client), layers.WebSocketClient(wsURL, nil)),
		stack(layers.TLSServer(certs.Server), layers.WebSocketServer(layers.WebSocketConfig{})))
	if got := layers.Describe(server); got != "pipe→tls1.3→ws" {
		t.Errorf("Describe = %q", got)
	}
	for _, ends := range [][2]net.Conn{{client, server}, {server, client}} {
		if _, err := io.WriteString(ends[0], "RFB 003.008\n"); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 12)
		if _, err := io.ReadFull(ends[1], got); err != nil || string(got) != "RFB 003.008\n" {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if n, err := client.Read(make([]byte, 8)); n != 0 || err != io.EOF {
		t.Errorf("after close: %d, %v", n, err)
	}
}
