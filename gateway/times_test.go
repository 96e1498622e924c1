package gateway

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vncgate/auth"
)

// at is a moment of a session that opened at 0.
func at(d time.Duration) time.Time { return time.Unix(1_000_000, 0).Add(d) }

func TestAgendaEnd(t *testing.T) {
	const m = time.Minute
	for _, test := range []struct {
		name          string
		expires       time.Duration
		session, idle time.Duration
		active        time.Duration
		end           time.Duration
		reason        string
	}{
		{name: "never"},
		{name: "expiry", expires: 5 * m, end: 5 * m, reason: "grant expired"},
		{name: "session", session: 7 * m, end: 7 * m, reason: "session time over"},
		{name: "idle", idle: 2 * m, active: 3 * m, end: 5 * m, reason: "idle"},
		{name: "idle is first", expires: 9 * m, session: 8 * m, idle: 2 * m, active: 3 * m, end: 5 * m, reason: "idle"},
		{name: "expiry is first", expires: 4 * m, session: 8 * m, idle: 2 * m, active: 3 * m, end: 4 * m, reason: "grant expired"},
		{name: "session is first", expires: 9 * m, session: 4 * m, idle: 2 * m, active: 3 * m, end: 4 * m, reason: "session time over"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := agenda{opened: at(0), active: at(test.active), grant: &auth.Grant{Limits: auth.Limits{Session: test.session, Idle: test.idle}}}
			if test.expires > 0 {
				a.grant.Expires = at(test.expires)
			}
			end, why := a.end()
			if test.reason == "" {
				if !end.IsZero() {
					t.Errorf("ends at %v", end)
				}
				return
			}
			if !end.Equal(at(test.end)) || why.reason != test.reason {
				t.Errorf("%v, %s", end.Sub(at(0)), why.reason)
			}
		})
	}
}

// TestAgendaWarnings goes through a session second by second, looking whenever
// the agenda says so.
func TestAgendaWarnings(t *testing.T) {
	type told struct {
		after time.Duration
		left  time.Duration // 0: all clear
	}
	const s, m = time.Second, time.Minute
	for _, test := range []struct {
		name   string
		limits auth.Limits
		busyAt time.Duration // the viewer does something then
		renew  time.Duration // Session is longer by so much from then on
		until  time.Duration
		want   []told
	}{
		{name: "long", limits: auth.Limits{Session: 10 * m}, until: 10*m - s, want: []told{{9 * m, m}, {10*m - 10*s, 10 * s}}},
		{name: "short", limits: auth.Limits{Session: m}, until: m - s, want: []told{{0, m}, {50 * s, 10 * s}}},
		{name: "very short", limits: auth.Limits{Session: 15 * s}, until: 15*s - 1, want: []told{{0, 15 * s}, {5 * s, 10 * s}}},
		{name: "short idle", limits: auth.Limits{Idle: m}, until: m - s, want: []told{{50 * s, 10 * s}}},
		{name: "idle", limits: auth.Limits{Idle: 3 * m}, until: 3*m - s, want: []told{{2 * m, m}, {3*m - 10*s, 10 * s}}},
		{name: "idle until it moves", limits: auth.Limits{Idle: 3 * m}, busyAt: 2*m + 30*s, until: 4 * m, want: []told{{2 * m, m}, {2*m + 30*s, 0}}},
		{name: "renewed", limits: auth.Limits{Session: 10 * m}, renew: 9*m + 30*s, until: 15 * m, want: []told{{9 * m, m}, {9*m + 30*s, 0}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := agenda{opened: at(0), active: at(0), grant: &auth.Grant{Limits: test.limits}}
			var got []told
			var inputs uint64
			next := at(0)
			for now := time.Duration(0); now < test.until; now += s {
				if test.busyAt > 0 && now == test.busyAt {
					inputs++
				}
				if test.renew > 0 && now == test.renew {
					a.grant.Limits.Session *= 2
					next = at(now)
				}
				if next.IsZero() || at(now).Before(next) {
					continue
				}
				a.saw(inputs, at(now))
				if n, ok := a.warn(at(now)); ok {
					left := time.Duration(0)
					if !n.Until.IsZero() {
						left = n.Until.Sub(at(now))
					}
					got = append(got, told{now, left})
				}
				if next = a.next(at(now)); !next.IsZero() && !next.After(at(now)) {
					t.Fatalf("at %s looks again at once", now)
				}
			}
			if len(got) != len(test.want) {
				t.Fatalf("told %v", got)
			}
			for i := range got {
				if got[i].after/s != test.want[i].after/s || (got[i].left > 0) != (test.want[i].left > 0) || got[i].left > test.want[i].left+s {
					t.Errorf("told %v, want %v", got, test.want)
				}
			}
		})
	}
}

// An end that moves while it is warned of is told anew.
func TestWarningMoves(t *testing.T) {
	a := agenda{opened: at(0), active: at(0), grant: &auth.Grant{Expires: at(10 * time.Minute)}}
	now := at(9*time.Minute + 30*time.Second)
	if n, ok := a.warn(now); !ok || !n.Until.Equal(a.grant.Expires) {
		t.Errorf("%+v, %v", n, ok)
	}
	if n, ok := a.warn(now); ok {
		t.Errorf("twice: %+v", n)
	}
	a.grant.Expires = at(10*time.Minute - 10*time.Second)
	if n, ok := a.warn(now); !ok || !n.Until.Equal(a.grant.Expires) {
		t.Errorf("moved: %+v, %v", n, ok)
	}
}

// A grant that says to ask again at once is not asked about without a pause.
func TestAgendaReview(t *testing.T) {
	a := agenda{opened: at(0), asked: true, grant: &auth.Grant{Review: at(-time.Hour)}}
	if next := a.next(at(0)); !next.Equal(at(reviewPause)) {
		t.Errorf("looks after %v", next.Sub(at(0)))
	}
	a.grant.Review, a.asked = at(time.Hour), false
	if next := a.next(at(0)); !next.Equal(at(59 * time.Minute)) {
		t.Errorf("looks ahead after %v", next.Sub(at(0)))
	}
	a.asked = true
	if next := a.next(at(0)); !next.Equal(at(time.Hour)) {
		t.Errorf("looks after %v", next.Sub(at(0)))
	}
	if next := (&agenda{opened: at(0), grant: &auth.Grant{}}).next(at(0)); !next.IsZero() {
		t.Errorf("looks after %v for nothing", next.Sub(at(0)))
	}
}

// TestTimesOfASession runs a whole relay by a clock of its own.
func TestTimesOfASession(t *testing.T) {
	for _, test := range []struct {
		name   string
		grant  auth.Grant
		busy   time.Duration // a key as often
		after  time.Duration
		reason string
	}{
		{"session", auth.Grant{Limits: auth.Limits{Session: 8 * time.Hour}}, time.Minute, 8 * time.Hour, "session time over"},
		{"idle", auth.Grant{Limits: auth.Limits{Idle: 15 * time.Minute}}, 0, 15 * time.Minute, "idle"},
		{"busy", auth.Grant{Limits: auth.Limits{Idle: 15 * time.Minute, Session: 2 * time.Hour}}, 10 * time.Minute, 2 * time.Hour, "session time over"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.grant.Rights = auth.AllRights
				s := newRelayed(t, test.grant)
				begun := time.Now()
				if test.busy > 0 {
					s.ended.Go(func() { s.typeEvery(test.busy) })
				}
				end := <-s.start(t)
				took := time.Since(begun)
				s.close()
				if end.reason != test.reason || took < test.after || took > test.after+time.Minute {
					t.Errorf("%s after %s", end.reason, took)
				}
			})
		})
	}
}

// Nobody is called idle for a pause, in which nothing can be done.
func TestPauseIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 15 * time.Minute
		s := newRelayed(t, auth.Grant{Rights: auth.AllRights, Limits: auth.Limits{Idle: idle}})
		ended := s.start(t)
		time.Sleep(idle / 2)
		s.traffic.pause()
		time.Sleep(4 * idle)
		s.traffic.resume()
		resumed := time.Now()
		end := <-ended
		s.close()
		if took := time.Since(resumed); end.reason != "idle" || took < idle-time.Minute || took > idle+time.Minute {
			t.Errorf("%s %s after the pause", end.reason, took)
		}
	})
}

// hours is a policy that is open from 0 to closes, and says so.
type hours struct {
	mu     sync.Mutex
	closes time.Time
}

func (h *hours) authorize(_ context.Context, req auth.Request) (auth.Grant, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !req.Now.Before(h.closes) {
		return auth.Grant{}, ErrDenied
	}
	return auth.Grant{Rights: auth.AllRights, Review: h.closes}, nil
}

// A page is told before its hours are over, and told better when they are
// longer after all.
func TestHoursAreWarnedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hours{closes: time.Now().Add(time.Hour)}
		r := newRelayed(t, auth.Grant{Rights: auth.AllRights, Review: h.closes}, Front{NoticeKey: "0123456789abcdef"})
		r.g.Authorize = h.authorize
		r.asked.Identities = []auth.Identity{{Method: "none"}}
		begun := time.Now()
		notices, cancel, _ := r.g.Notices("0123456789abcdef")
		defer cancel()
		ended := r.start(t)
		if n := <-notices; n.Kind != NoticeRights {
			t.Errorf("%+v", n)
		}
		n := <-notices
		if n.Kind != NoticeWarning || n.Words != "This display closes to you soon." || !n.Until.Equal(h.closes) || time.Since(begun) != 59*time.Minute {
			t.Errorf("after %s: %+v", time.Since(begun), n)
		}
		h.mu.Lock()
		h.closes = h.closes.Add(time.Hour)
		h.mu.Unlock()
		r.g.Review()
		if n := <-notices; n.Kind != NoticeWarning || !n.Until.IsZero() {
			t.Errorf("hours are longer: %+v", n)
		}
		for _, left := range []time.Duration{time.Minute, 10 * time.Second} {
			for n = range notices {
				if n.Kind == NoticeWarning {
					break
				}
			}
			if got := time.Until(n.Until); got != left {
				t.Errorf("warned %s before", got)
			}
		}
		if end := <-ended; end.reason != "outside of hours" || time.Since(begun) != 2*time.Hour {
			t.Errorf("%s after %s", end.reason, time.Since(begun))
		}
		r.close()
		r.g.reviews.running.Wait()
	})
}
