package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/tickets/redistest"
	"vncgate/gateway"
	"vncgate/gateway/cluster"
)

func local(cfg *cluster.Config) { cfg.Alone = cluster.Local }

func (p *peer) loses() {
	p.t.Helper()
	eventually(p.t, "it does not notice", func() bool { return !p.State().Connected })
}

// held has p have n sessions with places, on targets of their own but for limits.
func (p *peer) held(n int, limits auth.Limits) (seats []gateway.Seat) {
	p.t.Helper()
	for i := range n {
		s := seat(fmt.Sprintf("%s-%d", p.State().Node.Name, i), limits)
		p.opens(s.Info)
		if got := p.enters(s); got != "in" {
			p.t.Fatal(got)
		}
		seats = append(seats, s)
	}
	return seats
}

// Redis is killed and comes back, with what it had or without: who is in stays,
// and counts.
func TestRedisRestarted(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
		alone    cluster.Alone
		meets    string
	}{
		{"empty, closed", nil, cluster.Closed, "away"},
		{"empty, local", nil, cluster.Local, "local"},
		{"with its data", []string{"appendonly yes", "appendfsync always"}, cluster.Closed, "away"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, test.settings...)
			rule := func(cfg *cluster.Config) { cfg.Alone = test.alone }
			a, b := joined(t, of(t, server), "a", rule), joined(t, of(t, server), "b", rule)
			of := a.held(3, auth.Limits{PerTarget: 3})
			a.AgentHere("lab", []string{"desk"})
			eventually(t, "b knows a", func() bool { return b.names() == "a b" })
			eventually(t, "b sees all", func() bool {
				at, _ := b.Where(context.Background(), "lab")
				return len(strings.Fields(b.ids())) == 3 && len(at) == 1
			})
			server.Kill()
			a.loses()
			b.loses()
			if got := b.enters(seat("new", auth.Limits{})); got != test.meets {
				t.Errorf("a newcomer: %s", got)
			}
			if err := b.State().Err; !errors.Is(err, cluster.ErrAway) {
				t.Errorf("%v", err)
			}
			if _, err := b.Sessions(context.Background()); !errors.Is(err, cluster.ErrAway) {
				t.Errorf("sessions: %v", err)
			}
			if at, err := b.Where(context.Background(), "lab"); len(at) != 1 || at[0].Name != "a" {
				t.Errorf("the agent is at %v, %v", at, err)
			}
			a.leaves(of[0])
			a.closes(of[0].Session)
			if test.alone == cluster.Local { // it came in by the node's own count, above the number
				a.Hold(seat("over", auth.Limits{}))
				a.Hold(seat("over2", auth.Limits{}))
				a.opens(session("over"))
				a.opens(session("over2"))
			}
			server.Start()
			a.connects()
			b.connects()
			want, places := "a/a-1 a/a-2", 3
			if test.alone == cluster.Local {
				want, places = want+" a/over a/over2", 5
			}
			eventually(t, "b sees them all again", func() bool {
				at, err := b.Where(context.Background(), "lab")
				return b.ids() == want && err == nil && len(at) == 1
			})
			if got := b.enters(seat("x", auth.Limits{PerTarget: places - 1})); got != "no 2" && test.alone == cluster.Local {
				t.Errorf("beside too many: %s", got)
			}
			if got := b.enters(seat("y", auth.Limits{PerTarget: places})); got != "in" {
				t.Errorf("beside %d: %s", places-1, got)
			}
			if got := a.enters(seat("z", auth.Limits{PerTarget: places})); got != "no 2" {
				t.Errorf("beside %d: %s", places, got)
			}
			if back := b.events(cluster.RedisBack); len(back) == 0 || len(b.events(cluster.RedisAway)) == 0 {
				t.Error("nothing was told of it")
			}
			if lost := append(a.events(cluster.SessionLost), b.events(cluster.SessionLost)...); len(lost) > 0 {
				t.Errorf("lost: %+v", lost)
			}
		})
	}
}

// Somebody empties Redis under way.
func TestRedisEmptied(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := joined(t, of(t, server), "a"), joined(t, of(t, server), "b")
	alone := seat("alone", auth.Limits{Busy: auth.BusyRefuse})
	a.opens(alone.Info)
	a.enters(alone)
	if granted, err := a.Exclude(context.Background(), alone); !granted || err != nil {
		t.Fatal(granted, err)
	}
	eventually(t, "b sees it", func() bool { return b.ids() == "a/alone" })
	for range 3 {
		if err := server.FlushAll(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "all is there again", func() bool {
			return b.ids() == "a/alone" && a.names() == "a b" && b.enters(seat("x", auth.Limits{})) == "no 1"
		})
		b.leaves(seat("x", auth.Limits{}))
	}
}

// Redis hangs: nobody waits for it for longer than the time limit, and nothing
// is lost.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	short := func(cfg *cluster.Config) { cfg.Timeout = 300 * time.Millisecond }
	a := joined(t, of(t, server), "a", short)
	b := joined(t, of(t, server), "b", short, local)
	a.held(2, auth.Limits{})
	eventually(t, "both are there", func() bool { return a.names() == "a b" })
	server.Pause()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if got := a.enters(seat("1", auth.Limits{})); got != "away" {
		t.Errorf("closed: %s", got)
	}
	if got := b.enters(seat("2", auth.Limits{})); got != "local" {
		t.Errorf("local: %s", got)
	}
	if _, err := a.Sessions(ctx); !errors.Is(err, cluster.ErrAway) {
		t.Errorf("sessions: %v", err)
	}
	if _, err := a.Where(ctx, "lab"); !errors.Is(err, cluster.ErrAway) {
		t.Errorf("where: %v", err)
	}
	for i := range 3000 {
		a.Publish(gateway.Event{Kind: gateway.SessionMessage, Reason: fmt.Sprint(i)})
		a.Changed()
	}
	a.loses()
	server.Resume()
	a.connects()
	b.connects()
	eventually(t, "b sees those of a", func() bool { return b.ids() == "a/a-0 a/a-1" })
	if a.State().Lost == 0 {
		t.Error("3000 events waited")
	}
	a.stop(ctx)
	server.Pause()
	b.loses()
	b.stop(ctx) // returns
	server.Resume()
}

// A node is cut off, is taken for dead, and returns: its sessions went on, and
// count again.
func TestPartition(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	wire := newWire(t, server.Address)
	a := joined(t, wire.client(t), "a", quick)
	b := joined(t, of(t, server), "b", quick)
	a.held(2, auth.Limits{PerTarget: 2})
	eventually(t, "b sees them", func() bool { return b.ids() == "a/a-0 a/a-1" && b.names() == "a b" })
	wire.cut()
	eventually(t, "a is lost", func() bool { return b.names() == "b" && len(b.events(cluster.SessionLost)) == 2 })
	a.loses()
	if got := a.enters(seat("new", auth.Limits{})); got != "away" {
		t.Errorf("at the one that is cut off: %s", got)
	}
	for i := range 2 {
		if got := b.enters(seat(fmt.Sprint("b", i), auth.Limits{PerTarget: 2})); got != "in" {
			t.Errorf("at the other: %s", got)
		}
	}
	wire.mend()
	a.connects()
	eventually(t, "a is back", func() bool { return b.names() == "a b" && b.ids() == "a/a-0 a/a-1" })
	if n := len(b.events(cluster.NodeJoined)); n != 2 {
		t.Errorf("it has joined %d times", n)
	}
	for _, test := range []struct {
		most int
		want string
	}{{4, "no 2"}, {5, "in"}} {
		if got := b.enters(seat("more", auth.Limits{PerTarget: test.most})); got != test.want {
			t.Errorf("beside four, of which two are too many: %s", got)
		}
	}
}

// A life ends because its node hung: it finds that out before it lets in.
func TestNodeThatHung(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := joined(t, of(t, server), "a", func(cfg *cluster.Config) { cfg.Expire = time.Minute }) // it would not look for long
	b := joined(t, of(t, server), "b")
	mine := seat("mine", auth.Limits{PerTarget: 1})
	a.enters(mine)
	// As time would have it.
	keys, err := server.ZRange(context.Background(), "{vncgate}:alive", 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range keys {
		if strings.HasPrefix(member, a.Instance()) {
			server.ZRem(context.Background(), "{vncgate}:alive", member)
		}
	}
	if got := b.enters(seat("theirs", auth.Limits{PerTarget: 1})); got != "in" {
		t.Errorf("in the place of one that seems dead: %s", got)
	}
	if got := a.enters(seat("more", auth.Limits{PerTarget: 2})); got != "no 2" {
		t.Errorf("beside its own and the other's: %s", got)
	}
}
