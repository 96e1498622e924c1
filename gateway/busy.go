package gateway

import (
	"context"
	"errors"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// queueTime is how long a viewer waits for its turn where no limit says it.
const queueTime = 5 * time.Minute

var (
	errBusy     = errors.New("gateway: as many sessions as there may be")
	errReplaced = errors.New("gateway: made room for another session")
)

// Ends of sessions that make room, and what else is said of too many.
var (
	endReplaced = ending{"replaced", "Another session took the place of this one.", layers.ClosePolicy, errReplaced}
	endTaken    = ending{"display taken", "Another viewer has taken this display for itself.", layers.ClosePolicy, errReplaced}

	busyWords = map[want]string{
		wantAlone:   "Another viewer has this display for itself. Try again later.",
		wantTarget:  "This display is in use. Try again later.",
		wantUser:    "You have as many sessions open as you may. Close one of them first.",
		wantAddress: "There are as many sessions from your address as there may be. Close one of them first.",
	}
)

const (
	wordsQueued    = "The display is in use; waiting for a place."
	wordsQueueFull = "This display is in use, and too many wait for it already. Try again later."
	wordsQueueOver = "This display is still in use. Try again later."
)

// takeSeat finds the viewer a place on its target, within the numbers that its
// grant states.
func (s *Session) takeSeat(ctx context.Context) error {
	grant := s.grantNow()
	s.seat = &seat{s: s, user: grant.Identity.Name, target: s.name, address: oneAddress(s.address), limits: &grant.Limits}
	if s.g.Seats != nil {
		if err := s.takeShared(ctx, grant); !errors.Is(err, ErrSeatsLocal) {
			return err
		}
	}
	return s.takeOwn(ctx, grant)
}

// takeOwn is takeSeat by the sessions of this gateway.
func (s *Session) takeOwn(ctx context.Context, grant *auth.Grant) error {
	out := s.g.crowd.enter(s.seat)
	switch {
	case out.replaces: // once its display is reached
		return nil
	case out.waits:
		if err := s.queue(ctx, grant, s.turn); err != nil {
			return err
		}
	case out.looks:
		s.joinToLook(grant)
	case out.crowded:
		return &rfb.Refusal{Reason: wordsQueueFull, Err: errBusy}
	case out.missing != wantNothing:
		return &rfb.Refusal{Reason: busyWords[out.missing], Err: errBusy}
	}
	s.heldHere()
	return nil
}

func (s *Session) joinToLook(grant *auth.Grant) {
	s.logger().Info("display in use, joined to look", "sessions_allowed", grant.Limits.PerTarget)
	s.narrow(auth.Viewing)
}

// replace ends the sessions whose place this one takes, if it was let in for
// that, and waits until they have left their displays.
//
// The display has let us in by now: a session is not ended for one that comes
// to nothing. Displays count viewers at ClientInit, which is sent only when the
// others are gone, so none has more than it may, and none ends a session of
// ours by itself. One that counts connections has to have room for one more.
// One that serves a single connection and greets no other is told apart by that
// (reaching.round).
func (s *Session) replace(ctx context.Context) error {
	if s.seat.replaces {
		if err := s.replaceShared(ctx); !errors.Is(err, ErrSeatsLocal) {
			return err
		}
		s.seat.replaces = false
	}
	leaving, entered := s.g.crowd.replace(s.seat)
	if entered {
		s.heldHere()
	}
	for _, other := range leaving {
		other.s.stop(endReplaced)
	}
	for _, other := range leaving {
		select {
		case <-other.gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// queue waits for the viewer's turn, as long as it stays and may.
func (s *Session) queue(ctx context.Context, grant *auth.Grant, turn func(context.Context) error) error {
	limit := orDefault(grant.Limits.QueueTime, queueTime)
	s.clock.extend(limit + s.g.limitsNow().DialTimeout)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer s.watchViewer(cancel)()
	ctx, stop := s.untilExpiry(ctx)
	defer stop()
	room := s.g.lobby.enter(nil, s.name)
	defer room.leave(false)
	room.say(wordsQueued)
	s.logger().Info("display in use, waiting for a place", "for", limit.String())
	ctx, over := context.WithTimeoutCause(ctx, limit, errQueueOver)
	defer over()
	return toldOf(turn(ctx))
}

// turn waits for the place that the crowd gives.
func (s *Session) turn(ctx context.Context) error {
	select {
	case <-s.seat.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// untilExpiry ends ctx with the grant.
func (s *Session) untilExpiry(ctx context.Context) (context.Context, context.CancelFunc) {
	over := s.granted().Expires
	if over.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadlineCause(ctx, over, errExpired)
}

// toldOf is the cause for which a wait has ended, in words where the viewer is
// still there to read them.
func toldOf(cause error) error {
	switch {
	case errors.Is(cause, errExpired):
		return &rfb.Refusal{Reason: endExpired.words, Err: cause}
	case errors.Is(cause, errQueueOver):
		return &rfb.Refusal{Reason: wordsQueueOver, Err: errBusy}
	}
	return cause
}

// shares says what the display is told of a viewer that would share it or not.
func (s *Session) shares(ctx context.Context, shared bool) bool {
	if shared || !s.granted().Rights.Has(auth.Exclusive) || !s.excludes(ctx) {
		return true
	}
	granted, ended := s.g.crowd.exclude(s.seat)
	for _, other := range ended {
		other.stop(endTaken)
	}
	return !granted
}
