package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"vncgate/auth"
)

// came is a seat of somebody at one address on target d.
func came(user string, limits auth.Limits) *seat {
	return &seat{s: &Session{}, user: user, target: "d", address: netip.MustParseAddr("192.0.2.1"), limits: limits}
}

func TestCrowdReplacesNoMoreThanItMust(t *testing.T) {
	var c crowd
	var first []*seat
	for i := range 4 {
		n := came(fmt.Sprint(i), auth.Limits{})
		c.enter(n)
		first = append(first, n)
	}
	elsewhere := came("x", auth.Limits{})
	elsewhere.target = "other"
	c.enter(elsewhere)
	out := c.enter(came("9", auth.Limits{PerTarget: 3, Busy: auth.BusyReplace}))
	if want := []*Session{first[0].s, first[1].s}; !slices.Equal(out.ended, want) || out.missing != wantNothing || len(c.seats) != 4 {
		t.Errorf("%+v, %d seats", out, len(c.seats))
	}
	out = c.enter(came("3", auth.Limits{PerUser: 1, PerTarget: 3, Busy: auth.BusyReplace}))
	if want := []*Session{first[2].s, first[3].s}; !slices.Equal(out.ended, want) {
		t.Errorf("%+v", out)
	}
	out = c.enter(came("10", auth.Limits{PerAddress: 3, Busy: auth.BusyReplace}))
	if want := []*Session{elsewhere.s}; !slices.Equal(out.ended, want) {
		t.Errorf("%+v", out)
	}
}

func TestCrowdReplacesWhoIsAlone(t *testing.T) {
	var c crowd
	alone := came("a", auth.Limits{Busy: auth.BusyQueue})
	c.enter(alone)
	if granted, ended := c.exclude(alone); !granted || ended != nil {
		t.Error("the only one is not alone")
	}
	if out := c.enter(came("b", auth.Limits{Busy: auth.BusyView})); out.missing != wantAlone || out.looks {
		t.Errorf("%+v", out)
	}
	if out := c.enter(came("b", auth.Limits{Busy: auth.BusyReplace})); out.missing != wantNothing || !slices.Equal(out.ended, []*Session{alone.s}) {
		t.Errorf("%+v", out)
	}
}

func TestCrowdQueue(t *testing.T) {
	var c crowd
	one := auth.Limits{PerTarget: 1, Busy: auth.BusyQueue}
	inside := came("in", one)
	c.enter(inside)
	var waiting []*seat
	for i := range maxQueue {
		n := came(fmt.Sprint(i), one)
		if out := c.enter(n); !out.waits || out.crowded {
			t.Fatalf("%d: %+v", i, out)
		}
		waiting = append(waiting, n)
	}
	if out := c.enter(came("late", one)); !out.crowded || out.waits {
		t.Errorf("one more: %+v", out)
	}
	elsewhere := came("x", one)
	elsewhere.target = "other"
	if out := c.enter(elsewhere); out.missing != wantNothing {
		t.Errorf("elsewhere: %+v", out)
	}
	if out := c.enter(came("ample", auth.Limits{PerTarget: 9})); out.missing != wantNothing {
		t.Errorf("who may be one of nine: %+v", out)
	}
	c.leave(waiting[0]) // it did not want to wait
	c.leave(inside)
	if len(c.seats) != 2 {
		t.Error("somebody came in beside one who was not counted on")
	}
	c.leave(c.seats[1]) // the ample one
	select {
	case <-waiting[1].ready:
	default:
		t.Error("the first of the queue has no place")
	}
	if len(c.queue) != maxQueue-2 || len(c.seats) != 2 {
		t.Errorf("%d wait, %d are in", len(c.queue), len(c.seats))
	}
}

// Who may only look takes no place on the target, and is one of its user's and
// its address's sessions all the same.
func TestCrowdCountsWhoLooks(t *testing.T) {
	one := auth.Limits{PerTarget: 1, PerUser: 2, PerAddress: 3, Busy: auth.BusyView}
	var c crowd
	for _, step := range []struct {
		user    string
		looks   bool
		missing want
	}{
		{"a", false, wantNothing}, {"a", true, wantNothing}, {"a", false, wantUser}, {"b", true, wantNothing}, {"c", false, wantAddress},
	} {
		if out := c.enter(came(step.user, one)); out.looks != step.looks || out.missing != step.missing {
			t.Errorf("%s: %+v, want %+v", step.user, out, step)
		}
	}
	out := c.enter(came("b", auth.Limits{PerUser: 1, Busy: auth.BusyReplace}))
	if out.missing != wantNothing || len(out.ended) != 1 {
		t.Errorf("one that looks makes room: %+v", out)
	}
}

// Whoever has an IPv6 address has a network of them.
func TestOneAddress(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8::1", "2001:db8::ffff:0:0:2", true}, {"2001:db8::1", "2001:db8:0:1::1", false},
		{"192.0.2.1", "192.0.2.1", true}, {"192.0.2.1", "192.0.2.2", false},
	} {
		a, b := netip.MustParseAddr(test.a), netip.MustParseAddr(test.b)
		if (oneAddress(a) == oneAddress(b)) != test.same {
			t.Errorf("%s and %s: %s and %s", a, b, oneAddress(a), oneAddress(b))
		}
	}
	if a := oneAddress(netip.Addr{}); a.IsValid() {
		t.Errorf("no address is %s", a)
	}
	var out outlaws
	for i, host := range []string{"2001:db8::1", "2001:db8::2"} {
		s := &Session{name: "d", address: netip.MustParseAddr(host)}
		if err := out.check(s.outlawKeys(), at(0)); (err != nil) != (i > 0) {
			t.Errorf("%s: %v", host, err)
		}
		out.add(s.outlawKeys(), at(0), time.Minute)
	}
}
