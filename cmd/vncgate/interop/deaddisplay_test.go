package interop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// The reasons that a viewer is shown. Our page makes headings of them.
const (
	unreachable = "The display cannot be reached."
	unanswering = "The display did not answer in time."
	unwilling   = "The display did not let the gateway in."
	strange     = "What answered there is not a VNC server."
)

// TestDeadDisplay gives every viewer a reason that it can show when there is
// no display, or none that wants us.
func TestDeadDisplay(t *testing.T) {
	locked := theXvnc(t).back("vnc")
	locked.name, locked.at.password = "locked", secrets.wrongOnes
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	dead := back{"dead", endpoint{host: "127.0.0.1", port: port, security: "none"}}
	mute := back{"mute", serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })}
	web := back{"web", serve(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })}
	g, hasty := startGate(t, patient, dead, locked, web), startGate(t, "{dial_timeout: 1s}", mute)
	for _, tt := range []struct {
		g              *gate
		target, reason string
	}{
		{g, "dead", unreachable}, {g, "locked", unwilling}, {hasty, "mute", unanswering}, {g, "web", strange},
	} {
		t.Run(tt.target, func(t *testing.T) { givesReason(t, tt.g, tt.target, tt.reason) })
	}
	t.Run("vncviewer", func(t *testing.T) {
		needVNCViewer(t)
		v, err := openVNCViewer(testScope(t), g.front("x509-plain", "dead"))
		if err != nil {
			t.Fatal(err)
		}
		<-v.done
		if err := v.log.has(0, unreachable); err != nil {
			t.Errorf("%v: %s", err, v.log.tail(5))
		}
	})
	for _, kind := range []viewerKind{noVNC, ownPage} {
		t.Run(kind.label, func(t *testing.T) {
			kind.needs(t)
			v, err := kind.open(testScope(t), g.front("wss", "dead"))
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the page says why", func() error { return v.(*page).says(strings.TrimSuffix(unreachable, ".")) })
		})
	}
}

// serve runs a display that is none.
func serve(t *testing.T, f func(net.Conn)) endpoint {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer c.Close()
				f(c)
			}()
		}
	}()
	return endpoint{host: "127.0.0.1", port: ln.Addr().(*net.TCPAddr).Port, security: "none"}
}

// givesReason looks at the bytes: a SecurityResult with the reason everywhere
// and, behind it, the close frame of a WebSocket.
func givesReason(t *testing.T, g *gate, target, want string) {
	t.Helper()
	r, err := openRaw(g.front("none", target).port)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if reason, _, err := r.enterNone(); err != nil || reason != want {
		t.Errorf("over TCP: %q, %v", reason, err)
	}
	if said, err := r.ends(); err != nil || len(said) > 0 {
		t.Errorf("over TCP, behind the reason: %q, %v", said, err)
	}
	for _, scheme := range []string{"ws", "wss"} {
		at := g.front(scheme, target)
		if err := webReason(fmt.Sprintf("%s://%s/%s", scheme, at.address(), at.path), want); err != nil {
			t.Errorf("over %s: %v", scheme, err)
		}
	}
}

// webReason connects without a browser.
func webReason(url, want string) error {
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	ws, answer, err := dialer.Dial(url, http.Header{})
	if err != nil {
		return fmt.Errorf("%w: %v", err, answer)
	}
	defer ws.Close()
	reason, _, err := (&rawViewer{Conn: &wsStream{Conn: ws.NetConn(), ws: ws}}).enterNone()
	if err != nil || reason != want {
		return fmt.Errorf("the reason is %q, %v", reason, err)
	}
	_, _, err = ws.ReadMessage()
	closed, ok := errors.AsType[*websocket.CloseError](err)
	if !ok || closed.Code != websocket.CloseInternalServerErr || !strings.Contains(closed.Text, want) {
		return fmt.Errorf("the end is %v", err)
	}
	return nil
}

// wsStream is a WebSocket as a stream of bytes.
type wsStream struct {
	net.Conn
	ws   *websocket.Conn
	rest io.Reader
}

func (s *wsStream) Write(b []byte) (int, error) {
	return len(b), s.ws.WriteMessage(websocket.BinaryMessage, b)
}

func (s *wsStream) Read(b []byte) (int, error) {
	for {
		if s.rest == nil {
			_, r, err := s.ws.NextReader()
			if err != nil {
				return 0, err
			}
			s.rest = r
		}
		n, err := s.rest.Read(b)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if s.rest = nil; n > 0 {
			return n, nil
		}
	}
}
