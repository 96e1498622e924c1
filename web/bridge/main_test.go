package bridge_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/layers/layertest"
	"vncgate/web/bridge"
)

func TestMain(m *testing.M) { layertest.Main(m) }

// patience is how long a test waits for what must happen.
const patience = time.Minute

// listen returns a loopback listener that ends with the test.
func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// service is a target: it runs serve for each connection, and returns its address.
func service(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	ln := listen(t)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				serve(c)
			}()
		}
	}()
	return ln.Addr().String()
}

// echo is a target that says everything again, until it reads "quit".
func echo(t testing.TB) string {
	return service(t, func(c net.Conn) {
		b := make([]byte, 64<<10)
		for {
			n, err := c.Read(b)
			if err != nil || string(b[:n]) == "quit" {
				return
			}
			_, _ = c.Write(b[:n])
		}
	})
}

// start runs a bridge and returns its address.
func start(t testing.TB, cfg bridge.Config) string {
	t.Helper()
	s, address := startServer(t, cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return address
}

func startServer(t testing.TB, cfg bridge.Config) (*bridge.Server, string) {
	t.Helper()
	s, err := bridge.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(ln)
	}()
	t.Cleanup(func() { _ = ln.Close(); <-served })
	return s, ln.Addr().String()
}

// open asks for an upgrade of a path of the bridge at address.
func open(t testing.TB, address, path string, header http.Header) (*websocket.Conn, *http.Response) {
	t.Helper()
	d := websocket.Dialer{HandshakeTimeout: patience}
	c, res, err := d.Dial("ws://"+address+path, header)
	if res == nil {
		t.Fatal(err)
	}
	if c != nil {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, res
}

// say sends one message and expects another.
func say(t testing.TB, c *websocket.Conn, message, answer string) {
	t.Helper()
	if err := c.WriteMessage(websocket.BinaryMessage, []byte(message)); err != nil {
		t.Fatal(err)
	}
	kind, b, err := c.ReadMessage()
	if err != nil || kind != websocket.BinaryMessage || string(b) != answer {
		t.Fatalf("read %q (type %d), %v; want %q", b, kind, err, answer)
	}
}

// ended returns the code and words that a WebSocket is closed with.
func ended(t testing.TB, c *websocket.Conn) (int, string) {
	t.Helper()
	for {
		_, _, err := c.ReadMessage()
		if closed, ok := err.(*websocket.CloseError); ok {
			return closed.Code, closed.Text
		}
		if err != nil {
			t.Fatalf("no close frame: %v", err)
		}
	}
}

// get makes a plain request.
func get(t testing.TB, method, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res, readAll(t, res)
}

func readAll(t testing.TB, res *http.Response) string {
	t.Helper()
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
