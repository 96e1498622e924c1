package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/certs"
	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// gate is a gateway that is served until the test ends.
type gate struct {
	*wiring
	t   *testing.T
	log *logText
}

// logText is a log that can be read while it is written.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newGate serves the configuration that format and args make.
func newGate(t *testing.T, format string, args ...any) *gate {
	t.Helper()
	cfg, err := parseConfig(fmt.Appendf(nil, format, args...))
	if err != nil {
		t.Fatal(err)
	}
	return gateOf(t, cfg, nil)
}

// gateOf serves a configuration, and follows its file unless that is nil.
func gateOf(t *testing.T, cfg *config, file *configFile) *gate {
	t.Helper()
	g := &gate{t: t, log: &logText{}}
	log := slog.New(newAdjustable(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	var err error
	if g.wiring, err = newWiring(t.Context(), cfg, log); err != nil {
		t.Fatal(err)
	}
	g.file = file
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- g.serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(g.log.String())
		}
	})
	return g
}

// address is where the door of that number is.
func (g *gate) address(door int) string { return g.doors[door].ln.Addr().String() }

// logs waits until the log says all of it: a viewer is in before that is logged.
func (g *gate) logs(texts ...string) {
	g.t.Helper()
	for _, text := range texts {
		eventually(g.t, "the log says "+text, func() bool { return strings.Contains(g.log.String(), text) })
	}
}

// patience bounds each visit; nothing waits for it but failures.
const patience = time.Minute

func visit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (g *gate) dial(door int) net.Conn {
	g.t.Helper()
	c, err := layers.Dial(visit(g.t), g.address(door))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() })
	return c
}

// native comes in at a door as a native viewer, over the stated layers, and
// returns the name of the display that it sees.
func (g *gate) native(door int, stack []layers.Layer, security ...rfb.Security) (string, error) {
	g.t.Helper()
	c, err := layers.Stack(visit(g.t), g.dial(door), stack...)
	if err != nil {
		return "", err
	}
	return look(visit(g.t), c, security...)
}

// browser comes in at a door as noVNC does.
func (g *gate) browser(door int, path string, header http.Header, below ...layers.Layer) (string, error) {
	g.t.Helper()
	url := "ws://" + g.address(door) + path
	return g.native(door, append(below, layers.WebSocketClient(url, header)))
}

// look takes the viewer's side as far as the display's name.
func look(ctx context.Context, c net.Conn, security ...rfb.Security) (string, error) {
	defer c.Close()
	if len(security) == 0 {
		security = []rfb.Security{rfb.None{}}
	}
	viewer, err := rfb.Client(ctx, c, &rfb.ClientConfig{Security: security})
	if err != nil {
		return "", err
	}
	if err := viewer.WriteClientInit(ctx, true); err != nil {
		return "", err
	}
	init, err := viewer.ReadServerInit(ctx)
	return init.Name, err
}

// sees fails the test unless what came back is the name want, or an error that
// holds want behind a "!".
func sees(t *testing.T, what, want, got string, err error) {
	t.Helper()
	refusal, refused := strings.CutPrefix(want, "!")
	switch {
	case refused && (err == nil || !strings.Contains(err.Error(), refusal)):
		t.Errorf("%s: sees %q, %v; want an error with %q", what, got, err, refusal)
	case !refused && (err != nil || got != want):
		t.Errorf("%s: sees %q, %v; want %q", what, got, err, want)
	}
}

// displayNamed is a display that says who it is.
func displayNamed(name string) *rfbtest.Display {
	return &rfbtest.Display{Init: rfb.ServerInit{Width: 8, Height: 8, Format: rfb.Format32(), Name: name}}
}

// passwordOnly is VNC authentication.
func passwordOnly(password string) []rfb.Security {
	return []rfb.Security{rfb.ServerVncAuth{Passwords: func(context.Context) ([]string, error) { return []string{password}, nil }}}
}

// displaysAt listens for several, and returns their addresses.
func displaysAt(t *testing.T, names ...string) (addresses []any) {
	t.Helper()
	for _, name := range names {
		addresses = append(addresses, displayNamed(name).Listen(t))
	}
	return addresses
}

// fileWith is a file of the test's.
func fileWith(t *testing.T, format string, args ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pki is a certificate of ours, and who trusts it.
type pki struct {
	cert, key, ca string
}

func newPKI(t *testing.T, hosts ...string) pki {
	t.Helper()
	dir := t.TempDir()
	ca, err := certs.OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server(append(hosts, "localhost", "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	cert, key := pair.Files()
	return pki{cert, key, ca.CertFile()}
}

// over is TLS to us, asked for as host.
func (p pki) over(t *testing.T, host string) layers.Layer {
	t.Helper()
	pool, err := certs.Pool(p.ca)
	if err != nil {
		t.Fatal(err)
	}
	return layers.TLSClient(&tls.Config{RootCAs: pool, ServerName: host})
}

// usersFile has alice, whose password is "wonderland".
func usersFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	if err := (&auth.UsersFile{Path: path}).Add("alice", "wonderland"); err != nil {
		t.Fatal(err)
	}
	return path
}

// get asks for a page at a door and returns the status and what it says.
func (g *gate) get(door int, path string, header http.Header, stack ...layers.Layer) (int, string) {
	g.t.Helper()
	c, err := layers.Stack(visit(g.t), g.dial(door), stack...)
	if err != nil {
		g.t.Fatal(err)
	}
	client := &http.Client{
		Transport:     &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(visit(g.t), http.MethodGet, "http://"+g.address(door)+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
		if name == "Host" {
			req.Host = values[0]
		}
	}
	res, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, res.Header.Get("Location") + string(body)
}
