package tickets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// keystoneMargin is how long before its end a token is renewed.
	keystoneMargin = time.Minute
	// keystoneRetry is how long a log-in that failed is not tried again: a wrong
	// password would lock the account.
	keystoneRetry = 10 * time.Second
)

// KeystoneConfig says how to log in to OpenStack's Identity API v3, by password
// or by application credential.
type KeystoneConfig struct {
	// URL is that of the Identity API, https unless Plain, with or without /v3.
	URL string
	// Plain allows http.
	Plain bool
	// User, UserDomain, Project and ProjectDomain are names; the domains are
	// "Default" where they are empty.
	User, UserDomain, Project, ProjectDomain string
	// Credential is the ID of an application credential, instead of a user.
	Credential string
	// Secret gives the password, or the credential's secret.
	Secret func(ctx context.Context) (string, error)
	// Client is what asks; nil is one with the system's CAs and 10 s.
	Client *http.Client
}

// Keystone gets tokens, keeps them while they are good, and is safe for
// concurrent use.
type Keystone struct {
	cfg KeystoneConfig
	url *url.URL
	api platform

	turn    chan struct{} // held by whoever logs in
	mu      sync.Mutex
	token   string
	expires time.Time
	failed  error // of the last log-in
	at      time.Time
}

// NewKeystone asks nothing yet.
func NewKeystone(cfg KeystoneConfig) (*Keystone, error) {
	u, err := baseURL("keystone", cfg.URL, cfg.Plain)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/v3") {
		u = u.JoinPath("v3")
	}
	switch {
	case cfg.Secret == nil:
		return nil, errors.New("tickets: keystone: the secret is missing")
	case (cfg.User == "") == (cfg.Credential == ""):
		return nil, errors.New("tickets: keystone: either a user or an application credential is needed")
	case cfg.User != "" && cfg.Project == "":
		return nil, errors.New("tickets: keystone: a user needs the project to work in")
	}
	return &Keystone{cfg: cfg, url: u.JoinPath("auth", "tokens"), api: newPlatform("keystone", cfg.Client), turn: make(chan struct{}, 1)}, nil
}

// Token returns a token that is good for a minute at least, logging in if need
// be: one at a time, and not again for 10 s where that failed.
func (k *Keystone) Token(ctx context.Context) (string, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if token, known, err := k.current(); known {
		return token, err
	}
	token, expires, err := k.login(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() == nil { // who gave up says nothing of Keystone
		k.failed, k.at = err, time.Now()
	}
	k.token, k.expires = token, expires
	return token, err
}

// current returns what is known without asking.
func (k *Keystone) current() (token string, known bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed != nil && time.Since(k.at) < keystoneRetry {
		return "", true, k.failed
	}
	return k.token, k.token != "" && time.Until(k.expires) > keystoneMargin, nil
}

// Forget drops a token that was not taken, unless there is another already.
func (k *Keystone) Forget(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.token == token {
		k.token = ""
	}
}

func (k *Keystone) login(ctx context.Context) (string, time.Time, error) {
	secret, err := k.cfg.Secret(ctx)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("tickets: keystone: the secret: %w", err)
	}
	body, err := json.Marshal(k.cfg.credentials(secret))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("tickets: keystone: %w", err)
	}
	r := &http.Request{
		Method: http.MethodPost, URL: k.url, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	var answer struct {
		Token struct {
			ExpiresAt time.Time `json:"expires_at"`
		} `json:"token"`
	}
	res, err := k.api.ask(ctx, r, &answer)
	if err != nil {
		return "", time.Time{}, err
	}
	token := res.Header.Get("X-Subject-Token")
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return "", time.Time{}, k.api.status(res, "the log-in was refused: check user, project, domains and secret")
	case res.StatusCode/100 != 2 || token == "":
		return "", time.Time{}, k.api.status(res, "no token: is the URL that of the Identity API?")
	}
	return token, answer.Token.ExpiresAt, nil
}

// credentials are the body of POST /v3/auth/tokens (keystone:api-ref/source/v3).
func (c KeystoneConfig) credentials(secret string) any {
	type object map[string]any
	if c.Credential != "" {
		return object{"auth": object{"identity": object{
			"methods":                []string{"application_credential"},
			"application_credential": object{"id": c.Credential, "secret": secret},
		}}}
	}
	domain := func(name string) object {
		if name == "" {
			name = "Default"
		}
		return object{"name": name}
	}
	return object{"auth": object{
		"identity": object{
			"methods":  []string{"password"},
			"password": object{"user": object{"name": c.User, "domain": domain(c.UserDomain), "password": secret}},
		},
		"scope": object{"project": object{"name": c.Project, "domain": domain(c.ProjectDomain)}},
	}}
}
