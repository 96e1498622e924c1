package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/layers/layertest"
	"vncgate/web/bridge"
)

func TestSession(t *testing.T) {
	address := start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}})
	for _, path := range []string{"/", "/websockify", "/any/path?x=y", "/a.txt"} {
		c, _ := open(t, address, path, nil)
		say(t, c, "hello", "hello")
		_ = c.WriteMessage(websocket.BinaryMessage, []byte("quit"))
		if code, words := ended(t, c); code != websocket.CloseNormalClosure || words != "Target closed" {
			t.Errorf("%s: closed with %d %q", path, code, words)
		}
	}
}

func TestBulk(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789"), 100_000)
	address := start(t, bridge.Config{Route: bridge.Route{Address: service(t, func(c net.Conn) {
		_, _ = io.CopyN(c, c, int64(len(big)))
	})}})
	c, _ := open(t, address, "/", nil)
	go func() { _ = c.WriteMessage(websocket.BinaryMessage, big) }()
	var got []byte
	for len(got) < len(big) {
		_, b, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
	}
	if !bytes.Equal(got, big) {
		t.Error("other bytes came back")
	}
	if code, words := ended(t, c); code != websocket.CloseNormalClosure || words != "Target closed" {
		t.Errorf("closed with %d %q", code, words)
	}
}

func TestUnixTarget(t *testing.T) {
	path := filepath.Join(layertest.SocketDir(t), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() {
		if c, err := ln.Accept(); err == nil {
			_, _ = io.WriteString(c, "over a unix socket")
			_ = c.Close()
		}
	}()
	c, _ := open(t, start(t, bridge.Config{Route: bridge.Route{Address: "unix:" + path}}), "/", nil)
	if _, b, err := c.ReadMessage(); string(b) != "over a unix socket" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestTokenInAddress: a socket named by the token is not named in the log.
func TestTokenInAddress(t *testing.T) {
	dir := layertest.SocketDir(t)
	ln, err := net.Listen("unix", filepath.Join(dir, "t0k3n"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if c, err := ln.Accept(); err == nil {
			_ = c.Close()
		}
	}()
	var log journal
	s, address := startServer(t, bridge.Config{Log: log.logger(), Lookup: func(_ context.Context, token string) (bridge.Route, error) {
		return bridge.Route{Address: "unix:" + filepath.Join(dir, token)}, nil
	}})
	up, _ := open(t, address, "/?token=t0k3n", nil)
	_, _ = ended(t, up)
	_ = ln.Close()
	down, _ := open(t, address, "/?token=t0k3n", nil)
	if _, words := ended(t, down); words != "Failed to connect to downstream server" {
		t.Errorf("closed with %q", words)
	}
	s.Wait()
	if said := log.String(); strings.Contains(said, "t0k3n") || strings.Count(said, dir+"/(token)") < 3 {
		t.Errorf("log %s", said)
	}
}

// TestMany sessions at once, each with its own bytes.
func TestMany(t *testing.T) {
	var told events
	s, address := startServer(t, bridge.Config{
		Route: bridge.Route{Address: echo(t)}, Record: filepath.Join(t.TempDir(), "rec"), Traffic: io.Discard, Heartbeat: time.Minute,
		Opened: func(session uint64, live int) { told.add("+", session, live) },
		Closed: func(session uint64, live int) { told.add("-", session, live) },
	})
	var clients sync.WaitGroup
	for i := range 20 {
		c, _ := open(t, address, "/", nil)
		clients.Go(func() {
			for j := range 20 {
				want := fmt.Sprint("session ", i, " message ", j)
				_ = c.WriteMessage(websocket.BinaryMessage, []byte(want))
				if _, b, err := c.ReadMessage(); err != nil || string(b) != want {
					t.Errorf("read %q, %v; want %q", b, err, want)
					break
				}
			}
			_ = c.Close()
		})
	}
	clients.Wait()
	s.Wait()
	if len(told.e) != 40 || !slices.ContainsFunc(told.e, func(e string) bool { return strings.HasSuffix(e, "/0") }) {
		t.Errorf("told %v", told.e)
	}
}

// TestTargetEnds, or is not there at all: the upgrade has been by then.
func TestTargetEnds(t *testing.T) {
	down := listen(t)
	_ = down.Close()
	reset := service(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1)) // or the dial itself may fail
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	hung := func(ctx context.Context, _ bridge.Route) (net.Conn, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	for _, c := range []struct {
		name  string
		cfg   bridge.Config
		code  int
		words string
	}{
		{"down", bridge.Config{Route: bridge.Route{Address: down.Addr().String()}}, 1011, "Failed to connect to downstream server"},
		{"no address", bridge.Config{Route: bridge.Route{Address: "nonsense"}}, 1011, "Failed to connect to downstream server"},
		{"hung", bridge.Config{Route: bridge.Route{Address: "x:1"}, Dial: hung, DialTimeout: 10 * time.Millisecond}, 1011, "Failed to connect to downstream server"},
		{"closes", bridge.Config{Route: bridge.Route{Address: service(t, func(net.Conn) {})}}, 1000, "Target closed"},
		{"resets", bridge.Config{Route: bridge.Route{Address: reset}}, 1011, "The connection to the target failed"},
	} {
		ws, res := open(t, start(t, c.cfg), "/", nil)
		if ws == nil {
			t.Fatalf("%s: %d", c.name, res.StatusCode)
		}
		if c.name == "resets" {
			_ = ws.WriteMessage(websocket.BinaryMessage, []byte("x"))
		}
		if code, words := ended(t, ws); code != c.code || words != c.words {
			t.Errorf("%s: closed with %d %q", c.name, code, words)
		}
	}
}

// TestStalls end a session one of whose ends takes nothing, and no other way.
func TestStalls(t *testing.T) {
	const stall = 100 * time.Millisecond
	enough := make([]byte, 64<<10)
	release := make(chan struct{})
	defer close(release)
	deaf := start(t, bridge.Config{Stall: stall, Route: bridge.Route{Address: service(t, func(net.Conn) { <-release })}})
	c, _ := open(t, deaf, "/", nil)
	go func() {
		for c.WriteMessage(websocket.BinaryMessage, enough) == nil {
		}
	}()
	if code, words := ended(t, c); code != websocket.CloseInternalServerErr || words != "The target stopped reading" {
		t.Errorf("deaf target: closed with %d %q", code, words)
	}
	gone := make(chan struct{})
	flood := start(t, bridge.Config{Stall: stall, Route: bridge.Route{Address: service(t, func(c net.Conn) {
		defer close(gone)
		for {
			if _, err := c.Write(enough); err != nil {
				return
			}
		}
	})}})
	_, _ = open(t, flood, "/", nil) // and never read from
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatal("a deaf client keeps its session")
	}
}

// TestClientEnds: the target sees the end, however the client goes.
func TestClientEnds(t *testing.T) {
	for name, leave := range map[string]func(*websocket.Conn){
		"close frame": func(c *websocket.Conn) {
			_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye"), time.Now().Add(patience))
		},
		"no close frame": func(c *websocket.Conn) { _ = c.Close() },
		"text frame":     func(c *websocket.Conn) { _ = c.WriteMessage(websocket.TextMessage, []byte("text")) },
		"unmasked":       func(c *websocket.Conn) { _, _ = c.NetConn().Write([]byte{0x82, 1, 'x'}) },
		"huge frame": func(c *websocket.Conn) {
			_, _ = c.NetConn().Write([]byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
		},
	} {
		gone := make(chan error, 1)
		address := start(t, bridge.Config{Route: bridge.Route{Address: service(t, func(c net.Conn) {
			_, err := io.ReadAll(c)
			gone <- err
		})}})
		c, _ := open(t, address, "/", nil)
		leave(c)
		select {
		case <-gone:
		case <-time.After(patience):
			t.Fatalf("%s: the target does not know", name)
		}
	}
}

// TestHostileFrames end with the code that says what was wrong.
func TestHostileFrames(t *testing.T) {
	address := start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}})
	key := []byte{1, 2, 3, 4}
	for name, c := range map[string]struct {
		frame []byte
		code  int
	}{
		"text":           {[]byte{0x81, 0x80, 1, 2, 3, 4}, 1003},
		"unmasked":       {[]byte{0x82, 0x01, 'x'}, 1002},
		"reserved bits":  {append([]byte{0xc2, 0x80}, key...), 1002},
		"unknown opcode": {append([]byte{0x83, 0x80}, key...), 1002},
		"continuation":   {append([]byte{0x80, 0x80}, key...), 1002},
		"long ping":      {append([]byte{0x89, 0xfe, 0, 126}, key...), 1002},
	} {
		ws, _ := open(t, address, "/", nil)
		_, _ = ws.NetConn().Write(c.frame)
		if code, _ := ended(t, ws); code != c.code {
			t.Errorf("%s: closed with %d, want %d", name, code, c.code)
		}
	}
}

// TestHostileRequests are answered or cut off, and nobody else is the worse.
func TestHostileRequests(t *testing.T) {
	address := start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}})
	for name, request := range map[string]string{
		"garbage":         "GARBAGE\r\n\r\n",
		"RFB":             "RFB 003.008\n\r\n\r\n",
		"HTTP/2":          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"no host":         "GET / HTTP/1.1\r\n\r\n",
		"two hosts":       "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"NUL":             "GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
		"smuggling":       "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nxx",
		"long header":     "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"long path":       "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"half a request":  "GET / HT",
		"upgrade to h2c":  "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"frame too early": "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x82\x80\x00\x00\x00\x00",
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, request)
		_ = c.(*net.TCPConn).CloseWrite()
		answer, err := io.ReadAll(c)
		if errors.Is(err, os.ErrDeadlineExceeded) || len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 4") && !strings.HasPrefix(string(answer), "HTTP/1.1 5") {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
		_ = c.Close()
	}
	ws, _ := open(t, address, "/", nil)
	say(t, ws, "still", "still")
}
