package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/auth/capability"
	"vncgate/gateway/control"
	"vncgate/layers/layertest"
)

// agentsAtNodes are nodes at which agents come in by unix sockets, NODE.sock in dir.
func agentsAtNodes(dir string) nodeMore {
	return nodeMore{
		listeners: `  - {address: "unix:` + filepath.Join(dir, "NODE.sock") + `", agents: {}}`,
		settings:  "agents: {local: [lab]}",
	}
}

// TestTargetsOfAllNodes: what an agent announces at one node is a display at all of
// them.
func TestTargetsOfAllNodes(t *testing.T) {
	r := startSharedRedis(t)
	dir, display := layertest.SocketDir(t), heldDisplay(t)
	a, b := r.pairOf(display, agentsAtNodes(dir))
	runAgent(t, "lab", overUnix(filepath.Join(dir, "b.sock")), map[string]string{"desk": display})
	b.agentHas("lab")
	const name = "agent/lab/desk"
	listed := func(g *steered) control.Target {
		out, err := g.ctl("targets", name, "--json")
		must(t, err)
		var list []control.Target
		must(t, json.Unmarshal([]byte(out), &list))
		if len(list) != 1 {
			t.Fatalf("%+v", list)
		}
		return list[0]
	}
	for _, g := range []*steered{a, b} {
		if one := listed(g); one.Agent != "lab" || one.Node != "b" || one.Sessions != 0 {
			t.Errorf("at %s: %+v", g.cluster.node, one)
		}
	}
	out, err := a.ctl("targets")
	must(t, err)
	for _, text := range []string{"NODE", "desk ", name + "  b "} {
		if !strings.Contains(out, text) {
			t.Errorf("no %q in\n%s", text, out)
		}
	}
	text, _, err := a.capabilities.Issue(capability.Token{Targets: []string{name}, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	_, err = a.webStay(1, "/?token="+text)
	must(t, err)
	eventually(t, "the session is counted at both", func() bool { return listed(a).Sessions == 1 && listed(b).Sessions == 1 })
	if one := listed(b); one.State != "up" || one.Node != "b" {
		t.Errorf("seen from a alone, at b: %+v", one)
	}
	for name, known := range map[string]bool{name: true, "agent/lab/none": false, "agent/none/desk": false} {
		if got := a.knowsDisplay(visit(t), name); got != known {
			t.Errorf("%s: known is %v", name, got)
		}
	}
}
