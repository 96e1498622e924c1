package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"vncgate/layers"
)

// worker keeps one of the parallel tunnels up.
type worker struct {
	agent   *Agent
	index   int
	backoff Backoff

	tries  int            // that have failed since a tunnel lasted
	old    []*agentTunnel // that the gateway wants replaced
	ending sync.WaitGroup
}

// maxOld is how many tunnels that are to be ended a worker keeps for the sake of
// their streams. A gateway is replaced now and then, not all the time.
const maxOld = 8

// run returns at ctx's end, or with the *Unwanted that it was told.
func (w *worker) run(ctx context.Context) error {
	defer w.ending.Wait()
	for w.agent.called(ctx, w.index) {
		started := time.Now()
		err := w.once(ctx)
		if unwanted, ok := errors.AsType[*Unwanted](err); ok {
			return unwanted
		}
		lasted := time.Since(started) >= w.backoff.settled()
		if lasted {
			w.tries = 0
		}
		if errors.Is(err, errReplaced) && lasted {
			continue
		}
		if !w.rest(ctx, err) {
			break
		}
	}
	return nil
}

// once connects, and serves until the tunnel ends or is to be replaced
// (errReplaced).
func (w *worker) once(ctx context.Context) error {
	a := w.agent
	t, err := a.connect(ctx, a.hello(w.index, a.instance))
	if err != nil {
		if ctx.Err() == nil {
			a.failed(err)
		}
		return err
	}
	a.log().Info("connected to the gateway", "gateway", words(t.welcome.Software), "as", words(t.welcome.Agent), "tunnel", w.index+1, "via", t.described)
	a.enter(t)
	ended := make(chan error, 1)
	w.ending.Go(func() { ended <- t.run(ctx) })
	w.retire()
	select {
	case err = <-ended:
		return err
	case <-t.replaced:
		a.log().Info("the gateway wants us to connect anew; sessions go on in the old connection", "tunnel", w.index+1)
		w.old = append(w.old, t)
		return errReplaced
	}
}

// errReplaced says that a tunnel goes on for the sake of its streams only.
var errReplaced = errors.New("tunnel: replaced")

// retire has old tunnels end with their streams, now that there is another.
func (w *worker) retire() {
	w.old = slices.DeleteFunc(w.old, func(t *agentTunnel) bool { return t.mux.Err() != nil })
	for _, t := range w.old {
		t.retire()
	}
	for len(w.old) > maxOld {
		w.old[0].finish(&Refusal{Reason: "it has been replaced again and again"})
		w.old = w.old[1:]
	}
}

// rest waits before the next try, and is false at ctx's end.
func (w *worker) rest(ctx context.Context, why error) bool {
	if ctx.Err() != nil {
		return false
	}
	wait := w.backoff.wait(w.tries)
	w.tries++
	if refusal, ok := errors.AsType[*Refusal](why); ok {
		wait = max(wait, refusal.After+wait/2)
	}
	if !errors.Is(why, errReplaced) {
		w.agent.log().Warn("not connected to the gateway", "error", why, "tunnel", w.index+1, "again_in", wait.Round(time.Millisecond))
	}
	return pause(ctx, wait)
}

// connect makes a tunnel and says hello through it.
func (a *Agent) connect(ctx context.Context, said *hello) (*agentTunnel, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectPatience, errors.New("tunnel: the gateway has not been reached in time"))
	defer cancel()
	c, err := a.Connect(ctx)
	if err != nil {
		return nil, err
	}
	cfg := a.Mux
	cfg.Streams = a.streamLimit()
	m, err := layers.NewMux(c, true, cfg)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	t := &agentTunnel{agent: a, mux: m, described: layers.Describe(c), replaced: make(chan struct{}), renewals: make(chan renewed, 1)}
	if err := t.greet(ctx, said); err != nil {
		_ = m.Close()
		return nil, err
	}
	return t, nil
}

// greet says hello and takes the answer.
func (t *agentTunnel) greet(ctx context.Context, said *hello) error {
	ctx, cancel := context.WithTimeoutCause(ctx, helloPatience+2*probePatience, errors.New("the gateway has not answered in time"))
	defer cancel()
	stream, err := t.mux.Open(ctx)
	if err != nil {
		return greetError(err)
	}
	var m message
	err = layers.Interrupt(ctx, stream, func() error {
		if err := writeMessage(stream, message{Hello: said}, maxControl); err != nil {
			return err
		}
		return readMessage(stream, maxControl, &m)
	})
	switch {
	case err != nil:
		return greetError(err)
	case m.Refused != nil:
		return m.Refused.err()
	case m.Welcome == nil:
		return greetError(errors.New("its first message is no welcome"))
	case m.Welcome.Protocol < oldestProtocol || m.Welcome.Protocol > newestProtocol:
		return greetError(fmt.Errorf("it wants version %d of the protocol, which was not offered", m.Welcome.Protocol))
	}
	t.welcome, t.control = *m.Welcome, newControl(stream)
	return nil
}

// greetError says what it means that there is no answer. In TLS 1.3 the server
// says only after the handshake what it thinks of a client's certificate.
func greetError(err error) error {
	if strings.Contains(err.Error(), "remote error: tls: ") { // its type is crypto/tls's own
		return fmt.Errorf("tunnel: the gateway does not take our certificate, which is revoked, too old, or of another authority: %w", err)
	}
	return fmt.Errorf("tunnel: the gateway has not answered our hello (is it a gateway of vncgate that takes agents?): %w", err)
}

// dialService reaches a service.
func (a *Agent) dialService(ctx context.Context, name string) (net.Conn, error) {
	for _, s := range a.Services {
		if s.Name == name {
			ctx, cancel := context.WithTimeout(ctx, dialPatience)
			defer cancel()
			return s.Dial(ctx)
		}
	}
	return nil, errNotOurs
}

// errNotOurs says that the gateway asks for what was not announced.
var errNotOurs = errors.New("the agent has no service of that name")
