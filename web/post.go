package web

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
)

// maxPost bounds the JSON of a page's request: a token is the longest part.
const maxPost = 8 << 10

// postBody is what a page of ours POSTs to the endpoint: a token that it brings,
// or what it wants of its session.
type postBody struct {
	Token string `json:"token"` // pass.go

	Key     string     `json:"key"`     // of the session: notices.go
	Renew   bool       `json:"renew"`   // move its end
	Share   *shareBody `json:"share"`   // make a link: sharing.go
	Unshare string     `json:"unshare"` // take the link of this ID back

	Play *PlayRequest `json:"play"` // steer a recording: playback.go
}

var errNothingAsked = &Refusal{http.StatusBadRequest, "The request asks for nothing."}

// post answers the requests of a page.
func (e *endpoint) post(w http.ResponseWriter, r *http.Request) {
	from := clientOf(r, e.cfg.Trusted)
	answer, err := e.posted(w, r, from)
	if err != nil {
		e.refuse(w, r, from, asRefusal(err))
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (e *endpoint) posted(w http.ResponseWriter, r *http.Request, from client) (any, error) {
	if no := e.ownPage(r, from); no != nil {
		return nil, no
	}
	var body postBody
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPost)).Decode(&body); err != nil {
		return nil, &Refusal{http.StatusBadRequest, "The request cannot be read."}
	}
	switch {
	case body.Key != "":
		return e.ofSession(r.Context(), body)
	case body.Token != "" && e.cfg.Tickets == nil:
		return nil, &Refusal{http.StatusMethodNotAllowed, "No tokens are taken here."}
	case body.Token != "":
		if no := e.givePass(w, r, from, body.Token); no != nil {
			return nil, no
		}
		return map[string]string{"pass": e.passOf(body.Token)}, nil
	}
	return nil, errNothingAsked
}

// ownPage lets nobody but a page of ours ask. A form of another site cannot
// send JSON, and its scripts would need leave to.
func (e *endpoint) ownPage(r *http.Request, from client) *Refusal {
	site := r.Header.Get("Sec-Fetch-Site")
	if site != "" && site != "same-origin" || r.Header.Get("Origin") != "" && !e.ownOrigin(r, from) {
		return &Refusal{http.StatusForbidden, "Only the viewer page of this gateway may do this."}
	}
	if e.cfg.Logins != nil && !loggedIn(e.cfg.Logins, r, from) {
		return errNotLoggedIn
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &Refusal{http.StatusUnsupportedMediaType, "The request must come as JSON."}
	}
	return nil
}

// ofSession does what the page of a session wants. It costs its sender nothing
// and others something, so that only so many are done at once.
func (e *endpoint) ofSession(ctx context.Context, body postBody) (any, error) {
	select {
	case e.lookups <- struct{}{}:
		defer func() { <-e.lookups }()
	default:
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	done := map[string]string{}
	switch {
	case body.Renew:
		return done, e.renew(ctx, body.Key)
	case body.Share != nil:
		return e.share(ctx, body.Key, *body.Share)
	case body.Play != nil:
		return e.play(ctx, body.Key, *body.Play)
	case body.Unshare != "":
		return done, e.unshare(ctx, body.Key, body.Unshare)
	}
	return nil, errNothingAsked
}
