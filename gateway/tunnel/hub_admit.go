package tunnel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"vncgate/layers"
)

// greet reads the hello and answers it. On error the agent has been told.
func (t *hubTunnel) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, t.hub.Limits.orDefault().Hello, errors.New("the agent has not said hello in time"))
	defer cancel()
	stream, err := t.mux.Accept(ctx)
	if err != nil {
		return fmt.Errorf("tunnel: hello: %w", orCause(ctx, err))
	}
	var m message
	if err := layers.Interrupt(ctx, stream, func() error { return readMessage(stream, maxControl, &m) }); err != nil {
		return fmt.Errorf("tunnel: hello: %w", err)
	}
	t.control = newControl(stream)
	protocol, err := t.admit(m.Hello)
	if err != nil {
		t.refuse(err)
		return err
	}
	answer := message{Welcome: &welcome{Protocol: protocol, Agent: t.name, Tunnels: t.hub.Limits.orDefault().Connections, Software: t.hub.Software}}
	_ = stream.SetWriteDeadline(time.Now().Add(tellPatience))
	err = writeMessage(stream, answer, maxControl)
	if t.hello.Check {
		return err
	}
	e := t.event(Connected)
	e.Services, e.Tunnels = slices.Clone(t.services), t.among
	t.hub.tell(e)
	if err != nil {
		t.end(words(err.Error()))
	}
	return nil
}

// orCause is why ctx has ended, if it has.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// refuse tells the agent why, and lets it read that.
func (t *hubTunnel) refuse(why error) {
	r := refused{Reason: why.Error()}
	if refusal, ok := errors.AsType[*Refusal](why); ok {
		r.Reason, r.Seconds = refusal.Reason, int(refusal.After/time.Second)
	}
	if unwanted, ok := errors.AsType[*Unwanted](why); ok {
		r.Reason, r.Never = unwanted.Reason, true
	}
	e := t.event(Refused)
	e.Agent, e.Reason = wordsOr(t.name, words(t.hello.Agent)), r.Reason
	t.hub.tell(e)
	s := t.control.stream
	_ = s.SetWriteDeadline(time.Now().Add(farewellPatience))
	if writeMessage(s, message{Refused: &r}, maxControl) == nil {
		t.awaitEnd(context.Background())
	}
}

// awaitEnd gives the agent a moment to end the tunnel itself, having read what
// was said last.
func (t *hubTunnel) awaitEnd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, farewellPatience)
	defer cancel()
	select {
	case <-t.mux.Done():
	case <-ctx.Done():
	}
}

// admit decides about a hello, and takes the tunnel in.
func (t *hubTunnel) admit(said *hello) (protocol int, err error) {
	if said == nil {
		return 0, &Refusal{Reason: "its first message is no hello"}
	}
	t.hello = *said
	if protocol, err = said.version(); err != nil {
		return 0, &Refusal{Reason: err.Error()}
	}
	if err := said.check(); err != nil {
		return 0, &Refusal{Reason: "the hello is wrong: " + err.Error()}
	}
	if t.name, err = t.peer.named(said.Agent); err != nil {
		return 0, &Refusal{Reason: err.Error()}
	}
	t.services = said.names()
	if err := t.peer.announce(t.name, t.services); err != nil {
		return 0, &Refusal{Reason: err.Error()}
	}
	if most := t.hub.Limits.orDefault().Services; len(t.services) > most {
		return 0, &Refusal{Reason: fmt.Sprintf("it announces %d services, this gateway allows an agent %d", len(t.services), most)}
	}
	if err := t.allowed(); err != nil {
		return 0, err
	}
	if t.hello.Check {
		return protocol, nil
	}
	return protocol, t.enter()
}

// allowed asks the hub's owner.
func (t *hubTunnel) allowed() error {
	if t.hub.Allow == nil {
		return nil
	}
	p := t.peer
	p.Name = t.name
	err := t.hub.Allow(p, slices.Clone(t.services))
	if _, ok := errors.AsType[*Unwanted](err); err == nil || ok {
		return err
	}
	if _, ok := errors.AsType[*Refusal](err); ok {
		return err
	}
	return &Refusal{Reason: err.Error()}
}

// enter takes the tunnel in beside the others of its agent.
//
// A tunnel of the same process and place is one that the process has given up:
// it is replaced at once. Tunnels of another process of the same name go on
// beside it, if they announce the same. But who comes from elsewhere mostly is
// the same machine after its cable was pulled, and the others are dead and
// nobody has noticed. So it is taken in at once, and they have to show that they
// live; until then new streams are not opened there. Where it cannot be taken in
// beside them, they have to show that first.
func (t *hubTunnel) enter() error {
	against := t.tryEnter()
	if against == nil {
		return nil
	}
	if against.ask {
		askAll(against.others)
		against = t.tryEnter()
	}
	if against == nil {
		return nil
	}
	return &Refusal{Reason: against.reason, After: against.after}
}

// askAll returns when all have shown that they live, or have been ended.
func askAll(tunnels []*hubTunnel) {
	var asked sync.WaitGroup
	for _, o := range tunnels {
		asked.Go(func() {
			if !o.alive() {
				o.leave()
			}
		})
	}
	asked.Wait()
}

// objection is why a tunnel is not taken in.
type objection struct {
	reason string
	after  time.Duration
	ask    bool // it falls if the others are dead
	others []*hubTunnel
}

// tryEnter takes the tunnel in, or says what is against it.
func (t *hubTunnel) tryEnter() *objection {
	h := t.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.agents[t.name]
	if o := h.full(s); o != nil {
		return o
	}
	if s == nil {
		s = &station{name: t.name, memory: layers.NewMuxMemory(h.Limits.orDefault().Memory, h.Memory)}
		h.agents[t.name] = s
	}
	if o := t.beside(s); o != nil {
		return o
	}
	h.totals.Tunnels++
	t.id, t.since = h.totals.Tunnels, time.Now()
	if len(s.tunnels) == 0 {
		s.since = t.since
	}
	for _, o := range s.tunnels {
		t.supersede(o)
	}
	s.tunnels = append(s.tunnels, t)
	t.among = len(s.tunnels)
	h.change()
	return nil
}

// full says why there is no room for the agent. The hub's lock is held.
func (h *Hub) full(s *station) *objection {
	if h.closed {
		return &objection{reason: "the gateway is ending"}
	}
	if s != nil && len(s.tunnels) > 0 {
		return nil
	}
	connected := 0
	for _, other := range h.agents {
		if len(other.tunnels) > 0 {
			connected++
		}
	}
	if most := h.Limits.orDefault().Agents; connected >= most {
		return &objection{reason: fmt.Sprintf("%d agents are connected, which is the most this gateway takes", connected), after: kickedFor}
	}
	return nil
}

// beside says why t cannot be a tunnel beside the others of its agent. The hub's
// lock is held.
func (t *hubTunnel) beside(s *station) *objection {
	var others, all []*hubTunnel
	differ := false
	for _, o := range s.tunnels {
		if o.gone || o.draining || t.replaces(o) {
			continue
		}
		all = append(all, o)
		if o.hello.Instance != t.hello.Instance {
			others = append(others, o)
			differ = differ || !slices.Equal(o.services, t.services)
		}
	}
	if differ {
		return &objection{ask: true, others: others, after: kickedFor, reason: fmt.Sprintf(
			"another agent %s is connected from %s with other services: stop that one, give this one a name of its own, or have both announce the same", t.name, from(others[0].peer))}
	}
	if most := t.hub.Limits.orDefault().Connections; len(all) >= most {
		return &objection{ask: len(others) > 0, others: others, after: kickedFor, reason: fmt.Sprintf(
			"agent %s has %d tunnels already, which is the most it may have", t.name, len(all))}
	}
	return nil
}

// replaces reports whether t comes in the place of o.
func (t *hubTunnel) replaces(o *hubTunnel) bool {
	return !o.draining && o.hello.Instance == t.hello.Instance && o.hello.Index == t.hello.Index
}

// supersede does to an older tunnel what t's arrival means for it. The hub's
// lock is held.
func (t *hubTunnel) supersede(o *hubTunnel) {
	switch {
	case o.gone:
	case t.replaces(o):
		o.gone = true
		why := "the agent has connected anew"
		o.why.CompareAndSwap(nil, &why)
		t.work.Go(func() { _ = o.mux.Close() })
	case o.hello.Instance != t.hello.Instance && !o.draining:
		o.suspect = true
		t.work.Go(func() { o.alive() })
	}
}
