package tickets_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/auth/tickets"
)

const novaToken = "0b4ee0f5-7a9f-4c61-9d5c-5f1a2b3c4d5e"

// cloud is a compute and an identity service in one.
type cloud struct {
	*httptest.Server
	console any    // of novaToken
	newest  string // microversion
	good    atomic.Pointer[string]
	logins  atomic.Int64
	refuse  atomic.Bool // log-ins
	asked   atomic.Int64
	life    time.Duration // of tokens
}

func newCloud(t *testing.T, console any) *cloud {
	c := &cloud{console: console, newest: "2.99", life: time.Hour}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /identity/v3/auth/tokens", c.login)
	mux.HandleFunc("GET /v2.1/os-console-auth-tokens/{token}", c.show)
	c.Server = httptest.NewTLSServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) login(w http.ResponseWriter, r *http.Request) {
	n := c.logins.Add(1)
	var body struct {
		Auth struct {
			Identity struct {
				Methods  []string
				Password struct {
					User struct {
						Name, Password string
						Domain         struct{ Name string }
					}
				}
				Credential struct{ ID, Secret string } `json:"application_credential"`
			}
			Scope struct {
				Project struct {
					Name   string
					Domain struct{ Name string }
				}
			}
		}
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	u, p, a := body.Auth.Identity.Password.User, body.Auth.Scope.Project, body.Auth.Identity.Credential
	byPassword := u.Name == "gate" && u.Password == "geheim" && u.Domain.Name == "Default" && p.Name == "service" && p.Domain.Name == "d2"
	byCredential := a.ID == "cred" && a.Secret == "geheim" && p.Name == ""
	if err != nil || c.refuse.Load() || !byPassword && !byCredential {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	token := fmt.Sprint("admin-", n)
	c.good.Store(&token)
	w.Header().Set("X-Subject-Token", token)
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"token":{"expires_at":%q}}`, time.Now().Add(c.life).UTC().Format("2006-01-02T15:04:05.000000Z"))
}

func (c *cloud) show(w http.ResponseWriter, r *http.Request) {
	c.asked.Add(1)
	good := c.good.Load()
	version := strings.TrimPrefix(r.Header.Get("OpenStack-API-Version"), "compute ")
	switch {
	case good == nil || r.Header.Get("X-Auth-Token") != *good:
		w.WriteHeader(http.StatusUnauthorized)
	case version > c.newest:
		w.WriteHeader(http.StatusNotAcceptable)
	case r.PathValue("token") != novaToken:
		w.WriteHeader(http.StatusNotFound)
	default:
		json.NewEncoder(w).Encode(object{"console": c.console})
	}
}

func geheim(context.Context) (string, error) { return "geheim", nil }

func (c *cloud) source(t *testing.T, change func(*tickets.KeystoneConfig)) *tickets.Nova {
	cfg := tickets.KeystoneConfig{URL: c.URL + "/identity", User: "gate", Project: "service", ProjectDomain: "d2", Secret: geheim, Client: c.Client()}
	if change != nil {
		change(&cfg)
	}
	k := ok(tickets.NewKeystone(cfg))(t)
	return ok(tickets.NewNova(tickets.NovaConfig{URL: c.URL + "/v2.1", Keystone: k, Client: c.Client()}))(t)
}

var console = object{"instance_uuid": "i", "host": "10.0.0.5", "port": 5900, "internal_access_path": nil}

func TestNova(t *testing.T) {
	at := tickets.Ticket{Address: "10.0.0.5:5900"}
	c := newCloud(t, console)
	n := c.source(t, nil)
	for range 3 {
		want(t, n, novaToken, at)
	}
	if c.logins.Load() != 1 {
		t.Errorf("%d log-ins", c.logins.Load())
	}
	wantUnknown(t, n, strings.Replace(novaToken, "0", "1", 1), "does not know")
	asked := c.asked.Load()
	for _, bad := range []string{"", "../servers", "a b", "a%2f", strings.Repeat("a", 65), "ü"} {
		wantUnknown(t, n, bad, "form")
	}
	if c.asked.Load() != asked {
		t.Error("a malformed token was asked for")
	}
}

func TestNovaRenews(t *testing.T) {
	c := newCloud(t, console)
	n := c.source(t, func(k *tickets.KeystoneConfig) { k.User, k.Project, k.Credential, k.URL = "", "", "cred", k.URL+"/v3" })
	want(t, n, novaToken, tickets.Ticket{Address: "10.0.0.5:5900"})
	revoked := "another"
	c.good.Store(&revoked)
	want(t, n, novaToken, tickets.Ticket{Address: "10.0.0.5:5900"})
	if c.logins.Load() != 2 {
		t.Errorf("%d log-ins", c.logins.Load())
	}
	// A token that ends within the minute is renewed before it is used.
	c = newCloud(t, console)
	c.life = 30 * time.Second
	n = c.source(t, nil)
	want(t, n, novaToken, tickets.Ticket{Address: "10.0.0.5:5900"})
	want(t, n, novaToken, tickets.Ticket{Address: "10.0.0.5:5900"})
	if c.logins.Load() != 2 {
		t.Errorf("%d log-ins", c.logins.Load())
	}
}

func TestNovaConsoles(t *testing.T) {
	path := tickets.Ticket{Address: "[::1]:5901", ConnectPath: "/console?ref=1&session_id=2"}
	for what, c := range map[string]struct {
		console any
		newest  string
		check   func(t *testing.T, n *tickets.Nova)
	}{
		"path":      {with(console, object{"host": "::1", "port": 5901, "internal_access_path": path.ConnectPath}), "2.99", func(t *testing.T, n *tickets.Nova) { want(t, n, novaToken, path) }},
		"older":     {console, "2.31", func(t *testing.T, n *tickets.Nova) { want(t, n, novaToken, tickets.Ticket{Address: "10.0.0.5:5900"}) }},
		"too old":   {console, "2.30", func(t *testing.T, n *tickets.Nova) { wantFailure(t, n, novaToken, "too old") }},
		"SPICE":     {with(console, object{"tls_port": 5902}), "2.99", func(t *testing.T, n *tickets.Nova) { wantUnknown(t, n, novaToken, "SPICE") }},
		"no host":   {with(console, object{"host": nil}), "2.99", func(t *testing.T, n *tickets.Nova) { wantFailure(t, n, novaToken, "unusable") }},
		"bad path":  {with(console, object{"internal_access_path": "/a HTTP/1.1\r\n"}), "2.99", func(t *testing.T, n *tickets.Nova) { wantFailure(t, n, novaToken, "internal_access_path") }},
		"a socket":  {with(console, object{"host": "unix_socket", "port": "/x"}), "2.99", func(t *testing.T, n *tickets.Nova) { wantFailure(t, n, novaToken, "unusable") }},
		"no object": {"text", "2.99", func(t *testing.T, n *tickets.Nova) { wantFailure(t, n, novaToken, "expected") }},
	} {
		t.Run(what, func(t *testing.T) {
			cloud := newCloud(t, c.console)
			cloud.newest = c.newest
			n := cloud.source(t, nil)
			c.check(t, n)
			c.check(t, n)
		})
	}
}

func TestNovaFails(t *testing.T) {
	own := func(context.Context) (string, error) { return "own-secret", nil }
	var answer http.HandlerFunc
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer s.Close()
	n := ok(tickets.NewNova(tickets.NovaConfig{URL: s.URL, Token: own, Client: s.Client()}))(t)
	for says, a := range map[string]http.HandlerFunc{
		"status 401":    status(401),
		"administrator": status(403),
		"status 500":    status(500),
		"status 302": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/"+r.URL.Path, http.StatusFound)
		},
		"EOF":               func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"more than 1048576": func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2<<20)) },
		"not the JSON":      func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
	} {
		answer = a
		wantFailure(t, n, novaToken, says, "own-secret")
	}
	s.Close()
	wantFailure(t, n, novaToken, "refused", "own-secret")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Lookup(ctx, novaToken); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	broken := ok(tickets.NewNova(tickets.NovaConfig{URL: s.URL, Token: func(context.Context) (string, error) { return "", errors.New("no file") }}))(t)
	wantFailure(t, broken, novaToken, "no file")
	for _, cfg := range []tickets.NovaConfig{{URL: "http://h", Token: own}, {URL: "https://h"}, {URL: "https://h", Token: own, Keystone: &tickets.Keystone{}}} {
		if _, err := tickets.NewNova(cfg); err == nil {
			t.Errorf("%+v was taken", cfg.URL)
		}
	}
}

// A wrong password is not tried at each token: it would lock the account.
func TestKeystoneRefuses(t *testing.T) {
	c := newCloud(t, console)
	c.refuse.Store(true)
	n := c.source(t, nil)
	for range 3 {
		wantFailure(t, n, novaToken, "log-in was refused", "geheim")
	}
	if c.logins.Load() != 1 {
		t.Errorf("%d log-ins", c.logins.Load())
	}
	for _, cfg := range []tickets.KeystoneConfig{
		{URL: "https://h", User: "u", Project: "p"},
		{URL: "https://h", Secret: geheim},
		{URL: "https://h", Secret: geheim, User: "u"},
		{URL: "https://h", Secret: geheim, User: "u", Project: "p", Credential: "c"},
		{URL: "http://h", Secret: geheim, Credential: "c"},
	} {
		if _, err := tickets.NewKeystone(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestKeystoneLogsInOnce(t *testing.T) {
	c := newCloud(t, console)
	n := c.source(t, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { want(t, n, novaToken, tickets.Ticket{Address: "10.0.0.5:5900"}) })
	}
	all.Wait()
	if c.logins.Load() != 1 {
		t.Errorf("%d log-ins", c.logins.Load())
	}
}
