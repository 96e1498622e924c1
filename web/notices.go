package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"vncgate/gateway"
	"vncgate/layers"
)

// RFB has no words for what a viewer may do and for how long, so the page is
// told in text messages between the binary ones of its own WebSocket: each is
// one notice as JSON. A page asks for them by ?notices in the upgrade; noVNC's
// own does not, and gets none. They need no connection beside it, of which
// browsers open no more than six to one host, pass every proxy that the session
// passes, and end with it.
//
// What a page answers comes as a POST with the key that the first notice names:
// it is known to that page alone, and to no log.

// noticesParameter is how an upgrade asks for notices.
const noticesParameter = "notices"

// notice is a gateway.Notice as the page reads it. Clocks differ, so times are
// counted from now.
type notice struct {
	Kind  string `json:"kind"`
	Words string `json:"words,omitempty"`
	// Paused, of paused, says that nothing passes for now; without it, that the
	// session goes on.
	Paused bool `json:"paused,omitempty"`
	// Left is how many seconds are left: of the session, or to what a warning
	// is about. Without it there is no end in sight, or no longer.
	Left *int `json:"left,omitempty"`
	// With rights:
	Key       string   `json:"key,omitempty"`
	Rights    []string `json:"rights,omitempty"`
	Renewable bool     `json:"renewable,omitempty"`
	Shareable []string `json:"shareable,omitempty"`  // rights that may be passed on …
	ShareTime int      `json:"share_time,omitempty"` // … and for how many seconds at most
	Playback  bool     `json:"playback,omitempty"`   // it is a recording that can be steered
}

// secondsTo is nil for the zero time.
func secondsTo(t, now time.Time) *int {
	if t.IsZero() {
		return nil
	}
	s := max(0, int((t.Sub(now)+time.Second-1)/time.Second))
	return &s
}

// noticeFor puts n into the page's words.
func (e *endpoint) noticeFor(key string, n gateway.Notice, now time.Time) notice {
	told := notice{Kind: n.Kind, Words: n.Words, Paused: n.Paused, Left: secondsTo(n.Until, now)}
	if n.Kind == gateway.NoticeRights {
		told.Key, told.Left = key, secondsTo(n.Expires, now)
		told.Rights = strings.Split(n.Rights.String(), ",")
		told.Renewable = n.Renewable && e.cfg.Renew != nil
		told.Playback = e.cfg.Playback != nil && e.cfg.Playback.Shows(key)
		if may, longest, err := e.mayShare(key); err == nil {
			told.Shareable, told.ShareTime = may, int(longest/time.Second)
		}
	}
	return told
}

// noticeKey is a new key for a page that wants notices, else "".
func (e *endpoint) noticeKey(r *http.Request) string {
	if !r.URL.Query().Has(noticesParameter) {
		return ""
	}
	return rand.Text()
}

// serve runs a session, and tells its page what the gateway says of it. It
// returns when the handshakes are over: what net/http keeps for a request is not
// kept for as long as a session lasts.
func (e *endpoint) serve(session *gateway.Session, from client, ws *layers.WebSocketConn, key string) {
	session.Tell(func(n gateway.Notice) { e.tell(ws, key, n) })
	session.Start(context.Background(), from.over(ws), nil)
}

func (e *endpoint) tell(ws *layers.WebSocketConn, key string, n gateway.Notice) {
	if n.Kind == gateway.NoticeEnding {
		return // the close frame says so
	}
	b, err := json.Marshal(e.noticeFor(key, n, time.Now()))
	if err != nil {
		return // it holds nothing that cannot be marshalled
	}
	_ = ws.WriteText(b) // a page that takes nothing is the relay's to give up
}

// errNoSession is also for keys of others: they exist for nobody else.
var (
	errNoSession  = &Refusal{http.StatusNotFound, "This session has ended. Connect again."}
	errNotRenewed = &Refusal{http.StatusConflict, "This session cannot be made longer. Ask whoever gave you the link for a new one."}
	errRenewFault = &Refusal{http.StatusBadGateway, "The session could not be made longer. Try again in a moment."}
)

// renew moves the end of a session, where its ticket allows.
func (e *endpoint) renew(ctx context.Context, key string) error {
	if e.cfg.Renew == nil {
		return errNotRenewed
	}
	err := e.cfg.Renew(ctx, key)
	var no *Refusal
	switch {
	case err == nil || errors.As(err, &no):
		return err
	case errors.Is(err, gateway.ErrNoSession):
		return errNoSession
	case errors.Is(err, gateway.ErrNotRenewable):
		return errNotRenewed
	}
	e.failures.Do(func() {
		e.cfg.Log.Error("renewal failed", "listener", e.cfg.Front.Name, "error", withoutToken(err, key))
	})
	return errRenewFault
}
