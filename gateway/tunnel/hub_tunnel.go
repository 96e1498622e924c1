package tunnel

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vncgate/layers"
)

// hubTunnel is one tunnel at the gateway's end.
type hubTunnel struct {
	hub       *Hub
	mux       *layers.Mux
	peer      Peer
	described string
	control   *control
	dismissed chan bye
	doubted   chan struct{} // what the certificate was renewed to may have been revoked
	probes    prober
	renewing  atomic.Bool
	memory    *layers.MuxMemory
	work      sync.WaitGroup // what Serve waits for beside run's own

	// Set by the greeting.
	id       uint64
	name     string
	hello    hello
	services []string // sorted
	since    time.Time
	among    int // tunnels of its agent, itself included, when it was taken in

	// Under the hub's lock.
	draining bool
	suspect  bool // it has not answered yet since another instance has come
	gone     bool // it has been dismissed or replaced
	opening  int
	conns    map[uint64]*Conn
	in, out  int64 // of streams that have ended

	why atomic.Pointer[string] // how it has ended; the first that says so
}

// end ends the tunnel, and with it its streams.
func (t *hubTunnel) end(reason string) {
	t.why.CompareAndSwap(nil, &reason)
	_ = t.mux.Close()
}

// reason is how it has ended.
func (t *hubTunnel) reason() string {
	if why := t.why.Load(); why != nil {
		return *why
	}
	switch err := t.mux.Err(); {
	case err == nil:
		return "closed"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection was cut"
	default:
		return strings.TrimPrefix(words(err.Error()), layers.ErrMuxLost.Error()+": ")
	}
}

func (t *hubTunnel) lost() error { return &LostError{Agent: t.name, Reason: t.reason()} }

// event is one about the tunnel.
func (t *hubTunnel) event(kind EventKind) Event {
	return Event{Kind: kind, Agent: t.name, Means: t.peer.Means, Serial: t.peer.Serial, Issued: t.peer.Issued, From: from(t.peer), Software: words(t.hello.Software), Tunnel: t.id}
}

func from(p Peer) string {
	if p.From == nil {
		return ""
	}
	if text := p.From.String(); text != "@" && text != "" {
		return text
	}
	return p.From.Network() // an unnamed unix socket
}

// run serves the tunnel until its end.
func (t *hubTunnel) run(ctx context.Context) error {
	var ends sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends.Go(func() {
		if err := t.control.write(t.mux.Done()); err != nil {
			t.end("the agent does not take what it is told: " + words(err.Error()))
		}
	})
	ends.Go(func() { t.listen(ctx) })
	ends.Go(t.refuseStrays)
	ends.Go(func() { t.expire(ctx) })
	select {
	case <-t.mux.Done():
	case b := <-t.dismissed:
		t.farewell(b)
	case <-ctx.Done():
		t.farewell(bye{Reason: "the gateway is ending"})
	}
	_ = t.mux.Close()
	cancel()
	ends.Wait()
	t.work.Wait()
	if t.why.Load() != nil {
		return t.outcome()
	}
	return t.lost()
}

// outcome is what Serve returns for an end that somebody has given a reason for.
func (t *hubTunnel) outcome() error {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	if t.gone {
		return nil
	}
	return t.lost()
}

// farewell tells the agent and gives it a moment to end the tunnel itself.
func (t *hubTunnel) farewell(b bye) {
	t.leave()
	t.why.CompareAndSwap(nil, &b.Reason)
	if t.control.tell(message{Bye: &b}) {
		patience := time.NewTimer(farewellPatience)
		defer patience.Stop()
		select {
		case <-t.mux.Done():
		case <-patience.C:
		}
	}
}

// leave has nothing more opened in t.
func (t *hubTunnel) leave() {
	t.hub.mu.Lock()
	t.gone = true
	t.hub.mu.Unlock()
}

// dismiss has run end the tunnel. The hub's lock is held, or not.
func (t *hubTunnel) dismiss(b bye) {
	select {
	case t.dismissed <- b:
	default: // it has been told already
	}
}

// drain tells the agent to connect anew.
func (t *hubTunnel) drain(reason string) {
	t.hub.mu.Lock()
	already := t.draining
	t.draining = true
	t.hub.mu.Unlock()
	if already {
		return
	}
	t.say(message{Drain: &notice{Reason: reason}})
	e := t.event(Drained)
	e.Reason = reason
	t.hub.tell(e)
}

// say ends the tunnel if the agent has stopped listening.
func (t *hubTunnel) say(m message) {
	if !t.control.tell(m) {
		t.end("the agent does not take what it is told")
	}
}

// listen does what the agent says, until it says something it must not.
func (t *hubTunnel) listen(ctx context.Context) {
	for {
		m, err := t.control.read()
		switch {
		case errors.Is(err, layers.ErrMuxLost):
			return
		case err == io.EOF:
			t.end("the agent has ended its control stream")
			return
		case err != nil:
			t.end(words(err.Error()))
			return
		case m.Bye != nil:
			t.leave()
			t.end(wordsOr(m.Bye.Reason, "the agent has ended it"))
			return
		case m.Pong != nil:
			t.answered(*m.Pong)
		case m.Renew != nil:
			if !t.renewing.CompareAndSwap(false, true) {
				t.end("the agent asks for a second certificate before it has the first")
				return
			}
			t.work.Go(func() { t.renew(ctx, m.Renew.CSR) })
		case m.Hello != nil:
			t.end("the agent says hello twice")
			return
		}
	}
}

// renew asks for a certificate, one at a time.
func (t *hubTunnel) renew(ctx context.Context, csr []byte) {
	var answer renewed
	if t.hub.Renew == nil {
		answer.Reason = "this gateway renews no certificates"
	} else {
		ctx, cancel := context.WithTimeout(ctx, helloPatience)
		defer cancel()
		p := t.peer
		p.Name = t.name
		chain, err := t.hub.Renew(ctx, p, csr)
		answer.Chain = chain
		if err != nil {
			answer.Reason = words(err.Error())
		}
	}
	t.renewing.Store(false) // before the agent has the answer, and may ask again
	t.say(message{Renewed: &answer})
}

// refuseStrays ends a tunnel whose agent opens streams: only we do.
func (t *hubTunnel) refuseStrays() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stray, err := t.mux.Accept(ctx)
	if err == nil {
		t.end("the agent opens a stream, which only the gateway may")
		_ = stray.Close()
	}
}

// info is what is known of the tunnel. The hub's lock is held.
func (t *hubTunnel) info() TunnelInfo {
	info := TunnelInfo{
		ID: t.id, Since: t.since, From: from(t.peer), Means: t.peer.Means, Serial: t.peer.Serial, Issued: t.peer.Issued,
		Software: words(t.hello.Software), Layers: t.described, Draining: t.draining, RoundTrip: t.mux.RoundTrip(),
		In: t.in, Out: t.out, Streams: make([]StreamInfo, 0, len(t.conns)),
	}
	for _, c := range t.conns {
		s := c.Info()
		info.In, info.Out = info.In+s.In, info.Out+s.Out
		info.Streams = append(info.Streams, s)
	}
	slices.SortFunc(info.Streams, func(a, b StreamInfo) int { return int(a.ID) - int(b.ID) })
	return info
}
