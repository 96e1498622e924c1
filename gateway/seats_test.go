package gateway_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/auth"
	"vncgate/auth/tickets/redistest"
	"vncgate/gateway"
	"vncgate/gateway/cluster"
	"vncgate/layers"
)

// sharedRedis runs a server for several gateways.
func sharedRedis(t *testing.T) (client func() redis.UniversalClient, stop func()) {
	t.Helper()
	server := redistest.Start(t)
	client = func() redis.UniversalClient {
		c := redis.NewClient(&redis.Options{Addr: server.Address, Protocol: 2, DisableIdentity: true})
		t.Cleanup(func() { c.Close() })
		return c
	}
	return client, server.Kill
}

// together has a gateway count with the others of one Redis.
func together(t *testing.T, client redis.UniversalClient, node string, alone cluster.Alone) func(*gateway.Gateway) {
	return func(g *gateway.Gateway) {
		c, err := cluster.Open(cluster.Config{Client: client, Node: node, Alone: alone, Sessions: g.List, MakeRoom: g.MakeRoom, Expire: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_ = c.Close(ctx)
		})
		g.Seats = c
		eventually(t, "it has joined", func() bool { return c.State().Connected })
	}
}

// gateways are two that count together.
func gateways(t *testing.T, limits auth.Limits, alone cluster.Alone) (one, other *governed, stop func()) {
	client, stop := sharedRedis(t)
	grant := auth.Grant{Limits: limits}
	one = newGoverned(t, grant, overWS(gateway.Front{}), together(t, client(), "one", alone))
	other = newGoverned(t, grant, overWS(gateway.Front{}), together(t, client(), "other", alone))
	return one, other, stop
}

func TestNumbersOverGateways(t *testing.T) {
	t.Parallel()
	one, other, _ := gateways(t, auth.Limits{PerTarget: 1}, cluster.Closed)
	first := one.mustBrowse(t)
	if _, err := other.browse(t); told(err) != inUse {
		t.Errorf("at the other: %v", err)
	}
	_ = first.Close()
	eventually(t, "there is a place", func() bool {
		second, err := other.browse(t)
		if err == nil {
			send(t, second, mark(1))
			other.sees(t, mark(1))
		}
		return err == nil
	})
}

func TestReplaceOverGateways(t *testing.T) {
	t.Parallel()
	one, other, _ := gateways(t, auth.Limits{PerTarget: 1, Busy: auth.BusyReplace}, cluster.Closed)
	for range 3 {
		first := one.mustBrowse(t)
		second := other.mustBrowse(t)
		if end := closing(t, first); end.Code != layers.ClosePolicy || end.Reason != "Another session took the place of this one." {
			t.Errorf("closed with %v", end)
		}
		send(t, second, mark(1))
		other.sees(t, mark(1))
	}
}

func TestQueueOverGateways(t *testing.T) {
	t.Parallel()
	one, other, _ := gateways(t, auth.Limits{PerTarget: 1, Busy: auth.BusyQueue}, cluster.Closed)
	first := one.mustBrowse(t)
	c := other.dial(t)
	came := make(chan error, 1)
	go func() {
		ws, err := layers.Stack(context.Background(), c, layers.WebSocketClient("ws://localhost/", nil))
		if err == nil {
			_, err = viewOver(ws)
		}
		came <- err
	}()
	eventually(t, "it waits", func() bool { return strings.Contains(other.log.String(), "waiting for a place") })
	if words, _, ok := other.Waiting("display"); !ok || words != "The display is in use; waiting for a place." {
		t.Errorf("who waits is told %q, %v", words, ok)
	}
	_ = first.Close()
	if err := <-came; err != nil {
		t.Error(err)
	}
}

func TestQueueTimeOverGateways(t *testing.T) {
	t.Parallel()
	one, other, _ := gateways(t, auth.Limits{PerTarget: 1, Busy: auth.BusyQueue, QueueTime: 50 * time.Millisecond}, cluster.Closed)
	one.mustBrowse(t)
	if _, err := other.browse(t); told(err) != "This display is still in use. Try again later." {
		t.Errorf("told %v", err)
	}
}

func TestViewAndExclusiveOverGateways(t *testing.T) {
	t.Parallel()
	one, other, _ := gateways(t, auth.Limits{PerTarget: 1, Busy: auth.BusyView}, cluster.Closed)
	one.mustBrowse(t)
	looks := other.mustBrowse(t)
	send(t, looks, key(true, 'x'), mark(1))
	other.sees(t, mark(1))
	if seen := other.input(); len(seen) != 0 {
		t.Errorf("the display saw % x", seen)
	}
	all := auth.Grant{Rights: auth.AllRights}
	one.set(func(a *authority) { a.grant = all })
	other.set(func(a *authority) { a.grant = all })
	first := one.mustBrowse(t)
	for len(other.shared) > 0 {
		<-other.shared
	}
	other.viewAlone(t)
	if <-other.shared {
		t.Error("the display was not told")
	}
	if end := closing(t, first); end.Reason != "Another viewer has taken this display for itself." {
		t.Errorf("closed with %v", end)
	}
}

func TestRedisAway(t *testing.T) {
	for _, test := range []struct {
		alone cluster.Alone
		words string
	}{
		{cluster.Closed, "The gateway cannot tell at the moment how many sessions there are. Try again in a few seconds."},
		{cluster.Local, inUse},
	} {
		t.Run(test.alone.String(), func(t *testing.T) {
			t.Parallel()
			one, other, stop := gateways(t, auth.Limits{PerTarget: 1}, test.alone)
			running := one.mustBrowse(t)
			stop()
			if _, err := one.browse(t); told(err) != test.words {
				t.Errorf("beside a session: %v", err)
			}
			_, err := other.browse(t)
			if test.alone == cluster.Closed && told(err) != test.words || test.alone == cluster.Local && err != nil {
				t.Errorf("at the other: %v", err)
			}
			send(t, running, mark(1))
			one.sees(t, mark(1))
			if reason := "reason=\"cluster away\""; strings.Contains(one.log.String(), reason) != (test.alone == cluster.Closed) {
				t.Error("the log does not say why")
			}
		})
	}
}

// MakeRoom finds sessions by their IDs.
func TestMakeRoom(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, overWS(gateway.Front{}))
	viewer := g.mustBrowse(t)
	eventually(t, "it is open", func() bool { l := g.List(); return len(l) == 1 && l[0].Open })
	if g.MakeRoom("nobody", false) {
		t.Error("one that is not there")
	}
	if !g.MakeRoom(g.List()[0].ID, true) {
		t.Error("one that is there")
	}
	if end := closing(t, viewer); end.Reason != "Another viewer has taken this display for itself." {
		t.Errorf("closed with %v", end)
	}
}
