package tunnel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/gateway/tunnel"
	"vncgate/layers"
	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m) }

// patience is how long anything may take on a machine with much to do.
const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}

// gate is a hub with a way to reach it, and all it has told.
type gate struct {
	*tunnel.Hub
	t       testing.TB
	ctx     context.Context
	cancel  context.CancelFunc
	serving sync.WaitGroup

	mu      sync.Mutex
	events  []tunnel.Event
	results []error
	conns   []net.Conn // the gateway's ends, in the order they came
}

// anything is a peer that may be anyone and announce anything.
var anything = tunnel.Peer{Names: []string{"*"}, Services: []string{"*"}, Means: "unix"}

func newGate(t testing.TB, hub *tunnel.Hub) *gate {
	t.Helper()
	g := &gate{Hub: hub, t: t}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	hub.Observe = func(e tunnel.Event) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.events = append(g.events, e)
	}
	t.Cleanup(func() {
		_ = hub.Close()
		g.cancel()
		g.serving.Wait()
	})
	return g
}

// serve is a connection to the hub whose peer is p.
func (g *gate) serve(p tunnel.Peer) net.Conn {
	near, far := layertest.TCP(g.t)
	g.mu.Lock()
	g.conns = append(g.conns, far)
	g.mu.Unlock()
	g.serving.Go(func() {
		err := g.Serve(g.ctx, far, p)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.results = append(g.results, err)
	})
	return near
}

// first is the gateway's end of the first connection.
func (g *gate) first() net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conns[0]
}

func (g *gate) connect(p tunnel.Peer) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) { return g.serve(p), nil }
}

// last is the newest event of that kind.
func (g *gate) last(kind tunnel.EventKind) (tunnel.Event, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range slices.Backward(g.events) {
		if e.Kind == kind {
			return e, true
		}
	}
	return tunnel.Event{}, false
}

func (g *gate) count(kind tunnel.EventKind) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// await is the next event of that kind.
func (g *gate) await(kind tunnel.EventKind) tunnel.Event {
	g.t.Helper()
	var e tunnel.Event
	eventually(g.t, string(kind), func() (ok bool) { e, ok = g.last(kind); return ok })
	return e
}

func (g *gate) tunnels(agent string) []tunnel.TunnelInfo {
	for _, a := range g.Agents() {
		if a.Name == agent {
			return a.Tunnels
		}
	}
	return nil
}

// running is an agent that runs.
type running struct {
	*tunnel.Agent
	stop context.CancelFunc
	done chan struct{}
	err  error
}

var quick = tunnel.Backoff{First: time.Millisecond, Most: 5 * time.Millisecond}

func start(t testing.TB, a *tunnel.Agent) *running {
	t.Helper()
	if a.Backoff == (tunnel.Backoff{}) {
		a.Backoff = quick
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Agent: a, stop: cancel, done: make(chan struct{})}
	go func() { defer close(r.done); r.err = a.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-r.done })
	return r
}

// wait returns what Run has returned.
func (r *running) wait(t testing.TB) error {
	t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(patience):
		t.Fatal("the agent does not end")
		return nil
	}
}

// echo is a display that says what it is told.
func echo(name string) tunnel.Service {
	return tunnel.Service{Name: name, Dial: func(context.Context) (net.Conn, error) {
		near, far := layertest.Pipe()
		go func() {
			defer far.Close()
			if _, err := io.Copy(far, far); err == nil {
				_ = layers.CloseWrite(far)
				_, _ = io.Copy(io.Discard, far)
			}
		}()
		return near, nil
	}}
}

// exchange sends text and wants it back.
func exchange(t testing.TB, c net.Conn, text string) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, len(text))
	if _, err := io.ReadFull(c, back); err != nil || string(back) != text {
		t.Fatalf("came back: %q, %v", back, err)
	}
}

func dial(t testing.TB, g *gate, agent, service string) net.Conn {
	t.Helper()
	c, err := g.Dial(within(t), agent, service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSession(t *testing.T) {
	g := newGate(t, &tunnel.Hub{Software: "vncgate test"})
	a := start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("desk"), echo("second")}, Software: "vncgate agent test"})
	c := dial(t, g, "lab", "desk")
	exchange(t, c, "RFB 003.008\n")
	stream, ok := layers.As[*tunnel.Conn](c)
	if !ok || stream.Agent() != "lab" || stream.Service() != "desk" || c.RemoteAddr().String() != "lab/desk" || layers.Describe(c) != "mux" || stream.Stack() != "tcp" {
		t.Errorf("it is %v, %s", c.RemoteAddr(), layers.Describe(c))
	}
	list := g.Agents()
	if len(list) != 1 || !slices.Equal(list[0].Services, []string{"desk", "second"}) || len(list[0].Tunnels) != 1 {
		t.Fatalf("the agents: %+v", list)
	}
	tun := list[0].Tunnels[0]
	if tun.Software != "vncgate agent test" || tun.Means != "unix" || tun.Layers != "tcp" || len(tun.Streams) != 1 || tun.Streams[0].Service != "desk" || tun.Streams[0].In < 12 {
		t.Errorf("the tunnel: %+v", tun)
	}
	eventually(t, "the agent knows", func() bool {
		s := a.State()
		return s.Tunnels == 1 && s.Streams == 1 && s.Name == "lab" && s.Gateway == "vncgate test" && s.Err == nil
	})
	if err := layers.CloseWrite(c); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(c); err != nil || len(rest) != 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
	c.Close()
	if e := g.await(tunnel.ServiceClosed); e.Service != "desk" || e.Agent != "lab" || e.In < 12 || e.Stream != stream.ID() {
		t.Errorf("told: %+v", e)
	}
	if n := g.Totals(); n.Tunnels != 1 || n.Streams != 1 || n.In < 12 || n.Out < 12 {
		t.Errorf("in all: %+v", n)
	}
	eventually(t, "the agent's stream ends", func() bool { return a.State().Streams == 0 })
	a.stop()
	if err := a.wait(t); err != nil {
		t.Error(err)
	}
	if e := g.await(tunnel.Lost); e.Reason != "the agent is ending" || e.Tunnels != 0 {
		t.Errorf("told: %+v", e)
	}
	eventually(t, "Serve returns", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.results) == 1 })
	if g.results[0] != nil {
		t.Errorf("Serve returned %v", g.results[0])
	}
}

// Much goes through, and whole.
func TestBulk(t *testing.T) {
	g := newGate(t, &tunnel.Hub{})
	start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("desk")}})
	c := dial(t, g, "lab", "desk")
	const size = 4 << 20
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i ^ i>>8 ^ i>>16)
	}
	go func() { _, _ = c.Write(sent); _ = layers.CloseWrite(c) }()
	got, err := io.ReadAll(c)
	if err != nil || !slices.Equal(got, sent) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
}

func TestDialWaits(t *testing.T) {
	g := newGate(t, &tunnel.Hub{})
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := g.Dial(short, "lab", "desk"); !errors.Is(err, tunnel.ErrNoAgent) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody there: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		c, err := g.Dial(within(t), "lab", "desk")
		if err == nil {
			c.Close()
		}
		got <- err
	}()
	start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("desk")}})
	if err := <-got; err != nil {
		t.Error(err)
	}
	if _, err := g.Dial(within(t), "lab", "other"); !errors.Is(err, tunnel.ErrNoService) {
		t.Errorf("not announced: %v", err)
	}
	go func() {
		_, err := g.Dial(within(t), "elsewhere", "desk")
		got <- err
	}()
	_ = g.Close()
	if err := <-got; !errors.Is(err, tunnel.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestServiceUnreachable(t *testing.T) {
	g := newGate(t, &tunnel.Hub{})
	off := tunnel.Service{Name: "off", Dial: func(context.Context) (net.Conn, error) {
		return nil, errors.New("connection\nrefused\x1b[31m")
	}}
	a := start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{off}})
	_, err := g.Dial(within(t), "lab", "off")
	refused, ok := errors.AsType[*tunnel.ServiceError](err)
	if !ok || refused.Reason != "connection refused[31m" || refused.Agent != "lab" || refused.Service != "off" {
		t.Errorf("it is %v", err)
	}
	if e := g.await(tunnel.ServiceFailed); e.Service != "off" || e.Reason == "" {
		t.Errorf("told: %+v", e)
	}
	if s := a.State(); s.Tunnels != 1 || s.Streams != 0 {
		t.Errorf("the agent: %+v", s)
	}
}

// Streams end at once with their tunnel, and the agent comes again.
func TestLoss(t *testing.T) {
	g := newGate(t, &tunnel.Hub{})
	start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("desk")}})
	c := dial(t, g, "lab", "desk")
	exchange(t, c, "hello")
	_ = g.first().Close()
	_, err := c.Read(make([]byte, 1))
	lost, ok := errors.AsType[*tunnel.LostError](err)
	if !ok || !errors.Is(err, layers.ErrMuxLost) || lost.Agent != "lab" || lost.Reason == "" {
		t.Errorf("read: %v", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, layers.ErrMuxLost) {
		t.Errorf("write: %v", err)
	}
	c.Close()
	if e := g.await(tunnel.Lost); e.Reason == "" || strings.Contains(e.Reason, "layers:") {
		t.Errorf("told: %+v", e)
	}
	exchange(t, dial(t, g, "lab", "desk"), "again")
}

func TestKick(t *testing.T) {
	g := newGate(t, &tunnel.Hub{})
	a := start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("desk")}})
	c := dial(t, g, "lab", "desk")
	if n := g.Kick("nobody", "x"); n != 0 {
		t.Errorf("%d tunnels of nobody", n)
	}
	if n := g.Kick("lab", "maintenance"); n != 1 {
		t.Errorf("%d tunnels", n)
	}
	_, err := c.Read(make([]byte, 1))
	if lost, ok := errors.AsType[*tunnel.LostError](err); !ok || lost.Reason != "maintenance" {
		t.Errorf("read: %v", err)
	}
	if e := g.await(tunnel.Lost); e.Reason != "maintenance" {
		t.Errorf("told: %+v", e)
	}
	eventually(t, "the agent knows why", func() bool {
		refusal, ok := errors.AsType[*tunnel.Refusal](a.State().Err)
		return ok && refusal.Reason == "maintenance" && refusal.After > 0
	})
}

func TestRevoke(t *testing.T) {
	g := newGate(t, &tunnel.Hub{})
	a := start(t, &tunnel.Agent{Name: "lab", Connections: 2, Connect: g.connect(anything), Services: []tunnel.Service{echo("desk")}})
	eventually(t, "both are up", func() bool { return len(g.tunnels("lab")) == 2 })
	if n := g.Revoke("lab", "its disk was stolen"); n != 2 {
		t.Errorf("%d tunnels", n)
	}
	unwanted, ok := errors.AsType[*tunnel.Unwanted](a.wait(t))
	if !ok || unwanted.Reason != "its disk was stolen" {
		t.Errorf("Run returned %v", a.err)
	}
}

// An agent that is to connect anew does at once; sessions go on until they end.
func TestDrain(t *testing.T) {
	g := newGate(t, &tunnel.Hub{})
	a := start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{echo("desk")}})
	old := dial(t, g, "lab", "desk")
	exchange(t, old, "before")
	g.Drain()
	eventually(t, "two tunnels", func() bool { return len(g.tunnels("lab")) == 2 })
	g.Drain() // the older one is told once
	exchange(t, old, "meanwhile")
	eventually(t, "a third tunnel", func() bool { return a.State().Tunnels >= 2 && g.count(tunnel.Connected) == 3 })
	c := dial(t, g, "lab", "desk")
	exchange(t, c, "after")
	for _, tun := range g.tunnels("lab") {
		if !tun.Draining && len(tun.Streams) == 0 {
			t.Errorf("new streams go to an old tunnel: %+v", g.tunnels("lab"))
		}
	}
	old.Close()
	eventually(t, "the old ones end", func() bool { return len(g.tunnels("lab")) == 1 && a.State().Tunnels == 1 })
	exchange(t, c, "still")
}

func TestConnections(t *testing.T) {
	g := newGate(t, &tunnel.Hub{Limits: tunnel.Limits{Connections: 3}})
	a := start(t, &tunnel.Agent{Name: "lab", Connections: 8, Connect: g.connect(anything), Services: []tunnel.Service{echo("desk")}})
	eventually(t, "three are up", func() bool { return len(g.tunnels("lab")) == 3 })
	for range 6 {
		exchange(t, dial(t, g, "lab", "desk"), "x")
	}
	for _, tun := range g.tunnels("lab") {
		if len(tun.Streams) != 2 {
			t.Errorf("not spread: %+v", tun)
		}
	}
	if s := a.State(); s.Wanted != 3 || s.Tunnels != 3 || s.Err != nil {
		t.Errorf("the agent: %+v", s)
	}
	if n := g.count(tunnel.Refused); n != 0 {
		t.Errorf("%d refusals", n)
	}
}
