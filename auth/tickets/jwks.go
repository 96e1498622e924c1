package tickets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"vncgate/auth"
)

// JWKSConfig says where keys are fetched that tokens are signed with.
type JWKSConfig struct {
	// URL is where the JWK set is (RFC 7517, 5), https unless Plain.
	URL string
	// Plain allows http, for a server on the same machine.
	Plain bool
	// Client is what asks; nil is one with the system's CAs and 10 s. It follows
	// no redirects.
	Client *http.Client
	// MaxAge is after how long the keys are fetched again; 0 is an hour.
	MaxAge time.Duration
	// MaxStale is for how long the keys stay good while the server does not
	// answer; 0 is a day.
	MaxStale time.Duration
	// Retry is how long to wait between two fetches, whatever tokens ask for; 0
	// is 10 s.
	Retry time.Duration
	// Report is told of a fetch that failed, nil for nobody.
	Report func(error)
}

// JWKS fetches keys and keeps them: again when they grow old, and when a token
// names a key that is not among them, which is how issuers change keys. It is
// safe for concurrent use.
type JWKS struct {
	cfg  JWKSConfig
	url  *url.URL
	from platform

	mu     sync.Mutex
	keys   auth.JWTKeys
	at     time.Time     // when the keys came; zero: never
	asked  time.Time     // when they were last asked for
	flight chan struct{} // closed when the fetch under way ends; nil: there is none
	err    error         // of the last fetch
}

// NewJWKS fetches nothing yet: a server that comes up later than we is no error.
func NewJWKS(cfg JWKSConfig) (*JWKS, error) {
	u, err := baseURL("jwks", cfg.URL, cfg.Plain)
	if err != nil {
		return nil, err
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&cfg.MaxAge, time.Hour}, {&cfg.MaxStale, 24 * time.Hour}, {&cfg.Retry, 10 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	return &JWKS{cfg: cfg, url: u, from: newPlatform("jwks", cfg.Client)}, nil
}

// Keys returns the keys, fetched if need be, for a token with that key ID, ""
// where it has none. The error says that there are no keys to be had.
func (k *JWKS) Keys(ctx context.Context, id string) (auth.JWTKeys, error) {
	k.mu.Lock()
	now := time.Now()
	had := !k.at.IsZero() && now.Sub(k.at) < k.cfg.MaxStale
	knows := had && (id == "" || k.keys.Has(id))
	flight := k.flight
	switch {
	case knows && (now.Sub(k.at) < k.cfg.MaxAge || flight != nil):
	case flight != nil:
		k.mu.Unlock()
		if err := await(ctx, flight); err != nil {
			return auth.JWTKeys{}, err
		}
		k.mu.Lock()
	case k.asked.IsZero() || now.Sub(k.asked) >= k.cfg.Retry:
		k.fetch(ctx, now)
	}
	defer k.mu.Unlock()
	if k.at.IsZero() || time.Since(k.at) >= k.cfg.MaxStale {
		return auth.JWTKeys{}, fmt.Errorf("tickets: jwks: there are no keys: %w", k.err)
	}
	return k.keys, nil
}

func await(ctx context.Context, flight <-chan struct{}) error {
	select {
	case <-flight:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("tickets: jwks: %w", ctx.Err())
	}
}

// fetch asks for the keys with k.mu held, and let go meanwhile. Others wait for
// it, so that it goes on when the token that began it is given up.
func (k *JWKS) fetch(ctx context.Context, now time.Time) {
	flight := make(chan struct{})
	k.flight, k.asked = flight, now
	k.mu.Unlock()
	keys, err := k.get(context.WithoutCancel(ctx))
	if err != nil && k.cfg.Report != nil {
		k.cfg.Report(err)
	}
	k.mu.Lock()
	if k.err = err; err == nil {
		k.keys, k.at = keys, time.Now()
	}
	k.flight = nil
	close(flight)
}

func (k *JWKS) get(ctx context.Context) (auth.JWTKeys, error) {
	r := &http.Request{Method: http.MethodGet, URL: k.url, Header: http.Header{}}
	var set json.RawMessage
	res, err := k.from.ask(ctx, r, &set)
	if err != nil {
		return auth.JWTKeys{}, err
	}
	if res.StatusCode != http.StatusOK {
		return auth.JWTKeys{}, k.from.status(res, "there is no JWK set at that URL")
	}
	keys, err := auth.ParseJWTKeys(set)
	if err != nil {
		return auth.JWTKeys{}, fmt.Errorf("tickets: jwks: %w", err)
	}
	if keys.Len() == 0 {
		return auth.JWTKeys{}, errors.New("tickets: jwks: the set has no key for signatures")
	}
	return keys, nil
}
