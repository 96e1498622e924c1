package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/gateway/cluster"
	"vncgate/gateway/control"
)

// TestSilentNodeIsNotWaitedFor: of a node that has not answered nothing is asked
// again until it does, but for what changes something.
func TestSilentNodeIsNotWaitedFor(t *testing.T) {
	h := newHops(nil, "a", slog.New(slog.DiscardHandler))
	to := cluster.Node{Name: "b", Address: "b:7443"}
	answers, asked := make(chan struct{}), atomic.Int64{}
	ask := func(list bool) error {
		_, err := patiently(t.Context(), h, to, 10*time.Millisecond, list, func(ctx context.Context) (int, error) {
			asked.Add(1)
			select {
			case <-answers:
				return 1, nil
			case <-h.ctx.Done():
				return 0, errHopsClosed
			}
		})
		return err
	}
	var silent *silentError
	if err := ask(true); !errors.As(err, &silent) || !strings.HasPrefix(err.Error(), "node b at b:7443 has not answered since 20") {
		t.Fatalf("of one that does not answer: %v", err)
	}
	since := silent.since
	for range 3 {
		if err := ask(true); !errors.As(err, &silent) || silent.since != since {
			t.Errorf("asked again: %v", err)
		}
	}
	answers <- struct{}{} // late
	eventually(t, "it is known that it answers", func() bool {
		h.silent.mu.Lock()
		defer h.silent.mu.Unlock()
		return len(h.silent.of) == 0
	})
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	close(answers)
	for _, list := range []bool{true, false} {
		eventually(t, "it answers", func() bool { return ask(list) == nil })
	}
	h.close()
	if err := ask(true); !errors.Is(err, errHopsClosed) || len(h.silent.of) != 0 {
		t.Errorf("after the end: %v, %v", err, h.silent.of)
	}
}

// TestCommandsReachSilentNodes: what changes something is sent to a node that was
// silent a moment ago, too.
func TestCommandsReachSilentNodes(t *testing.T) {
	h := newHops(nil, "a", slog.New(slog.DiscardHandler))
	defer h.close()
	to := cluster.Node{Name: "b", Address: "b:7443"}
	hang := func(ctx context.Context) (int, error) { <-h.ctx.Done(); return 0, errHopsClosed }
	if _, err := patiently(t.Context(), h, to, time.Millisecond, true, hang); err == nil {
		t.Fatal("it answers")
	}
	reached := make(chan struct{})
	_, _ = patiently(t.Context(), h, to, elderTime, false, func(context.Context) (int, error) { close(reached); return 1, nil })
	<-reached
}

// TestListsNameSilentNodes: a list has what there is at those that answer, and says
// who does not, and since when.
func TestListsNameSilentNodes(t *testing.T) {
	r := startSharedRedis(t)
	a, _ := r.pair()
	id := a.enters()
	address, _ := deafNode(t, true)
	deaf, err := cluster.Open(cluster.Config{Client: a.cluster.client, Prefix: a.cluster.cfg.prefix(), Node: "deaf", Address: address, Expire: time.Minute})
	must(t, err)
	defer deaf.Close(t.Context())
	eventually(t, "a knows it", func() bool { return len(a.peers()) == 2 })
	want := "node deaf at " + address + " has not answered since "
	for range 2 {
		result, err := a.controls.server.Table.Run(t.Context(), &control.Call{Role: control.Admin, Actor: "test"}, "query-sessions", nil)
		must(t, err)
		list := result.(control.SessionList)
		if len(list.Sessions) != 1 || list.Sessions[0].ID != id || !slices.ContainsFunc(list.Silent, func(s string) bool { return strings.HasPrefix(s, "deaf: "+want) }) {
			t.Errorf("%+v", list)
		}
	}
	nodes, err := a.queryNodes(t.Context(), boss, struct{}{})
	must(t, err)
	for _, n := range nodes.Nodes {
		if n.Name == "deaf" && (n.Answers || !strings.HasPrefix(n.Error, want)) {
			t.Errorf("%+v", n)
		}
	}
}
