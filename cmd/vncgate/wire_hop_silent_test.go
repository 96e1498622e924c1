package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/cluster"
	"vncgate/gateway/control"
	"vncgate/layers"
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

// TestNodeThatCannotBeReachedIsSilent: a question has not been answered either
// where the dialer or the tunnel gives up before its deadline; it has where the
// machine refuses, or the node ends the connection.
func TestNodeThatCannotBeReachedIsSilent(t *testing.T) {
	dial := func(err error) error { return fmt.Errorf("node b: %w", &net.OpError{Op: "dial", Net: "tcp", Err: err}) }
	lost := func(err error) error { return fmt.Errorf("node b: %w: %w", layers.ErrMuxLost, err) }
	for name, one := range map[string]struct {
		err    error
		silent bool
	}{
		"the dialer's deadline":  {dial(os.ErrDeadlineExceeded), true},
		"one of the question":    {dial(context.DeadlineExceeded), true},
		"the system's patience":  {dial(os.NewSyscallError("connect", syscall.ETIMEDOUT)), true},
		"a machine that is off":  {dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), true},
		"a ping":                 {lost(fmt.Errorf("no answer to a ping: %w", os.ErrDeadlineExceeded)), true},
		"nobody listens":         {dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), false},
		"the node has ended":     {lost(errors.New("closed by the other end")), false},
		"no certificate of ours": {errForeignNode, false},
		"a command's error":      {control.NotFound("no session"), false},
	} {
		h := newHops(nil, "a", slog.New(slog.DiscardHandler))
		to := cluster.Node{Name: "b", Instance: "b1", Address: "b:7443"}
		_, err := patiently(t.Context(), h, to, time.Minute, true, func(context.Context) (int, error) { return 0, one.err })
		if _, silent := errors.AsType[*silentError](err); silent != one.silent || len(h.silent.of) == 1 != one.silent {
			t.Errorf("%s: %v, %v", name, err, h.silent.of)
		}
		h.close()
	}
}

// TestNodeThatHasGoneIsForgotten: whether it answers is nobody's question any more,
// nor what comes late of a question to it.
func TestNodeThatHasGoneIsForgotten(t *testing.T) {
	c := &clustered{hops: newHops(nil, "a", slog.New(slog.DiscardHandler)), node: "a"}
	defer c.hops.close()
	s := &c.hops.silent
	to := cluster.Node{Name: "b", Instance: "b1", Address: "b:7443"}
	for _, kind := range []gateway.EventKind{cluster.NodeLeft, cluster.NodeLost} {
		_, err := s.begin(to, time.Second, true)
		must(t, err)
		_ = s.mark(to, time.Now())
		c.heard(gateway.Event{Kind: kind, Node: "c", Details: map[string]string{"instance": "b1"}}, c.hops.log)
		if len(s.of) != 1 {
			t.Errorf("%s, as another node has it: %v", kind, s.of)
		}
		c.heard(gateway.Event{Kind: kind, Details: map[string]string{"instance": "b1"}}, c.hops.log)
		s.end(to, time.Now(), false)
		_ = s.mark(to, time.Now())
		if len(s.of) != 0 {
			t.Errorf("%s: %v", kind, s.of)
		}
	}
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
