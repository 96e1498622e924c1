package main

import (
	"slices"
	"strings"
	"testing"
)

const someAgents = "agents: {certificates: /etc/agents}\n"

// withAgents is a configuration with a listener for agents beside one for browsers.
func withAgents(listener, targets, agents string) string {
	return "listeners: [{address: ':1', web: {}}, {address: ':2', " + listener + "}]\ntargets: {" + targets + "}\n" + agents
}

func TestGoodAgentSettings(t *testing.T) {
	for name, text := range map[string]string{
		"no target":    "listeners: [{address: ':1', web: {agents: /agent}}]\n" + someAgents,
		"tls":          withAgents("agents: {}", "desk: {agent: lab/desk, password: x, retry: 1m}", someAgents),
		"unix":         strings.Replace(withAgents("agents: {}, mode: 0660", "desk: {agent: lab/desk}", "agents: {local: [lab]}"), "':2'", "'unix:/run/agents'", 1),
		"native":       "listeners: [{address: ':1', target: agent/lab/desk, web: {agents: /agent}, protocols: [rfb, web]}]\n" + someAgents,
		"behind proxy": withAgents("agents: {}, proxy: {trusted: [10.0.0.1]}", "desk: {agent: lab/desk}", someAgents),
		"fallback":     withAgents("agents: {}", "desk: {agent: lab/desk, fallbacks: [b]}, b: {address: 'b:1'}", "agents: {certificates: a, memory: 1GiB, per_agent: 1MiB, streams: 7, connections: 2}"),
	} {
		if _, err := parseConfig([]byte(text)); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

func TestBadAgentSettings(t *testing.T) {
	desk := "desk: {agent: lab/desk}"
	for _, c := range []struct{ text, want string }{
		{settings("web: {}", "agent: lab/desk", ""), "targets.desk: agent: no agents can come in; set agents"},
		{settings("web: {}", aDesk, someAgents), "agents: no listener takes them; add one"},
		{withAgents("agents: {}", desk, ""), "listeners[1] :2: agents: says that agents come in here; set agents at the top"},
		{settings("web: {agents: /agent}", aDesk, ""), "web: agents: says that agents come in here"},
		{withAgents("agents: {}", desk, "agents: {}"), "by what is an agent known?"},
		{withAgents("agents: {}", desk, "agents: {local: [lab]}"), "listeners[1] :2: agents: agents that come by the network have certificates"},
		{strings.Replace(withAgents("agents: {}", desk, someAgents), "':2'", "'unix:/x'", 1), "name those that may come by a unix socket"},
		{strings.Replace(withAgents("agents: {}", desk, "agents: {local: [lab]}"), "':2'", "'unix:@x'", 1), "everybody on this machine may connect to an abstract socket"},
		{withAgents("agents: {}, security: [none]", desk, someAgents), "security: is for viewers; this listener is for agents"},
		{withAgents("agents: {}, tls: {certificate: c, key: k}", desk, someAgents), "tls: agents have TLS by the certificates of agents"},
		{withAgents("agents: {}, arrivals: {}", desk, someAgents), "displays and agents need a listener each"},
		{withAgents("agents: {}", "desk: {agent: lab}", someAgents), `agent: "lab" is no service of an agent; write it as NAME/SERVICE`},
		{withAgents("agents: {}", "desk: {agent: lab/a/b}", someAgents), "is no service of an agent"},
		{withAgents("agents: {}", "desk: {agent: 'lab/a*'}", someAgents), "is no service of an agent"},
		{withAgents("agents: {}", "desk: {agent: lab/desk, address: 'a:1'}", someAgents), "exactly one of address, command, websocket, arrives and agent"},
		{withAgents("agents: {}", "agent/lab/desk: {address: 'a:1'}", someAgents), "names that begin with agent/ are those of what agents announce"},
		{strings.Replace(withAgents("agents: {}", desk, "agents: {local: [lap]}"), "':2'", "'unix:/x'", 1), `agent: unknown agent "lab"; did you mean "lap"? in agents: local`},
		{withAgents("agents: {}", desk, "agents: {certificates: a, local: ['a/b']}"), `local: "a/b" cannot be an agent's name`},
		{withAgents("agents: {}", desk, "agents: {certificates: a, local: [a, a]}"), "local: a is named twice"},
		{withAgents("agents: {}", desk, "agents: {certificates: a, memory: 1MiB, per_agent: 2MiB}"), "per_agent: is part of memory"},
		{withAgents("agents: {}", desk, "agents: {certificates: a, streams: -1}"), "must not be negative"},
		{settings("web: {agents: /}", aDesk, someAgents), `web: agents: "/" is not the path`},
		{settings("web: {agents: /websockify}", aDesk, someAgents), "is where viewers connect"},
		{settings("web: {path: /x, agents: /x}", aDesk, someAgents), "is where viewers connect"},
		{settings("web: {targets_path: /vnc, agents: /vnc/agent}", aDesk, someAgents), "would be a display of targets_path"},
		{settings("web: {agents: /api/agent}", aDesk, someAgents), "/api is taken"},
		{"listeners: [{address: ':1', security: [none]}, {address: ':2', agents: {}}]\n" + someAgents, "name an agent's service, agent/NAME/SERVICE, or add route"},
	} {
		_, err := parseConfig([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got: %v\nwant: %s", c.text, err, c.want)
		}
	}
}

// What nobody can see, or use, is said.
func TestAgentWarnings(t *testing.T) {
	cfg, err := parseConfig([]byte("listeners: [{address: ':1', web: {agents: /agent}}]\nagents: {certificates: /nonexistent/agents, local: [lab]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(cfg.warnings(), "\n")
	for _, want := range []string{"is seen by nobody", "no unix socket takes agents"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning says %q in\n%s", want, all)
		}
	}
	cfg, err = parseConfig([]byte(withAgents("agents: {}", "desk: {agent: lab/desk}", "agents: {certificates: .}\npolicy: [{who: '*', targets: agent/lab/*, allow: all}]")))
	if err != nil {
		t.Fatal(err)
	}
	if list := cfg.warnings(); len(list) > 0 {
		t.Error(list)
	}
}

func TestAgentNames(t *testing.T) {
	for name, want := range map[string]string{
		"agent/lab/desk": "lab desk", "agent/a.b-c_d/E9": "a.b-c_d E9", "agent/lab": "", "agent/lab/": "", "agent//desk": "", "agent/lab/a/b": "",
		"agent/lab/*": "", "agent/-a/b": "", "agent/lab/desk:1": "", "lab/desk": "", "agent/" + strings.Repeat("a", 65) + "/b": "",
	} {
		agent, service, ok := agentTarget(name)
		if got := strings.TrimSpace(strings.Join([]string{agent, service}, " ")); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q %v, want %q", name, got, ok, want)
		}
	}
}

// A reload takes up what agents' targets say, and names what waits for a start.
func TestReloadOfAgentSettings(t *testing.T) {
	parse := func(text string) *config {
		cfg, err := parseConfig([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	before := parse(withAgents("agents: {}", "desk: {agent: lab/desk}", someAgents))
	after := parse(withAgents("agents: {}", "desk: {agent: lab/other}", "agents: {certificates: /etc/agents, streams: 9}"))
	if got := before.later(after); !slices.Equal(got, []string{"agents.streams"}) {
		t.Error(got)
	}
}
