package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// Bounds on the links that a page asks for.
const (
	maxShareTime = 30 * 24 * time.Hour
	maxShareUses = 1000
)

// Sharing lets viewers make links to the display that they see. A session is
// named by its key (gateway.Front.NoticeKey); an error that is a *Refusal is
// answered as it is.
type Sharing struct {
	// May returns the names of the rights that a session may pass on, and for how
	// long at most; no rights say that it may not share.
	May func(key string) (rights []string, longest time.Duration)
	// Make makes a token for the display of a session. The rights it is asked
	// for are among those of May; whatever bounds the session should bound the
	// token as well.
	Make func(ctx context.Context, key string, want ShareRequest) (Share, error)
	// Revoke takes back a token that the same session has made, and ends the
	// sessions that came by it.
	Revoke func(ctx context.Context, key, id string) error
}

// ShareRequest is the link that a viewer wants to give away.
type ShareRequest struct {
	Rights []string      // names, at least one
	TTL    time.Duration // how long it is good for: a second to 30 days
	Uses   int           // how many viewers may come by it, up to 1000; 0: any number
}

// Share is a link that was made.
type Share struct {
	ID      string    // tells it apart; no secret
	Token   string    // the secret, for the #fragment
	Link    string    // URL of the page that it opens; "" is the one that asked for it
	Expires time.Time // after which it opens nothing
	// User, Session and Target are for the log: who made it, where, to what.
	User, Session, Target string
}

var (
	errNoSharing  = &Refusal{http.StatusForbidden, "You may not share this display."}
	errShareMore  = &Refusal{http.StatusForbidden, "You may not pass these rights on."}
	errBadShare   = &Refusal{http.StatusBadRequest, "Such a link cannot be made. Choose another time or number of uses."}
	errShareFault = &Refusal{http.StatusBadGateway, "The link could not be made or taken back. Try again in a moment."}
)

// shareBody is what the page says it wants.
type shareBody struct {
	Rights  []string `json:"rights"`
	Seconds int64    `json:"seconds"`
	Uses    int      `json:"uses"`
}

// shared is what the page is told of a link.
type shared struct {
	ID    string `json:"id"`
	Token string `json:"token"`
	Link  string `json:"link,omitempty"`
	Left  *int   `json:"left,omitempty"`
}

// share makes a link for a session.
func (e *endpoint) share(ctx context.Context, key string, body shareBody) (*shared, error) {
	want, err := e.allowedShare(key, body)
	if err != nil {
		return nil, err
	}
	made, err := e.cfg.Sharing.Make(ctx, key, want)
	if err != nil {
		return nil, e.shareFault(err, key)
	}
	e.cfg.Log.Info("display shared", "listener", e.cfg.Front.Name, "token_id", made.ID,
		"user", made.User, "session", made.Session, "target", made.Target, "rights", want.Rights, "ttl", want.TTL, "uses", want.Uses)
	return &shared{made.ID, made.Token, made.Link, secondsTo(made.Expires, time.Now())}, nil
}

// allowedShare checks what a page wants against what its session may pass on.
func (e *endpoint) allowedShare(key string, body shareBody) (ShareRequest, error) {
	may, _, err := e.mayShare(key)
	switch {
	case err != nil:
		return ShareRequest{}, err
	case len(body.Rights) == 0 || body.Uses < 0 || body.Uses > maxShareUses,
		body.Seconds < 1 || body.Seconds > int64(maxShareTime/time.Second):
		return ShareRequest{}, errBadShare
	case slices.ContainsFunc(body.Rights, func(right string) bool { return !slices.Contains(may, right) }):
		return ShareRequest{}, errShareMore
	}
	return ShareRequest{body.Rights, time.Duration(body.Seconds) * time.Second, body.Uses}, nil
}

func (e *endpoint) mayShare(key string) ([]string, time.Duration, error) {
	if e.cfg.Sharing == nil {
		return nil, 0, errNoSharing
	}
	may, longest := e.cfg.Sharing.May(key)
	if len(may) == 0 || longest < time.Second {
		return nil, 0, errNoSharing
	}
	return may, min(longest, maxShareTime), nil
}

// unshare takes a link back, also for a session that may not make any more.
func (e *endpoint) unshare(ctx context.Context, key, id string) error {
	if e.cfg.Sharing == nil {
		return errNoSharing
	}
	if err := e.cfg.Sharing.Revoke(ctx, key, id); err != nil {
		return e.shareFault(err, key)
	}
	e.cfg.Log.Info("shared link taken back", "listener", e.cfg.Front.Name, "token_id", id)
	return nil
}

// shareFault is the *Refusal in err, else one that gives away nothing of it.
func (e *endpoint) shareFault(err error, key string) error {
	var no *Refusal
	if errors.As(err, &no) {
		return no
	}
	e.failures.Do(func() {
		e.cfg.Log.Error("sharing failed", "listener", e.cfg.Front.Name, "error", withoutToken(err, key))
	})
	return errShareFault
}
