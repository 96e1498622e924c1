package control

import (
	"context"
	"slices"
	"time"
)

// Agent is a program beside displays that dials in, so that they can be reached.
type Agent struct {
	Name  string `json:"name" doc:"what it proved to be called" of:"agent"`
	Node  string `json:"node,omitempty" doc:"the gateway that it is connected to, where there are several" of:"node"`
	State string `json:"state" doc:"connected; away: it has a certificate and is not here; revoked: it is not let in" enum:"connected,away,revoked"`
	// Since is when the oldest of its tunnels came.
	Since    time.Time     `json:"since,omitzero" doc:"since when it is connected"`
	Seen     time.Time     `json:"seen,omitzero" doc:"when it was seen last, of one that is away"`
	From     string        `json:"from,omitempty" doc:"its address"`
	Means    string        `json:"means,omitempty" doc:"by what it proved its name" enum:"certificate,unix"`
	Serial   string        `json:"serial,omitempty" doc:"of its certificate"`
	CertEnds time.Time     `json:"certificate_ends,omitzero" doc:"when its certificate ends"`
	Version  string        `json:"version,omitempty" doc:"of its program"`
	Services []string      `json:"services" doc:"that it announces: each is the display agent/NAME/SERVICE"`
	Sessions int           `json:"sessions" doc:"streams that are open"`
	Bytes    AgentBytes    `json:"bytes" doc:"that all its streams have moved"`
	RTT      float64       `json:"rtt_ms,omitempty" doc:"its answer to the last ping, in milliseconds; the least of its tunnels"`
	Memory   int64         `json:"memory" doc:"bytes that its tunnels may hold here for viewers"`
	Tunnels  []AgentTunnel `json:"tunnels,omitempty" doc:"its connections; query-streams lists what passes through them"`
}

// AgentBytes are counted as the gateway sees it.
type AgentBytes struct {
	In  int64 `json:"in" doc:"from the agent's displays"`
	Out int64 `json:"out" doc:"to them"`
}

// AgentTunnel is one connection of an agent.
type AgentTunnel struct {
	ID      uint64     `json:"id" doc:"its number"`
	Since   time.Time  `json:"since" doc:"when it came"`
	From    string     `json:"from" doc:"its address"`
	Stack   string     `json:"stack,omitempty" doc:"layers of the connection, bottom first"`
	RTT     float64    `json:"rtt_ms,omitempty" doc:"answer to the last ping, in milliseconds"`
	Drains  bool       `json:"drains,omitempty" doc:"it takes no new streams: the agent was told to connect anew"`
	Bytes   AgentBytes `json:"bytes" doc:"that its streams have moved"`
	Streams int        `json:"streams" doc:"those that are open"`
}

// AgentStream is one session's way through a tunnel.
type AgentStream struct {
	Agent   string     `json:"agent" doc:"whose tunnel it is in" of:"agent"`
	Tunnel  uint64     `json:"tunnel" doc:"number of that"`
	ID      string     `json:"id" doc:"of the stream"`
	Service string     `json:"service" doc:"that it leads to"`
	Since   time.Time  `json:"since,omitzero" doc:"when it was opened"`
	Bytes   AgentBytes `json:"bytes" doc:"that it has moved"`
	Window  int64      `json:"window" doc:"bytes that may come before the viewer has taken any"`
	Waited  float64    `json:"waited_seconds" doc:"how long what goes to the display has waited until the agent took more"`
}

// AgentQuery are the arguments of query-agents.
type AgentQuery struct {
	Name string `json:"name,omitempty" doc:"this one alone" of:"agent"`
	All  bool   `json:"all,omitempty" doc:"those that are away, too"`
	Paging
}

// AgentList is a page of agents, by name.
type AgentList struct {
	Agents []Agent `json:"agents" doc:"by name"`
	Next   string  `json:"next,omitempty" doc:"after, for the rest; none: that was all"`
	Silence
}

// StreamQuery are the arguments of query-streams.
type StreamQuery struct {
	Agent string `json:"agent,omitempty" doc:"those of this agent alone" of:"agent"`
	Paging
}

// StreamList is a page of streams, by agent and number.
type StreamList struct {
	Streams []AgentStream `json:"streams" doc:"by agent and number"`
	Next    string        `json:"next,omitempty" doc:"after, for the rest; none: that was all"`
	Silence
}

// AgentKick are the arguments of agent-kick.
type AgentKick struct {
	Name  string `json:"name" doc:"of the agent" of:"agent"`
	Words string `json:"words,omitempty" doc:"why, for the agent's log"`
}

// AgentKicked is what that came to.
type AgentKicked struct {
	Tunnels int  `json:"tunnels" doc:"how many of its connections were cut"`
	Unknown bool `json:"unknown,omitempty" doc:"of agent-revoke: no such agent or certificate was ever seen; the revocation holds should one come"`
	Silence
}

// AgentRevocation are the arguments of agent-revoke: one of the first two.
type AgentRevocation struct {
	Name   string `json:"name,omitempty" doc:"of the agent: all its certificates, and tokens for it" of:"agent"`
	Serial string `json:"serial,omitempty" doc:"serial number, in hex, of one certificate"`
	Note   string `json:"note,omitempty" doc:"why, for people"`
}

func (b *Backend) queryAgents(ctx context.Context, _ *Call, q AgentQuery) (AgentList, error) {
	list := []Agent{}
	if b.Agents != nil {
		var err error
		if list, err = b.Agents(ctx, q.All || q.Name != ""); err != nil {
			return AgentList{}, err
		}
	}
	for i := range list {
		if list[i].State == "connected" {
			list[i].Node = b.Node
		}
	}
	if q.Name != "" {
		list = slices.DeleteFunc(list, func(a Agent) bool { return a.Name != q.Name })
		if len(list) == 0 {
			return AgentList{}, noAgent(q.Name)
		}
	}
	page, next, err := pageOf(q.Paging, list, agentKey)
	return AgentList{Agents: page, Next: next}, err
}

func (b *Backend) queryStreams(_ context.Context, _ *Call, q StreamQuery) (StreamList, error) {
	list := []AgentStream{}
	if b.Streams != nil {
		list = b.Streams()
	}
	if q.Agent != "" {
		list = slices.DeleteFunc(list, func(s AgentStream) bool { return s.Agent != q.Agent })
	}
	page, next, err := pageOf(q.Paging, list, streamKey)
	return StreamList{Streams: page, Next: next}, err
}

func agentKey(a Agent) string        { return a.Name }
func streamKey(s AgentStream) string { return s.Agent + "/" + s.ID }

// MergeAgents makes one page of those that several processes have returned to the
// same AgentQuery, as MergeSessions does. An agent that several know stands in it
// once, as one has it that it is connected to.
func MergeAgents(lists []AgentList, limit int) AgentList {
	var merged AgentList
	var pages []Page[Agent]
	at := map[string]*Agent{}
	for _, l := range lists {
		pages = append(pages, Page[Agent]{Next: l.Next})
		merged.Silent = append(merged.Silent, l.Silent...)
		for _, one := range l.Agents {
			switch known := at[one.Name]; {
			case known == nil:
				at[one.Name] = &one
			case known.State != "connected":
				*known = one
			}
		}
	}
	for _, one := range at {
		pages = append(pages, Page[Agent]{Entries: []Agent{*one}})
	}
	page := MergePages(limit, pages, agentKey)
	merged.Agents, merged.Next = page.Entries, page.Next
	return merged
}

// MergeStreams makes one page of those that several processes have returned to the
// same StreamQuery, as MergeSessions does.
func MergeStreams(lists []StreamList, limit int) StreamList {
	var merged StreamList
	var pages []Page[AgentStream]
	for _, l := range lists {
		pages = append(pages, Page[AgentStream]{l.Streams, l.Next})
		merged.Silent = append(merged.Silent, l.Silent...)
	}
	page := MergePages(limit, pages, streamKey)
	merged.Streams, merged.Next = page.Entries, page.Next
	return merged
}

func noAgent(name string) error {
	return NotFound("no agent %q; query-agents lists those there are", name)
}

var errNoAgents = unavailable("no agents can come in here: the configuration has no agents")

func (b *Backend) agentKick(_ context.Context, _ *Call, k AgentKick) (AgentKicked, error) {
	if b.KickAgent == nil {
		return AgentKicked{}, errNoAgents
	}
	n := b.KickAgent(k.Name, k.Words)
	if n == 0 {
		return AgentKicked{}, noAgent(k.Name)
	}
	return AgentKicked{Tunnels: n}, nil
}

func (b *Backend) agentRevoke(ctx context.Context, call *Call, r AgentRevocation) (AgentKicked, error) {
	switch {
	case (r.Name == "") == (r.Serial == ""):
		return AgentKicked{}, Wrong("what is to be revoked? give the agent's name, or the serial number of one certificate")
	case b.RevokeAgent == nil:
		return AgentKicked{}, errNoAgents
	}
	done := AgentKicked{}
	var err error
	if done.Tunnels, err = b.RevokeAgent(ctx, r, call.Actor); err == nil && done.Tunnels == 0 && b.KnowsAgent != nil {
		ctx, cancel := context.WithTimeout(ctx, knowsTime)
		defer cancel()
		done.Unknown = !b.KnowsAgent(ctx, r)
	}
	return done, err
}

// knowsTime bounds the question whether an agent that has been revoked was ever
// seen, which is a hint for people and holds up nothing.
const knowsTime = 5 * time.Second
