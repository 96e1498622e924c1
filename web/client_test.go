package web_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/web"
)

func TestTrustedProxy(t *testing.T) {
	local := func(a netip.Addr) bool { return a.IsLoopback() }
	links := &auth.Links{}
	h := newHouse(t, func(c *web.Config) { c.Trusted = local })
	untrusting := newHouse(t, nil)
	public := []string{
		"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "gate.example", "Origin", "https://gate.example:443",
	}
	for _, test := range []struct {
		name   string
		h      *house
		header []string
		status int
	}{
		{"the page behind the proxy", h, public, 101},
		{"the same without leave", untrusting, public, 403},
		{"the standard header", h, []string{"Forwarded", `for="[2001:db8::7]:99";proto=https;host=gate.example`, "Origin", "https://gate.example"}, 101},
		{"a page without TLS", h, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "gate.example", "Origin", "http://gate.example"}, 403},
		{"another page", h, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Host", "gate.example", "Origin", "https://evil.example"}, 403},
		{"a proxy that keeps the host", h, []string{"X-Forwarded-For", "203.0.113.7", "Host", "gate.example:6080", "Origin", "http://gate.example:6080"}, 101},
		{"a host that names a display", h, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Host", "desk.vnc.example"}, 101},
		{"a stranger's word beside the proxy's", h, []string{"X-Forwarded-For", "203.0.113.7", "Forwarded", "for=198.51.100.1"}, 400},
		{"a stranger's word in front of the proxy's", h, []string{"X-Forwarded-For", strings.Repeat("198.51.100.1, ", 40) + "203.0.113.7"}, 400},
		{"no proxy, and a name on loopback", h, []string{"Host", "evil.example", "Origin", "http://evil.example"}, 403},
		{"no proxy, and a name that is configured", h, []string{"Host", "desk.vnc.example", "Origin", "http://desk.vnc.example"}, 101},
	} {
		if status, _ := test.h.enter(t, "/?target=desk", test.header...); status != test.status {
			t.Errorf("%s: %d, want %d", test.name, status, test.status)
		}
	}
	if log := h.log.String(); !strings.Contains(log, "viewer=203.0.113.7:0") {
		t.Errorf("the log does not say where a viewer came from:\n%s", log)
	}
	if log := untrusting.log.String(); strings.Contains(log, "203.0.113.7") {
		t.Errorf("the log says what nobody trusted said:\n%s", log)
	}

	// A log-in behind a proxy with TLS gets the cookie that TLS deserves.
	in := newHouse(t, func(c *web.Config) { c.Trusted, c.Logins = local, links })
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(browser.CloseIdleConnections)
	resp, _ := ask(t, browser, "GET", "http://"+in.addr+web.StartPath(links.New(time.Minute)), "X-Forwarded-Proto", "https")
	if c := resp.Cookies()[0]; !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
		t.Errorf("the cookie is %v", c)
	}
	resp, _, _ = exchange(t, http.DefaultClient, "http://"+h.addr+"/", deskToken, "X-Forwarded-Proto", "https")
	if c := resp.Cookies()[0]; !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
		t.Errorf("the pass is %v", c)
	}
}

// The session is told the viewer's address, and finds every layer below.
func TestForwardedAddressReachesTheSession(t *testing.T) {
	conns := make(chan net.Conn, 1)
	h := newHouse(t, func(c *web.Config) {
		c.Trusted = func(a netip.Addr) bool { return a.IsLoopback() }
		c.Front.Security = func(c net.Conn, _ string) []rfb.Security { conns <- c; return noSecurity(c, "") }
	})
	if status, _ := h.enter(t, "/?target=desk", "X-Forwarded-For", "203.0.113.7:4711"); status != 101 {
		t.Fatal(status)
	}
	c := <-conns
	if got := c.RemoteAddr().String(); got != "203.0.113.7:4711" {
		t.Errorf("the viewer is at %s", got)
	}
	if got := layers.Describe(c); got != "tcp→ws" {
		t.Errorf("the stack is %s", got)
	}
	if _, ok := layers.As[*layers.WebSocketConn](c); !ok {
		t.Error("the WebSocket cannot be found")
	}
	if _, ok := layers.Raw(c).(layers.HeadroomWriter); !ok {
		t.Error("no headroom is used")
	}
}

// A peer on a unix socket has no address, and is trusted if that is said.
func TestProxyOnAUnixSocket(t *testing.T) {
	for said, want := range map[bool]int{true: http.StatusUpgradeRequired, false: http.StatusForbidden} {
		path := filepath.Join(t.TempDir(), "web.sock")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		server := web.NewServer(web.Config{
			Front:   gateway.Front{Target: "desk"},
			Trusted: func(a netip.Addr) bool { return said && !a.IsValid() },
		})
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}}
		resp, body := ask(t, client, "GET", "http://inner/websockify", "Origin", "https://gate.example",
			"Forwarded", `for="[2001:db8::1]";host=gate.example;proto=https`)
		if resp.StatusCode != want {
			t.Errorf("trusted %v: %d %s", said, resp.StatusCode, body)
		}
		client.CloseIdleConnections()
		_ = server.Close()
		<-served
	}
}
