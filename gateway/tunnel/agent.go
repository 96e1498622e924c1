package tunnel

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"vncgate/layers"
)

// An Agent keeps tunnels to a gateway and serves what is asked for through them.
// Its fields are not to be changed once it runs.
type Agent struct {
	// Name is what it calls itself; "" is what its certificate says.
	Name string
	// Connect reaches the gateway: all that is below the tunnel, TLS included.
	Connect func(ctx context.Context) (net.Conn, error)
	// Services are what the gateway may ask for, and nothing else is served.
	Services []Service
	// Connections is how many tunnels there are in parallel; 0 is 1. The gateway
	// may want fewer.
	Connections int
	// Software is what the gateway is told of us: "vncgate 1.0".
	Software string
	// Streams is how many the gateway may have open in one tunnel; 0 is 1000.
	Streams int
	// Mux is what multiplexers are made with; its Streams is the agent's.
	Mux layers.MuxConfig
	// Backoff says how long to wait between tries to connect.
	Backoff Backoff
	// Observe is told how things are whenever that changes, one call at a time.
	// It must return soon.
	Observe func(State)
	// Log gets what happens, in words; nil: nothing.
	Log *slog.Logger

	mu       sync.Mutex
	instance string
	tunnels  []*agentTunnel
	wanted   int           // tunnels, as the gateway has it; 0: not known
	changed  chan struct{} // closed and made anew when wanted changes
	streams  int
	last     error // that has ended a tunnel or a try
	telling  sync.Mutex
}

// State is how an Agent is.
type State struct {
	Name    string // under which the gateway knows it
	Gateway string // what the gateway says it is
	Tunnels int    // that are up, those to be ended included
	Wanted  int    // that should be
	Streams int    // open now
	Err     error  // why the last tunnel has ended, or the last try has failed; nil while all are up
}

// Run keeps the tunnels up until ctx ends, which is an end as it should be and no
// error, or until the gateway says that the agent is not wanted (*Unwanted). The
// streams have ended when it returns.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.begin(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for i := range max(a.Connections, 1) {
		workers.Go(func() {
			w := worker{agent: a, index: i, backoff: a.Backoff.orDefault()}
			if err := w.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	workers.Wait()
	if unwanted, ok := errors.AsType[*Unwanted](context.Cause(ctx)); ok {
		return unwanted
	}
	return nil
}

// begin checks what the agent is made of.
func (a *Agent) begin() error {
	if a.Connect == nil {
		return errors.New("tunnel: an agent needs a way to connect")
	}
	instance := rand.Text()
	said := a.hello(0, instance)
	if err := said.check(); err != nil {
		return fmt.Errorf("tunnel: agent: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.instance != "" {
		return errors.New("tunnel: an agent runs once")
	}
	a.instance, a.changed = instance, make(chan struct{})
	return nil
}

func (a *Agent) hello(index int, instance string) *hello {
	h := &hello{Protocol: newestProtocol, Oldest: oldestProtocol, Agent: a.Name, Instance: instance, Index: index, Software: a.Software}
	for _, s := range a.Services {
		h.Services = append(h.Services, service{Name: s.Name})
	}
	return h
}

// Check connects, has the gateway say whether it would take the agent in, and
// returns under which name. The error is that of Connect, a *Refusal or an
// *Unwanted.
func (a *Agent) Check(ctx context.Context) (State, error) {
	said := a.hello(0, rand.Text())
	said.Check = true
	if err := said.check(); err != nil {
		return State{}, fmt.Errorf("tunnel: agent: %w", err)
	}
	t, err := a.connect(ctx, said)
	if err != nil {
		return State{}, err
	}
	_ = t.mux.Close()
	return State{Name: t.welcome.Agent, Gateway: t.welcome.Software, Wanted: t.welcome.Tunnels}, nil
}

// Renew asks the gateway through a tunnel that is up for a new certificate, and
// returns the chain in PEM.
func (a *Agent) Renew(ctx context.Context, csr []byte) (chain []byte, err error) {
	a.mu.Lock()
	tunnels := slices.Clone(a.tunnels)
	a.mu.Unlock()
	if len(tunnels) == 0 {
		return nil, errors.New("tunnel: renew: no tunnel is up")
	}
	return tunnels[len(tunnels)-1].renew(ctx, csr)
}

// State is how the agent is now.
func (a *Agent) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := State{Name: a.Name, Tunnels: len(a.tunnels), Wanted: max(a.Connections, 1), Streams: a.streams}
	if a.wanted > 0 {
		s.Wanted = min(s.Wanted, a.wanted)
	}
	if n := len(a.tunnels); n > 0 {
		s.Name, s.Gateway = a.tunnels[n-1].welcome.Agent, words(a.tunnels[n-1].welcome.Software)
	}
	if s.Tunnels < s.Wanted {
		s.Err = a.last
	}
	return s
}

// tell tells the observer.
func (a *Agent) tell() {
	if a.Observe == nil {
		return
	}
	a.telling.Lock()
	defer a.telling.Unlock()
	a.Observe(a.State())
}

// enter counts a tunnel that is up.
func (a *Agent) enter(t *agentTunnel) {
	a.mu.Lock()
	a.tunnels = append(a.tunnels, t)
	if a.wanted != t.welcome.Tunnels {
		a.wanted = t.welcome.Tunnels
		close(a.changed)
		a.changed = make(chan struct{})
	}
	a.mu.Unlock()
	a.tell()
}

// leave takes a tunnel that has ended out.
func (a *Agent) leave(t *agentTunnel, why error) {
	a.mu.Lock()
	a.tunnels = slices.DeleteFunc(a.tunnels, func(other *agentTunnel) bool { return other == t })
	a.last = why
	a.mu.Unlock()
	a.tell()
}

// failed notes a try that has come to nothing.
func (a *Agent) failed(why error) {
	a.mu.Lock()
	a.last = why
	a.mu.Unlock()
	a.tell()
}

// count counts streams.
func (a *Agent) count(by int) {
	a.mu.Lock()
	a.streams += by
	a.mu.Unlock()
	a.tell()
}

// called returns when the gateway wants tunnel number index, or false at ctx's
// end. The first is wanted always.
func (a *Agent) called(ctx context.Context, index int) bool {
	for {
		a.mu.Lock()
		wanted, changed := index == 0 || index < a.wanted, a.changed
		a.mu.Unlock()
		if wanted {
			return ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (a *Agent) streamLimit() int {
	if a.Streams <= 0 {
		return maxStreams
	}
	return a.Streams
}

// maxStreams is an agent's, if nothing else is said.
const maxStreams = 1000

func (a *Agent) log() *slog.Logger {
	if a.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return a.Log
}

// connectPatience bounds a try to connect.
const connectPatience = 30 * time.Second
