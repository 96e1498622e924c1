package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/cluster"
	"vncgate/web"
)

// Pages ask for things of their sessions by HTTP, which a balancer may send to
// another node than the one that has the session. That node is asked then: the
// key by which a page names its session is known to it alone, so that the others
// answer that they have none.

// pageCall is what a page wants of its session.
type pageCall struct {
	Key     string            `json:"key"`
	Renew   bool              `json:"renew,omitempty"`
	May     bool              `json:"may,omitempty"` // what it may share
	Share   *web.ShareRequest `json:"share,omitempty"`
	Unshare string            `json:"unshare,omitempty"`
	Play    *web.PlayRequest  `json:"play,omitempty"`
}

// pageAnswer is what came of it.
type pageAnswer struct {
	Share  *web.Share    `json:"share,omitempty"`
	Rights []string      `json:"rights,omitempty"`
	Life   time.Duration `json:"life,omitempty"`
	Status int           `json:"status,omitempty"` // of a refusal; 0: none
	Words  string        `json:"words,omitempty"`
	Fixed  bool          `json:"fixed,omitempty"` // the session cannot be renewed

	Play json.RawMessage `json:"play,omitempty"` // of a recording

	at cluster.Node // that has the session
}

// err is the refusal that it is, or nil.
func (a *pageAnswer) err() error {
	switch {
	case a.Fixed:
		return gateway.ErrNotRenewable
	case a.Status != 0:
		return &web.Refusal{Status: a.Status, Words: a.Words}
	}
	return nil
}

// hopNoSession is of a node that has not got the session.
const hopNoSession = "no session"

// renewAnywhere is the gateway's Renew, at whichever node has the session.
func (w *wiring) renewAnywhere(ctx context.Context, key string) error {
	err := w.gate.Renew(ctx, key)
	if !errors.Is(err, gateway.ErrNoSession) {
		return err
	}
	_, err = w.pageElsewhere(ctx, pageCall{Key: key, Renew: true}, err)
	return err
}

// mayShareAnywhere is mayShare, at whichever node has the session.
func (w *wiring) mayShareAnywhere(key string) ([]string, time.Duration) {
	if _, ok := w.gate.SessionOf(key); ok || len(w.peers()) == 0 {
		return w.mayShare(key)
	}
	ctx, cancel := context.WithTimeout(context.Background(), elderTime)
	defer cancel()
	answer, _ := w.pageElsewhere(ctx, pageCall{Key: key, May: true}, nil) // without an answer nothing
	return answer.Rights, answer.Life
}

// shareAnywhere is makeShare, at whichever node has the session.
func (w *wiring) shareAnywhere(ctx context.Context, key string, want web.ShareRequest) (web.Share, error) {
	if _, ok := w.gate.SessionOf(key); ok {
		return w.makeShare(ctx, key, want)
	}
	answer, err := w.pageElsewhere(ctx, pageCall{Key: key, Share: &want}, errShareOver)
	if err != nil || answer.Share == nil {
		return web.Share{}, err
	}
	return *answer.Share, nil
}

// unshareAnywhere is unshare, at whichever node has the session.
func (w *wiring) unshareAnywhere(ctx context.Context, key, id string) error {
	err := w.unshare(ctx, key, id)
	if !errors.Is(err, errNotShared) {
		return err
	}
	_, err = w.pageElsewhere(ctx, pageCall{Key: key, Unshare: id}, err)
	return err
}

// steerAnywhere is steerByPage, at whichever node has the session.
func (w *wiring) steerAnywhere(ctx context.Context, key string, want web.PlayRequest) (any, error) {
	if _, ok := w.gate.SessionOf(key); ok {
		return w.steerByPage(ctx, key, want)
	}
	first := want
	if want.Looks() {
		first = web.PlayRequest{} // how far is it? That takes no time, and tells whose it is
	}
	answer, err := w.pageElsewhere(ctx, pageCall{Key: key, Play: &first}, errNotPlayed)
	if err == nil && want.Looks() {
		answer, err = w.pageAtLength(ctx, answer.at, pageCall{Key: key, Play: &want}, errNotPlayed)
	}
	if err != nil {
		return nil, err
	}
	return answer.Play, nil
}

// pageLookTime bounds a look into a recording at another node: package web writes an
// answer within a minute. Here it ends when it ends, whoever waits for it.
const pageLookTime = 50 * time.Second

// pageAtLength asks the node that has the session for what may take it a while, of
// which nothing is to be learned about the node.
func (w *wiring) pageAtLength(ctx context.Context, at cluster.Node, call pageCall, none error) (pageAnswer, error) {
	args, err := json.Marshal(call)
	if err != nil {
		return pageAnswer{}, fmt.Errorf("page: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pageLookTime)
	defer cancel()
	answer, err := w.pageAt(ctx, at, args)
	switch {
	case err != nil:
		return pageAnswer{}, err
	case answer == nil:
		return pageAnswer{}, none
	}
	return *answer, answer.err()
}

// pageElsewhere asks the other nodes, one after the other, until one has the
// session; none is the error if there is none.
func (w *wiring) pageElsewhere(ctx context.Context, call pageCall, none error) (answer pageAnswer, err error) {
	args, err := json.Marshal(call)
	if err != nil {
		return answer, fmt.Errorf("page: %w", err)
	}
	var failed error
	for _, peer := range w.peers() {
		had, err := patiently(ctx, w.cluster.hops, peer, elderTime, false, func(ctx context.Context) (*pageAnswer, error) {
			return w.pageAt(ctx, peer, args)
		})
		switch {
		case err != nil:
			failed = errors.Join(failed, err)
		case had != nil:
			return *had, had.err()
		}
	}
	if failed != nil {
		return answer, failed // it may be that one's
	}
	return answer, none
}

// pageAt asks one node; nil: it has not got the session.
func (w *wiring) pageAt(ctx context.Context, peer cluster.Node, args []byte) (*pageAnswer, error) {
	c, got, err := w.cluster.hops.ask(ctx, peer, hopRequest{Kind: hopPage, Args: args})
	if err != nil {
		return nil, err
	}
	_ = c.Close()
	switch {
	case got.Kind == hopNoSession:
		return nil, nil
	case got.Error != "":
		return nil, fmt.Errorf("node %s: %s", peer.Name, got.Error)
	}
	answer := &pageAnswer{at: peer}
	return answer, json.Unmarshal(got.Return, answer)
}

// pageHere does what a page wants that another node has heard.
func (w *wiring) pageHere(ctx context.Context, args json.RawMessage) hopAnswer {
	var call pageCall
	if json.Unmarshal(args, &call) != nil {
		return hopAnswer{Error: "the question is malformed"}
	}
	if _, ok := w.gate.SessionOf(call.Key); call.Key == "" || !ok && call.Unshare == "" {
		return hopAnswer{Kind: hopNoSession, Error: hopNoSession}
	}
	answer, err := w.pageDo(ctx, call)
	told, refused := errors.AsType[*web.Refusal](err)
	switch {
	case errors.Is(err, errNotShared):
		return hopAnswer{Kind: hopNoSession, Error: hopNoSession}
	case errors.Is(err, gateway.ErrNotRenewable):
		answer.Fixed = true
	case refused:
		answer.Status, answer.Words = told.Status, told.Words
	case err != nil:
		w.log.Warn("what a page wanted of its session failed", "error", err)
		answer.Status, answer.Words = http.StatusBadGateway, "It did not work. Try again in a moment."
	}
	b, err := json.Marshal(answer)
	if err != nil {
		return hopAnswer{Error: err.Error()}
	}
	return hopAnswer{Return: b}
}

func (w *wiring) pageDo(ctx context.Context, call pageCall) (answer pageAnswer, err error) {
	switch {
	case call.Renew:
		return answer, w.gate.Renew(ctx, call.Key)
	case call.Play != nil:
		did, err := w.steerByPage(ctx, call.Key, *call.Play)
		if err != nil {
			return answer, err
		}
		answer.Play, err = json.Marshal(did)
		return answer, err
	case w.capabilities == nil || w.capabilities.share == nil:
		return answer, errNotShared
	case call.May:
		answer.Rights, answer.Life = w.mayShare(call.Key)
		return answer, nil
	case call.Share != nil:
		share, err := w.makeShare(ctx, call.Key, *call.Share)
		return pageAnswer{Share: &share}, err
	}
	return answer, w.unshare(ctx, call.Key, call.Unshare)
}
