package tickets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Bounds of a talk with a platform.
const (
	platformTimeout = 10 * time.Second
	maxPlatformBody = 1 << 20 // bytes
)

// platform is an HTTP API that is asked for JSON.
type platform struct {
	name   string
	client *http.Client
}

// newPlatform takes a client's transport and time limit, nil for the usual ones.
// Redirects are not followed: they would carry the platform's secrets along.
func newPlatform(name string, client *http.Client) platform {
	own := http.Client{Timeout: platformTimeout}
	if client != nil {
		own = *client
		if own.Timeout == 0 {
			own.Timeout = platformTimeout
		}
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return platform{name, &own}
}

// ask sends the request and decodes the answer into out where its status is one
// of 2xx. Errors hold neither the URL, which may hold a token, nor a header.
func (p platform) ask(ctx context.Context, r *http.Request, out any) (*http.Response, error) {
	r.Header.Set("Accept", "application/json")
	res, err := p.client.Do(r.WithContext(ctx))
	if err != nil {
		if inner := (*url.Error)(nil); errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, fmt.Errorf("tickets: %s: %w", p.name, err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return res, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPlatformBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("tickets: %s: reading the answer: %w", p.name, err)
	case len(body) > maxPlatformBody:
		return nil, fmt.Errorf("tickets: %s: an answer of more than %d bytes", p.name, maxPlatformBody)
	case json.Unmarshal(body, out) != nil: // the error would quote it
		return nil, fmt.Errorf("tickets: %s: the answer is not the JSON that was expected", p.name)
	}
	return res, nil
}

// status is the error of an answer that says what the platform will not do.
func (p platform) status(res *http.Response, hint string) error {
	return fmt.Errorf("tickets: %s: status %d: %s", p.name, res.StatusCode, hint)
}

// baseURL reads the address of an API; https unless plain says otherwise.
func baseURL(name, text string, plain bool) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("tickets: %s: the URL must be like https://host:port/path", name)
	case u.Scheme != "https" && (u.Scheme != "http" || !plain):
		return nil, fmt.Errorf("tickets: %s: the URL must begin with https://, since what goes there is secret", name)
	}
	if u.Path == "" {
		u.Path = "/" // JoinPath would leave the request's path without one
	}
	return u, nil
}
