package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/tickets/redistest"
	"vncgate/gateway"
	"vncgate/gateway/cluster"
)

// seat is a session's of alice on the target desk, from one address.
func seat(id string, limits auth.Limits) gateway.Seat {
	info := session(id)
	info.Open = false
	return gateway.Seat{
		Session: id, User: "alice", Target: "desk", Address: netip.MustParseAddr("192.0.2.1"),
		Limits: &limits, Since: time.Now(), Info: info,
	}
}

func by(user, target, address string, s gateway.Seat) gateway.Seat {
	s.User, s.Target, s.Address = user, target, netip.MustParseAddr(address)
	return s
}

// enters asks for a place, and says in a word what came of it.
func (p *peer) enters(s gateway.Seat) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := p.Enter(ctx, s)
	switch {
	case errors.Is(err, gateway.ErrSeatsAway):
		return "away"
	case errors.Is(err, gateway.ErrSeatsLocal):
		return "local"
	case err != nil:
		return err.Error()
	case got.Looks:
		return "looks"
	case got.Waits:
		return "waits"
	case got.Crowded:
		return "crowded"
	case got.Replaces && got.Occupied:
		return "replaces"
	case got.Replaces:
		return "replaces elsewhere"
	case got.Missing != gateway.SeatFree:
		return fmt.Sprintf("no %d", got.Missing)
	}
	return "in"
}

func (p *peer) leaves(s gateway.Seat) { p.Leave(s) }

func TestNumbersOverNodes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := joined(t, of(t, server), "a"), joined(t, of(t, server), "b")
	two := auth.Limits{PerTarget: 2}
	steps := []struct {
		name string
		at   *peer
		seat gateway.Seat
		want string
	}{
		{"the first", a, seat("1", two), "in"},
		{"at another node", b, seat("2", two), "in"},
		{"one too many", a, seat("3", two), "no 2"},
		{"one that may be one of three", b, seat("4", auth.Limits{PerTarget: 3}), "in"},
		{"on another target", a, by("alice", "other", "192.0.2.1", seat("5", two)), "in"},
		{"user", b, by("alice", "third", "192.0.2.9", seat("6", auth.Limits{PerUser: 4})), "no 3"},
		{"another user", b, by("bob", "third", "192.0.2.9", seat("7", auth.Limits{PerUser: 1})), "in"},
		{"address", a, by("carol", "third", "192.0.2.1", seat("8", auth.Limits{PerAddress: 4})), "no 4"},
		{"another address", a, by("carol", "third", "192.0.2.2", seat("8", auth.Limits{PerAddress: 1})), "in"},
		{"asked twice", a, by("carol", "third", "192.0.2.2", seat("8", auth.Limits{PerAddress: 1})), "in"},
		{"looks", a, seat("9", auth.Limits{PerTarget: 2, Busy: auth.BusyView}), "looks"},
		{"who looks counts for its user", b, by("alice", "fourth", "192.0.2.77", seat("10", auth.Limits{PerUser: 5})), "no 3"},
		{"who looks takes no place", b, seat("11", auth.Limits{PerTarget: 4}), "in"},
		{"replaces", b, seat("12", auth.Limits{PerTarget: 1, Busy: auth.BusyReplace}), "replaces"},
		{"replaces who is elsewhere", b, by("alice", "empty", "192.0.2.1", seat("13", auth.Limits{PerUser: 1, Busy: auth.BusyReplace})), "replaces elsewhere"},
		{"no limits", a, seat("14", auth.Limits{}), "in"},
	}
	for _, step := range steps {
		if got := step.at.enters(step.seat); got != step.want {
			t.Fatalf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	nobody := seat("20", auth.Limits{PerUser: 1, PerAddress: 1})
	nobody.User, nobody.Address, nobody.Target = "", netip.Addr{}, "nobody's"
	other := nobody
	other.Session = "21"
	if first, second := a.enters(nobody), b.enters(other); first != "in" || second != "in" {
		t.Errorf("those without names and addresses: %s, %s", first, second)
	}
}

func TestLeavingMakesRoom(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := joined(t, of(t, server), "a"), joined(t, of(t, server), "b")
	one := auth.Limits{PerTarget: 1}
	for i := range 20 {
		at, other := a, b
		if i%2 == 1 {
			at, other = b, a
		}
		in := seat(fmt.Sprint("in", i), one)
		eventually(t, "there is room", func() bool { return at.enters(in) == "in" })
		if got := other.enters(seat("no", one)); got != "no 2" {
			t.Fatalf("beside it: %s", got)
		}
		at.leaves(in)
	}
}

// However the nodes race, there is never one too many, and the last place is
// always taken.
func TestNeverOneTooMany(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var nodes []*peer
	for _, name := range []string{"a", "b", "c"} {
		nodes = append(nodes, joined(t, of(t, server), name))
	}
	const most = 7
	var inside, entered [10]atomic.Int64
	var all sync.WaitGroup
	for n, p := range nodes {
		for i := range 100 {
			all.Go(func() {
				target := i % 10
				s := by("u", fmt.Sprint("t", target), "192.0.2.1", seat(fmt.Sprintf("n%d-%d", n, i), auth.Limits{PerTarget: most}))
				if p.enters(s) != "in" {
					return
				}
				if now := inside[target].Add(1); now > most {
					t.Errorf("%d on target %d", now, target)
				}
				entered[target].Add(1)
				if i%3 == 0 { // some leave, and others come for them
					inside[target].Add(-1)
					p.leaves(s)
				}
			})
		}
	}
	all.Wait()
	for target := range entered {
		if n := entered[target].Load(); n < most {
			t.Errorf("%d have come in on target %d", n, target)
		}
	}
}

func TestDeadNodesHaveNoPlaces(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := joined(t, of(t, server), "a", quick), joined(t, of(t, server), "b", quick)
	one := auth.Limits{PerTarget: 1}
	if got := b.enters(seat("1", one)); got != "in" {
		t.Fatal(got)
	}
	if got := a.enters(seat("2", one)); got != "no 2" {
		t.Fatal(got)
	}
	b.die()
	eventually(t, "its place is free", func() bool { return a.enters(seat("2", one)) == "in" })
	// It had not been written down but by its place.
	eventually(t, "its session is accounted for", func() bool {
		lost := a.events(cluster.SessionLost)
		return len(lost) == 1 && lost[0].Session.ID == "1"
	})
}

func TestReplaceOverNodes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b, c := joined(t, of(t, server), "a"), joined(t, of(t, server), "b"), joined(t, of(t, server), "c")
	first, second := seat("first", auth.Limits{PerTarget: 2}), seat("second", auth.Limits{PerTarget: 2})
	a.enters(first)
	b.enters(second)
	newcomer := seat("new", auth.Limits{PerTarget: 1, Busy: auth.BusyReplace})
	if got := c.enters(newcomer); got != "replaces" {
		t.Fatal(got)
	}
	done := make(chan error, 1)
	go func() { done <- c.Replace(context.Background(), newcomer) }()
	eventually(t, "both are told", func() bool {
		one, _ := a.hasMade("first")
		two, _ := b.hasMade("second")
		return one && two
	})
	if got := a.enters(seat("beside", auth.Limits{PerTarget: 3})); got != "no 2" {
		t.Errorf("beside those who are on their way out: %s", got)
	}
	a.leaves(first)
	select {
	case err := <-done:
		t.Fatalf("it did not wait for the second: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	b.leaves(second)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := b.enters(seat("beside", auth.Limits{PerTarget: 1})); got != "no 2" {
		t.Errorf("beside the new one: %s", got)
	}
	if err := c.Replace(context.Background(), newcomer); err != nil {
		t.Errorf("again: %v", err)
	}
}

// Whoever is to make room at a node that dies is not waited for.
func TestReplaceAtADeadNode(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := joined(t, of(t, server), "a", quick), joined(t, of(t, server), "b", quick)
	b.enters(seat("old", auth.Limits{}))
	newcomer := seat("new", auth.Limits{PerTarget: 1, Busy: auth.BusyReplace})
	a.enters(newcomer)
	done := make(chan error, 1)
	go func() { done <- a.Replace(context.Background(), newcomer) }()
	eventually(t, "it is told", func() bool { made, _ := b.hasMade("old"); return made })
	b.die()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestExcludeOverNodes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := joined(t, of(t, server), "a"), joined(t, of(t, server), "b")
	ctx := context.Background()
	refusing := auth.Limits{Busy: auth.BusyRefuse}
	alone := seat("alone", refusing)
	a.enters(alone)
	if granted, err := a.Exclude(ctx, alone); !granted || err != nil {
		t.Fatal(granted, err)
	}
	if got := b.enters(seat("x", auth.Limits{})); got != "no 1" {
		t.Errorf("beside one that is alone: %s", got)
	}
	a.leaves(alone)
	shares := seat("shares", refusing)
	eventually(t, "it has left", func() bool { return b.enters(shares) == "in" })
	a.enters(alone)
	if granted, err := a.Exclude(ctx, alone); granted || err != nil {
		t.Errorf("beside another: %v, %v", granted, err)
	}
	takes := seat("takes", auth.Limits{})
	a.enters(takes)
	if granted, err := a.Exclude(ctx, takes); !granted || err != nil {
		t.Errorf("one that may end others: %v, %v", granted, err)
	}
	eventually(t, "the others are told that it is taken", func() bool {
		made, taken := b.hasMade("shares")
		own, ownTaken := a.hasMade("alone")
		return made && taken && own && ownTaken
	})
}

// Those who wait come in one after the other, in the order in which they came,
// wherever they wait.
func TestQueueOverNodes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	nodes := []*peer{joined(t, of(t, server), "a"), joined(t, of(t, server), "b"), joined(t, of(t, server), "c")}
	one := auth.Limits{PerTarget: 1, Busy: auth.BusyQueue}
	last := seat("0", one)
	nodes[0].enters(last)
	at := nodes[0]
	type arrival struct {
		seat gateway.Seat
		at   *peer
		err  error
	}
	arrivals := make(chan arrival, 10)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	wait := func(ctx context.Context, id string, p *peer, limits auth.Limits) {
		s := seat(id, limits)
		if got := p.enters(s); got != "waits" {
			t.Fatalf("%s: %s", id, got)
		}
		go func() {
			err := p.Wait(ctx, s)
			if err != nil {
				p.leaves(s)
			}
			arrivals <- arrival{s, p, err}
		}()
	}
	impatient, leave := context.WithCancel(ctx)
	wait(ctx, "1", nodes[1], one)
	wait(impatient, "left", nodes[2], one)
	wait(ctx, "2", nodes[2], one)
	wait(ctx, "3", nodes[0], one)
	elsewhere := one // it lacks something that no place on the target gives it
	elsewhere.PerAddress, elsewhere.PerTarget = 1, 9
	wait(impatient, "lacks", nodes[1], elsewhere)
	wait(ctx, "4", nodes[1], one)
	leave()
	for range 2 {
		if a := <-arrivals; a.err == nil {
			t.Errorf("%s came in", a.seat.Session)
		}
	}
	for i := range 4 {
		at.leaves(last)
		next := <-arrivals
		if next.err != nil || next.seat.Session != fmt.Sprint(i+1) {
			t.Fatalf("%s came in as number %d: %v", next.seat.Session, i+1, next.err)
		}
		last, at = next.seat, next.at
	}
	if got := nodes[2].enters(seat("late", auth.Limits{PerTarget: 1})); got != "no 2" {
		t.Errorf("one that does not wait: %s", got)
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := joined(t, of(t, server), "a"), joined(t, of(t, server), "b")
	one := auth.Limits{PerTarget: 1, Busy: auth.BusyQueue}
	a.enters(seat("in", one))
	var got []string
	for i := range 66 {
		at := []*peer{a, b}[i%2]
		got = append(got, at.enters(seat(fmt.Sprint("w", i), one)))
	}
	want := append(slices.Repeat([]string{"waits"}, 64), "crowded", "crowded")
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
