package bridge_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"vncgate/layers/layertest"
	"vncgate/web/bridge"
)

// journal is a log that many may write to.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// tokens looks up in a map, where "broken" is a source that cannot answer.
func tokens(known map[string]string) func(context.Context, string) (bridge.Route, error) {
	return func(_ context.Context, token string) (bridge.Route, error) {
		switch address, ok := known[token]; {
		case token == "broken":
			return bridge.Route{}, errors.New("connection to 10.1.2.3 refused")
		case token == "early":
			return bridge.Route{}, &bridge.Refusal{Status: http.StatusTooEarly, Words: "Come again."}
		case !ok:
			return bridge.Route{}, fmt.Errorf("map: %w", bridge.ErrUnknown)
		default:
			return bridge.Route{Address: address}, nil
		}
	}
}

func TestTokens(t *testing.T) {
	var log journal
	target := echo(t)
	address := start(t, bridge.Config{Log: log.logger(), Lookup: tokens(map[string]string{"t0k3n": target, "two words": target, "ünï": target, "50%;off": target})})
	for _, c := range []struct {
		path   string
		status int
		words  string
	}{
		{"/?token=t0k3n", 101, ""},
		{"/websockify?token=t0k3n%0A", 101, ""},
		{"/?token=t0k3n%0A%0A", 101, ""},
		{"/?token=t0k3n&token=secret", 101, ""},
		{"/?a=b&token=&token=t0k3n", 101, ""},
		{"/?token=two+words", 101, ""},
		{"/?token=%C3%BCn%C3%AF", 101, ""},
		{"/?token=50%;off", 101, ""},
		{"/?token=50%25%3boff", 101, ""},
		{"/?t%6fken=t0k3n&x=%zz", 101, ""},
		{"/?token=%0At0k3n", 403, "unknown"},
		{"/?token=secret&token=t0k3n", 403, "unknown"},
		{"/?token=T0K3N", 403, "unknown"},
		{"/", 403, "needed"},
		{"/?token=", 403, "needed"},
		{"/?TOKEN=t0k3n", 403, "needed"},
		{"/websockify%3Ftoken=t0k3n", 403, "needed"},
		{"/?token=broken", 502, "cannot be found out"},
		{"/?token=early", 425, "Come again."},
	} {
		ws, res := open(t, address, c.path, nil)
		if res.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", c.path, res.StatusCode, c.status)
		}
		if ws == nil {
			body := readAll(t, res)
			if !strings.Contains(body, c.words) || strings.Contains(body, "10.1.2.3") {
				t.Errorf("%s: %q, want words on %q", c.path, body, c.words)
			}
			continue
		}
		say(t, ws, "x", "x")
	}
	for _, secret := range []string{"t0k3n", "secret", "two words", "two+words"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, log.String())
		}
	}
	if !strings.Contains(log.String(), "10.1.2.3") {
		t.Errorf("the log does not tell why a source fails:\n%s", log.String())
	}
}

func TestHostToken(t *testing.T) {
	target := echo(t)
	address := start(t, bridge.Config{HostToken: true, Lookup: tokens(map[string]string{"vm1.example": target, "2001:db8::1": target})})
	for host, want := range map[string]int{
		"vm1.example": 101, "vm1.example:6080": 101, "[2001:db8::1]:80": 101, "[2001:db8::1]": 101,
		"vm2.example": 403, "vm1.example.": 403, "2001": 403, "[2001:db8::2]": 403, ":80": 403,
	} {
		ws, res := open(t, address, "/?token=vm1.example", http.Header{"Host": {host}})
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, res.StatusCode, want)
		}
		if ws != nil {
			say(t, ws, "x", "x")
		}
	}
}

// TestOrder is websockify's: token, log-in, handshake.
func TestOrder(t *testing.T) {
	var asked []string
	ask := func(name string, status int) bridge.Auth {
		return func(*http.Request) error {
			asked = append(asked, name)
			if status == 0 {
				return nil
			}
			return &bridge.Refusal{Status: status, Words: name}
		}
	}
	target := echo(t)
	for _, c := range []struct {
		name, path string
		auths      []bridge.Auth
		protocol   string
		status     int
		asked      string
	}{
		{"all agree", "/?token=a", []bridge.Auth{ask("1", 0), ask("2", 0)}, "binary", 101, "1,2"},
		{"bad token", "/?token=b", []bridge.Auth{ask("1", 0)}, "binary", 403, ""},
		{"first refuses", "/?token=a", []bridge.Auth{ask("1", 401), ask("2", 403)}, "chat", 401, "1"},
		{"second refuses", "/?token=a", []bridge.Auth{ask("1", 0), ask("2", 418)}, "chat", 418, "1,2"},
		{"bad sub-protocol", "/?token=a", []bridge.Auth{ask("1", 0)}, "chat", 400, "1"},
	} {
		asked = nil
		address := start(t, bridge.Config{Lookup: tokens(map[string]string{"a": target}), Auths: c.auths})
		_, res := open(t, address, c.path, http.Header{"Sec-WebSocket-Protocol": {c.protocol}})
		if got := strings.Join(asked, ","); res.StatusCode != c.status || got != c.asked {
			t.Errorf("%s: %d after asking %q, want %d after %q", c.name, res.StatusCode, got, c.status, c.asked)
		}
	}
}

// TestAuthThatFails is no refusal and tells the client nothing.
func TestAuthThatFails(t *testing.T) {
	var log journal
	broken := func(*http.Request) error { return errors.New("directory 10.9.8.7 is down") }
	address := start(t, bridge.Config{Log: log.logger(), Route: bridge.Route{Address: echo(t)}, Auths: []bridge.Auth{broken}})
	_, res := open(t, address, "/", nil)
	if body := readAll(t, res); res.StatusCode != 502 || strings.Contains(body, "10.9.8.7") || !strings.Contains(log.String(), "10.9.8.7") {
		t.Errorf("%d %q, log %s", res.StatusCode, body, log.String())
	}
}

// TestClientCertificate looks at the connection's own TLS; the certificate that
// Certificates makes for clients is viewer's.
func TestClientCertificate(t *testing.T) {
	certs := layertest.Certificates(t)
	target := echo(t)
	for _, c := range []struct {
		name, source string
		with         bool
		status       int
	}{
		{"listed", `"some one" viewer`, true, 101},
		{"another's", `"some one"`, true, 403},
		{"none", "viewer", false, 403},
	} {
		auth, err := bridge.NewAuth("ClientCertCNAuth", c.source)
		if err != nil {
			t.Fatal(err)
		}
		s, err := bridge.New(bridge.Config{Route: bridge.Route{Address: target}, Auths: []bridge.Auth{auth}})
		if err != nil {
			t.Fatal(err)
		}
		ln := tls.NewListener(listen(t), certs.Server)
		go func() { _ = s.Serve(ln) }()
		client := certs.Client.Clone()
		if !c.with {
			client.Certificates, client.GetClientCertificate = nil, nil
		}
		d := websocket.Dialer{TLSClientConfig: client, HandshakeTimeout: patience}
		ws, res, _ := d.Dial("wss://"+ln.Addr().String()+"/", http.Header{"SSL_CLIENT_S_DN_CN": {"viewer"}})
		if res == nil || res.StatusCode != c.status {
			t.Errorf("%s: %+v, want %d", c.name, res, c.status)
		}
		if ws != nil {
			say(t, ws, "x", "x")
			_ = ws.Close()
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// TestRefusalsClose the connection, as websockify does: scripts wait for that.
func TestRefusalsClose(t *testing.T) {
	address := start(t, bridge.Config{Lookup: tokens(nil)})
	_, res := open(t, address, "/?token=x", nil)
	if res.StatusCode != 403 || !res.Close || res.Header.Get("Server") != "vncgate" {
		t.Errorf("%d, close %v, %v", res.StatusCode, res.Close, res.Header)
	}
}

func TestUpgradeNeedsGet(t *testing.T) {
	address := start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}})
	header := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for method, want := range map[string]int{"HEAD": 405, "POST": 501} {
		if res, _ := get(t, method, "http://"+address+"/", header); res.StatusCode != want {
			t.Errorf("%s: %d", method, res.StatusCode)
		}
	}
	header.Del("Sec-WebSocket-Key")
	if res, _ := get(t, "GET", "http://"+address+"/", header); res.StatusCode != 400 {
		t.Errorf("without key: %d", res.StatusCode)
	}
}

func TestNewErrors(t *testing.T) {
	route := bridge.Route{Address: "localhost:5900"}
	for name, cfg := range map[string]bridge.Config{
		"neither a target": {},
		"directory and":    {Route: route, WebAuth: true},
		"log-in plugin":    {Route: route, WebAuth: true, Dir: t.TempDir()},
		"no such":          {Route: route, Dir: "/does/not/exist"},
	} {
		if _, err := bridge.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want words on %q", err, name)
		}
	}
}
