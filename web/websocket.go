package web

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vncgate/gateway"
	"vncgate/layers"
)

// endpoint upgrades browsers to WebSocket and hands them to the gateway.
type endpoint struct{ cfg Config }

// refusal is an answer instead of an upgrade. Browsers hide it from scripts,
// so the page asks for the same URL with a plain GET to learn the words.
type refusal struct {
	status int
	words  string
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	front, refused := e.front(r)
	if refused != nil {
		e.refuse(w, r, *refused)
		return
	}
	if !wantsUpgrade(r) {
		e.answer(w, r)
		return
	}
	session, err := e.cfg.Admit(front)
	if err != nil {
		e.refuse(w, r, admission(err))
		return
	}
	// The origin has been checked, for upgrades and questions alike.
	ws, err := layers.WebSocketUpgrade(w, r, layers.WebSocketConfig{CheckOrigin: func(*http.Request) bool { return true }})
	if err != nil {
		session.Release()
		e.cfg.Log.Debug("upgrade failed", "listener", front.Name, "viewer", r.RemoteAddr, "error", err)
		return
	}
	// The request's context ends with this handler, not with the connection,
	// and the session ends by itself.
	_ = session.Serve(context.WithoutCancel(r.Context()), ws)
}

// answer tells a plain request what an upgrade would have met. It takes no
// place: a question must not push out a viewer that is logging in.
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) {
	if e.cfg.Ready != nil {
		if err := e.cfg.Ready(); err != nil {
			e.refuse(w, r, admission(err))
			return
		}
	}
	w.Header().Set("Upgrade", "websocket")
	e.refuse(w, r, refusal{http.StatusUpgradeRequired, "This address is for WebSocket connections."})
}

// front says how this browser comes in, or why it may not.
func (e *endpoint) front(r *http.Request) (gateway.Front, *refusal) {
	front := e.cfg.Front
	if !e.allowsOrigin(r) {
		return front, &refusal{http.StatusForbidden, "Pages of this origin may not connect here. An administrator can allow it under web.origins."}
	}
	if e.cfg.Logins != nil && !loggedIn(e.cfg.Logins, r) {
		return front, &refusal{http.StatusUnauthorized, "Not logged in. Open the link you were given; it can be used once."}
	}
	if target := r.URL.Query().Get("target"); target != "" {
		front.Target = target
	}
	if front.Target == "" {
		return front, &refusal{http.StatusNotFound, "No display was chosen. Add ?target=NAME to the path."}
	}
	return front, nil
}

func admission(err error) refusal {
	switch {
	case errors.Is(err, gateway.ErrFull):
		return refusal{http.StatusServiceUnavailable, "The gateway is full. Try again later."}
	case errors.Is(err, gateway.ErrDraining):
		return refusal{http.StatusServiceUnavailable, "The gateway is shutting down."}
	}
	return refusal{http.StatusInternalServerError, "The gateway cannot serve this now."}
}

func (e *endpoint) refuse(w http.ResponseWriter, r *http.Request, no refusal) {
	if wantsUpgrade(r) {
		e.cfg.Log.Info("viewer refused", "listener", e.cfg.Front.Name, "viewer", r.RemoteAddr,
			"status", no.status, "reason", no.words, "origin", r.Header.Get("Origin"))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(no.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": no.words})
}

// allowsOrigin compares what a browser states as the page's origin. A request
// without one is not a browser's and proves nothing either way.
func (e *endpoint) allowsOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if u, err := url.Parse(origin); err == nil && sameHost(u, r) {
		return true
	}
	return slices.ContainsFunc(e.cfg.Origins, func(allowed string) bool {
		return allowed == "*" || strings.EqualFold(strings.TrimSuffix(allowed, "/"), origin)
	})
}

// sameHost reports whether the page came from this very listener. Behind TLS of
// ours a page without it is another one. A name that leads to loopback may be
// anybody's (DNS rebinding), so there it must be localhost or an address.
func sameHost(origin *url.URL, r *http.Request) bool {
	if !strings.EqualFold(origin.Host, r.Host) || r.TLS != nil && origin.Scheme != "https" {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return true
	}
	return origin.Hostname() == "localhost" || net.ParseIP(origin.Hostname()) != nil
}

func wantsUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
