package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/certs"
	"vncgate/gateway/cluster"
	"vncgate/gateway/control"
	"vncgate/gateway/tunnel"
	"vncgate/layers"
)

// deafNode takes connections and says nothing; came is told of each.
func deafNode(t *testing.T, hang bool) (address string, came chan struct{}) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	came = make(chan struct{}, 100)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if hang {
				t.Cleanup(func() { _ = c.Close() })
			} else {
				_ = c.Close()
			}
			came <- struct{}{}
		}
	}()
	return ln.Addr().String(), came
}

// TestAgentOfADeadNode: whoever waits for an agent does so while the node that had
// it does not answer, and gets it at the node that it comes to.
func TestAgentOfADeadNode(t *testing.T) {
	r := startSharedRedis(t)
	a, b := r.pair()
	address, came := deafNode(t, false)
	dead, err := cluster.Open(cluster.Config{Client: a.cluster.client, Prefix: a.cluster.cfg.prefix(), Node: "dead", Address: address, Expire: 10 * time.Second})
	must(t, err)
	defer dead.Close(t.Context())
	dead.AgentHere("lab", []string{"desk"})
	nobody := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, tunnel.ErrNoAgent
	}
	reached := make(chan error, 1)
	go func() {
		c, err := a.dialAgent(visit(t), nobody, "lab", "desk")
		if err == nil {
			_ = c.Close()
		}
		reached <- err
	}()
	<-came // and goes away without an answer
	display := heldDisplay(t)
	b.agentHere = func(ctx context.Context, _, _ string) (net.Conn, error) { return layers.Dial(ctx, display) }
	b.cluster.agent("lab", []string{"desk"}, true)
	must(t, <-reached)

	ctx, cancel := context.WithCancel(t.Context())
	b.cluster.agent("lab", nil, false)
	eventually(t, "it has left b", func() bool {
		at, err := a.cluster.Where(t.Context(), "lab")
		return err == nil && len(at) == 1 && at[0].Name == "dead"
	})
	for len(came) > 0 {
		<-came
	}
	go func() {
		<-came
		<-came // the first was answered by then
		cancel()
	}()
	_, err = a.dialAgent(ctx, nobody, "lab", "desk")
	if !errors.Is(err, tunnel.ErrNoAgent) || !strings.Contains(err.Error(), "node dead at "+address) {
		t.Errorf("an agent of a dead node: %v", err)
	}
}

// TestHopThatHangs: while one dials a node that does not answer, others do not
// wait longer than they may, and neither does the end of this node.
func TestHopThatHangs(t *testing.T) {
	dir := t.TempDir()
	ca, err := certs.OpenCA(dir)
	must(t, err)
	_, err = ca.Node("a", []string{"127.0.0.1"})
	must(t, err)
	own, err := openHopTLS(dir, "a")
	must(t, err)
	h := newHops(own, "a", slog.New(slog.DiscardHandler))
	address, came := deafNode(t, true)
	first := make(chan error, 1)
	go func() {
		_, err := h.open(t.Context(), address)
		first <- err
	}()
	<-came
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := h.open(ctx, address); err == nil {
		t.Error("a node that says nothing is reached")
	}
	h.close()
	if err := <-first; err == nil {
		t.Error("a node that says nothing is reached")
	}
	if _, err := h.open(t.Context(), address); !errors.Is(err, errHopsClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// TestHopMovesOn: when another process has taken over, questions go to that one,
// and what runs through the old one goes on.
func TestHopMovesOn(t *testing.T) {
	dir, display := t.TempDir(), heldDisplay(t)
	ca, err := certs.OpenCA(dir)
	must(t, err)
	_, err = ca.Node("a", []string{"127.0.0.1"})
	must(t, err)
	own, err := openHopTLS(dir, "a")
	must(t, err)
	process := func(name, at string) (*hops, net.Listener) {
		h := newHops(own, "a", slog.New(slog.DiscardHandler))
		h.run = func(context.Context, *control.Call, string, json.RawMessage) (any, error) { return name, nil }
		h.agent = func(ctx context.Context, _, _ string) (net.Conn, error) { return layers.Dial(ctx, display) }
		ln, err := net.Listen("tcp", at)
		must(t, err)
		go func() { _ = h.serve(ln) }()
		t.Cleanup(h.close)
		return h, ln
	}
	old, ln := process("old", "127.0.0.1:0")
	at := cluster.Node{Name: "a", Address: ln.Addr().String()}
	asker := newHops(own, "b", slog.New(slog.DiscardHandler))
	defer asker.close()
	answers := func() string {
		got, err := asker.command(visit(t), at, &control.Call{Role: control.Admin, Actor: "x"}, "query-version", nil)
		if err != nil {
			return err.Error()
		}
		return string(got)
	}
	if got := answers(); got != `"old"` {
		t.Fatal(got)
	}
	c, err := asker.dialAgent(visit(t), at, "lab", "desk")
	must(t, err)
	defer c.Close()

	must(t, ln.Close())
	old.retired.Store(true)
	if got := answers(); !strings.Contains(got, "node a at") {
		t.Errorf("while nobody is there: %s", got)
	}
	process("new", at.Address)
	for range 2 {
		if got := answers(); got != `"new"` {
			t.Errorf("answered by %s", got)
		}
	}
	if _, err := io.ReadFull(c, make([]byte, 12)); err != nil {
		t.Errorf("what ran through the old process: %v", err)
	}
}
