package tunnel

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"vncgate/layers"
)

// agentTunnel is one tunnel at the agent's end.
type agentTunnel struct {
	agent     *Agent
	mux       *layers.Mux
	described string
	control   *control
	welcome   welcome
	replaced  chan struct{} // closed when the gateway wants another in its place
	renewing  sync.Mutex
	renewals  chan renewed

	mu       sync.Mutex
	active   int
	retired  bool // it ends with its last stream
	draining bool

	why atomic.Pointer[error] // how it has ended; the first that says so
}

// finish ends the tunnel and all its streams.
func (t *agentTunnel) finish(why error) {
	t.why.CompareAndSwap(nil, &why)
	_ = t.mux.Close()
}

// run serves the tunnel until it ends, and says why. At ctx's end the gateway is
// told.
func (t *agentTunnel) run(ctx context.Context) error {
	var parts sync.WaitGroup
	streams, cancel := context.WithCancel(ctx)
	parts.Go(func() {
		if err := t.control.write(t.mux.Done()); err != nil {
			t.finish(err)
		}
	})
	parts.Go(t.listen)
	parts.Go(func() { t.accept(streams) })
	select {
	case <-t.mux.Done():
	case <-ctx.Done():
		t.farewell("the agent is ending")
	}
	_ = t.mux.Close()
	cancel()
	parts.Wait()
	err := t.reason()
	t.agent.leave(t, err)
	return err
}

func (t *agentTunnel) reason() error {
	if why := t.why.Load(); why != nil {
		return *why
	}
	if err := t.mux.Err(); err != nil {
		return err
	}
	return layers.ErrMuxLost
}

// farewell tells the gateway, which ends the tunnel, and gives it a moment.
func (t *agentTunnel) farewell(reason string) {
	if !t.control.tell(message{Bye: &bye{Reason: reason}}) {
		return
	}
	patience := time.NewTimer(farewellPatience)
	defer patience.Stop()
	select {
	case <-t.mux.Done():
	case <-patience.C:
	}
}

// listen does what the gateway says.
func (t *agentTunnel) listen() {
	for {
		m, err := t.control.read()
		switch {
		case errors.Is(err, layers.ErrMuxLost):
			return
		case err == io.EOF:
			t.finish(errors.New("tunnel: the gateway has ended its control stream"))
			return
		case err != nil:
			t.finish(err)
			return
		case m.Bye != nil:
			t.finish(m.Bye.err())
			return
		case m.Ping != nil:
			if !t.control.tell(message{Pong: m.Ping}) {
				t.finish(errors.New("tunnel: the gateway does not take our answers"))
				return
			}
		case m.Drain != nil:
			t.drain()
		case m.Renewed != nil:
			select {
			case t.renewals <- *m.Renewed:
			default: // nobody has asked
			}
		}
	}
}

// drain has the worker make another tunnel.
func (t *agentTunnel) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.draining {
		t.draining = true
		close(t.replaced)
	}
}

// retire has the tunnel end with its last stream.
func (t *agentTunnel) retire() {
	t.mu.Lock()
	already := t.retired
	t.retired = true
	done := t.active == 0
	t.mu.Unlock()
	if done && !already {
		t.control.tell(message{Bye: &bye{Reason: retiredReason}})
	}
}

// retiredReason is what a gateway is told of the end of a tunnel that it wanted
// replaced.
const retiredReason = "it has been replaced, and its last session has ended"

// enter counts a stream, and is false when there are too many.
func (t *agentTunnel) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active >= t.agent.streamLimit() {
		return false
	}
	t.active++
	return true
}

// leave uncounts it.
func (t *agentTunnel) leave() {
	t.mu.Lock()
	t.active--
	done := t.retired && t.active == 0
	t.mu.Unlock()
	if done {
		t.control.tell(message{Bye: &bye{Reason: retiredReason}})
	}
}

// accept serves the streams, until there are no more. It returns when all of
// them have ended.
func (t *agentTunnel) accept(ctx context.Context) {
	var streams sync.WaitGroup
	defer streams.Wait()
	for {
		s, err := t.mux.Accept(ctx)
		if err != nil {
			return
		}
		streams.Go(func() {
			defer s.Close()
			t.serve(ctx, s)
		})
	}
}

// renew asks for a certificate, once at a time.
func (t *agentTunnel) renew(ctx context.Context, csr []byte) ([]byte, error) {
	t.renewing.Lock()
	defer t.renewing.Unlock()
	select {
	case <-t.renewals: // of one that was given up
	default:
	}
	if !t.control.tell(message{Renew: &renew{CSR: csr}}) {
		return nil, errors.New("tunnel: renew: the gateway does not take it")
	}
	select {
	case r := <-t.renewals:
		if r.Reason != "" {
			return nil, errors.New("tunnel: renew: the gateway says: " + words(r.Reason))
		}
		return r.Chain, nil
	case <-t.mux.Done():
		return nil, t.reason()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
