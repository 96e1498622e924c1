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
	return &seat{s: &Session{}, user: user, target: "d", address: netip.MustParseAddr("192.0.2.1"), limits: &limits}
}

// takes has n come, reach its display and take the place of others, whose
// sessions it returns.
func (c *crowd) takes(n *seat) (out outcome, ended []*Session) {
	if out = c.enter(n); out.replaces {
		leaving, _ := c.replace(n)
		for _, other := range leaving {
			ended = append(ended, other.s)
		}
	}
	return out, ended
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
	_, ended := c.takes(came("9", auth.Limits{PerTarget: 3, Busy: auth.BusyReplace}))
	if want := []*Session{first[0].s, first[1].s}; !slices.Equal(ended, want) || len(c.seats) != 6 {
		t.Errorf("%v, %d seats", ended, len(c.seats))
	}
	c.leave(first[0])
	c.leave(first[1])
	_, ended = c.takes(came("3", auth.Limits{PerUser: 1, PerTarget: 3, Busy: auth.BusyReplace}))
	if want := []*Session{first[2].s, first[3].s}; !slices.Equal(ended, want) {
		t.Errorf("%v", ended)
	}
	c.leave(first[2])
	c.leave(first[3])
	_, ended = c.takes(came("10", auth.Limits{PerAddress: 3, Busy: auth.BusyReplace}))
	if want := []*Session{elsewhere.s}; !slices.Equal(ended, want) {
		t.Errorf("%v", ended)
	}
}

// Who was ended has its place until it has left: nobody comes in beside it, and
// who takes the place next waits for it, too.
func TestCrowdWaitsForWhoLeaves(t *testing.T) {
	one := auth.Limits{PerTarget: 1, Busy: auth.BusyReplace}
	var c crowd
	first, second, third := came("a", one), came("b", one), came("c", one)
	c.enter(first)
	if c.couldReplace(first) || !c.couldReplace(second) {
		t.Error("who is in could replace, or who is not could not")
	}
	c.takes(second)
	if again, entered := c.replace(second); again != nil || entered {
		t.Errorf("one that has a place takes %d more", len(again))
	}
	if _, ended := c.takes(third); !slices.Equal(ended, []*Session{first.s, second.s}) {
		t.Errorf("the third waits for %v", ended)
	}
	c.leave(second)
	if out := c.enter(came("d", auth.Limits{PerTarget: 2})); out.missing != wantTarget {
		t.Errorf("beside one that has not left: %+v", out)
	}
	c.leave(first)
	c.leave(first)
	for _, gone := range []*seat{first, second} {
		select {
		case <-gone.gone:
		default:
			t.Errorf("%s has not left", gone.user)
		}
	}
	if out := c.enter(came("d", auth.Limits{PerTarget: 2})); out.missing != wantNothing {
		t.Errorf("beside the third: %+v", out)
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
	if _, ended := c.takes(came("b", auth.Limits{Busy: auth.BusyReplace})); !slices.Equal(ended, []*Session{alone.s}) {
		t.Errorf("%v", ended)
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
	_, ended := c.takes(came("b", auth.Limits{PerUser: 1, Busy: auth.BusyReplace}))
	if len(ended) != 1 {
		t.Errorf("one that looks makes room: %v", ended)
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
