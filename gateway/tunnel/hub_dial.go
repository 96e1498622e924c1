package tunnel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"vncgate/layers"
)

// Dial opens a stream to a service of an agent: a *Conn. An agent that is not
// there is waited for until ctx ends; the error matches ErrNoAgent then. It
// matches ErrNoService at once if the agent does not announce the service,
// layers.ErrMuxStreams if all its tunnels are full, and is a *ServiceError if the
// agent cannot reach it.
func (h *Hub) Dial(ctx context.Context, agent, service string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxDial, context.DeadlineExceeded)
	defer cancel()
	for {
		t, err := h.choose(ctx, agent, service)
		if err != nil {
			return nil, err
		}
		c, err := t.open(ctx, service)
		if lost, ok := errors.AsType[*LostError](err); ok && ctx.Err() == nil {
			h.debug("the tunnel was lost as a stream was opened; another is tried", "agent", agent, "service", service, "reason", lost.Reason)
			t.leave()
			continue
		}
		if err != nil {
			return nil, err
		}
		return c, nil
	}
}

// maxDial bounds a Dial whose ctx has no end of its own.
const maxDial = 10 * time.Minute

// choose waits for a tunnel in which the service can be opened, and books a
// place in it.
func (h *Hub) choose(ctx context.Context, agent, service string) (*hubTunnel, error) {
	for {
		h.mu.Lock()
		h.begin()
		closed, changed := h.closed, h.changed
		t, err := h.agents[agent].best(service, h.Limits.orDefault().Streams)
		if t != nil {
			t.opening++
		}
		h.mu.Unlock()
		switch {
		case closed:
			return nil, ErrClosed
		case err != nil:
			return nil, fmt.Errorf("tunnel: agent %s, service %s: %w", agent, service, err)
		case t != nil:
			return t, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("tunnel: agent %s: %w: %w", agent, ErrNoAgent, context.Cause(ctx))
		}
	}
}

// best is the tunnel to open the next stream in: one that is known to live
// before one that is to end, then the one with the fewest streams, then with the
// fewest bytes. nil without an error: there is none. The hub's lock is held.
func (s *station) best(service string, most int) (*hubTunnel, error) {
	if s == nil {
		return nil, nil
	}
	var able []*hubTunnel
	for _, t := range s.tunnels {
		if !t.gone && t.why.Load() == nil {
			able = append(able, t)
		}
	}
	if len(able) == 0 {
		return nil, nil
	}
	able = slices.DeleteFunc(able, func(t *hubTunnel) bool { return !slices.Contains(t.services, service) })
	if len(able) == 0 {
		return nil, ErrNoService
	}
	able = slices.DeleteFunc(able, func(t *hubTunnel) bool { return t.busy() >= most })
	if len(able) == 0 {
		return nil, layers.ErrMuxStreams
	}
	return slices.MinFunc(able, func(a, b *hubTunnel) int {
		return cmp.Or(cmp.Compare(a.doubts(), b.doubts()), cmp.Compare(a.busy(), b.busy()), cmp.Compare(a.moved(), b.moved()))
	}), nil
}

// busy is how many streams t has.
func (t *hubTunnel) busy() int { return t.opening + len(t.conns) }

// doubts is 0 for a tunnel that is fine.
func (t *hubTunnel) doubts() int {
	switch {
	case t.suspect:
		return 2
	case t.draining:
		return 1
	}
	return 0
}

// moved is how many bytes its streams of now have moved.
func (t *hubTunnel) moved() int64 {
	var n int64
	for _, c := range t.conns {
		in, out, _, _ := figures(c.MuxStream)
		n += in + out
	}
	return n
}

// open opens a stream to the service, in the place that has been booked.
func (t *hubTunnel) open(ctx context.Context, service string) (*Conn, error) {
	c, err := t.ask(ctx, service)
	h := t.hub
	h.mu.Lock()
	t.opening--
	if c != nil {
		h.totals.Streams++
		c.id = h.totals.Streams
		t.conns[c.id] = c
		h.open[c] = struct{}{}
	}
	h.mu.Unlock()
	kind, e := ServiceOpened, Event{}
	if err != nil {
		kind = ServiceFailed
	}
	e = t.event(kind)
	e.Service = service
	if err != nil {
		e.Reason = words(err.Error())
	} else {
		e.Stream = c.id
	}
	h.tell(e)
	return c, err
}

// ask has the agent connect a stream to the service.
func (t *hubTunnel) ask(ctx context.Context, service string) (*Conn, error) {
	s, err := t.mux.Open(ctx)
	if err != nil {
		return nil, t.openError(ctx, service, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerPatience, errors.New("the agent has not answered in time"))
	defer cancel()
	var answer opened
	err = layers.Interrupt(ctx, s, func() error {
		if err := writeMessage(s, open{Service: service}, maxOpen); err != nil {
			return err
		}
		return readMessage(s, maxOpen, &answer)
	})
	if err == nil && answer.Code == "" {
		return &Conn{MuxStream: s, service: service, tunnel: t, since: time.Now()}, nil
	}
	_ = s.Close()
	if err != nil {
		return nil, t.openError(ctx, service, err)
	}
	reason := wordsOr(answer.Reason, "it gives no reason")
	switch answer.Code {
	case codeUnknown:
		return nil, fmt.Errorf("tunnel: agent %s, service %s: %w any more: %s", t.name, service, ErrNoService, reason)
	case codeBusy:
		return nil, fmt.Errorf("tunnel: agent %s, service %s: %w: %s", t.name, service, layers.ErrMuxStreams, reason)
	}
	return nil, &ServiceError{Agent: t.name, Service: service, Reason: reason}
}

// openError says what an error of the stream means.
func (t *hubTunnel) openError(ctx context.Context, service string, err error) error {
	switch {
	case errors.Is(err, layers.ErrMuxLost):
		return t.lost()
	case ctx.Err() != nil:
		return fmt.Errorf("tunnel: agent %s, service %s: %w", t.name, service, context.Cause(ctx))
	case errors.Is(err, layers.ErrMuxStreams), errors.Is(err, layers.ErrMuxMemory):
		return fmt.Errorf("tunnel: agent %s, service %s: %w", t.name, service, err)
	}
	return &ServiceError{Agent: t.name, Service: service, Reason: words(err.Error())}
}

// closed takes a stream out that its owner has closed.
func (t *hubTunnel) closed(c *Conn) {
	in, out, _, _ := figures(c.MuxStream)
	t.hub.mu.Lock()
	delete(t.conns, c.id)
	delete(t.hub.open, c)
	t.in, t.out = t.in+in, t.out+out
	t.hub.totals.add(c)
	t.hub.mu.Unlock()
	e := t.event(ServiceClosed)
	e.Service, e.Stream, e.In, e.Out = c.service, c.id, in, out
	t.hub.tell(e)
}
