package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/gateway/cluster"
	"vncgate/gateway/tunnel"
	"vncgate/layers"
)

// How long a display's agent is waited for by those who do not wait for the
// display: agents come again within a moment, and all at once after a start.
const (
	agentMoment = 2 * time.Second
	agentStart  = 10 * time.Second
)

// agentFarewell is how long agents have, at the end, to leave by themselves.
const agentFarewell = 3 * time.Second

// agentHouse is where agents come in, and by which their displays are reached.
type agentHouse struct {
	w     *wiring
	hub   *tunnel.Hub
	trust *agentTrust // nil: they come by unix sockets alone
	local []string    // what agents on those may call themselves
	born  time.Time

	ctx     context.Context // ends with the house
	stop    context.CancelFunc
	running sync.WaitGroup

	drained atomic.Bool // another process takes the agents in
	placing sync.Mutex

	mu        sync.Mutex
	listeners []net.Listener
	halfOpen  []net.Conn     // have not proved who they are; oldest first
	quiet     rate.Sometimes // of refusals, in the log
}

// openAgents makes what takes agents in, nil where nobody does.
func (w *wiring) openAgents(ctx context.Context) error {
	cfg := w.cfg.Agents
	if cfg == nil {
		return nil
	}
	h := &agentHouse{w: w, local: cfg.Local, born: time.Now(), quiet: rate.Sometimes{First: 10, Interval: time.Second}}
	h.ctx, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	h.hub = &tunnel.Hub{
		Limits: tunnel.Limits{Connections: cfg.connections(), Streams: cfg.streams(), Memory: cfg.perAgent()},
		Memory: layers.NewMuxMemory(cfg.memory(), nil), Software: "vncgate " + versionText(),
		Allow: h.allow, Observe: h.observe, Log: w.log,
	}
	if cfg.Certificates != "" {
		trust, err := w.openAgentTrust(ctx, h)
		if err != nil {
			h.stop()
			return fmt.Errorf("agents: %w", err)
		}
		h.trust = trust
		h.hub.Renew, h.hub.Until = trust.enrol.Enroller.Renew, trust.registry.Until
	}
	w.agents, w.agentHere = h, h.hub.Dial
	return nil
}

// close ends all tunnels, whose agents are told, and takes in no more.
func (h *agentHouse) close() {
	if h == nil {
		return
	}
	_ = h.hub.Close()
	h.mu.Lock()
	for _, ln := range h.listeners {
		_ = ln.Close()
	}
	for _, c := range h.halfOpen {
		_ = c.Close()
	}
	h.mu.Unlock()
	defer time.AfterFunc(agentFarewell, h.stop).Stop() // those that never say who they are are not told
	h.running.Wait()
	h.stop()
	h.trust.close()
}

// drain has the agents connect anew, to a process that has taken over.
func (h *agentHouse) drain() {
	if h != nil {
		h.drained.Store(true)
		h.hub.Drain()
	}
}

// dial reaches a service of an agent. The agent is waited for a moment, and for
// longer after a start unless whoever dials tries again anyway.
func (h *agentHouse) dial(ctx context.Context, agent, service string, again bool) (net.Conn, error) {
	if h == nil { // a look at the configuration alone
		return nil, fmt.Errorf("%w: %s", gateway.ErrNoAgent, agent)
	}
	patience := agentMoment
	if !again {
		patience = max(patience, time.Until(h.born.Add(agentStart)))
	}
	moment, cancel := context.WithTimeout(ctx, patience)
	err := h.await(moment, agent)
	cancel()
	var c net.Conn
	if err == nil {
		c, err = h.w.dialAgent(ctx, h.hub.Dial, agent, service)
	}
	if errors.Is(err, tunnel.ErrNoAgent) {
		return nil, fmt.Errorf("%w: %w", gateway.ErrNoAgent, err)
	}
	return c, err
}

// whereEvery is how often the other gateways are asked where an agent is.
const whereEvery = 250 * time.Millisecond

// await returns once an agent is connected here, or to a gateway that we reach.
func (h *agentHouse) await(ctx context.Context, agent string) error {
	c := h.w.cluster
	if c == nil || c.hops == nil {
		return h.hub.Await(ctx, agent)
	}
	for {
		nodes, _ := c.Where(ctx, agent)
		if slices.ContainsFunc(nodes, func(n cluster.Node) bool { return !n.Self }) {
			return nil
		}
		moment, cancel := context.WithTimeout(ctx, whereEvery)
		err := h.hub.Await(moment, agent)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, tunnel.ErrNoAgent) {
			return err
		}
	}
}

// announced are the names of the displays that agents announce.
func (h *agentHouse) announced() (names []string) {
	if h == nil {
		return nil
	}
	for _, a := range h.hub.Agents() {
		for _, s := range a.Services {
			names = append(names, agentPrefix+a.Name+"/"+s)
		}
	}
	return names
}

// agentDisplays are the displays that agents announce, as targets. Each is made
// once, so that those who wait for it do so together.
type agentDisplays struct {
	p *template

	mu sync.Mutex
	of map[string]*gateway.Target
}

// maxAgentDisplays bounds those that are kept: names are the viewers' to make up.
const maxAgentDisplays = 1024

// openAgentDisplays wires the settings that all of them have.
func (w *wiring) openAgentDisplays(cfg *config) (*agentDisplays, error) {
	if cfg.Agents == nil {
		return nil, nil
	}
	var settings targetConfig
	if cfg.Agents.Display != nil {
		settings = *cfg.Agents.Display
	}
	p, err := w.template(settings)
	if err != nil {
		return nil, fmt.Errorf("agents: display: %w", err)
	}
	return &agentDisplays{p: p, of: map[string]*gateway.Target{}}, nil
}

// target is that of agent/NAME/SERVICE.
func (d *agentDisplays) target(name string) (*gateway.Target, error) {
	agent, service, ok := agentTarget(name)
	if d == nil || !ok {
		return nil, fmt.Errorf("%w: %q", gateway.ErrNoTarget, name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.of[name]; t != nil {
		return t, nil
	}
	p := *d.p
	p.t.Agent = agent + "/" + service
	t, err := p.build(name)
	if err != nil {
		return nil, err
	}
	if len(d.of) >= maxAgentDisplays {
		clear(d.of)
	}
	d.of[name] = t
	return t, nil
}

// reachAgent has g reached through the agent's tunnel.
func (p *template) reachAgent(g *gateway.Target) {
	agent, service, _ := agentService(p.t.Agent)
	again := p.t.Retry > 0
	g.Agent = agent
	g.Dial = func(ctx context.Context) (net.Conn, error) { return p.w.agents.dial(ctx, agent, service, again) }
}

// knowsDisplay reports whether a name is that of a target of the configuration, or
// of what an agent announces now, be it at another of several gateways.
func (w *wiring) knowsDisplay(ctx context.Context, name string) bool {
	if _, ok := w.now().cfg.Targets[name]; ok {
		return true
	}
	return slices.Contains(w.agents.announced(), name) || w.announcedElsewhere(ctx, name)
}

// onlyNamed reports whether a display is for nobody but the bearers of a link that
// names it: what agents announce, where no policy says who may see it. Whoever lets
// everybody see the displays of the configuration has not known of those to come.
func (w *wiring) onlyNamed(name string) bool {
	now := w.now()
	if _, configured := now.cfg.Targets[name]; configured || now.agentDisplays == nil || !strings.HasPrefix(name, agentPrefix) {
		return false
	}
	return now.rules.now() == nil
}

// mayReach decides about such a display.
func mayReach(req auth.Request) auth.Decision {
	if slices.ContainsFunc(req.Identities, func(id auth.Identity) bool { return id.Method == capabilityMethod }) {
		return auth.Decision{Rights: auth.AllRights, Name: "a link to it"}
	}
	return auth.Decision{Err: fmt.Errorf("%w: an agent announces it, and no policy says who may see that", gateway.ErrDenied)}
}
