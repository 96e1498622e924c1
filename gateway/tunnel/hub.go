package tunnel

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"vncgate/layers"
)

// A Hub is the gateway's end of all tunnels. The zero value works. Its fields
// are not to be changed once it serves; its methods may be called at any time by
// anyone.
type Hub struct {
	// Limits of what agents may have.
	Limits Limits
	// Memory bounds what waits in all tunnels together; nil: 256 MiB.
	Memory *layers.MuxMemory
	// Mux is what multiplexers are made with; Memory and Streams are the hub's.
	Mux layers.MuxConfig
	// Software is what agents are told of us: "vncgate 1.0".
	Software string
	// Allow is asked before an agent is taken in; its error says why not: for
	// good if it is an *Unwanted, else for now. nil allows all that Peer does.
	Allow func(p Peer, services []string) error
	// Renew makes agents new certificates, in PEM; nil: the hub makes none.
	Renew Renewer
	// Until says until when the newest certificate of an agent is good, and the
	// zero time where none is known. A tunnel that was proved by a certificate ends
	// then; as long as Until fails it does not. nil: none but those that tunnels
	// have come with are known.
	Until func(ctx context.Context, agent string) (time.Time, error)
	// Observe is told what happens, possibly by several goroutines at once. It
	// must return soon.
	Observe func(Event)
	// Log gets what Observe has no words for; nil: nothing.
	Log *slog.Logger

	mu      sync.Mutex
	agents  map[string]*station
	changed chan struct{} // closed and made anew when a tunnel has come or gone
	closed  bool
	open    map[*Conn]struct{} // until their owners close them
	totals  Totals             // of streams that have ended, and the last numbers given
}

// station is one agent with its tunnels. All of it is under the hub's lock.
type station struct {
	name    string
	since   time.Time
	memory  *layers.MuxMemory // of tunnels whose certificate proves the name
	users   int               // tunnels that use it
	tunnels []*hubTunnel
}

// defaultMemory is that of a hub without another.
const defaultMemory = 256 << 20

// begin makes what the zero value lacks. The lock is held.
func (h *Hub) begin() {
	if h.agents == nil {
		h.agents, h.changed, h.open = map[string]*station{}, make(chan struct{}), map[*Conn]struct{}{}
	}
	if h.Memory == nil {
		h.Memory = layers.NewMuxMemory(defaultMemory, nil)
	}
}

// change wakes who waits for an agent. The lock is held.
func (h *Hub) change() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// Serve takes in the agent at the other end of c, which p describes, and returns
// when its tunnel has ended: nil if one of the ends has wanted it so, a *Refusal
// or *Unwanted if the agent has not been taken in, else the error that has ended
// it. c is closed then. The end of ctx ends the tunnel.
func (h *Hub) Serve(ctx context.Context, c net.Conn, p Peer) error {
	if p.From == nil {
		p.From = c.RemoteAddr()
	}
	memory, err := h.lendMemory(p.Name)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	defer h.returnMemory(p.Name)
	cfg := h.Mux
	cfg.Memory = memory
	cfg.Streams = 2 // its control stream, and one by which it shows that it does what it must not
	m, err := layers.NewMux(c, false, cfg)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	defer m.Close()
	t := &hubTunnel{hub: h, mux: m, peer: p, memory: memory, described: layers.Describe(c), conns: map[uint64]*Conn{}, dismissed: make(chan bye, 1), doubted: make(chan struct{}, 1)}
	if err := t.greet(ctx); err != nil {
		return err
	}
	if t.hello.Check {
		t.awaitEnd(ctx)
		return nil
	}
	defer h.remove(t)
	return t.run(ctx)
}

// maxGreeting is how many connections of one agent may be there without being
// taken in, having said nothing yet or having been refused.
const maxGreeting = 64

// lendMemory is what the tunnels of the agent share. An agent whose name is not
// proved has a share that is not shared.
func (h *Hub) lendMemory(name string) (*layers.MuxMemory, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begin()
	limit := h.Limits.orDefault().Memory
	if name == "" {
		return layers.NewMuxMemory(limit, h.Memory), nil
	}
	s := h.agents[name]
	if s == nil {
		s = &station{name: name, memory: layers.NewMuxMemory(limit, h.Memory)}
		h.agents[name] = s
	}
	if s.users-len(s.tunnels) >= maxGreeting {
		return nil, &Refusal{Reason: "the agent has too many connections that say nothing"}
	}
	s.users++
	return s.memory, nil
}

// returnMemory forgets an agent that nobody speaks for any more.
func (h *Hub) returnMemory(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.agents[name]; name != "" && s != nil {
		s.users--
		h.forget(s)
	}
}

// forget removes a station without tunnels. The lock is held.
func (h *Hub) forget(s *station) {
	if len(s.tunnels) == 0 && s.users <= 0 {
		delete(h.agents, s.name)
	}
}

// remove takes a tunnel that has ended out, and tells so.
func (h *Hub) remove(t *hubTunnel) {
	h.mu.Lock()
	s := h.agents[t.name]
	s.tunnels = slices.DeleteFunc(s.tunnels, func(other *hubTunnel) bool { return other == t })
	left := len(s.tunnels)
	h.forget(s)
	h.change()
	h.mu.Unlock()
	e := t.event(Lost)
	e.Tunnels, e.Reason = left, t.reason()
	h.tell(e)
}

func (h *Hub) tell(e Event) {
	if h.Observe != nil {
		e.Time = time.Now()
		h.Observe(e)
	}
}

func (h *Hub) debug(what string, args ...any) {
	if h.Log != nil {
		h.Log.Debug(what, args...)
	}
}

// Kick ends all tunnels of an agent, which may come again after a while, and
// returns how many those were.
func (h *Hub) Kick(agent, reason string) int {
	return h.dismiss(agent, bye{Reason: reason, Seconds: int(kickedFor / time.Second)})
}

// kickedFor is how long a kicked agent stays away.
const kickedFor = 10 * time.Second

// Revoke ends all tunnels of an agent and tells it never to come again. That it
// is not taken in if it does is for Allow to say.
func (h *Hub) Revoke(agent, reason string) int {
	return h.dismiss(agent, bye{Reason: reason, Never: true})
}

func (h *Hub) dismiss(agent string, b bye) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.agents[agent]
	if s == nil {
		return 0
	}
	for _, t := range s.tunnels {
		t.dismiss(b)
	}
	return len(s.tunnels)
}

// Drain tells all agents to connect anew, to whoever listens then, and returns
// at once. Streams go on in the old tunnels until they end; new ones are opened
// there only if no other tunnel of the agent is here.
func (h *Hub) Drain() {
	for _, t := range h.all() {
		t.drain("the gateway is being replaced")
	}
}

// all lists the tunnels.
func (h *Hub) all() []*hubTunnel {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*hubTunnel
	for _, s := range h.agents {
		all = append(all, s.tunnels...)
	}
	return all
}

// Services are what an agent announces now, sorted; nil: it is not connected.
func (h *Hub) Services(agent string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.agents[agent]
	if s == nil || len(s.tunnels) == 0 {
		return nil
	}
	return s.services()
}

// Close ends all tunnels and all waiting Dials, and takes in no more agents. It
// does not wait for the Serves.
func (h *Hub) Close() error {
	h.mu.Lock()
	h.begin()
	h.closed = true
	h.change()
	h.mu.Unlock()
	for _, t := range h.all() {
		t.dismiss(bye{Reason: "the gateway is ending"})
	}
	return nil
}

// Agents lists those that are connected, by name.
func (h *Hub) Agents() []AgentInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]AgentInfo, 0, len(h.agents))
	for _, s := range h.agents {
		if len(s.tunnels) > 0 {
			list = append(list, s.info())
		}
	}
	slices.SortFunc(list, func(a, b AgentInfo) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Totals are the figures of all streams there have been, open ones included.
func (h *Hub) Totals() Totals {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := h.totals
	for c := range h.open {
		sum.add(c)
	}
	return sum
}

// add adds the figures of a stream.
func (t *Totals) add(c *Conn) {
	in, out, _, waited := figures(c.MuxStream)
	t.In, t.Out, t.Waited = t.In+in, t.Out+out, t.Waited+waited
}

func (s *station) info() AgentInfo {
	info := AgentInfo{Name: s.name, Since: s.since}
	var memories []*layers.MuxMemory
	for _, t := range s.tunnels {
		if !slices.Contains(memories, t.memory) {
			memories = append(memories, t.memory)
			info.Memory += t.memory.Used()
		}
		info.Tunnels = append(info.Tunnels, t.info())
	}
	info.Services = s.services()
	return info
}

// services are what its tunnels announce, sorted. The hub's lock is held.
func (s *station) services() (names []string) {
	for _, t := range s.tunnels {
		names = append(names, t.services...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
