package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// gatewayFor serves a configuration until the test ends and returns the
// addresses of its listeners.
func gatewayFor(t *testing.T, text string) []string {
	t.Helper()
	cfg, err := parseConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWiring(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	var addresses []string
	for _, d := range w.doors {
		addresses = append(addresses, d.ln.Addr().String())
	}
	return addresses
}

// TestDoctorOfGateway looks at our own fronts as viewers do.
func TestDoctorOfGateway(t *testing.T) {
	display := (&rfbtest.Display{}).Listen(t)
	addresses := gatewayFor(t, fmt.Sprintf(`
listeners:
  - {address: "127.0.0.1:0", web: {}, target: desk}
  - {address: "127.0.0.1:0", web: {origins: ["*"]}, target: desk}
  - {address: "127.0.0.1:0", password: sesame, target: desk}
  - {address: "127.0.0.1:0", web: {}, target: gone}
targets:
  desk: {address: %q}
  gone: {address: "unix:/nonexistent/display"}
`, display))
	t.Run("page", func(t *testing.T) {
		r := diagnose(t, "--front", "http://"+addresses[0])
		if !r.OK || r.names() != "settings connect page websocket origin greeting security viewers authentication screen" {
			t.Errorf("%s", r.text())
		}
		if s := r.step(t, "origin"); s.Details["own"] != true || s.Details["foreign"] != false {
			t.Errorf("%+v", s)
		}
	})
	t.Run("every origin", func(t *testing.T) {
		r := diagnose(t, "--front", "ws://"+addresses[1])
		if s := r.step(t, "origin"); !r.OK || !strings.Contains(s.Summary, "every page may connect") || len(s.Advice) == 0 {
			t.Errorf("%s", r.text())
		}
	})
	t.Run("native", func(t *testing.T) {
		r := diagnose(t, "--front", "rfb://"+addresses[2])
		if s := r.step(t, "authentication"); !r.OK || !s.Skipped || !strings.Contains(s.Summary, "for want of a password") {
			t.Errorf("%s", r.text())
		}
		if r := diagnose(t, "--front", addresses[2], "--password-file", passwordText(t, "sesame")); !r.OK {
			t.Errorf("%s", r.text())
		}
	})
	t.Run("display gone", func(t *testing.T) {
		diagnose(t, "--front", "ws://"+addresses[3]).failsAt(t, "authentication", "the display behind the gateway does not answer", "vncgate doctor TARGET")
	})
	t.Run("the WebSocket's own URL", func(t *testing.T) {
		r := diagnose(t, "--front", "http://"+addresses[0]+"/websockify?target=desk")
		if !r.OK || r.names() != "settings connect websocket origin greeting security viewers authentication screen" {
			t.Errorf("%s", r.text())
		}
	})
	t.Run("no such path", func(t *testing.T) {
		diagnose(t, "--front", "ws://"+addresses[0]+"/elsewhere").failsAt(t, "websocket", "404 Not Found", "/websockify?target=NAME")
	})
}

// TestDoctorKnowsGatewaysWords has our own gateway say them.
func TestDoctorKnowsGatewaysWords(t *testing.T) {
	closing := listen(t, func(c net.Conn) { talks(c, "RFB 003.008\n", 12) })
	addresses := gatewayFor(t, fmt.Sprintf(`
listeners:
  - {address: "127.0.0.1:0", security: [none], target: strict}
  - {address: "127.0.0.1:0", security: [none], target: closing}
  - {address: "127.0.0.1:0", security: [none], target: secure}
  - {address: "127.0.0.1:0", security: [none], target: forbidden}
targets:
  strict: {address: %q}
  closing: {address: %[2]q}
  secure: {address: %[2]q, tls: {implicit: true}}
  forbidden: {address: %[2]q}
policy:
  - {who: "*", targets: strict, allow: [view]}
  - {who: "*", targets: closing, allow: [view]}
  - {who: "*", targets: secure, allow: [view]}
`, vncDisplay("sesame").Listen(t), closing))
	addresses = append(addresses, gatewayFor(t, fmt.Sprintf(`
listeners: [{address: "127.0.0.1:0", security: [none]}]
limits: {dial_timeout: 300ms}
targets: {silent: {address: %q}}
`, listen(t, says(""))))...)
	for i, tt := range []struct{ summary, advice string }{
		{"refused the gateway: \"The display did not let the gateway in.\"", "user and password for the display"},
		{"refused the gateway", "vncgate doctor TARGET"},
		{"TLS or WebSocket to the display", "vncgate doctor TARGET"},
		{"refused the log-in", "policy: [{who:"},
		{"the display behind the gateway hangs", "vncgate doctor TARGET"},
	} {
		diagnose(t, "--front", addresses[i]).failsAt(t, "authentication", tt.summary, tt.advice)
	}
}

// TestDoctorChoosesAsTheGateway lets both come to the same displays.
func TestDoctorChoosesAsTheGateway(t *testing.T) {
	vnc := rfb.ServerVncAuth{Passwords: func(context.Context) ([]string, error) { return []string{"sesame"}, nil }}
	anonymous := rfb.ServerVeNCrypt{Subtypes: []rfb.Security{onlyOffered(rfb.TypeTLSVnc)}}
	for _, tt := range []struct {
		name    string
		offered []rfb.Security
		want    string
	}{
		{"vnc before none", []rfb.Security{rfb.None{}, vnc}, "vnc"},
		{"none alone", []rfb.Security{rfb.None{}}, "none"},
		{"anonymous TLS and vnc", []rfb.Security{anonymous, vnc}, "vnc"},
		{"tight", []rfb.Security{rfb.ServerTight{Auths: []rfb.Security{rfb.None{}, vnc}}}, "vnc"},
		{"vnc inside VeNCrypt", []rfb.Security{rfb.ServerVeNCrypt{Subtypes: []rfb.Security{vnc, onlyOffered(rfb.TypeTLSVnc)}}, vnc}, "vnc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			var methods []string
			d := &rfbtest.Display{Config: rfb.ServerConfig{Security: tt.offered, Approve: func(_ context.Context, s rfb.Secured) error {
				mu.Lock()
				defer mu.Unlock()
				methods = append(methods, s.Method)
				return nil
			}}}
			address := d.Listen(t)
			if r := diagnose(t, address, "--password-file", passwordText(t, "sesame")); !r.OK {
				t.Fatalf("%s", r.text())
			}
			gate := gatewayFor(t, fmt.Sprintf("listeners: [{address: '127.0.0.1:0', security: [none]}]\ntargets: {desk: {address: %q, password: sesame}}", address))
			if r := diagnose(t, "--front", gate[0]); !r.OK {
				t.Fatalf("%s", r.text())
			}
			mu.Lock()
			defer mu.Unlock()
			if len(methods) != 2 || methods[0] != methods[1] || !strings.HasSuffix(methods[0], tt.want) {
				t.Errorf("doctor and gateway came by %v", methods)
			}
		})
	}
}

// TestDoctorSendsNoPassword where the certificate of a front is not in order.
func TestDoctorSendsNoPassword(t *testing.T) {
	pair := certificatesFor(t)
	var asked atomic.Bool
	d := &rfbtest.Display{Config: rfb.ServerConfig{Security: []rfb.Security{rfb.ServerVeNCrypt{Subtypes: []rfb.Security{
		rfb.ServerX509{
			TLS: rfb.Upgrade(layers.TLSServer(&tls.Config{Certificates: []tls.Certificate{pair.cert}})),
			Inner: rfb.ServerPlain{Verify: func(context.Context, string, string) error {
				asked.Store(true)
				return nil
			}},
		},
	}}}}}
	address := d.Listen(t)
	args := []string{"--front", address, "--user", "alice", "--password-file", passwordText(t, "sesame")}
	r := diagnose(t, args...)
	if s := r.step(t, "authentication"); r.OK || asked.Load() || !s.Skipped || !strings.Contains(s.Summary, "no password is sent") {
		t.Errorf("asked %v:\n%s", asked.Load(), r.text())
	}
	if s := r.step(t, "viewers"); !strings.Contains(s.Summary, "4 of 4") {
		t.Errorf("%s", r.text())
	}
	if r := diagnose(t, append(args, "--insecure")...); !r.OK || !asked.Load() {
		t.Errorf("asked %v:\n%s", asked.Load(), r.text())
	}
	asked.Store(false)
	if r := diagnose(t, append(args, "--ca", pair.ca.file)...); !r.OK || !asked.Load() {
		t.Errorf("asked %v:\n%s", asked.Load(), r.text())
	}
}

// TestDoctorOfBrowsersFront logs in by VeNCrypt's Plain, which exists inside
// wss alone.
func TestDoctorOfBrowsersFront(t *testing.T) {
	pair := certificatesFor(t)
	d := &rfbtest.Display{Config: rfb.ServerConfig{Security: []rfb.Security{rfb.ServerVeNCrypt{Subtypes: []rfb.Security{
		rfb.ServerPlain{Verify: func(_ context.Context, user, password string) error {
			if user+password != "alicesesame" {
				return fmt.Errorf("%s", user)
			}
			return nil
		}},
	}}}}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := layers.WebSocketUpgrade(w, r, layers.WebSocketConfig{})
		if err == nil {
			_ = d.Serve(context.WithoutCancel(r.Context()), c)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair.cert}}
	server.StartTLS()
	t.Cleanup(server.Close)
	address := "wss" + strings.TrimPrefix(server.URL, "https")
	r := diagnose(t, "--front", address, "--ca", pair.ca.file, "--user", "alice", "--password-file", passwordText(t, "sesame"))
	if s := r.step(t, "security"); !r.OK || s.Details["chosen"] != "plain" {
		t.Errorf("%s", r.text())
	}
	r = diagnose(t, "--front", address, "--ca", pair.ca.file, "--user", "alice", "--password-file", passwordText(t, "wrong"))
	r.failsAt(t, "authentication", "by plain", "user or password is wrong")
}

// TestDoctorFindsWebServers meets servers that are no front.
func TestDoctorFindsWebServers(t *testing.T) {
	answers := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Server", "test/1")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for _, tt := range []struct {
		name            string
		answer          http.HandlerFunc
		summary, advice string
	}{
		{"a log-in first", answers(401, "application/json", `{"error":"Not logged in."}`), "401 Unauthorized: Not logged in.", "log-in of the browser"},
		{"forbidden", answers(403, "text/plain", "Go away\nnow"), "403 Forbidden: Go away", "web: {origins"},
		{"just pages", answers(200, "text/html", "<html>noVNC</html>"), "200 OK", "knows no WebSocket"},
		{"a proxy alone", answers(502, "text/html", ""), "502 Bad Gateway", "a proxy is there"},
		{"full", answers(503, "text/plain", ""), "503 Service Unavailable", "it is full"},
		{"no upgrade", answers(400, "text/plain", ""), "400 Bad Request", "proxy_http_version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.answer)
			defer server.Close()
			r := diagnose(t, "--front", server.URL)
			r.failsAt(t, "websocket", tt.summary, tt.advice)
			if s := r.step(t, "page"); s.OK != strings.HasPrefix(tt.summary, "200") || s.Details["server"] != "test/1" {
				t.Errorf("%s", r.text())
			}
		})
	}
}

// TestDoctorKnowsGatewaysPage tells a gateway from the displays that it passes on.
func TestDoctorKnowsGatewaysPage(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = w.Write([]byte("<!doctype html><title>vncgate</title>"))
			return
		}
		if c, err := layers.WebSocketUpgrade(w, r, layers.WebSocketConfig{}); err == nil {
			_ = (&rfbtest.Display{}).Serve(context.WithoutCancel(r.Context()), c)
		}
	}))
	t.Cleanup(server.Close)
	r := diagnose(t, "--front", server.URL)
	for _, name := range []string{"security", "screen"} {
		if s := r.step(t, name); s.Details["server"] != "vncgate" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := r.step(t, "security"); s.Summary != "it offers no authentication (none); the doctor takes no authentication (none)" {
		t.Errorf("%q", s.Summary)
	}
}

func TestDoctorFindsNoWebServer(t *testing.T) {
	t.Parallel()
	pair := certificatesFor(t)
	for _, tt := range []struct {
		name            string
		serve           func(net.Conn)
		scheme          string
		summary, advice string
	}{
		{"rfb", says("RFB 003.008\n"), "http", "speaks RFB, not HTTP", "native viewers"},
		{"another protocol", says("SSH-2.0-OpenSSH\r\n\r\n"), "ws", "does not speak HTTP", "right port"},
		{"closing", func(c net.Conn) { talks(c, 9) }, "http", "closed the connection instead", "https://"},
		{"silence", says(""), "http", "no answer to an HTTP request", "https://"},
		{"TLS", func(c net.Conn) { _ = pair.server(c, nil) }, "http", "closed the connection", "https://"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := tt.scheme + "://" + listen(t, tt.serve)
			timeout := "10s"
			if tt.name == "silence" {
				timeout = "300ms"
			}
			diagnose(t, "--front", address, "--timeout", timeout).failsAt(t, "websocket", tt.summary, tt.advice)
		})
	}
	t.Run("HTTP without TLS", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		defer server.Close()
		r := diagnose(t, "--front", "https"+strings.TrimPrefix(server.URL, "http"))
		r.failsAt(t, "tls", "(the peer sent plain HTTP)", "write http:// for https://")
	})
	t.Run("HTTP at a port for TLS", func(t *testing.T) {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
		server.StartTLS()
		defer server.Close()
		address := strings.TrimPrefix(server.URL, "https")
		diagnose(t, "--front", "http"+address).failsAt(t, "page", "it speaks TLS", "write https:// for http://")
		diagnose(t, "--front", "ws"+address).failsAt(t, "websocket", "it speaks TLS", "write wss:// for ws://")
	})
	t.Run("a WebSocket for a page", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUpgradeRequired) }))
		defer server.Close()
		s := diagnose(t, "--front", server.URL+"/socket").step(t, "page")
		if !s.OK || !strings.Contains(strings.Join(s.Advice, " "), "look at it by ws://") {
			t.Errorf("%+v", s)
		}
	})
}

// TestDoctorFindsOwnOriginRefused is what a proxy does that changes the Host.
func TestDoctorFindsOwnOriginRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		if c, err := layers.WebSocketUpgrade(w, r, layers.WebSocketConfig{}); err == nil {
			_ = (&rfbtest.Display{}).Serve(context.WithoutCancel(r.Context()), c)
		}
	}))
	t.Cleanup(server.Close)
	r := diagnose(t, "--front", "ws"+strings.TrimPrefix(server.URL, "http"))
	if s := r.step(t, "origin"); s.OK || !strings.Contains(strings.Join(s.Advice, " "), "Host header") || !r.step(t, "screen").OK {
		t.Errorf("%s", r.text())
	}
}

func TestKnownViewers(t *testing.T) {
	byName := func(name string) knownViewer {
		for _, v := range knownViewers {
			if strings.HasPrefix(v.name, name) {
				return v
			}
		}
		t.Fatal(name)
		return knownViewer{}
	}
	for _, tt := range []struct {
		viewer          string
		offered, nested []rfb.SecurityType
		want            rfb.SecurityType
		ok              bool
	}{
		{"noVNC", types(19, 2), types(262, 256), 256, true},
		{"noVNC", types(19, 2), types(262), 19, false}, // it chooses VeNCrypt and is stuck
		{"noVNC", types(20, 2), nil, 2, true},
		{"noVNC", types(20), nil, 0, false},
		{"TigerVNC 1.12", types(5, 19), types(263, 261), 261, true},
		{"TigerVNC 1.13", types(5, 19), types(261), 5, true},
		{"TigerVNC 1.12", types(20), nil, 0, false},
		{"gtk-vnc", types(20, 2), nil, 20, true},
		{"libvncclient", types(16, 99), nil, 0, false},
	} {
		if got, ok := byName(tt.viewer).takes(tt.offered, tt.nested); got != tt.want || ok != tt.ok {
			t.Errorf("%s of %v, %v: %v, %v", tt.viewer, tt.offered, tt.nested, got, ok)
		}
	}
}

func TestSocketOf(t *testing.T) {
	for page, want := range map[string]string{
		"http://gate":                "ws://gate/websockify",
		"https://gate:6443/vnc.html": "wss://gate:6443/websockify",
		"http://gate/vnc.html?autoconnect=1&path=websockify%3Ftarget%3Ddesk": "ws://gate/websockify?target=desk",
		"http://gate/?target=a%20b":                     "ws://gate/websockify?target=a+b",
		"http://gate/?path=//x/y":                       "ws://gate/x/y",
		"https://gate/a/websockify?target=desk&token=t": "wss://gate/a/websockify?target=desk&token=t",
	} {
		u, err := url.Parse(page)
		if err != nil {
			t.Fatal(err)
		}
		if got := socketOf(u).String(); got != want {
			t.Errorf("%s: %s, want %s", page, got, want)
		}
	}
}
