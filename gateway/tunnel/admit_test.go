package tunnel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/gateway/tunnel"
	"vncgate/layers"
	"vncgate/layers/layertest"
)

// cable is a connection whose cable can be pulled: neither end is told.
type cable struct {
	net.Conn
	pulled *atomic.Bool
}

func (c cable) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if !c.pulled.Load() {
			return n, err
		}
		if err != nil { // what the other end did to its socket does not arrive
			time.Sleep(time.Millisecond)
			if errors.Is(err, net.ErrClosed) {
				return 0, err
			}
		}
	}
}

func (c cable) Write(b []byte) (int, error) {
	if c.pulled.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// cabled serves the other end of a connection with a cable.
func (g *gate) cabled(pulled *atomic.Bool) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) {
		near, far := layertest.TCP(g.t)
		g.mu.Lock()
		g.conns = append(g.conns, near)
		g.mu.Unlock()
		c := cable{far, &atomic.Bool{}}
		if pulled != nil {
			c.pulled = pulled
		}
		g.serving.Go(func() { _ = g.Serve(g.ctx, c, anything) })
		return near, nil
	}
}

// An agent whose cable was pulled and put back is there at once, though the
// gateway has not noticed that its old tunnel is dead.
func TestCablePulled(t *testing.T) {
	g := newGate(t, &tunnel.Hub{})
	first, tries := &atomic.Bool{}, 0
	connect := func(ctx context.Context) (net.Conn, error) {
		tries++
		if tries == 1 {
			return g.cabled(first)(ctx)
		}
		return g.cabled(nil)(ctx)
	}
	start(t, &tunnel.Agent{Name: "lab", Connect: connect, Services: []tunnel.Service{echo("desk")}})
	old := dial(t, g, "lab", "desk")
	exchange(t, old, "before")
	first.Store(true)
	_ = g.first().Close() // the agent notices, the gateway does not
	_ = old.SetDeadline(time.Now().Add(patience))
	_, err := old.Read(make([]byte, 1))
	if lost, ok := errors.AsType[*tunnel.LostError](err); !ok || lost.Reason != "the agent has connected anew" {
		t.Errorf("the old session: %v", err)
	}
	exchange(t, dial(t, g, "lab", "desk"), "after")
	eventually(t, "one tunnel", func() bool { return len(g.tunnels("lab")) == 1 })
}

// The same for a machine that was started anew, or has another address.
func TestAnotherProcess(t *testing.T) {
	for name, services := range map[string][]tunnel.Service{
		"same services":  {echo("desk")},
		"other services": {echo("desk"), echo("more")},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, &tunnel.Hub{Limits: tunnel.Limits{Probe: 50 * time.Millisecond}})
			pulled := &atomic.Bool{}
			start(t, &tunnel.Agent{Name: "lab", Connect: g.cabled(pulled), Services: []tunnel.Service{echo("desk")}, Backoff: tunnel.Backoff{First: time.Hour, Most: time.Hour}})
			old := dial(t, g, "lab", "desk")
			exchange(t, old, "before")
			pulled.Store(true)
			start(t, &tunnel.Agent{Name: "lab", Connect: g.cabled(nil), Services: services})
			eventually(t, "the newer is there alone", func() bool {
				e, _ := g.last(tunnel.Lost)
				return len(g.tunnels("lab")) == 1 && strings.Contains(e.Reason, "connected from elsewhere")
			})
			exchange(t, dial(t, g, "lab", "desk"), "after")
			if _, err := old.Read(make([]byte, 1)); !errors.Is(err, layers.ErrMuxLost) {
				t.Errorf("the old session: %v", err)
			}
		})
	}
}

// Two that live serve together, if they announce the same.
func TestTwoAgents(t *testing.T) {
	g := newGate(t, &tunnel.Hub{})
	one := start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("desk"), echo("b")}})
	eventually(t, "the first", func() bool { return len(g.tunnels("lab")) == 1 })
	two := start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("b"), echo("desk")}})
	eventually(t, "both are known to live", func() bool { return len(g.tunnels("lab")) == 2 })
	third := start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("other")}})
	e := g.await(tunnel.Refused)
	if e.Agent != "lab" || !strings.Contains(e.Reason, "another agent lab is connected from ") {
		t.Errorf("told: %+v", e)
	}
	eventually(t, "the third knows why", func() bool {
		refusal, ok := errors.AsType[*tunnel.Refusal](third.State().Err)
		return ok && strings.Contains(refusal.Reason, "give this one a name of its own")
	})
	for range 2 { // the first has answered when the third was refused
		exchange(t, dial(t, g, "lab", "desk"), "x")
	}
	eventually(t, "each has one", func() bool { return one.State().Streams == 1 && two.State().Streams == 1 })
}

func TestLimits(t *testing.T) {
	g := newGate(t, &tunnel.Hub{Limits: tunnel.Limits{Agents: 1, Connections: 1, Services: 2, Streams: 2}})
	start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("desk")}})
	for range 2 {
		dial(t, g, "lab", "desk")
	}
	if _, err := g.Dial(within(t), "lab", "desk"); !errors.Is(err, layers.ErrMuxStreams) {
		t.Errorf("a stream too many: %v", err)
	}
	for want, a := range map[string]*tunnel.Agent{
		"1 agents are connected":                               {Name: "other", Services: []tunnel.Service{echo("desk")}},
		"has 1 tunnels already":                                {Name: "lab", Services: []tunnel.Service{echo("desk")}},
		"announces 3 services, this gateway allows an agent 2": {Name: "lab", Services: []tunnel.Service{echo("a"), echo("b"), echo("c")}},
		"it has no name, and nothing here proves one":          {Services: []tunnel.Service{echo("desk")}},
	} {
		a.Connect = g.connect(anything)
		r := start(t, a)
		eventually(t, want, func() bool { err := r.State().Err; return err != nil && strings.Contains(err.Error(), want) })
		r.stop()
		if err := r.wait(t); err != nil {
			t.Errorf("%s: Run returned %v", want, err)
		}
	}
}

// Who an agent is and what it may announce is not its own word where there is a
// proof.
func TestPeer(t *testing.T) {
	proved := tunnel.Peer{Name: "lab", Means: "certificate", Serial: "7f", Services: []string{"desk", "vm-*"}}
	for _, c := range []struct {
		peer     tunnel.Peer
		name     string
		services []string
		want     string // of the refusal; "": taken in as lab
	}{
		{proved, "", []string{"desk"}, ""},
		{proved, "lab", []string{"vm-1", "vm-2"}, ""},
		{proved, "boss", []string{"desk"}, "it calls itself boss, but its certificate says lab"},
		{proved, "", []string{"desk", "root"}, "agent lab may not announce the service root, only desk, vm-*"},
		{tunnel.Peer{Name: "lab"}, "", []string{"desk"}, "only none at all"},
		{tunnel.Peer{Names: []string{"la?"}, Services: []string{"*"}}, "lab", []string{"desk"}, ""},
		{tunnel.Peer{Names: []string{"x"}, Services: []string{"*"}}, "lab", []string{"desk"}, "no agent may call itself lab here"},
	} {
		g := newGate(t, &tunnel.Hub{})
		a := &tunnel.Agent{Name: c.name, Connect: g.connect(c.peer)}
		for _, s := range c.services {
			a.Services = append(a.Services, echo(s))
		}
		state, err := a.Check(within(t))
		switch {
		case c.want == "" && (err != nil || state.Name != "lab" || state.Wanted != 4):
			t.Errorf("%+v: %+v, %v", c, state, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: %v", c, err)
		}
		if len(g.Agents()) != 0 || g.count(tunnel.Connected) != 0 {
			t.Errorf("%+v: a check is not an agent", c)
		}
	}
}

func TestAllow(t *testing.T) {
	var never atomic.Bool
	hub := &tunnel.Hub{Allow: func(p tunnel.Peer, services []string) error {
		if p.Name != "lab" || len(services) != 1 {
			return &tunnel.Unwanted{Reason: "asked wrongly"}
		}
		if never.Load() {
			return &tunnel.Unwanted{Reason: "never more"}
		}
		return errors.New("not today")
	}}
	g := newGate(t, hub)
	a := start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("desk")}})
	eventually(t, "it is told", func() bool {
		refusal, ok := errors.AsType[*tunnel.Refusal](a.State().Err)
		return ok && refusal.Reason == "not today"
	})
	never.Store(true)
	if unwanted, ok := errors.AsType[*tunnel.Unwanted](a.wait(t)); !ok || unwanted.Reason != "never more" {
		t.Errorf("Run returned %v", a.err)
	}
}

func TestRenew(t *testing.T) {
	hub := &tunnel.Hub{Renew: func(_ context.Context, p tunnel.Peer, csr []byte) ([]byte, error) {
		if string(csr) == "bad" {
			return nil, errors.New("no such key")
		}
		return []byte(p.Name + p.Serial + string(csr)), nil
	}}
	g := newGate(t, hub)
	a := start(t, &tunnel.Agent{Connect: g.connect(tunnel.Peer{Name: "lab", Serial: "7f", Services: []string{"*"}}), Services: []tunnel.Service{echo("desk")}})
	if _, err := new(tunnel.Agent).Renew(within(t), nil); err == nil {
		t.Error("without a tunnel")
	}
	eventually(t, "it is up", func() bool { return a.State().Tunnels == 1 })
	for range 2 {
		if chain, err := a.Renew(within(t), []byte("csr")); err != nil || string(chain) != "lab7fcsr" {
			t.Errorf("renewed: %q, %v", chain, err)
		}
	}
	if _, err := a.Renew(within(t), []byte("bad")); err == nil || !strings.Contains(err.Error(), "no such key") {
		t.Errorf("refused: %v", err)
	}
}

// A display that ends its side alone, and one that is gone at once.
func TestEnds(t *testing.T) {
	speaks := func(text string) tunnel.Service {
		return tunnel.Service{Name: "desk", Dial: func(context.Context) (net.Conn, error) {
			near, far := layertest.Pipe()
			go func() { _, _ = io.WriteString(far, text); _ = far.Close() }()
			return near, nil
		}}
	}
	for _, text := range []string{"", "good bye"} {
		g := newGate(t, &tunnel.Hub{})
		a := start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{speaks(text)}})
		c := dial(t, g, "lab", "desk")
		_ = c.SetDeadline(time.Now().Add(patience))
		if got, err := io.ReadAll(c); err != nil || string(got) != text {
			t.Errorf("it says %q, %v", got, err)
		}
		c.Close()
		eventually(t, "the stream ends", func() bool { return a.State().Streams == 0 })
	}
}
