package control_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

func TestCommandsOnAgents(t *testing.T) {
	var revoked []string
	early := false
	table := control.Commands(&control.Backend{
		Gateway: &gateway.Gateway{},
		Agents: func(_ context.Context, away bool) ([]control.Agent, error) {
			list := []control.Agent{{Name: "lab", State: "connected", Services: []string{"desk"}, Tunnels: []control.AgentTunnel{{From: "x"}}}}
			if away {
				list = append(list, control.Agent{Name: "gone", State: "away"})
			}
			return list, nil
		},
		Streams: func() []control.AgentStream {
			return []control.AgentStream{{Agent: "lab", Tunnel: 1, ID: "1.3", Service: "desk"}, {Agent: "other", ID: "1.1"}}
		},
		KickAgent: func(name, _ string) int { return map[string]int{"lab": 2}[name] },
		RevokeAgent: func(_ context.Context, r control.AgentRevocation, actor string) (int, error) {
			revoked = append(revoked, r.Name+r.Serial+" by "+actor)
			return map[string]int{"lab": 1}[r.Name], nil
		},
		KnowsAgent: func(ctx context.Context, r control.AgentRevocation) bool {
			_, bound := ctx.Deadline()
			early = early || !bound || len(revoked) == 0 || !strings.HasPrefix(revoked[len(revoked)-1], r.Name+r.Serial+" ")
			return r.Name != "nobody"
		},
	})
	for _, tt := range []struct{ name, args, want, fails string }{
		{"query-agents", ``, `{"agents":[{"name":"lab","state":"connected","services":["desk"]`, ""},
		{"query-agents", `{"all":true}`, `{"name":"gone"`, ""},
		{"query-agents", `{"name":"gone"}`, `"state":"away"`, ""},
		{"query-agents", `{"name":"none"}`, "", `no agent "none"; query-agents lists`},
		{"query-agents", `{"limit":501}`, "", "from 1 to 500"},
		{"query-streams", `{"agent":"lab"}`, `{"streams":[{"agent":"lab","tunnel":1,"id":"1.3","service":"desk"`, ""},
		{"query-streams", ``, `"agent":"other"`, ""},
		{"agent-kick", `{"name":"lab"}`, `{"tunnels":2}`, ""},
		{"agent-kick", `{"name":"none"}`, "", `no agent "none"`},
		{"agent-kick", ``, "", "'name' is missing"},
		{"agent-revoke", `{"name":"lab","note":"stolen"}`, `{"tunnels":1}`, ""},
		{"agent-revoke", `{"serial":"4D"}`, `{"tunnels":0}`, ""},
		{"agent-revoke", `{"name":"nobody"}`, `{"tunnels":0,"unknown":true}`, ""},
		{"agent-revoke", `{"name":"lab","serial":"4D"}`, "", "what is to be revoked?"},
		{"agent-revoke", `{}`, "", "what is to be revoked?"},
	} {
		got, err := ask(t, table, tt.name, tt.args)
		switch {
		case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)):
			t.Errorf("%s %s: %s, %v", tt.name, tt.args, got, err)
		case tt.fails == "" && (err != nil || !strings.Contains(got, tt.want)):
			t.Errorf("%s %s: %s, %v", tt.name, tt.args, got, err)
		}
	}
	if early {
		t.Error("whether an agent was ever seen is asked before it is revoked, or with all the time in the world")
	}
	if got := fmt.Sprint(revoked); got != "[lab by uid:0 4D by uid:0 nobody by uid:0]" {
		t.Error(got)
	}
}

// Without agents there is nothing to list, and nothing to kick.
func TestCommandsWithoutAgents(t *testing.T) {
	table := control.Commands(&control.Backend{Gateway: &gateway.Gateway{}})
	for name, want := range map[string]string{"query-agents": `{"agents":[]}`, "query-streams": `{"streams":[]}`} {
		if got, err := ask(t, table, name, ""); got != want || err != nil {
			t.Errorf("%s: %s %v", name, got, err)
		}
	}
	for _, name := range []string{"agent-kick", "agent-revoke"} {
		if _, err := ask(t, table, name, `{"name":"lab"}`); err == nil || !strings.Contains(err.Error(), "the configuration has no agents") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An agent with all the streams that there may be fits the lines of clients that
// read no longer ones than 64 KiB.
func TestManyStreamsComeInPages(t *testing.T) {
	table := control.Commands(&control.Backend{Gateway: &gateway.Gateway{}, Streams: func() (list []control.AgentStream) {
		for i := range 1000 {
			list = append(list, control.AgentStream{Agent: strings.Repeat("a", 64), ID: fmt.Sprintf("1.%05d", i), Service: strings.Repeat("s", 64)})
		}
		return list
	}})
	got, err := ask(t, table, "query-streams", "")
	if err != nil || len(got) > 64<<10 || !strings.Contains(got, `"next":"`) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
