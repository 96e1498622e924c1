package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/gateway/tunnel"
	"vncgate/layers"
)

// runAgent runs an agent until the test ends, or it is not wanted any more; ended
// has its error then. services are addresses by name.
func runAgent(t *testing.T, name string, connect func(context.Context) (net.Conn, error), services map[string]string) (ended <-chan error) {
	t.Helper()
	a := &tunnel.Agent{Name: name, Connect: connect, Software: "test", Backoff: tunnel.Backoff{First: 20 * time.Millisecond, Most: 50 * time.Millisecond}}
	for service, address := range services {
		a.Services = append(a.Services, tunnel.Service{Name: service, Dial: func(ctx context.Context) (net.Conn, error) { return layers.Dial(ctx, address) }})
	}
	ctx, cancel := context.WithCancel(context.Background())
	done, told := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(done)
		told <- a.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return told
}

// until connects no more once away is closed.
func until(away <-chan struct{}, connect func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		select {
		case <-away:
			return nil, errors.New("the cable was pulled")
		default:
			return connect(ctx)
		}
	}
}

// overUnix comes by a unix socket.
func overUnix(path string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return layers.Dial(ctx, "unix:"+path) }
}

// agentHas waits until an agent is connected.
func (g *gate) agentHas(name string) {
	g.t.Helper()
	eventually(g.t, name+" is connected", func() bool {
		return slices.ContainsFunc(g.agents.hub.Agents(), func(a tunnel.AgentInfo) bool { return a.Name == name })
	})
}

// noted are events.
type noted struct {
	mu   sync.Mutex
	list []gateway.Event
}

func (n *noted) note(e gateway.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, e)
}

func (n *noted) has(kind gateway.EventKind, fits func(*gateway.Event) bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.list, func(e gateway.Event) bool { return e.Kind == kind && (fits == nil || fits(&e)) })
}

// Targets lead through tunnels, and what agents announce has names of its own,
// which the policy opens.
func TestDisplaysBehindAgents(t *testing.T) {
	at := displaysAt(t, "desk", "spare")
	socket := filepath.Join(t.TempDir(), "agents")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [none]}
  - {address: "unix:%s", agents: {}}
agents: {local: [lab, other]}
targets:
  desk: {agent: lab/desk}
policy: [{who: "*", targets: [desk, "agent/lab/*", "agent/gone/x"], allow: all}]
`, socket)
	var seen noted
	g.events.to(seen.note)
	away := make(chan struct{})
	runAgent(t, "lab", until(away, overUnix(socket)), map[string]string{"desk": at[0].(string), "spare": at[1].(string)})
	g.agentHas("lab")
	for path, want := range map[string]string{
		"/?target=desk": "desk", "/?target=agent/lab/desk": "desk", "/?target=agent/lab/spare": "spare",
		"/?target=agent/lab/none": "!cannot be reached", "/?target=agent/other/desk": "!Authentication failed", "/?target=agent/lab": "!",
	} {
		got, err := g.browser(0, path, nil)
		sees(t, path, want, got, err)
	}
	if !seen.has(gateway.AgentConnected, func(e *gateway.Event) bool {
		return e.Details["agent"] == "lab" && e.Details["services"] == "desk,spare" && e.Method == "unix" && e.From == "unix"
	}) {
		t.Error("nobody was told that it has come")
	}
	if names := g.agents.announced(); !slices.Equal(names, []string{"agent/lab/desk", "agent/lab/spare"}) {
		t.Error(names)
	}
	var listed []string
	for _, target := range g.controlTargets() {
		listed = append(listed, target.Name+" "+target.Agent+" "+target.Address)
	}
	if got := strings.Join(listed, "; "); got != "desk lab agent lab/desk; agent/lab/desk lab agent lab/desk; agent/lab/spare lab agent lab/spare" {
		t.Error(got)
	}
	if p, err := g.controlProbe(visit(t), "agent/lab/desk"); err != nil || !p.OK || p.Stack != "unix→mux" {
		t.Errorf("%+v %v", p, err)
	}
	close(away)
	if n := g.agents.controlKick("lab", ""); n != 1 {
		t.Error(n)
	}
	eventually(t, "its loss is told", func() bool { return seen.has(gateway.AgentLost, nil) })
	g.agents.born = time.Now().Add(-agentStart)
	got, err := g.browser(0, "/?target=desk", nil)
	sees(t, "without its agent", "!agent is not connected", got, err)
}

// What agents announce is seen by nobody where no policy says by whom.
func TestAnnouncedDisplaysNeedAPolicy(t *testing.T) {
	at := displaysAt(t, "desk")
	socket := filepath.Join(t.TempDir(), "agents")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [none]}
  - {address: "unix:%s", agents: {}}
agents: {local: [lab]}
targets: {desk: {agent: lab/desk}}
`, socket)
	runAgent(t, "lab", overUnix(socket), map[string]string{"desk": at[0].(string)})
	g.agentHas("lab")
	got, err := g.browser(0, "/?target=desk", nil)
	sees(t, "a target of the configuration", "desk", got, err)
	got, err = g.browser(0, "/?target=agent/lab/desk", nil)
	sees(t, "what is announced", "!", got, err)
	g.logs("no policy says who may see that")
}

// agentPKI is the folder of the agents' authority, and what an agent has of it.
type agentPKI struct {
	folder string
	ca     *certs.CA
}

func newAgentPKI(t *testing.T) agentPKI {
	t.Helper()
	p := agentPKI{folder: filepath.Join(t.TempDir(), "agents")}
	var err error
	if p.ca, err = certs.OpenCA(p.folder); err != nil {
		t.Fatal(err)
	}
	return p
}

// over is how an agent with a certificate comes over connect.
func (p agentPKI) over(t *testing.T, name string, connect func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	t.Helper()
	pair, err := p.ca.Agent(name, []string{"desk*"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(p.ca.Certificate())
	cfg := &tls.Config{RootCAs: roots, ServerName: certs.GatewayName, MinVersion: tls.VersionTLS13, GetClientCertificate: pair.GetClientCertificate}
	return func(ctx context.Context) (net.Conn, error) {
		c, err := connect(ctx)
		if err != nil {
			return nil, err
		}
		return layers.Stack(ctx, c, layers.TLSClient(cfg))
	}
}

func (g *gate) toDoor(door int) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return layers.Dial(ctx, g.address(door)) }
}

func (g *gate) byPath(door int, path string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		c, err := layers.Dial(ctx, g.address(door))
		if err != nil {
			return nil, err
		}
		return layers.Stack(ctx, c, layers.WebSocketClient("ws://"+g.address(door)+path, nil))
	}
}

// Agents with certificates come on a port of their own and beside browsers; they
// can be kicked, and revoked for good.
func TestAgentsByTheNetwork(t *testing.T) {
	at := displaysAt(t, "desk")
	p := newAgentPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {agents: /agent}, security: [none]}
  - {address: "127.0.0.1:0", agents: {}}
agents: {certificates: %q}
policy: [{who: "*", targets: "agent/*/*", allow: all}]
`, p.folder)
	var seen noted
	g.events.to(seen.note)
	way := p.over(t, "direct", g.toDoor(1))
	direct := runAgent(t, "", way, map[string]string{"desk": at[0].(string)})
	runAgent(t, "", p.over(t, "web", g.byPath(0, "/agent")), map[string]string{"desk-2": at[0].(string)})
	g.agentHas("direct")
	g.agentHas("web")
	got, err := g.browser(0, "/?target=agent/direct/desk", nil)
	sees(t, "over TLS", "desk", got, err)
	got, err = g.browser(0, "/?target=agent/web/desk-2", nil)
	sees(t, "over WebSocket", "desk", got, err)

	list, err := g.controlAgents(t.Context(), true)
	if err != nil || len(list) != 2 || list[0].Name != "direct" || list[0].Means != "certificate" || list[0].Serial == "" || list[1].Tunnels[0].Stack == "" {
		t.Errorf("%+v %v", list, err)
	}
	eventually(t, "until when its certificate is good is known", func() bool {
		until, err := g.agents.hub.Until(t.Context(), "direct")
		return err == nil && time.Until(until) > 30*time.Minute
	})
	if n := g.agents.controlKick("web", ""); n != 1 {
		t.Error(n)
	}
	eventually(t, "it was cut", func() bool {
		return seen.has(gateway.AgentLost, func(e *gateway.Event) bool { return e.Details["agent"] == "web" })
	})
	for want, known := range map[control.AgentRevocation]bool{
		{Name: "direct"}: true, {Name: "nobody"}: false, {Serial: strings.ToLower(list[0].Serial)}: true, {Serial: "4D"}: false,
	} {
		if got := g.agents.controlKnowsAgent(t.Context(), want); got != known {
			t.Errorf("%+v is known: %v", want, got)
		}
	}
	if _, err := g.agents.controlRevokeAgent(t.Context(), control.AgentRevocation{Name: "direct", Note: "stolen"}, "uid:0"); err != nil {
		t.Error(err)
	}
	var unwanted *tunnel.Unwanted
	if err := <-direct; !errors.As(err, &unwanted) {
		t.Error("the agent that was revoked: ", err)
	}
	if err := <-runAgent(t, "", way, map[string]string{"desk": at[0].(string)}); !errors.As(err, &unwanted) || unwanted.Reason != wordsAgentRevoked {
		t.Error("it comes again: ", err)
	}
	if !seen.has(gateway.AgentRefused, func(e *gateway.Event) bool { return e.Reason == "revoked" }) {
		t.Error("nobody was told that it has come again")
	}
	list, err = g.controlAgents(t.Context(), true)
	if err != nil || !slices.ContainsFunc(list, func(a control.Agent) bool { return a.Name == "direct" && a.State == "revoked" }) {
		t.Errorf("%+v %v", list, err)
	}
}

// A stranger's certificate, a page and a plain request come to nothing.
func TestStrangersAtTheAgentsDoors(t *testing.T) {
	p, others := newAgentPKI(t), newAgentPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {agents: /agent}, security: [none]}
  - {address: "127.0.0.1:0", agents: {}}
agents: {certificates: %q}
`, p.folder)
	var seen noted
	g.events.to(seen.note)
	pair, err := others.ca.Agent("lab", []string{"*"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(g.dial(1), &tls.Config{InsecureSkipVerify: true, GetClientCertificate: pair.GetClientCertificate})
	if err := c.HandshakeContext(visit(t)); err == nil {
		_, err = c.Read(make([]byte, 1))
		if err == nil {
			t.Error("a foreign certificate was taken")
		}
	}
	eventually(t, "it is told of", func() bool {
		return seen.has(gateway.AgentRefused, func(e *gateway.Event) bool { return e.Reason == "wrong certificate" })
	})
	for _, header := range []http.Header{{}, {"Origin": {"https://evil.example"}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"}}} {
		req, _ := http.NewRequestWithContext(visit(t), http.MethodGet, "http://"+g.address(0)+"/agent", nil)
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUpgradeRequired && resp.StatusCode != http.StatusForbidden {
			t.Error(header, resp.Status)
		}
	}
	// One without a certificate may enrol, and nothing else.
	_, err = (&tunnel.Agent{Connect: func(ctx context.Context) (net.Conn, error) {
		c, err := g.toDoor(1)(ctx)
		if err != nil {
			return nil, err
		}
		return layers.Stack(ctx, c, layers.TLSClient(&tls.Config{InsecureSkipVerify: true}))
	}, Name: "lab"}).Check(visit(t))
	if err == nil {
		t.Error("it was taken in without a certificate")
	}
}

// What passes through a tunnel is recorded, and its screen can be looked at, as of
// any display.
func TestAgentsDisplaysAreRecordedAndSeen(t *testing.T) {
	socket, folder := filepath.Join(t.TempDir(), "agents"), t.TempDir()
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [none]}
  - {address: "unix:%s", agents: {}}
agents: {local: [lab]}
targets: {desk: {agent: lab/desk}}
policy: [{who: "*", targets: "*", allow: all}]
recordings: {directory: %q}
admin: {address: 127.0.0.1:0, tokens: [{name: ops, role: operator, token: ops-secret-of-sixteen}]}
`, socket, folder)
	runAgent(t, "lab", overUnix(socket), map[string]string{"desk": coloured(meadow).Listen(t)})
	g.agentHas("lab")
	for _, name := range []string{"desk", "agent/lab/desk"} {
		if _, err := g.browser(0, "/?target="+name, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	eventually(t, "both are recorded", func() bool {
		files, err := filesIn(folder)
		return err == nil && len(files) == 2 && g.gate.Sessions() == 0
	})
	c := g.adminClient(nil)
	for _, name := range []string{"desk", "agent%2Flab%2Fdesk"} {
		status, body := g.ask(c, "GET", "/api/v1/targets/"+name+"/screenshot", "Authorization", "Bearer ops-secret-of-sixteen")
		if status != http.StatusOK || !strings.HasPrefix(body, "\x89PNG") {
			t.Errorf("%s: %d %.200s", name, status, body)
		}
	}
	_, metrics := g.ask(c, "GET", "/metrics", "Authorization", "Bearer ops-secret-of-sixteen")
	for _, want := range []string{"\nvncgate_agents 1\n", "\nvncgate_agent_tunnels 1\n", "\nvncgate_agent_tunnels_opened_total 1\n", `vncgate_agent_bytes_total{direction="in"}`, "\nvncgate_agent_window_limit_bytes 2.68435456e+08\n"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics have no %q", want)
		}
	}
}
