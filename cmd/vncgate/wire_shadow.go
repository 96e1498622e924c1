package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"vncgate/gateway"
	"vncgate/rfb"
	"vncgate/rfb/display/player"
)

// Running sessions as displays: session/ID, to look at.

// shadowPrefix is what the names of running sessions begin with.
const shadowPrefix = "session/"

// shadows are the sessions that may be looked on in. The zero value is ready.
type shadows struct {
	turns chan struct{} // of drawing; nil until the first session

	mu sync.Mutex
	of map[string]*shadow // by the session's ID
}

// shadow is one of them.
type shadow struct {
	*player.Live
	session gateway.SessionInfo // as it was when it opened
	notice  bool                // its viewer is told of those who look
}

// shadow is what a session is handed to that others may look on in, from its
// beginning; nil: nobody may.
func (w *wiring) shadow(_ context.Context, session gateway.SessionInfo, init rfb.ServerInit) (gateway.Recorder, error) {
	cfg := w.now().cfg.Shadow
	watch := cfg.watch(w.named(session))
	if watch == shadowNo {
		return nil, nil
	}
	s := &shadow{session: session, notice: watch == shadowNotice}
	var err error
	s.Live, err = player.NewLive(player.LiveOptions{
		Init: init, Queue: cfg.queue(), Turns: w.shadows.turn(cfg.Workers), MaxViewers: cfg.viewers(),
		Label: func(name string) string { return "watching " + name },
		Lost:  func(err error) { w.shadowLost(&session, err) },
	})
	if err != nil {
		w.shadowLost(&session, err)
		return nil, nil
	}
	w.shadows.add(s)
	return &shadowed{s, &w.shadows}, nil
}

// shadowLost says that nobody can look on in a session any more.
func (w *wiring) shadowLost(session *gateway.SessionInfo, err error) {
	w.log.Warn("this session can no longer be watched; it goes on", "session", session.ID, "target", session.Target, "error", err)
}

// shadowed is a shadow as the gateway has it, which forgets it in the end.
type shadowed struct {
	*shadow
	all *shadows
}

// Close says that the session is over.
func (s *shadowed) Close(reason string) {
	s.all.remove(s.session.ID)
	s.shadow.Close(reason)
}

// turn are the turns that all sessions share.
func (s *shadows) turn(workers int) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns == nil {
		s.turns = make(chan struct{}, max(workers, 1))
	}
	return s.turns
}

func (s *shadows) add(one *shadow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string]*shadow{}
	}
	s.of[one.session.ID] = one
}

func (s *shadows) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, id)
}

func (s *shadows) get(id string) (*shadow, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.of[id]
	return one, ok
}

// findShadow is find for session/ID, at whichever node it is. Whoever asks has a
// grant.
func (w *wiring) findShadow(ctx context.Context, name string) (*gateway.Target, error) {
	t, err := w.shadowHere(name)
	if errors.Is(err, gateway.ErrNoTarget) {
		return w.shadowElsewhere(ctx, name)
	}
	return t, err
}

// shadowHere is findShadow of the sessions of this node.
func (w *wiring) shadowHere(name string) (*gateway.Target, error) {
	id := strings.TrimPrefix(name, shadowPrefix)
	s, ok := w.shadows.get(id)
	if !ok {
		switch session, there := w.sessionOf(id); {
		case there && !session.Open:
			return nil, &rfb.Refusal{Reason: wordsNotYet, Err: fmt.Errorf("%w yet: session %s", errNotFollowed, id)}
		case there:
			return nil, &rfb.Refusal{Reason: wordsNotFollowed, Err: fmt.Errorf("%w: session %s", errNotFollowed, id)}
		}
		return nil, fmt.Errorf("%w: %q", gateway.ErrNoTarget, name)
	}
	if err := s.Err(); err != nil {
		return nil, &rfb.Refusal{Reason: wordsNoLonger, Err: err}
	}
	return watchable(name, func(c net.Conn) { _ = s.ServeConn(context.Background(), c) }), nil
}

// controlFollowed reports whether others may look on in a session still.
func (w *wiring) controlFollowed(session string) bool {
	s, ok := w.shadows.get(session)
	return ok && s.Err() == nil
}

// What those are told who cannot look on in a session.
const (
	wordsNotFollowed = "This session cannot be watched: no rule of the gateway's shadow: allowed it as it began."
	wordsNotYet      = "This session cannot be watched yet: its viewer waits for the display. Try again in a moment."
	wordsNoLonger    = "This session cannot be watched any more: it is over, or has been faster than it could be drawn."
)

var errNotFollowed = fmt.Errorf("%w: the session is not followed", gateway.ErrDenied)

// watchable is a target within the process that serve shows, to look at.
func watchable(name string, serve func(net.Conn)) *gateway.Target {
	return &gateway.Target{
		Name: name,
		Dial: func(context.Context) (net.Conn, error) {
			ours, theirs, err := inProcess()
			if err != nil {
				return nil, err
			}
			go serve(theirs)
			return ours, nil
		},
		Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} },
	}
}

// sessionOf is the session of an ID that has a grant.
func (w *wiring) sessionOf(id string) (gateway.SessionInfo, bool) {
	for _, s := range w.gate.List() {
		if s.ID == id {
			return s, true
		}
	}
	return gateway.SessionInfo{}, false
}

// shadowEvent tells of those who begin and cease to look on in a session: the
// audit, and the session's viewer if a rule says so.
func (w *wiring) shadowEvent(e gateway.Event) {
	if e.Session == nil || !strings.HasPrefix(e.Session.Target, shadowPrefix) {
		return
	}
	kind, words := shadowStarted, wordsWatched
	switch e.Kind {
	case gateway.SessionOpened:
	case gateway.SessionClosed:
		kind, words = shadowEnded, wordsUnwatched
	default:
		return
	}
	looker := e.Session
	id := strings.TrimPrefix(looker.Target, shadowPrefix)
	told := gateway.Event{Kind: kind, Actor: looker.Identity.String(), Duration: e.Duration, Details: map[string]string{
		"watcher_session": looker.ID, "watcher_from": looker.From,
	}}
	session, open := w.sessionOf(id)
	if open {
		told.Session = &session
	} else {
		told.Details["session"] = id
		if s, ok := w.watchPlaces.known(id); ok {
			told.Target, told.Details["session_node"] = s.Target, s.at.Name
		}
	}
	w.gate.Emit(told)
	if s, ok := w.shadows.get(id); ok && s.notice {
		w.gate.Message(func(s gateway.SessionInfo) bool { return s.ID == id }, words)
	}
}

// The events of looking on: the session is the one that is looked at.
const (
	shadowStarted gateway.EventKind = "SHADOW_STARTED"
	shadowEnded   gateway.EventKind = "SHADOW_ENDED"
)

// What the viewer of a session reads.
const (
	wordsWatched   = "Somebody who looks after this gateway sees your session now."
	wordsUnwatched = "One who saw your session has left it."
)
