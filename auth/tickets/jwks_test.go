package tickets_test

import (
	"context"
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

// issuer is a server of a JWK set that can go down, change and answer nonsense.
type issuer struct {
	*httptest.Server
	asked atomic.Int64
	mu    sync.Mutex
	serve http.HandlerFunc
}

func newIssuer(t *testing.T, serve http.HandlerFunc) *issuer {
	i := &issuer{serve: serve}
	i.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		i.mu.Lock()
		serve := i.serve
		i.mu.Unlock()
		serve(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) now(serve http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.serve = serve
}

// keySet serves keys by their IDs.
func keySet(t testing.TB, keys map[string]*rsa.PrivateKey) http.HandlerFunc {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for id, key := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &key.PublicKey, KeyID: id, Use: "sig"})
	}
	text := toJSON(t, set)
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(text) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (i *issuer) source(t *testing.T, cfg tickets.JWKSConfig) *tickets.JWT {
	cfg.URL, cfg.Client = i.URL, i.Client()
	return newJWT(t, tickets.JWTConfig{
		JWKS:   ok(tickets.NewJWKS(cfg))(t),
		Signed: auth.JWTConfig{Algorithms: []string{"RS256"}}, OnlyStart: true,
	})
}

func keyed(t testing.TB, id string, key *rsa.PrivateKey) string {
	return signed(t, jose.RS256, jose.JSONWebKey{Key: key, KeyID: id}, object{"exp": hour().Unix(), "target": "x"})
}

var x = tickets.Ticket{Target: "x"}

func TestJWKSIsKept(t *testing.T) {
	i := newIssuer(t, keySet(t, map[string]*rsa.PrivateKey{"a": rsaKey()}))
	j := i.source(t, tickets.JWKSConfig{})
	for range 3 {
		want(t, j, keyed(t, "a", rsaKey()), x)
	}
	wantUnknown(t, j, keyed(t, "b", rsaKey2()), "no key") // too early to ask again
	wantUnknown(t, j, keyed(t, "a", rsaKey2()), "signature is wrong")
	if n := i.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestJWKSUnknownKey(t *testing.T) {
	i := newIssuer(t, keySet(t, map[string]*rsa.PrivateKey{"a": rsaKey()}))
	j := i.source(t, tickets.JWKSConfig{Retry: time.Nanosecond})
	want(t, j, keyed(t, "a", rsaKey()), x)
	i.now(keySet(t, map[string]*rsa.PrivateKey{"b": rsaKey2()}))
	want(t, j, keyed(t, "b", rsaKey2()), x)
	wantUnknown(t, j, keyed(t, "a", rsaKey()), "no key")
}

func TestJWKSServerIsDown(t *testing.T) {
	i := newIssuer(t, status(503))
	var reported atomic.Int64
	j := i.source(t, tickets.JWKSConfig{Retry: time.Nanosecond, MaxAge: time.Nanosecond, Report: func(error) { reported.Add(1) }})
	wantFailure(t, j, keyed(t, "a", rsaKey()), "503")
	i.now(keySet(t, map[string]*rsa.PrivateKey{"a": rsaKey()}))
	want(t, j, keyed(t, "a", rsaKey()), x)
	for _, bad := range []http.HandlerFunc{
		status(500), status(302), keySet(t, nil),
		func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"keys":["` + strings.Repeat("x", 1<<20) + `"]}`))
		},
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		i.now(bad)
		want(t, j, keyed(t, "a", rsaKey()), x)
	}
	if reported.Load() != 7 {
		t.Errorf("%d reports", reported.Load())
	}
}

func TestJWKSGrowsStale(t *testing.T) {
	i := newIssuer(t, keySet(t, map[string]*rsa.PrivateKey{"a": rsaKey()}))
	k := ok(tickets.NewJWKS(tickets.JWKSConfig{URL: i.URL, Client: i.Client(), Retry: time.Nanosecond, MaxAge: time.Nanosecond, MaxStale: time.Second}))(t)
	if keys, err := k.Keys(t.Context(), "a"); err != nil || keys.Len() != 1 {
		t.Fatal(err)
	}
	i.now(status(500))
	time.Sleep(1100 * time.Millisecond)
	if _, err := k.Keys(t.Context(), "a"); err == nil {
		t.Error("stale keys were given out")
	}
}

func TestJWKSIsAskedOnce(t *testing.T) {
	release := make(chan struct{})
	serve := keySet(t, map[string]*rsa.PrivateKey{"a": rsaKey()})
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) { <-release; serve(w, r) })
	k := ok(tickets.NewJWKS(tickets.JWKSConfig{URL: i.URL, Client: i.Client()}))(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if keys, err := k.Keys(context.Background(), "a"); err != nil || !keys.Has("a") {
				t.Errorf("%v", err)
			}
		})
	}
	close(release)
	all.Wait()
	if n := i.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestJWKSGivenUp(t *testing.T) {
	release := make(chan struct{})
	i := newIssuer(t, func(http.ResponseWriter, *http.Request) { <-release })
	k := ok(tickets.NewJWKS(tickets.JWKSConfig{URL: i.URL, Client: i.Client()}))(t)
	var first sync.WaitGroup
	first.Go(func() { k.Keys(context.Background(), "") })
	for i.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Keys(ctx, ""); err == nil {
		t.Error("no error")
	}
	close(release)
	first.Wait()
}

func TestJWKSConfigRefuses(t *testing.T) {
	for _, bad := range []string{"", "http://h/", "https://", "https://u:p@h/", "https://h/?q", "ftp://h/", "https://h/#f", "%"} {
		if _, err := tickets.NewJWKS(tickets.JWKSConfig{URL: bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := tickets.NewJWKS(tickets.JWKSConfig{URL: "http://localhost/", Plain: true}); err != nil {
		t.Error(err)
	}
}
