package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/gateway/metrics"
	"vncgate/gateway/tunnel"
)

// What is told of agents: events, the control socket, metrics.

// observe is the hub's.
func (h *agentHouse) observe(e tunnel.Event) {
	log := h.w.log.With("agent", e.Agent, "from", e.From, "means", e.Means)
	switch e.Kind {
	case tunnel.Connected:
		log.Info("agent connected", "services", strings.Join(e.Services, ","), "version", e.Software, "tunnels", e.Tunnels)
		h.place(e.Agent)
		h.late(e)
		if e.Tunnels == 1 {
			h.emit(gateway.AgentConnected, e, map[string]string{"services": strings.Join(e.Services, ","), "version": e.Software})
		}
	case tunnel.Lost:
		log.Info("agent's tunnel ended", "reason", e.Reason, "tunnels", e.Tunnels)
		if e.Tunnels == 0 {
			h.place(e.Agent)
			h.emit(gateway.AgentLost, e, nil)
		}
	case tunnel.Refused:
		h.refused(e.Agent, e.From, "not taken in", errors.New(e.Reason))
	case tunnel.ServiceFailed:
		log.Info("agent could not reach its service", "service", e.Service, "reason", e.Reason)
	}
}

// place tells the other gateways whether the agent is here: how it is now, for
// events of two tunnels may come in any order.
func (h *agentHouse) place(agent string) {
	h.placing.Lock()
	defer h.placing.Unlock()
	services := h.hub.Services(agent)
	h.w.cluster.agent(agent, services, services != nil)
}

// late does to a tunnel what was done to all others while it came in.
func (h *agentHouse) late(e tunnel.Event) {
	if h.drained.Load() {
		h.hub.Drain()
	}
	if e.Serial != "" && h.isRevoked(e.Agent, e.Serial, e.Issued) {
		h.dropRevoked()
	}
}

// emit tells of an agent.
func (h *agentHouse) emit(kind gateway.EventKind, e tunnel.Event, more map[string]string) {
	details := map[string]string{"agent": e.Agent, "means": e.Means}
	if e.Serial != "" {
		details["serial"] = e.Serial
	}
	for name, value := range more {
		details[name] = value
	}
	h.w.gate.Emit(gateway.Event{Kind: kind, From: e.From, Method: e.Means, Reason: e.Reason, Details: details})
}

// refused tells of one that was not let in. name may be "", or what it says;
// reason is one of a few.
func (h *agentHouse) refused(name, from, reason string, err error) {
	h.quiet.Do(func() {
		h.w.log.Warn("agent refused", "agent", name, "from", from, "reason", reason, "error", err)
	})
	e := gateway.Event{Kind: gateway.AgentRefused, From: from, Reason: reason, Err: err}
	if name != "" {
		e.Details = map[string]string{"agent": name}
	}
	h.w.gate.Emit(e)
}

// controlAgents are control.Backend's Agents.
func (w *wiring) controlAgents(ctx context.Context, away bool) ([]control.Agent, error) {
	list := []control.Agent{}
	h := w.agents
	if h == nil {
		return list, nil
	}
	here := map[string]bool{}
	for _, a := range h.hub.Agents() {
		here[a.Name] = true
		list = append(list, controlAgent(a))
	}
	if h.trust == nil {
		return list, nil
	}
	known, err := h.trust.registry.Agents(ctx)
	for _, k := range known {
		end := k.Certificates[len(k.Certificates)-1]
		if here[k.Name] {
			for i := range list {
				if list[i].Name == k.Name {
					list[i].CertEnds = certificateEnd(k, list[i].Serial)
				}
			}
			continue
		}
		if !away {
			continue
		}
		a := control.Agent{Name: k.Name, State: "away", Seen: k.Last, From: k.From, Means: "certificate", Serial: end.Serial, CertEnds: end.Expires.UTC(), Services: []string{}}
		if end.Revoked {
			a.State = "revoked"
		}
		list = append(list, a)
	}
	if err != nil && len(known) == 0 {
		h.w.log.Warn("agents: those that are away cannot be listed", "error", err)
	}
	return list, nil
}

func certificateEnd(k tunnel.KnownAgent, serial string) time.Time {
	for _, c := range k.Certificates {
		if c.Serial == serial {
			return c.Expires.UTC()
		}
	}
	return time.Time{}
}

// controlAgent is an agent in the form in which it is told.
func controlAgent(a tunnel.AgentInfo) control.Agent {
	c := control.Agent{Name: a.Name, State: "connected", Since: a.Since.UTC(), Services: append([]string{}, a.Services...), Memory: a.Memory}
	for _, t := range a.Tunnels {
		one := control.AgentTunnel{
			ID: t.ID, Since: t.Since.UTC(), From: t.From, Stack: t.Layers, RTT: milliseconds(t.RoundTrip), Drains: t.Draining,
			Bytes: control.AgentBytes{In: t.In, Out: t.Out}, Streams: len(t.Streams),
		}
		c.Tunnels = append(c.Tunnels, one)
		c.Sessions += one.Streams
		c.Bytes.In += t.In
		c.Bytes.Out += t.Out
		c.From, c.Means, c.Serial, c.Version = t.From, t.Means, t.Serial, t.Software
		if one.RTT > 0 && (c.RTT == 0 || one.RTT < c.RTT) {
			c.RTT = one.RTT
		}
	}
	return c
}

// controlStreams are control.Backend's Streams.
func (h *agentHouse) controlStreams() (list []control.AgentStream) {
	if h == nil {
		return nil
	}
	for _, a := range h.hub.Agents() {
		for _, t := range a.Tunnels {
			for _, s := range t.Streams {
				list = append(list, control.AgentStream{
					Agent: a.Name, Tunnel: t.ID, ID: fmt.Sprintf("%09d", s.ID), Service: s.Service, Since: s.Since.UTC(),
					Bytes: control.AgentBytes{In: s.In, Out: s.Out}, Window: int64(s.Window), Waited: s.Waited.Seconds(),
				})
			}
		}
	}
	return list
}

// controlKick cuts an agent's tunnels.
func (h *agentHouse) controlKick(name, words string) int {
	if words == "" {
		words = "an administrator has cut the connection"
	}
	return h.hub.Kick(name, words)
}

var errNoAgentTrust = control.Wrong("agents come by unix sockets alone here, and have no certificates: take the name out of agents: local, and kick the agent")

// controlRevokeAgent takes certificates back, and returns how many tunnels end by
// that. Those count that the registry's OnChange is quicker to end.
func (h *agentHouse) controlRevokeAgent(ctx context.Context, what control.AgentRevocation, actor string) (int, error) {
	if h.trust == nil {
		return 0, errNoAgentTrust
	}
	here := h.hub.Agents()
	err := h.trust.registry.Revoke(ctx, tunnel.Revocation{Agent: what.Name, Serial: what.Serial, Maker: actor, Note: what.Note})
	h.dropRevoked() // it may be revoked and something else have gone wrong
	if err != nil {
		return 0, err
	}
	dropped := 0
	for _, a := range here {
		if revoked, _ := h.revokedOf(a); revoked > 0 {
			dropped += len(a.Tunnels)
		}
	}
	return dropped, nil
}

// controlKnowsAgent reports whether an agent, or a certificate, was ever seen here
// or where the registry is shared; it is known as well while nobody can tell.
func (h *agentHouse) controlKnowsAgent(ctx context.Context, what control.AgentRevocation) bool {
	if h.trust == nil || what.Name != "" && h.hub.Services(what.Name) != nil {
		return true
	}
	known, err := h.trust.registry.Agents(ctx)
	return err != nil || slices.ContainsFunc(known, func(k tunnel.KnownAgent) bool {
		return k.Name == what.Name || slices.ContainsFunc(k.Certificates, func(c tunnel.KnownCertificate) bool {
			return strings.EqualFold(c.Serial, what.Serial)
		})
	})
}

// dropRevoked ends the tunnels of those that are revoked, and has the hub look
// again at those that live by what their certificates were renewed to. An agent of
// which one certificate was taken back may have another, so it may come again, and
// is told then if it has none.
func (h *agentHouse) dropRevoked() {
	for _, a := range h.hub.Agents() {
		switch revoked, wholly := h.revokedOf(a); {
		case revoked == 0:
		case wholly == len(a.Tunnels):
			h.hub.Revoke(a.Name, wordsAgentRevoked)
		default:
			h.hub.Kick(a.Name, wordsAgentRevoked)
		}
	}
	h.hub.Review()
}

// revokedOf counts an agent's tunnels whose certificate was taken back, and those
// of them that came before the agent as such was revoked.
func (h *agentHouse) revokedOf(a tunnel.AgentInfo) (revoked, wholly int) {
	for _, t := range a.Tunnels {
		if t.Serial != "" && h.isRevoked(a.Name, t.Serial, t.Issued) {
			revoked++
		}
		if t.Serial != "" && h.isRevoked(a.Name, "", t.Issued) {
			wholly++
		}
	}
	return revoked, wholly
}

// isRevoked is about a certificate, or about the agent if serial is "".
func (h *agentHouse) isRevoked(agent, serial string, issued time.Time) bool {
	return errors.Is(h.trust.registry.Check(agent, serial, issued), tunnel.ErrRevoked)
}

const wordsAgentRevoked = "the agent's certificate was revoked"

// allow is the hub's: those that are revoked are not wanted any more.
func (h *agentHouse) allow(p tunnel.Peer, _ []string) error {
	if p.Serial == "" {
		return nil
	}
	switch err := h.trust.registry.Check(p.Name, p.Serial, p.Issued); {
	case errors.Is(err, tunnel.ErrRevoked):
		return &tunnel.Unwanted{Reason: wordsAgentRevoked}
	case err != nil:
		return err
	}
	h.running.Go(func() { h.seen(p) })
	return nil
}

// seen has it written down that the agent was here.
func (h *agentHouse) seen(p tunnel.Peer) {
	ctx, cancel := context.WithTimeout(h.ctx, time.Minute)
	defer cancel()
	cert := certs.Agent{Name: p.Name, Services: p.Services, Serial: p.Serial, Issued: p.Issued, Expires: p.Expires}
	if err := h.trust.registry.Seen(ctx, cert, addressText(p.From)); err != nil && ctx.Err() == nil {
		h.quiet.Do(func() {
			h.w.log.Warn("agents: that one was here cannot be written down", "agent", p.Name, "error", err)
		})
	}
}

// figures are for metrics.
func (h *agentHouse) figures() metrics.Agents {
	sum := h.hub.Totals()
	f := metrics.Agents{
		Memory: h.hub.Memory.Used(), Limit: h.hub.Memory.Limit(), Came: sum.Tunnels, In: sum.In, Out: sum.Out, Waited: sum.Waited,
		RoundTrips: map[uint64]time.Duration{},
	}
	for _, a := range h.hub.Agents() {
		f.Connected++
		for _, t := range a.Tunnels {
			f.Tunnels++
			f.Streams += len(t.Streams)
			f.RoundTrips[t.ID] = t.RoundTrip
		}
	}
	return f
}
