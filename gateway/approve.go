package gateway

import (
	"context"
	"errors"
	"net"
	"time"

	"vncgate/layers"
	"vncgate/rfb"
)

// What a session finds out between accept and SecurityResult: which target its
// viewer wants, who the viewer is, and what it may do there.

// offer finds out which target the viewer wants, as far as that can be known
// now, and what it is offered for that. One that Choose refuses is offered
// nothing, with the words, beside the error.
func (s *Session) offer(ctx context.Context, stacked net.Conn) (*rfb.ServerConfig, error) {
	err := s.choose(ctx, stacked)
	var refused *rfb.Refusal
	switch {
	case errors.As(err, &refused):
		return &rfb.ServerConfig{NoSecurity: refused.Reason}, err
	case err != nil:
		return nil, err
	}
	cfg := &rfb.ServerConfig{Approve: s.approve, Failed: s.failed}
	if s.front.Security != nil {
		cfg.Security = s.front.Security(stacked, s.name)
	}
	return cfg, nil
}

// choose asks the front which target the viewer wants, within the time for
// what no person does.
func (s *Session) choose(ctx context.Context, stacked net.Conn) error {
	if s.front.Choose == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.g.limitsNow().LayerTimeout, errHandshakeTimeout)
	defer cancel()
	name, err := s.front.Choose(ctx, stacked)
	if err == nil && name != "" {
		s.name = name
	}
	return timedOut(ctx, err)
}

// approve is where a viewer that has proved who it is gets its grant and its
// display, before the SecurityResult: what goes wrong here is what the viewer
// can show.
//
// A stop meanwhile ends the waiting in here and no more, so that the viewer is
// still sent why.
func (s *Session) approve(ctx context.Context, secured rfb.Secured) error {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	endAll := s.hookStop(func() { cancel(s.stopCause()) })
	err := s.letIn(waiting, secured)
	if err == nil {
		s.hookStop(endAll)
		return nil
	}
	if end, stopped := s.stoppedEnd(); stopped {
		return &rfb.Refusal{Reason: end.words, Err: err}
	}
	return err
}

func (s *Session) letIn(ctx context.Context, secured rfb.Secured) error {
	s.proved.Store(true)
	s.stages.enter(stageAuthorize)
	s.stack, s.proof = layers.Describe(secured.Conn), certified(secured.Conn)
	s.rechoose(secured)
	if err := s.g.refuses(); err != nil {
		return refusal(err)
	}
	if err := s.authorize(ctx, identify(s.front, secured)); err != nil {
		return err
	}
	s.emit(Event{Kind: SessionAuthenticated, Method: methodOf(secured)})
	target, err := s.find(ctx)
	if errors.Is(err, ErrNoTarget) {
		return &rfb.Refusal{Reason: "There is no such display.", Err: err}
	}
	if err != nil {
		return refusal(err)
	}
	if err := s.g.establish(s); err != nil {
		return &rfb.Refusal{Reason: wordsFull, Err: err}
	}
	s.stages.enter(stageQueue)
	if err := s.joinClass(target); err != nil {
		return err
	}
	if err := s.takeSeat(ctx); err != nil {
		return err
	}
	if err := s.reach(ctx, target); err != nil {
		return err
	}
	if err := s.stillOpen(); err != nil {
		return err
	}
	if err := s.claim(ctx); err != nil {
		return err
	}
	return s.replace(ctx)
}

// claim has what the viewer came by count this session.
func (s *Session) claim(ctx context.Context) error {
	if s.front.Claim == nil {
		return nil
	}
	if err := s.front.Claim(ctx); err != nil {
		return refusal(err)
	}
	return nil
}

// stillOpen asks once more where the grant wanted that while the viewer waited
// for its turn or its display: the clock of an open session has not begun yet.
func (s *Session) stillOpen() error {
	if due := s.granted().Review; due.IsZero() || time.Now().Before(due) {
		return nil
	}
	s.review(endHours)
	return s.stopCause()
}

// rechoose takes up what a viewer says of its target in its security type.
func (s *Session) rechoose(secured rfb.Secured) {
	if s.front.Rechoose != nil {
		if name := s.front.Rechoose(secured); name != "" {
			s.name = name
		}
	}
	if _, target := s.front.userNamed(secured.User); target != "" {
		s.name = target
	}
}

// earlier of two times of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// find asks for the target anew at each session, so that a change counts at
// once.
func (s *Session) find(ctx context.Context) (*Target, error) {
	if s.front.Find != nil {
		return s.front.Find(ctx, s.name)
	}
	return s.g.resolve(ctx, s.name)
}

// Words are what a viewer may be told of an error of Admit or Ready, where that
// has words for it.
func Words(err error) (words string, ok bool) {
	told, ok := errors.AsType[*rfb.Refusal](err)
	if !ok {
		return "", false
	}
	return told.Reason, true
}

// refusal makes an error of Authorize or Resolve one that a viewer can be told:
// as it is, if it was made for that, else as a fault of ours.
func refusal(err error) error {
	var told *rfb.Refusal
	if errors.As(err, &told) {
		return err
	}
	return &rfb.Refusal{Reason: wordsFault, Err: fault{err}}
}
