package web_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers/layertest"
	"vncgate/rfb"
	"vncgate/web"
)

func TestMain(m *testing.M) { layertest.Main(m) }

// serve starts a web listener over a gateway that knows no display, and
// returns its address.
func serve(t *testing.T, change func(*web.Config)) string {
	t.Helper()
	gate := &gateway.Gateway{}
	cfg := web.Config{
		Admit: gate.Admit, Ready: gate.Ready,
		Front: gateway.Front{
			Name: "web", Target: "desk",
			Security: func(net.Conn, string) []rfb.Security { return []rfb.Security{rfb.None{}} },
		},
	}
	if change != nil {
		change(&cfg)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := web.NewServer(cfg)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		_ = server.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = gate.Shutdown(ctx)
		<-served
		http.DefaultClient.CloseIdleConnections()
	})
	return ln.Addr().String()
}

// ask sends one request and returns the answer with its body read.
func ask(t *testing.T, client *http.Client, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestUpgradeOnEveryPath(t *testing.T) {
	addr := serve(t, func(c *web.Config) { c.Paths = []string{"/vnc/socket", ""} })
	for _, path := range []string{"/", "/websockify", "/vnc/socket", "/websockify?target=desk"} {
		c, resp, err := websocket.DefaultDialer.Dial("ws://"+addr+path, nil)
		if err != nil {
			t.Errorf("%s: %v (%v)", path, err, resp)
			continue
		}
		_, first, err := c.ReadMessage()
		if err != nil || string(first) != "RFB 003.008\n" {
			t.Errorf("%s: the first message is %q, %v", path, first, err)
		}
		_ = c.Close()
	}
	if _, resp, err := websocket.DefaultDialer.Dial("ws://"+addr+"/elsewhere", nil); err == nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown path: %v, %v", err, resp)
	}
}

// The subprotocol is answered only where it was offered: browsers fail a
// connection otherwise.
func TestSubprotocol(t *testing.T) {
	addr := serve(t, nil)
	for _, test := range []struct {
		offered []string
		want    string
		status  int
	}{
		{nil, "", http.StatusSwitchingProtocols},
		{[]string{"binary"}, "binary", http.StatusSwitchingProtocols},
		{[]string{"base64", "binary"}, "binary", http.StatusSwitchingProtocols},
		{[]string{"base64"}, "", http.StatusBadRequest},
	} {
		dialer := websocket.Dialer{Subprotocols: test.offered}
		c, resp, err := dialer.Dial("ws://"+addr+"/websockify", nil)
		if resp == nil || resp.StatusCode != test.status {
			t.Errorf("%v: %v, %v", test.offered, resp, err)
			continue
		}
		if err == nil {
			if c.Subprotocol() != test.want {
				t.Errorf("%v: got %q", test.offered, c.Subprotocol())
			}
			_ = c.Close()
		}
	}
}

func TestRefusalsBeforeTheUpgrade(t *testing.T) {
	noTarget := func(c *web.Config) { c.Front.Target = "" }
	foreign := func(c *web.Config) { c.Origins = []string{"https://portal.example/"} }
	anyone := func(c *web.Config) { c.Origins = []string{"*"} }
	links := func(c *web.Config) { c.Logins = &auth.Links{} }
	full := func(c *web.Config) {
		c.Admit = func(gateway.Front) (*gateway.Session, error) { return nil, gateway.ErrFull }
		c.Ready = func() error { return gateway.ErrFull }
	}
	draining := func(c *web.Config) {
		c.Admit = func(gateway.Front) (*gateway.Session, error) { return nil, gateway.ErrDraining }
		c.Ready = func() error { return gateway.ErrDraining }
	}
	told := func(c *web.Config) {
		gate := &gateway.Gateway{}
		gate.Drain(time.Time{}, "Back at noon.")
		c.Admit, c.Ready = gate.Admit, gate.Ready
	}
	tests := []struct {
		name   string
		change func(*web.Config)
		origin string
		status int
		words  string
	}{
		{"no origin", nil, "", http.StatusUpgradeRequired, "for WebSocket"},
		{"own origin", nil, "own", http.StatusUpgradeRequired, "for WebSocket"},
		{"foreign origin", nil, "https://evil.example", http.StatusForbidden, "web.origins"},
		{"origin without host", nil, "null", http.StatusForbidden, "web.origins"},
		{"listed origin", foreign, "https://portal.example", http.StatusUpgradeRequired, "for WebSocket"},
		{"another scheme", foreign, "http://portal.example", http.StatusForbidden, "web.origins"},
		{"any origin", anyone, "https://evil.example", http.StatusUpgradeRequired, "for WebSocket"},
		{"no target", noTarget, "", http.StatusNotFound, "?target=NAME"},
		{"not logged in", links, "", http.StatusUnauthorized, "Open the link"},
		{"full", full, "", http.StatusServiceUnavailable, "full"},
		{"draining", draining, "", http.StatusServiceUnavailable, "shutting down"},
		{"draining with words", told, "", http.StatusServiceUnavailable, "Back at noon."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			addr := serve(t, test.change)
			header := http.Header{}
			switch test.origin {
			case "":
			case "own":
				header.Set("Origin", "http://"+addr)
			default:
				header.Set("Origin", test.origin)
			}
			resp, body := ask(t, http.DefaultClient, "GET", "http://"+addr+"/websockify", "Origin", header.Get("Origin"))
			var answer struct{ Error string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			if resp.StatusCode != test.status || !strings.Contains(answer.Error, test.words) {
				t.Errorf("a question is answered with %d %q", resp.StatusCode, answer.Error)
			}
			c, up, err := websocket.DefaultDialer.Dial("ws://"+addr+"/websockify", header)
			want := test.status
			if want == http.StatusUpgradeRequired {
				want = http.StatusSwitchingProtocols
			}
			if up == nil || up.StatusCode != want {
				t.Errorf("an upgrade is answered with %v, %v; want %d", up, err, want)
			}
			if err == nil {
				_ = c.Close()
			}
		})
	}
}

func TestOneTimeLink(t *testing.T) {
	links := &auth.Links{}
	addr := serve(t, func(c *web.Config) { c.Logins = links })
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(browser.CloseIdleConnections)
	start := "http://" + addr + web.StartPath(links.New(time.Minute))
	if look, _ := ask(t, http.DefaultClient, "HEAD", start); look.StatusCode != http.StatusNoContent {
		t.Errorf("a look at the link: %d", look.StatusCode)
	}
	resp, _ := ask(t, browser, "GET", start)
	if resp.StatusCode != http.StatusSeeOther || !strings.Contains(resp.Header.Get("Location"), "vnc.html") {
		t.Fatalf("the link leads to %d %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	cookie := resp.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("the cookie is %v", cookie)
	}
	dialer := websocket.Dialer{Jar: jar}
	c, _, err := dialer.Dial("ws://"+addr+"/websockify", nil)
	if err != nil {
		t.Fatalf("the browser that opened the link: %v", err)
	}
	_ = c.Close()
	if again, _ := ask(t, browser, "GET", start); again.StatusCode != http.StatusSeeOther {
		t.Errorf("the same browser, by its history: %d", again.StatusCode)
	}
	if other, body := ask(t, http.DefaultClient, "GET", start); other.StatusCode != http.StatusGone {
		t.Errorf("another browser: %d %q", other.StatusCode, body)
	}
}

// A name that an attacker leads to loopback makes his page the same host's.
func TestRebindingGetsNowhere(t *testing.T) {
	addr := serve(t, nil)
	_, port, _ := net.SplitHostPort(addr)
	for host, want := range map[string]int{
		"evil.example:" + port: http.StatusForbidden,
		"localhost:" + port:    http.StatusUpgradeRequired,
		"127.0.0.1:" + port:    http.StatusUpgradeRequired,
	} {
		req, err := http.NewRequest("GET", "http://"+addr+"/websockify", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Origin", "http://"+host)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

// A request that never ends is ended.
func TestServerBoundsRequests(t *testing.T) {
	server := web.NewServer(web.Config{})
	if server.ReadTimeout <= 0 || server.WriteTimeout <= 0 || server.IdleTimeout <= 0 {
		t.Errorf("timeouts are %v, %v, %v", server.ReadTimeout, server.WriteTimeout, server.IdleTimeout)
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	addr := serve(t, nil)
	for _, path := range []string{"/", "/vnc.html", "/nothing", "/websockify", "/mandatory.json"} {
		resp, _ := ask(t, http.DefaultClient, "GET", "http://"+addr+path)
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: content policy %q", path, policy)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: types may be guessed", path)
		}
	}
}

// The root is page and endpoint; a page that asks why its upgrade failed gets
// the endpoint's answer.
func TestQuestionAtTheRoot(t *testing.T) {
	addr := serve(t, func(c *web.Config) { c.Front.Target = "" })
	resp, body := ask(t, http.DefaultClient, "GET", "http://"+addr+"/?token=x", "Accept", "application/json")
	if resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "No display was chosen") {
		t.Errorf("answered with %d %q", resp.StatusCode, body)
	}
}

func TestSettingsOfThePage(t *testing.T) {
	addr := serve(t, func(c *web.Config) { c.Mandatory = map[string]any{"view_only": true} })
	if _, body := ask(t, http.DefaultClient, "GET", "http://"+addr+"/mandatory.json"); body != `{"view_only":true}` {
		t.Errorf("mandatory.json is %s", body)
	}
	if _, body := ask(t, http.DefaultClient, "GET", "http://"+addr+"/defaults.json"); body != `{"notices":true}` {
		t.Errorf("defaults.json is %s", body)
	}
}

func TestOtherMethodsAndPaths(t *testing.T) {
	addr := serve(t, nil)
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"PUT", "/websockify", http.StatusMethodNotAllowed},
		{"PUT", "/", http.StatusMethodNotAllowed},
		{"POST", "/websockify", http.StatusUnsupportedMediaType}, // no JSON
		{"GET", "/.gitkeep", http.StatusNotFound},
		{"GET", "/../web.go", http.StatusNotFound},
		{"GET", "/assets/", http.StatusNotFound},
		{"GET", "/start/x", http.StatusNotFound},
	} {
		if resp, _ := ask(t, http.DefaultClient, test.method, "http://"+addr+test.path); resp.StatusCode != test.status {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, resp.StatusCode, test.status)
		}
	}
}
