package gateway

import (
	"errors"
	"sync"
	"time"

	"vncgate/auth"
	"vncgate/layers"
)

// How long before the end of a session its page is told.
var warnings = [...]time.Duration{time.Minute, 10 * time.Second}

const (
	// idleLook is how often an idle limit is looked at: what a viewer does is
	// counted where it passes, and its time is that of the next look.
	idleLook = 15 * time.Second
	// reviewPause is the least time between two reviews that answers ask for.
	reviewPause = time.Second
)

var (
	errSessionTime = errors.New("gateway: the session has lasted as long as it may")
	errIdle        = errors.New("gateway: no key or pointer for as long as that may be")
)

// Ends of sessions by the clock, and what is said before.
var (
	endSessionTime = ending{"session time over", "Your session has lasted as long as it may.", layers.ClosePolicy, errSessionTime}
	endIdle        = ending{"idle", "Your session ended because nothing was done in it for a while.", layers.ClosePolicy, errIdle}

	warningWords = map[string]string{
		endHours.reason:       "This display closes to you soon.",
		endExpired.reason:     "Your time on this display is nearly over.",
		endSessionTime.reason: "Your session ends soon.",
		endIdle.reason:        "Your session ends soon, since nothing is done in it. Move the mouse or press a key to go on.",
	}
)

// agenda is what lies ahead of a session by the clock.
type agenda struct {
	opened time.Time
	grant  *auth.Grant // shared, so not to be changed

	active time.Time // when the viewer was last seen to do something
	inputs uint64    // what it had done by then
	asked  bool      // what will become of it at grant.Review
	closes bool      // it ends then
	warned int       // how many of warnings were given
	of     string    // the reason of the end that was warned of
	until  time.Time // and when that was to be
}

// ahead is the first of the ends that are to be warned of. That the grant says
// so at its review is only a guess until then.
func (a *agenda) ahead() (at time.Time, why ending) {
	at, why = a.end()
	if r := a.grant.Review; a.closes && (at.IsZero() || r.Before(at)) {
		return r, endHours
	}
	return at, why
}

// end is the first of the ends that are certain; zero if there is none.
func (a *agenda) end() (at time.Time, why ending) {
	at, why = a.grant.Expires, endExpired
	if d := a.grant.Limits.Session; d > 0 {
		if t := a.opened.Add(d); at.IsZero() || t.Before(at) {
			at, why = t, endSessionTime
		}
	}
	if d := a.grant.Limits.Idle; d > 0 {
		if t := a.active.Add(d); at.IsZero() || t.Before(at) {
			at, why = t, endIdle
		}
	}
	return at, why
}

// saw notes how much the viewer has done.
func (a *agenda) saw(inputs uint64, now time.Time) {
	if inputs != a.inputs {
		a.inputs, a.active = inputs, now
	}
}

// due are how many warnings are due now of an end at the stated time; where little
// time is left from the start, the first is due at once. Those of idleness that
// lie in the first half of the time for it are left out: nobody is greeted by
// what the first movement takes back.
func (a *agenda) due(end time.Time, why ending, now time.Time) int {
	idle := why.reason == endIdle.reason
	n := 0
	for i, before := range warnings {
		if (!idle || before <= a.grant.Limits.Idle/2) && !now.Before(end.Add(-before)) {
			n = i + 1
		}
	}
	return n
}

// warn returns the warning to give now, if there is one to give or to take
// back.
func (a *agenda) warn(now time.Time) (Notice, bool) {
	end, why := a.ahead()
	n := 0
	if !end.IsZero() {
		n = a.due(end, why, now)
	}
	same := n == a.warned && (n == 0 || why.reason == a.of && end.Equal(a.until))
	a.warned, a.of, a.until = n, why.reason, end
	switch {
	case same:
		return Notice{}, false
	case n == 0:
		return Notice{Kind: NoticeWarning}, true
	}
	return Notice{Kind: NoticeWarning, Words: warningWords[why.reason], Until: end}, true
}

// next is when to look again; zero: never.
func (a *agenda) next(now time.Time) time.Time {
	end, _ := a.ahead()
	next := end
	if !end.IsZero() {
		for _, before := range warnings {
			if t := end.Add(-before); t.After(now) {
				next = earlier(next, t)
			}
		}
	}
	if r := a.grant.Review; !r.IsZero() {
		if least := now.Add(reviewPause); r.Before(least) {
			r = least
		}
		next = earlier(next, r)
		if !a.asked {
			next = earlier(next, r.Add(-warnings[0]))
		}
	}
	if idle := a.grant.Limits.Idle; idle > 0 {
		look := min(max(idle/20, 10*time.Millisecond), idleLook)
		if a.warned > 0 {
			look = min(look, time.Second)
		}
		next = earlier(next, now.Add(look))
	}
	return next
}

// foresees reports whether it is time to ask what will become of the session at
// its review.
func (a *agenda) foresees(now time.Time) bool {
	r := a.grant.Review
	return !a.asked && !r.IsZero() && !now.Before(r.Add(-warnings[0]))
}

// times runs a session's agenda: one alarm, and no goroutine while it waits.
type times struct {
	s *Session

	mu    sync.Mutex
	a     agenda
	alarm alarm
	over  bool
}

// startTimes begins the agenda of a session that is open from now on.
func startTimes(s *Session, grant *auth.Grant) *times {
	now := time.Now()
	t := &times{s: s, a: agenda{opened: now, active: now, grant: grant}}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.a.asked = s.board == nil // nobody is there to be told
	t.alarm.ring = func() { s.run(t.look) }
	t.warn(now)
	t.arm(now)
	return t
}

// set changes what the agenda follows from.
func (t *times) set(grant *auth.Grant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.a.grant, t.a.asked, t.a.closes = grant, t.s.board == nil, false
	t.warn(time.Now())
	t.arm(time.Now())
}

// stop ends it; what was begun is not waited for. t may be nil.
func (t *times) stop() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.alarm.stop()
}

// arm sets the alarm; t.mu is held.
func (t *times) arm(now time.Time) {
	next := t.a.next(now)
	if t.over || next.IsZero() {
		t.alarm.stop()
		return
	}
	t.alarm.set(t.s.alarms(), next)
}

// warn tells the page; t.mu is held.
func (t *times) warn(now time.Time) {
	if n, ok := t.a.warn(now); ok && t.s.board != nil {
		t.s.board.post(n)
	}
}

// look does what is due.
func (t *times) look() {
	t.mu.Lock()
	now := time.Now()
	if t.over {
		t.mu.Unlock()
		return
	}
	t.a.saw(t.s.traffic.filter.Inputs(), now)
	if t.s.traffic.isPaused() { // its viewer can do nothing
		t.a.active = now
	}
	if end, why := t.a.end(); !end.IsZero() && !now.Before(end) {
		t.mu.Unlock()
		t.s.stop(why)
		return
	}
	review := !t.a.grant.Review.IsZero() && !now.Before(t.a.grant.Review)
	t.warn(now)
	foresee, then := !review && t.a.foresees(now), t.a.grant.Review
	if review {
		unreviewed := *t.a.grant
		unreviewed.Review = time.Time{} // until there is an answer
		t.a.grant = &unreviewed
		t.a.closes = false
	}
	if foresee {
		t.a.asked = true
	}
	t.arm(now)
	t.mu.Unlock()
	switch {
	case review:
		t.s.review(endHours)
	case foresee:
		t.foretell(then)
	}
}

// foretell warns of a review that sends the viewer away, unless another answer
// has come meanwhile.
func (t *times) foretell(then time.Time) {
	closes := t.s.closesAt(then)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.a.grant.Review.Equal(then) {
		return
	}
	t.a.closes = closes
	t.warn(time.Now())
	t.arm(time.Now())
}
