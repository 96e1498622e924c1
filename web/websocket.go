package web

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"vncgate/gateway"
	"vncgate/layers"
)

// endpoint upgrades browsers to WebSocket and hands them to the gateway.
type endpoint struct {
	cfg     Config
	hosts   hosts
	lookups chan struct{} // places for look-ups of tokens
	passKey [sha256.Size]byte

	failures rate.Sometimes // in the log, of look-ups
}

var (
	errOrigin      = &Refusal{http.StatusForbidden, "Pages of this origin may not connect here. An administrator can allow it under web.origins."}
	errNotLoggedIn = &Refusal{http.StatusUnauthorized, "Not logged in. Open the link you were given; it can be used once."}
)

func newEndpoint(cfg Config) *endpoint {
	return &endpoint{
		cfg: cfg, hosts: newHosts(cfg.Hosts), lookups: make(chan struct{}, maxLookups),
		passKey:  newPassKey(cfg.PassSecret),
		failures: rate.Sometimes{First: 10, Interval: time.Second},
	}
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from := clientOf(r, e.cfg.Trusted)
	front, err := e.front(r, from)
	if err != nil {
		e.refuse(w, r, from, asRefusal(err))
		return
	}
	if !wantsUpgrade(r) {
		e.answer(w, r, from, front)
		return
	}
	front.NoticeKey = e.noticeKey(r)
	session, err := e.cfg.Admit(front)
	if err != nil {
		e.refuse(w, r, from, admission(err))
		return
	}
	// The origin has been checked, for upgrades and questions alike.
	ws, err := layers.WebSocketUpgrade(w, r, layers.WebSocketConfig{CheckOrigin: func(*http.Request) bool { return true }, SpeaksFirst: true})
	if err != nil {
		session.Release()
		e.cfg.Log.Debug("upgrade failed", "listener", front.Name, "viewer", from.address, "error", err)
		return
	}
	e.serve(session, from, ws, front.NoticeKey)
}

// front says how this browser comes in, or why it may not.
func (e *endpoint) front(r *http.Request, from client) (gateway.Front, error) {
	if !e.allowsOrigin(r, from) {
		return gateway.Front{}, errOrigin
	}
	if e.cfg.Logins != nil && !loggedIn(e.cfg.Logins, r, from) {
		return gateway.Front{}, errNotLoggedIn
	}
	return e.route(r, from)
}

// answer tells a plain request what an upgrade would have met. It takes no
// place: a question must not push out a viewer that is logging in.
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request, from client, front gateway.Front) {
	if e.cfg.Ready != nil {
		if err := e.cfg.Ready(); err != nil {
			e.refuse(w, r, from, admission(err))
			return
		}
	}
	if e.cfg.Waiting != nil {
		if words, since, ok := e.cfg.Waiting(front.Target); ok {
			writeJSON(w, http.StatusOK, waiting{words, since.UTC().Truncate(time.Second), int(time.Since(since).Seconds())})
			return
		}
	}
	w.Header().Set("Upgrade", "websocket")
	e.refuse(w, r, from, &Refusal{http.StatusUpgradeRequired, "This address is for WebSocket connections."})
}

// waiting is what the page is told while a display is not up yet.
type waiting struct {
	Words   string    `json:"waiting"`
	Since   time.Time `json:"since"`
	Seconds int       `json:"seconds"` // since then, by our clock
}

// asRefusal is err, or words that give away nothing of it.
func asRefusal(err error) *Refusal {
	var no *Refusal
	if errors.As(err, &no) {
		return no
	}
	return admission(err)
}

func wantsUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
