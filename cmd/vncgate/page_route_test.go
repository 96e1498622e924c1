package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/rfb/display/demo"
)

// The token of the test: it opens "desk", and no log may hold it.
const routeToken = "route+token/7d1e"

// debianNoVNC is noVNC 1.3 as Debian has it.
const debianNoVNC = "/usr/share/novnc"

// TestRoutesInChromium opens displays by every way that a browser has to name
// one, on our page and on noVNC's own.
func TestRoutesInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	ui := filepath.Join(root, "web", "ui")
	needFile(t, filepath.Join(ui, "node_modules", "playwright-core"), "run 'make build' with Node installed")
	needFile(t, filepath.Join(ui, "dist", "index.html"), "run 'make build' with Node installed")
	needFile(t, "/usr/bin/chromium", "install the package chromium")
	needFile(t, filepath.Join(debianNoVNC, "vnc.html"), "install the package novnc")
	var log syncBuffer
	routes := serveRoutes(t, io.MultiWriter(&log, t.Output()))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "run", "--silent", "e2e", "--", "routes")
	cmd.WaitDelay = browserDelay
	cmd.Dir = ui
	cmd.Env = append(os.Environ(), "VNCGATE_ROUTES="+routes, "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("npm run e2e: %v", err)
	}
	if text := log.String(); strings.Contains(text, "7d1e") || !strings.Contains(text, "viewer=203.0.113.9:0") {
		t.Errorf("the log holds the token, or does not say who came by the proxy:\n%s", text)
	}
}

// syncBuffer is a buffer that several goroutines write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// serveRoutes starts a gateway with a display that is there and one that comes
// up when the test says so, and returns what the browser tests need to know.
func serveRoutes(t *testing.T, log io.Writer) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	display := demo.New(demo.Options{})
	desk, late := listenLocal(t), listenLocal(t)
	lateAddress := late.Addr().String()
	_ = late.Close() // nobody answers there until the test says so
	running.Go(func() { acceptDemo(ctx, desk, display) })
	up := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		ln, err := net.Listen("tcp", lateAddress)
		if err != nil {
			t.Error(err)
			return
		}
		context.AfterFunc(ctx, func() { _ = ln.Close() })
		running.Go(func() { acceptDemo(ctx, ln, display) })
	})
	novnc := httptest.NewServer(http.FileServer(http.Dir(debianNoVNC)))
	control := httptest.NewServer(up)
	w := routeWiring(ctx, t, novnc.URL, desk.Addr().String(), lateAddress, log)
	running.Go(func() {
		if err := w.serve(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		_ = desk.Close()
		display.Close()
		running.Wait()
		novnc.Close()
		control.Close()
	})
	gateway := "http://" + w.doors[0].ln.Addr().String()
	proxy := httptest.NewTLSServer(http.StripPrefix("/some/prefix", reverseProxy(t, gateway)))
	t.Cleanup(proxy.Close)
	b, err := json.Marshal(map[string]string{
		"gateway": gateway, "proxy": proxy.URL + "/some/prefix", "novnc": novnc.URL, "up": control.URL, "token": routeToken,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// reverseProxy is what stands before many a gateway: it ends TLS, keeps the
// host and says for whom it asks.
func reverseProxy(t *testing.T, gateway string) http.Handler {
	t.Helper()
	to, err := url.Parse(gateway)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
		r.Out.Header.Set("X-Forwarded-For", "203.0.113.9")
		r.Out.Header.Set("X-Forwarded-Proto", "https")
	}}
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func routeWiring(ctx context.Context, t *testing.T, origin, desk, late string, log io.Writer) *wiring {
	t.Helper()
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	file := filepath.Join(dir, "vncgate.yaml")
	yaml := fmt.Sprintf(`
listeners:
  - address: 127.0.0.1:0
    sources: [links]
    token: optional
    web:
      targets_path: /vnc
      hosts: ["{target}.vnc.localhost"]
      origins: [%q]
      trusted_proxies: [127.0.0.1]
sources:
  - {name: links, file: %q}
targets:
  lab/desk: {address: %q}
  desk: {address: %q}
  late: {address: %q, retry: 60s}
`, origin, tokens, desk, desk, late)
	for path, text := range map[string]string{tokens: routeToken + ": " + desk + "\n", file: yaml} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := loadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWiring(ctx, cfg, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	return w
}
