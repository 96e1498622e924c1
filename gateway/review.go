package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

const (
	// reviewers is how many sessions are asked about at once.
	reviewers = 32
	// reviewTimeout bounds one question. Without an answer the session ends.
	reviewTimeout = 5 * time.Second
)

// Review asks Authorize again about every session that has a grant: whatever an
// answer rests on may have changed, users, policy, revocations, certificates.
// Who may not stay any longer is told so and ended, and who may do less does
// less from the next message on. Nobody gets more than at first; who should
// comes in again.
//
// It returns at once. What is called for while a review is under way is done
// when it has ended, once.
func (g *Gateway) Review() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepare()
	if g.draining && len(g.sessions) == 0 {
		return
	}
	if g.reviews.call() {
		g.reviews.running.Go(g.reviewAll)
	}
}

// reviews counts the reviews that were called for.
type reviews struct {
	count   atomic.Uint64
	mu      sync.Mutex
	active  bool
	again   bool
	running sync.WaitGroup // Shutdown waits for it
}

// begun is how many there have been.
func (r *reviews) begun() uint64 { return r.count.Load() }

// call asks for a review, and reports whether the caller is to start one.
func (r *reviews) call() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Add(1)
	if r.active {
		r.again = true
		return false
	}
	r.active = true
	return true
}

// done reports whether the one that has just ended was the last.
func (r *reviews) done() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active, r.again = r.again, false
	return !r.active
}

// reviewAll runs until no review is called for any more.
func (g *Gateway) reviewAll() {
	for {
		begun := time.Now()
		all := g.all()
		places := make(chan struct{}, reviewers)
		var asking sync.WaitGroup
		for _, s := range all {
			places <- struct{}{}
			asking.Go(func() {
				defer func() { <-places }()
				s.review(endWithdrawn)
			})
		}
		asking.Wait()
		g.log().Debug("sessions reviewed", "sessions", len(all), "duration", time.Since(begun).String())
		if g.reviews.done() {
			return
		}
	}
}

// review asks again what the session may do, and holds it to the answer. no is
// the end of one that may nothing any more.
func (s *Session) review(no ending) {
	s.reviewing.Lock()
	defer s.reviewing.Unlock()
	defer s.rescue() // who cannot be asked about must not stay
	if _, stopped := s.stoppedEnd(); stopped || !s.hasGrant() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), reviewTimeout)
	defer cancel()
	answer, err := s.ask(ctx, time.Now())
	if err != nil {
		s.stop(withdrawn(no, err))
		return
	}
	s.hold(answer)
}

// closesAt reports whether the viewer will be sent away at the stated time, as
// far as can be known now.
func (s *Session) closesAt(then time.Time) bool {
	ctx, cancel := context.WithTimeout(context.Background(), reviewTimeout)
	defer cancel()
	_, err := s.ask(ctx, then)
	var told *rfb.Refusal
	return errors.Is(err, ErrDenied) || errors.As(err, &told)
}

// hasGrant is false until the viewer has proved who it is and may come in.
func (s *Session) hasGrant() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// withdrawn is the end of a session about which ask now says no. Nobody who
// cannot be asked stays in, but may come back once that works again.
func withdrawn(no ending, err error) ending {
	var told *rfb.Refusal
	switch {
	case errors.Is(err, errExpired):
		return endExpired
	case errors.As(err, &told) && told.Reason != wordsNotProved && told.Reason != wordsNoRights:
		return ending{no.reason, told.Reason, no.code, err}
	case errors.Is(err, ErrDenied), errors.As(err, &told):
		return ending{no.reason, no.words, no.code, err}
	}
	return ending{"access not confirmed", "The gateway could not make sure that you may still use this display.", closeTryAgain, err}
}

// wordsNotProved is what package rfb tells whoever may not come in.
const wordsNotProved = "Authentication failed"

// hold is called with an answer that leaves the viewer something; s.reviewing
// is held.
func (s *Session) hold(answer auth.Grant) {
	s.mu.Lock()
	before, traffic := s.grant, s.traffic
	answer = within(*s.most, answer)
	s.answer = &answer
	s.grant = withOnly(s.answer, s.left)
	now := s.grant
	s.mu.Unlock()
	if traffic == nil { // it begins with what holds then
		return
	}
	s.apply(traffic, before, now)
	s.times.set(now)
}

// apply has the relay hold to a grant and then says so: who reads the log can
// rely on it.
func (s *Session) apply(traffic *relay, before, now *auth.Grant) {
	obeyed := traffic.obey(before, now)
	if before.Rights != now.Rights || !before.Limits.Equal(now.Limits) {
		s.logger().Info("grant changed", "rights", now.Rights.String(), "limits", now.Limits.String(), ruleAttr(now))
		s.emit(Event{Kind: GrantChanged})
		s.mark(GrantChanged, now.Rights.String())
	}
	if !obeyed {
		s.stop(endRightsChanged)
		return
	}
	if before.Rights != now.Rights || !before.Expires.Equal(now.Expires) {
		s.tellRights(now)
	}
}

// ruleAttr says which rule decided, where that is known.
func ruleAttr(grant *auth.Grant) slog.Attr {
	if grant.Rule == "" {
		return slog.Attr{}
	}
	return slog.String("rule", grant.Rule)
}

// closeServiceRestart is the code of a session that may be begun again at once
// (registry of RFC 6455, 11.7).
const closeServiceRestart = 1012

// Ends of sessions whose grant has changed.
var (
	endWithdrawn     = ending{"access withdrawn", "Your access to this display was withdrawn.", layers.ClosePolicy, ErrDenied}
	endHours         = ending{"outside of hours", "This display is not open to you at this time.", layers.ClosePolicy, ErrDenied}
	endRightsChanged = ending{"rights changed", "Your rights on this display have changed. Connect again to go on.", closeServiceRestart, errRightsChanged}
)

var errRightsChanged = errors.New("gateway: the new rights need a new session")
