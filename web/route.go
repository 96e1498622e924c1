package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"vncgate/gateway"
)

// How a request says which display it is for, in this order:
//
//  1. A token: ?token= or the path (TokenPath), else the cookie of ours that
//     ?pass= names.
//  2. A name: the path (PathPrefix), the host name (Hosts), ?target=. Where
//     several are given they must be the same.
//  3. The listener's own Front.Target.
//  4. nova's cookie "token".
//
// A name beside a token must be that of the token's display. Cookies of others
// come last because a browser sends them unasked: another program of the same
// host may have set one. Where TokensOnly is set, 2 and 3 choose nothing, and a
// name is only compared.

// novaCookie is where OpenStack's dashboard leaves a token.
const novaCookie = "token"

const (
	// lookupTimeout bounds one question to Config.Tickets.
	lookupTimeout = 15 * time.Second
	// maxLookups bounds how many are under way on one listener: each costs a
	// stranger nothing and a token source something. One more is refused.
	maxLookups = 128
)

var (
	errTwoDisplays = &Refusal{http.StatusBadRequest, "This address names two different displays. Use one of them alone."}
	errTwoTokens   = &Refusal{http.StatusBadRequest, "This address has two different tokens. Use one of them alone."}
	errNoDisplay   = &Refusal{http.StatusNotFound, "No display was chosen. Add ?target=NAME to the path."}
	errNoToken     = &Refusal{http.StatusForbidden, "A token is needed here. Open the link that you were given once more, or ask for a new one."}
	errNoPass      = &Refusal{http.StatusForbidden, "This browser does not have the token any more. Open the link that you were given once more, or ask for a new one."}
	errLookup      = &Refusal{http.StatusBadGateway, "The display could not be looked up. Try again later."}
	errBusy        = &Refusal{http.StatusServiceUnavailable, "The gateway is busy. Try again in a moment."}
)

// route finds the Front of whoever asks; the error is a *Refusal.
func (e *endpoint) route(r *http.Request, from client) (gateway.Front, error) {
	name, err := e.name(r, from)
	if err != nil {
		return gateway.Front{}, err
	}
	token, holder, err := e.token(r, from)
	if err != nil {
		return gateway.Front{}, err
	}
	byName := !e.cfg.TokensOnly && (name != "" || e.cfg.Front.Target != "")
	if token == "" && !byName {
		token = e.ambientToken(r)
	}
	if token != "" {
		return e.frontOfToken(r.Context(), from, token, holder, name)
	}
	return e.frontOfName(name)
}

// name is the display that path, host and ?target= name, "" for none.
func (e *endpoint) name(r *http.Request, from client) (string, error) {
	if from.no != nil {
		return "", from.no
	}
	byHost, _ := e.hosts.target(from.host)
	return only(append(r.URL.Query()["target"], r.PathValue("target"), byHost), errTwoDisplays)
}

func (e *endpoint) frontOfName(name string) (gateway.Front, error) {
	front := e.cfg.Front
	switch {
	case e.cfg.TokensOnly:
		return front, errNoToken
	case name != "":
		front.Target = name
	case front.Target == "":
		return front, errNoDisplay
	}
	return front, nil
}

// token is what the request itself states, "" if nothing, and who its holder is
// where it came here by a pass.
func (e *endpoint) token(r *http.Request, from client) (token, holder string, err error) {
	if e.cfg.Tickets == nil {
		return "", "", nil
	}
	query := r.URL.Query()
	token, err = only(append(query["token"], r.PathValue("token")), errTwoTokens)
	if err != nil || token != "" {
		return token, "", err
	}
	pass, err := only(query["pass"], errTwoTokens)
	if err != nil || pass == "" {
		return "", "", err
	}
	token, holder, ok := passToken(r, from, pass)
	if !ok {
		return "", "", errNoPass
	}
	return token, holder, nil
}

// ambientToken is a token that the browser sends with every request.
func (e *endpoint) ambientToken(r *http.Request) string {
	if e.cfg.Tickets == nil {
		return ""
	}
	c, err := r.Cookie(novaCookie)
	if err != nil {
		return ""
	}
	if plain, err := url.QueryUnescape(c.Value); err == nil {
		return plain
	}
	return c.Value
}

// only returns the one value there is, "" for none, or no where two differ.
func only(values []string, no *Refusal) (string, error) {
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
	if len(values) == 0 {
		return "", nil
	}
	if slices.ContainsFunc(values, func(v string) bool { return v != values[0] }) {
		return "", no
	}
	return values[0], nil
}

// frontOfToken asks for what a token is good for; a name beside it must fit, or
// chooses where the token is for several.
func (e *endpoint) frontOfToken(ctx context.Context, from client, token, holder, name string) (gateway.Front, error) {
	front, err := e.lookup(ctx, from, token, holder)
	if err != nil {
		return front, err
	}
	switch {
	case front.Target == "": // it is for several, and front.Find knows for which
		front.Target = name
	case name != "" && name != front.Target:
		return front, errTwoDisplays
	}
	if front.Target == "" {
		return front, errNoDisplay
	}
	return front, nil
}

func (e *endpoint) lookup(ctx context.Context, from client, token, holder string) (gateway.Front, error) {
	select {
	case e.lookups <- struct{}{}:
		defer func() { <-e.lookups }()
	default:
		return gateway.Front{}, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	front, err := e.cfg.Tickets(ctx, token, holder)
	var no *Refusal
	switch {
	case err == nil:
		return front, nil
	case errors.As(err, &no):
		if e.cfg.Refused != nil {
			e.cfg.Refused(no, from.address)
		}
		return front, err
	case !errors.Is(ctx.Err(), context.Canceled): // else it was the browser that left
		e.failures.Do(func() {
			e.cfg.Log.Error("token look-up failed", "listener", e.cfg.Front.Name, "error", withoutToken(err, token))
		})
	}
	return front, errLookup
}

// withoutToken is the text of err, unless a source was so careless as to put
// the token in.
func withoutToken(err error, token string) string {
	text := err.Error()
	for _, secret := range []string{token, url.QueryEscape(token), url.PathEscape(token)} {
		if strings.Contains(text, secret) {
			return "not shown, since it holds the token"
		}
	}
	return text
}
