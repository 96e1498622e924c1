package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/cluster"
	"vncgate/rfb"
)

// Sessions of other nodes are looked on in over a hop, so that links to them, and
// pictures of their displays, are good wherever a balancer or a dashboard leads.

// watchQuestion is what nodes are asked: for a session, or for one on a display whose
// picture may be taken without a word to its viewer.
type watchQuestion struct {
	ID     string `json:"id,omitempty"`
	Target string `json:"target,omitempty"`
}

// watchedSession is one that a node has.
type watchedSession struct {
	ID     string `json:"id"`
	Target string `json:"target"`
	Words  string `json:"words,omitempty"` // why nobody can look on
}

// watchPlace is a session that was found at a node.
type watchPlace struct {
	watchedSession
	at    cluster.Node
	found time.Time
}

// watchPlaces are those that were found of late. The zero value is ready.
type watchPlaces struct {
	mu sync.Mutex
	of map[string]watchPlace // by the session's ID
}

const (
	// maxWatchPlaces bounds those that are kept, and watchPlaceTime for how long one
	// is good for looking on: it can only end meanwhile. Whose it is and where it was
	// stays true.
	maxWatchPlaces = 256
	watchPlaceTime = time.Minute
)

// get is one in which one can look on, as far as is known.
func (p *watchPlaces) get(id string) (watchPlace, bool) {
	one, ok := p.known(id)
	return one, ok && time.Since(one.found) < watchPlaceTime
}

// known is one by whose name to call it, be it over.
func (p *watchPlaces) known(id string) (watchPlace, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.of[id]
	return one, ok
}

func (p *watchPlaces) add(one watchPlace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil || len(p.of) >= maxWatchPlaces {
		p.of = map[string]watchPlace{}
	}
	p.of[one.ID] = one
}

// watchedElsewhere finds a session at the other nodes.
func (w *wiring) watchedElsewhere(ctx context.Context, q watchQuestion) (watchPlace, bool) {
	if one, ok := w.watchPlaces.get(q.ID); ok && q.ID != "" {
		return one, true
	}
	peers := w.peers()
	args, err := json.Marshal(q)
	if err != nil || len(peers) == 0 {
		return watchPlace{}, false
	}
	places := make([]watchPlace, len(peers))
	var asking sync.WaitGroup
	for i, peer := range peers {
		asking.Go(func() {
			one, err := patiently(ctx, w.cluster.hops, peer, listTime, true, func(ctx context.Context) (*watchedSession, error) {
				return w.cluster.hops.watched(ctx, peer, args)
			})
			if err == nil && one != nil {
				places[i] = watchPlace{*one, peer, time.Now()}
			}
		})
	}
	asking.Wait()
	i := slices.IndexFunc(places, func(p watchPlace) bool { return p.ID != "" })
	if i < 0 {
		return watchPlace{}, false
	}
	if places[i].Words == "" { // else it may be different in a moment
		w.watchPlaces.add(places[i])
	}
	return places[i], true
}

// watched asks one node; nil: it has no such session.
func (h *hops) watched(ctx context.Context, to cluster.Node, args []byte) (*watchedSession, error) {
	c, answer, err := h.ask(ctx, to, hopRequest{Kind: hopWatched, Args: args})
	if err != nil {
		return nil, err
	}
	_ = c.Close()
	switch {
	case answer.Kind == hopNoSession:
		return nil, nil
	case answer.Error != "":
		return nil, fmt.Errorf("node %s: %s", to.Name, answer.Error)
	}
	one := &watchedSession{}
	if err := json.Unmarshal(answer.Return, one); err != nil || one.ID == "" {
		return nil, fmt.Errorf("node %s: its answer is malformed", to.Name)
	}
	return one, nil
}

// watchedHere answers what another node asks.
func (w *wiring) watchedHere(args json.RawMessage) hopAnswer {
	var q watchQuestion
	if json.Unmarshal(args, &q) != nil {
		return hopAnswer{Error: "the question is malformed"}
	}
	if q.Target != "" {
		name, _ := w.followed(q.Target)
		q.ID = strings.TrimPrefix(name, shadowPrefix)
	}
	session, ok := w.sessionOf(q.ID)
	if !ok {
		return hopAnswer{Kind: hopNoSession, Error: hopNoSession}
	}
	one := watchedSession{ID: session.ID, Target: session.Target}
	if _, err := w.shadowHere(shadowPrefix + q.ID); err != nil {
		one.Words, _ = gateway.Words(err)
	}
	b, err := json.Marshal(one)
	if err != nil {
		return hopAnswer{Error: err.Error()}
	}
	return hopAnswer{Return: b}
}

// shadowElsewhere is the target session/ID of another node.
func (w *wiring) shadowElsewhere(ctx context.Context, name string) (*gateway.Target, error) {
	id := strings.TrimPrefix(name, shadowPrefix)
	one, ok := w.watchedElsewhere(ctx, watchQuestion{ID: id})
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %q", gateway.ErrNoTarget, name)
	case one.Words != "":
		return nil, &rfb.Refusal{Reason: one.Words, Err: fmt.Errorf("%w: session %s at node %s", errNotFollowed, id, one.at.Name)}
	}
	return &gateway.Target{
		Name:     name,
		Dial:     func(ctx context.Context) (net.Conn, error) { return w.cluster.hops.watch(ctx, one.at, id) },
		Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} },
	}, nil
}

// watch looks on in a session of another node.
func (h *hops) watch(ctx context.Context, to cluster.Node, id string) (net.Conn, error) {
	c, answer, err := h.ask(ctx, to, hopRequest{Kind: hopWatch, Session: id})
	if err != nil {
		return nil, err
	}
	if answer.Error != "" {
		_ = c.Close()
		return nil, fmt.Errorf("node %s: %w", to.Name, errors.New(answer.Error))
	}
	return &hopConn{Conn: c, node: to.Name, agent: strings.TrimSuffix(shadowPrefix, "/"), service: id}, nil
}

// joinWatch shows a session of this node on the stream.
func (h *hops) joinWatch(c net.Conn, id, from string) {
	serve, err := h.look(id, from)
	if err != nil {
		_ = writeHop(c, hopAnswer{Error: err.Error()}, maxHopAnswer)
		return
	}
	if err := writeHop(c, hopAnswer{}, maxHopAnswer); err != nil {
		return
	}
	_ = c.SetWriteDeadline(time.Time{})
	stop := context.AfterFunc(h.ctx, func() { _ = c.Close() })
	defer stop()
	serve(h.ctx, c)
}

// lookFrom is what shows a session of this node to one who came in at another. Its
// viewer is told here; who that is, the other node tells (SHADOW_STARTED).
func (w *wiring) lookFrom(id, node string) (serve func(context.Context, net.Conn), err error) {
	s, ok := w.shadows.get(id)
	if !ok || s.Err() != nil {
		return nil, errors.New("the session cannot be watched any more")
	}
	say := func(words string) {
		if s.notice {
			w.gate.Message(func(s gateway.SessionInfo) bool { return s.ID == id }, words)
		}
	}
	return func(ctx context.Context, c net.Conn) {
		w.log.Info("session is watched from another node", "session", id, "node", node)
		say(wordsWatched)
		_ = s.ServeConn(ctx, c)
		say(wordsUnwatched)
	}, nil
}
