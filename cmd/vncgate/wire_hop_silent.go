package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"vncgate/gateway/cluster"
)

// A node that is stopped, or behind a way that swallows what goes there, is in the
// list of nodes until its sign of life ends, and refuses nothing. Whoever asks all
// nodes would wait for it each time.

const (
	// listTime bounds what a node is waited for with a list.
	listTime = 3 * time.Second
	// silentTime is for one that was silent a moment ago.
	silentTime = 250 * time.Millisecond
)

// silences are the nodes that have not answered. The zero value is ready.
type silences struct {
	mu sync.Mutex
	of map[string]silence // by the node's instance
}

// silence is how a node is in answering.
type silence struct {
	since time.Time // of the first question that was not answered in time; zero: it answers
	asked int       // questions under way
}

// silentError is of a node that has not answered.
type silentError struct {
	node  cluster.Node
	since time.Time
}

func (e *silentError) Error() string {
	return fmt.Sprintf("node %s at %s has not answered since %s", e.node.Name, e.node.Address, e.since.UTC().Format(time.RFC3339))
}

// begin says for how long a node is waited for that is to be asked something, and
// counts the question. A list is not asked for once more of one that was silent a
// moment ago: the last question tells when it answers again. The error is then a
// *silentError.
func (s *silences) begin(to cluster.Node, wait time.Duration, list bool) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of[to.Instance]
	if !one.since.IsZero() {
		wait = min(wait, silentTime)
		if list && one.asked > 0 {
			return 0, &silentError{to, one.since}
		}
	}
	one.asked++
	s.set(to, one)
	return wait, nil
}

// end takes note of what has come of a question that was asked at begun.
func (s *silences) end(to cluster.Node, begun time.Time, answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.of[to.Instance]
	if !ok {
		return // it has gone meanwhile
	}
	one.asked--
	switch {
	case answered:
		one.since = time.Time{}
	case one.since.IsZero():
		one.since = begun
	}
	s.set(to, one)
}

// mark notes that a question of begun has not been answered in time.
func (s *silences) mark(to cluster.Node, begun time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.of[to.Instance]
	if one.since.IsZero() {
		one.since = begun
	}
	if ok {
		s.set(to, one)
	}
	return &silentError{to, one.since}
}

// forget drops a node that has gone.
func (s *silences) forget(instance string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, instance)
}

// set keeps what is worth it; s.mu is held.
func (s *silences) set(to cluster.Node, one silence) {
	if one.asked == 0 && one.since.IsZero() {
		delete(s.of, to.Instance)
		return
	}
	if s.of == nil {
		s.of = map[string]silence{}
	}
	s.of[to.Instance] = one
}

// unanswered reports whether an error is of a node that has said nothing in time,
// and whose machine has not refused either. The dialer and a tunnel's pings may end
// just before the question's own deadline.
func unanswered(err error) bool {
	late, ok := errors.AsType[net.Error](err)
	return ok && late.Timeout() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.EHOSTUNREACH) // of a machine that is off, after a few seconds
}

// patiently asks a node, by do, and waits for the answer for as long as wait, or for
// a moment if it was silent just now. do has elderTime, whoever waits: a late
// answer says that the node is back. list says that nothing is lost if do is not
// called at all.
func patiently[T any](ctx context.Context, h *hops, to cluster.Node, wait time.Duration, list bool, do func(context.Context) (T, error)) (got T, err error) {
	wait, err = h.silent.begin(to, wait, list)
	if err != nil {
		return got, err
	}
	type outcome struct {
		got T
		err error
	}
	begun := time.Now()
	done := make(chan outcome, 1)
	ask := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), elderTime)
		defer cancel()
		defer context.AfterFunc(h.ctx, cancel)()
		got, err := do(ctx)
		answered := err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) && !unanswered(err)
		h.silent.end(to, begun, answered)
		if !answered {
			err = h.silent.mark(to, begun)
		}
		done <- outcome{got, err}
	}
	if !h.background(ask) {
		h.silent.end(to, begun, true)
		return got, errHopsClosed
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.got, o.err
	case <-timer.C:
	case <-ctx.Done():
		return got, context.Cause(ctx)
	}
	select {
	case o := <-done: // just now
		return o.got, o.err
	default:
		return got, h.silent.mark(to, begun)
	}
}

// background has f done, which close waits for; false after that.
func (h *hops) background(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.running.Go(f)
	}
	return !h.closed
}
