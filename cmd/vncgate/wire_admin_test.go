package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/certs"
	"vncgate/gateway/control"
)

// ask asks the admin listener of g as client, with headers in pairs.
func (g *gate) ask(client *http.Client, method, path string, headers ...string) (status int, body string) {
	g.t.Helper()
	scheme := "http"
	if g.admin.cfg.TLS != nil {
		scheme = "https"
	}
	address := g.admin.ln.Addr().String()
	if strings.HasPrefix(address, "/") {
		address = "gateway"
	}
	req, err := http.NewRequestWithContext(visit(g.t), method, scheme+"://"+address+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// adminClient reaches the admin listener of g and nothing else.
func (g *gate) adminClient(tls *tls.Config) *http.Client {
	t := &http.Transport{TLSClientConfig: tls, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		ln := g.admin.ln.Addr()
		return (&net.Dialer{}).DialContext(ctx, ln.Network(), ln.String())
	}}
	g.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

const adminYAML = `
listeners: [{address: 127.0.0.1:0}]
targets: {desk: {address: %s}}
admin:
  address: 127.0.0.1:0
  open: [metrics]
  hosts: [watch.example]
  origins: [https://portal.example]
  tokens:
    - {name: eye, role: viewer, token: eye-secret-of-sixteen}
    - {name: ops, role: operator, token: {file: %s}}
    - {name: boss, role: admin, token: boss-secret-of-sixteen}
`

// echoCaller says who asks.
func (g *gate) echoCaller(path string, least control.Role) {
	g.admin.mux.HandleFunc(path, func(rw http.ResponseWriter, r *http.Request) {
		if who, ok := g.admin.gate.allow(rw, r, least); ok {
			_, _ = io.WriteString(rw, who.Name)
		}
	})
}

func TestAdminRoles(t *testing.T) {
	file := fileWith(t, "ops-secret-of-sixteen\n")
	g := newGate(t, adminYAML, closedPort(t), file)
	g.echoCaller("/look", control.Viewer)
	g.echoCaller("/steer", control.Operator)
	g.echoCaller("/rule", control.Admin)
	c := g.adminClient(nil)
	for _, test := range []struct {
		path, token string
		status      int
		says        string
	}{
		{"/look", "", 401, "Bearer TOKEN"},
		{"/look", "Bearer eye-secret-of-sixteen", 200, "token:eye"},
		{"/steer", "Bearer eye-secret-of-sixteen", 403, "operator"},
		{"/steer", "Bearer ops-secret-of-sixteen", 200, "token:ops"},
		{"/rule", "Bearer ops-secret-of-sixteen", 403, "admin"},
		{"/rule", "Bearer boss-secret-of-sixteen", 200, "token:boss"},
		{"/look", "Bearer boss-secre", 401, "wrong"},
		{"/look", "Bearer ", 401, "wrong"},
		{"/look", "Basic Ym9zczpib3NzLXNlY3JldA==", 401, "wrong"},
	} {
		headers := []string{}
		if test.token != "" {
			headers = []string{"Authorization", test.token}
		}
		if status, body := g.ask(c, "GET", test.path, headers...); status != test.status || !strings.Contains(body, test.says) {
			t.Errorf("%s with %q: %d %s; want %d %s", test.path, test.token, status, body, test.status, test.says)
		}
	}
	rewrite(t, file, []byte("new-secret-of-sixteen"))
	if status, _ := g.ask(c, "GET", "/steer", "Authorization", "Bearer new-secret-of-sixteen"); status != 200 {
		t.Errorf("a token that was replaced in its file: %d", status)
	}
	if strings.Contains(g.log.String(), "-secret") {
		t.Error("the log holds a token")
	}
}

func TestAdminAndOtherPages(t *testing.T) {
	g := newGate(t, adminYAML, closedPort(t), fileWith(t, "x-secret-of-sixteen"))
	g.echoCaller("/steer", control.Operator)
	g.admin.mux.Handle("/open", g.admin.gate.open(openMetrics, http.NotFoundHandler()))
	c := g.adminClient(nil)
	token := []string{"Authorization", "Bearer boss-secret-of-sixteen"}
	for _, test := range []struct {
		what    string
		headers []string
		method  string
		path    string
		status  int
	}{
		{"a program", token, "POST", "/steer", 200},
		{"our page", append(token, "Sec-Fetch-Site", "same-origin"), "POST", "/steer", 200},
		{"another page", append(token, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), "POST", "/steer", 403},
		{"another page's question", append(token, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"), "GET", "/steer", 403},
		{"an old browser", append(token, "Origin", "https://evil.example"), "POST", "/steer", 403},
		{"a page that may", append(token, "Sec-Fetch-Site", "cross-site", "Origin", "https://portal.example"), "POST", "/steer", 200},
		{"a link to us", append(token, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"), "GET", "/steer", 200},
		{"open, by address", nil, "GET", "/open", 404},
		{"open, by a short name", []string{"Host", "vncgate:6081"}, "GET", "/open", 404},
		{"open, by a name of ours", []string{"Host", "watch.example:6081"}, "GET", "/open", 404},
		{"open, by a name that was bent to us", []string{"Host", "evil.example:6081"}, "GET", "/open", 421},
		{"the same with a token", append(token, "Host", "evil.example"), "GET", "/open", 404},
	} {
		if status, body := g.ask(c, test.method, test.path, test.headers...); status != test.status {
			t.Errorf("%s: %d %s; want %d", test.what, status, body, test.status)
		}
	}
}

func TestAdminByUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	g := newGate(t, "listeners: [{address: 127.0.0.1:0}]\ntargets: {desk: {address: %s}}\nadmin: {address: \"unix:%s\"}\n", closedPort(t), path)
	g.echoCaller("/rule", control.Admin)
	if status, body := g.ask(g.adminClient(nil), "GET", "/rule"); status != 200 || !strings.HasPrefix(body, "uid:") {
		t.Errorf("the owner of the gateway: %d %s", status, body)
	}
}

func TestAdminByCertificate(t *testing.T) {
	p := newClientPKI(t)
	g := newGate(t, `
listeners: [{address: 127.0.0.1:0}]
targets: {desk: {address: %s}}
admin:
  address: 127.0.0.1:0
  tls: {certificate: %s, key: %s, client_ca: %s}
  certificates: [{name: "*", role: viewer}, {name: alice, role: admin}]
  tokens: [{name: eye, role: viewer, token: eye-secret-of-sixteen}]
`, closedPort(t), p.cert, p.key, p.pki.ca)
	g.echoCaller("/rule", control.Admin)
	over := func(pair *certs.KeyPair) *http.Client {
		pool, err := certs.Pool(p.pki.ca)
		if err != nil {
			t.Fatal(err)
		}
		cfg := &tls.Config{RootCAs: pool, ServerName: "localhost"}
		if pair != nil {
			cfg.GetClientCertificate = pair.GetClientCertificate
		}
		return g.adminClient(cfg)
	}
	alice := over(p.client(t, "alice"))
	if status, body := g.ask(alice, "GET", "/rule"); status != 200 || body != "cert:alice" {
		t.Errorf("alice: %d %s", status, body)
	}
	if status, _ := g.ask(alice, "GET", "/rule", "Authorization", "Bearer eye-secret-of-sixteen"); status != 403 {
		t.Errorf("a token beside the certificate: %d; it goes first", status)
	}
	if status, body := g.ask(over(p.client(t, "bob")), "GET", "/rule"); status != 403 || !strings.Contains(body, "viewer") {
		t.Errorf("bob: %d %s", status, body)
	}
	if status, _ := g.ask(over(nil), "GET", "/rule"); status != 401 {
		t.Errorf("nobody: %d", status)
	}
	if status, _ := g.ask(over(nil), "GET", "/livez"); status != 200 {
		t.Errorf("a probe without a certificate: %d", status)
	}
}

func TestReadiness(t *testing.T) {
	g := newGate(t, adminYAML+"limits: {sessions: 1}\n", displaysAt(t, "desk")[0], fileWith(t, "x-secret-of-sixteen"))
	c := g.adminClient(nil)
	for _, path := range []string{"/livez", "/readyz"} {
		if status, body := g.ask(c, "GET", path); status != 200 || body != "ok\n" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := g.ask(c, "POST", "/livez"); status != 405 {
		t.Errorf("POST /livez: %d", status)
	}
	taken, err := g.stayed(g.dial(0))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := g.ask(c, "GET", "/readyz"); status != 503 || !strings.Contains(body, "taken") {
		t.Errorf("a full gateway: %d %s", status, body)
	}
	_ = taken.c.Close()
	eventually(t, "the place is free", func() bool { status, _ := g.ask(c, "GET", "/readyz"); return status == 200 })
	g.gate.Drain(time.Time{}, "")
	if status, body := g.ask(c, "GET", "/readyz"); status != 503 || !strings.Contains(body, "draining") {
		t.Errorf("a draining gateway: %d %s", status, body)
	}
	if status, _ := g.ask(c, "GET", "/livez"); status != 200 {
		t.Errorf("a draining gateway is dead: %d", status)
	}
}

func TestLivenessNeedsAnAnswer(t *testing.T) {
	stuck := make(chan struct{})
	asked := make(chan struct{}, 10)
	l := &liveness{ask: func() { asked <- struct{}{}; <-stuck }, patience: 10 * time.Millisecond}
	for range 3 {
		if err := l.check(); !errors.Is(err, errStuck) {
			t.Fatalf("a gateway that is stuck: %v", err)
		}
	}
	if len(asked) != 1 {
		t.Errorf("it was asked %d times at once", len(asked))
	}
	close(stuck)
	eventually(t, "it is alive again", func() bool { return l.check() == nil })
}

func TestAdminConfigurations(t *testing.T) {
	base := "listeners: [{address: 127.0.0.1:0}]\ntargets: {desk: {address: \"127.0.0.1:1\"}}\nadmin: "
	for text, want := range map[string]string{
		`{address: "127.0.0.1:6081"}`:                                                                              "",
		`{address: "unix:/run/x.sock", mode: "0600"}`:                                                              "",
		`{address: ":6081", open: [metrics, health]}`:                                                              "",
		`{address: ":6081", open: [metric]}`:                                                                       "metrics",
		`{address: nowhere}`:                                                                                       "nowhere",
		`{address: ":6081", tokens: [{name: a, role: viewer, token: x}]}`:                                          "in the clear",
		`{address: "127.0.0.1:1", tokens: [{name: a, role: king, token: x}]}`:                                      "role",
		`{address: "127.0.0.1:1", tokens: [{role: viewer, token: x}]}`:                                             "name",
		`{address: "127.0.0.1:1", tokens: [{name: a, role: viewer}]}`:                                              "token",
		`{address: "127.0.0.1:1", tokens: [{name: a, role: viewer, token: x}, {name: a, role: viewer, token: y}]}`: "twice",
		`{address: "127.0.0.1:1", mode: "0600"}`:                                                                   "mode",
		`{address: "127.0.0.1:1", origins: [portal]}`:                                                              "origins",
		`{address: "127.0.0.1:1", tls: {certificate: x}}`:                                                          "cert make",
		`{address: "unix:/x", tls: {certificate: x, key: y}}`:                                                      "needs none",
		`{address: "127.0.0.1:1", certificates: [{name: a, role: viewer}]}`:                                        "client_ca",
		`{address: "127.0.0.1:1", tls: {certificate: x, key: y, client_ca: z}}`:                                    "none is named",
		`{address: "127.0.0.1:1", tls: {certificate: x, key: y, client_ca: z}, certificates: [{role: viewer}]}`:    "name",
	} {
		_, err := parseConfig([]byte(base + text + "\n"))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}
