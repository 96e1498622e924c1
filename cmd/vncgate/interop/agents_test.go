package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const agentsConfig = `listeners:
  - address: 127.0.0.1:{{port "agents"}}
    agents: {}
  - address: 127.0.0.1:{{port "desk"}}
    security: [none]
    target: desk
  - address: 127.0.0.1:{{port "announced"}}
    security: [none]
    target: agent/lab/desk
  - address: 127.0.0.1:{{port "web"}}
    web: {agents: /agent}
    security: [none]
agents: {certificates: {{.Folder}}, display: {security: [vnc], password: {{.Password}}}}
targets: {desk: {agent: lab/desk, security: [vnc], password: {{.Password}}, retry: 2m}}
policy: [{who: "*", targets: "*", allow: [all]}]
`

// TestAgentBesideXvnc has an agent that was enrolled by a token bring Xvnc to
// TigerVNC's viewer, once by TLS and once by WebSocket.
func TestAgentBesideXvnc(t *testing.T) {
	t.Parallel()
	needVNCViewer(t)
	xvnc, s := theXvnc(t), testScope(t)
	dir, err := s.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "authority")
	g := serveFile(t, agentsConfig, map[string]any{"Folder": folder, "Password": secrets.xvnc})
	token := agentToken(t, folder)
	state := filepath.Join(dir, "state")
	for _, way := range []struct{ gateway, token string }{
		{fmt.Sprintf("tls://127.0.0.1:%d", g.ports["agents"]), token},
		{fmt.Sprintf("ws://127.0.0.1:%d/agent", g.ports["web"]), ""}, // by the certificate that the token has brought
	} {
		args := []string{"agent", "--gateway", way.gateway, "--state", state, "--service", fmt.Sprintf("desk=127.0.0.1:%d", xvnc.at.port)}
		if way.token != "" {
			args = append(args, "--token", way.token)
		}
		agent, err := start(s, "vncgate agent", exec.Command(program(t), args...))
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range []string{"desk", "announced"} {
			g.seesThroughAgent(port, xvnc)
		}
		agent.stop()
		if strings.Contains(agent.log.String(), token) {
			t.Error("the agent's log has its token")
		}
	}
	eventually(t, "the gateway says how it was reached", func() error { return g.log.has(0, "tls1.3→mux") })
}

// agentToken is a token for the agent lab and its desk.
func agentToken(t *testing.T, folder string) string {
	t.Helper()
	out, err := exec.Command(program(t), "token", "agent", "lab", "--service", "desk", "--certificates", folder, "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var token struct{ Token string }
	if err := json.Unmarshal(out, &token); err != nil {
		t.Fatal(err)
	}
	return token.Token
}

const agentPageConfig = `listeners:
  - address: 127.0.0.1:{{port "web"}}
    tls: {{tls}}
    web: {agents: /agent}
    security: [none]
agents: {certificates: {{.Folder}}}
policy: [{who: "*", targets: "agent/lab/*", allow: [all]}]
`

// TestAgentToBrowser has noVNC on our page show and work a desktop that an agent
// has brought, which came in by the same port as the browser.
func TestAgentToBrowser(t *testing.T) {
	t.Parallel()
	ownPage.needs(t)
	needX(t)
	need(t, "Xtigervnc", "tigervnc-standalone-server")
	s := testScope(t)
	d, err := startDesk(s, "behind", 5, 0)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := s.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "authority")
	g := serveFile(t, agentPageConfig, map[string]any{"Folder": folder})
	agent, err := start(s, "vncgate agent", exec.Command(program(t), "agent", "--gateway", fmt.Sprintf("wss://127.0.0.1:%d/agent", g.ports["web"]),
		"--state", filepath.Join(dir, "state"), "--token", agentToken(t, folder), "--service", "desk=unix:"+d.socket))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent connects", func() error { return errors.Join(agent.log.has(0, "connected to the gateway"), agent.alive()) })
	p, err := sharedChromium.value.open(s, fmt.Sprintf("https://127.0.0.1:%d/vnc.html?autoconnect=true&resize=off&target=agent/lab/desk", g.ports["web"]), nil)
	if err != nil {
		t.Fatal(err)
	}
	sees(t, p, d.shows())
	reachesX(t, d.x, p)
	eventually(t, "the agent says so", func() error { return agent.log.has(0, "session begins") })
}

// seesThroughAgent opens TigerVNC's viewer at a target's port.
func (g *served) seesThroughAgent(port string, d *display) {
	g.t.Helper()
	s := testScope(g.t)
	defer s.close()
	v, err := openVNCViewer(s, g.at(port))
	if err != nil {
		g.t.Fatal(err)
	}
	sees(g.t, v, d.shows())
}
