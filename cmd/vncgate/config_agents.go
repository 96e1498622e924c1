package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"vncgate/certs"
)

// agentsConfig is for agents: programs beside displays that dial out to us, so
// that the gateway reaches what nobody else can.
type agentsConfig struct {
	Certificates string        `yaml:"certificates,omitempty"` // folder of the CA that their certificates are of, and ours to them
	Local        []string      `yaml:"local,omitempty"`        // names that agents on our unix sockets may have
	Display      *targetConfig `yaml:"display,omitempty"`      // settings of the displays that they announce
	Memory       fileSize      `yaml:"memory,omitempty"`       // of all receive windows; default: 256MiB
	PerAgent     fileSize      `yaml:"per_agent,omitempty"`    // of those of one agent; default: 64MiB
	Streams      int           `yaml:"streams,omitempty"`      // sessions through one tunnel at once; default: 1000
	Connections  int           `yaml:"connections,omitempty"`  // of one agent at once; default: 4
}

// agentListener takes agents: all that there is to say of them is said in agents.
type agentListener struct{}

// What holds where the configuration says nothing.
const (
	agentsMemory      = 256 << 20
	agentsPerAgent    = 64 << 20
	agentsStreams     = 1000
	agentsConnections = 4
)

// agentPrefix is what the names of agents' services begin with: agent/NAME/SERVICE.
const agentPrefix = "agent/"

// agentWordRule is that of certs.CheckWord, for people.
const agentWordRule = "letters, digits and ._- (at most 64, the first a letter or digit)"

// agentService takes AGENT/SERVICE apart.
func agentService(text string) (agent, service string, ok bool) {
	agent, service, ok = strings.Cut(text, "/")
	return agent, service, ok && certs.CheckWord(agent) == nil && certs.CheckWord(service) == nil
}

// agentTarget takes agent/NAME/SERVICE apart.
func agentTarget(name string) (agent, service string, ok bool) {
	rest, ok := strings.CutPrefix(name, agentPrefix)
	if !ok {
		return "", "", false
	}
	return agentService(rest)
}

// isAgentTarget reports whether a name can be that of an agent's service.
func isAgentTarget(name string) bool {
	_, _, ok := agentTarget(name)
	return ok
}

// takesAgents says how agents come in here; "" where they do not.
func (l *listenerConfig) takesAgents() string {
	switch {
	case l.Agents != nil:
		return "agents"
	case l.Web != nil && l.Web.Agents != "":
		return "web: agents"
	}
	return ""
}

// local reports whether the address is a file of this machine, whose permissions
// say who may come.
func (l *listenerConfig) local() bool { return strings.HasPrefix(l.Address, "unix:") }

// validateAgents looks at the agents, and at all that speaks of them.
func (c *config) validateAgents() error {
	listens := slices.ContainsFunc(c.Listeners, func(l listenerConfig) bool { return l.takesAgents() != "" })
	if err := c.Agents.validate(listens); err != nil {
		return fmt.Errorf("agents: %w", err)
	}
	for i := range c.Listeners {
		if err := c.Listeners[i].validateTakingAgents(c.Agents); err != nil {
			return fmt.Errorf("listeners[%d] %s: %w", i, c.Listeners[i].Address, err)
		}
	}
	for _, name := range keys(c.Targets) {
		if err := c.validateAgentOf(name); err != nil {
			return fmt.Errorf("targets.%s: %w", name, err)
		}
	}
	return nil
}

func (a *agentsConfig) validate(listens bool) error {
	switch {
	case a == nil:
		return nil
	case !listens:
		return errors.New("no listener takes them; add one, such as {address: \":7000\", agents: {}}, or web: {agents: /agent} to one for browsers")
	case a.Certificates == "" && len(a.Local) == 0:
		return errors.New("by what is an agent known? set certificates, the folder of a CA ('vncgate cert agent' makes it), or local, names on unix sockets")
	case a.Memory < 0 || a.PerAgent < 0 || a.Streams < 0 || a.Connections < 0:
		return errors.New("memory, per_agent, streams and connections must not be negative")
	case a.perAgent() > a.memory():
		return errors.New("per_agent: is part of memory, and must not be more")
	}
	if err := a.Display.validateDisplay(); err != nil {
		return err
	}
	for i, name := range a.Local {
		switch {
		case certs.CheckWord(name) != nil:
			return fmt.Errorf("local: %q cannot be an agent's name: %s", name, agentWordRule)
		case slices.Contains(a.Local[:i], name):
			return fmt.Errorf("local: %s is named twice", name)
		}
	}
	return nil
}

func (a *agentsConfig) memory() int64 { return orElse(int64(a.Memory), agentsMemory) }
func (a *agentsConfig) perAgent() int64 {
	return orElse(int64(a.PerAgent), min(agentsPerAgent, a.memory()))
}
func (a *agentsConfig) streams() int { return orElse(a.Streams, agentsStreams) }
func (a *agentsConfig) connections() int {
	return orElse(a.Connections, agentsConnections)
}

// agentDisplay are the settings of displays that agents announce.
func (c *config) agentDisplay() *targetConfig {
	if c.Agents == nil {
		return nil
	}
	return c.Agents.Display
}

// orElse is n, or what holds where that is 0.
func orElse[N int | int64](n, otherwise N) N {
	if n == 0 {
		return otherwise
	}
	return n
}

// validateTakingAgents says what a way in lacks.
func (l *listenerConfig) validateTakingAgents(a *agentsConfig) error {
	key := l.takesAgents()
	switch {
	case key == "":
		return nil
	case a == nil:
		return fmt.Errorf("%s: says that agents come in here; set agents at the top, too, such as agents: {certificates: /etc/vncgate/agents}", key)
	case l.Agents != nil && l.local() && len(a.Local) == 0:
		return errors.New("agents: name those that may come by a unix socket in agents: local; its mode says who may use it")
	case l.Agents != nil && strings.HasPrefix(l.Address, "unix:@"):
		return errors.New("agents: everybody on this machine may connect to an abstract socket (@), and no certificate is asked for on a unix socket; use one with a path, whose mode says who may")
	case !(l.Agents != nil && l.local()) && a.Certificates == "":
		return fmt.Errorf("%s: agents that come by the network have certificates; set agents: certificates, the folder of their CA", key)
	}
	return nil
}

// validateAgentListener leaves a listener for agents nothing that is for viewers.
func (l *listenerConfig) validateAgentListener() error {
	if name := l.forViewers(); name != "" {
		return fmt.Errorf("%s: is for viewers; this listener is for agents", name)
	}
	switch {
	case l.Arrivals != nil:
		return errors.New("arrivals: displays and agents need a listener each")
	case l.TLS != nil:
		return errors.New("tls: agents have TLS by the certificates of agents: certificates; leave it out")
	}
	return nil
}

// validateAgents is for agents that come through a listener for browsers.
func (w *webConfig) validateAgents() error {
	switch {
	case w.Agents == "":
		return nil
	case !webPath.MatchString(w.Agents) || w.Agents == "/":
		return fmt.Errorf("agents: %q is not the path of an endpoint, such as /agent", w.Agents)
	case w.Agents == "/websockify" || w.Agents == w.Path:
		return fmt.Errorf("agents: %s is where viewers connect; take another path", w.Agents)
	case w.TargetsPath != "" && strings.HasPrefix(w.Agents+"/", w.TargetsPath+"/"):
		return fmt.Errorf("agents: %s would be a display of targets_path; take another path", w.Agents)
	case strings.HasPrefix(w.Agents+"/", "/api/"):
		return errors.New("agents: /api is taken; take another path")
	}
	return nil
}

// validateAgentOf looks at what a target says of an agent.
func (c *config) validateAgentOf(name string) error {
	given := c.Targets[name].Agent
	if c.Agents != nil && strings.HasPrefix(name, agentPrefix) {
		return errors.New("names that begin with agent/ are those of what agents announce; take another one, and say agent: NAME/SERVICE")
	}
	if given == "" {
		return nil
	}
	agent, _, ok := agentService(given)
	switch {
	case !ok:
		return fmt.Errorf("agent: %q is no service of an agent; write it as NAME/SERVICE, each of %s", given, agentWordRule)
	case c.Agents == nil:
		return errors.New("agent: no agents can come in; set agents at the top, and a listener with agents: {}")
	case c.Agents.Certificates == "" && !slices.Contains(c.Agents.Local, agent):
		return fmt.Errorf("agent: %w in agents: local", notOneOf("agent", agent, c.Agents.Local))
	}
	return nil
}

// agentWarnings are about agents that can come and whose displays nobody sees.
func (c *config) agentWarnings() (list []string) {
	a := c.Agents
	if a == nil {
		return nil
	}
	named := slices.ContainsFunc(keys(c.Targets), func(name string) bool { return c.Targets[name].Agent != "" })
	if !named && !c.hasPolicy() {
		list = append(list, "agents: what they announce is seen by nobody: no target has agent: NAME/SERVICE, and there is no policy whose rules could open agent/NAME/SERVICE")
	}
	locals := slices.ContainsFunc(c.Listeners, func(l listenerConfig) bool { return l.Agents != nil && l.local() })
	if len(a.Local) > 0 && !locals {
		list = append(list, "agents: local: no unix socket takes agents, so that none of these names is ever used")
	}
	return list
}
