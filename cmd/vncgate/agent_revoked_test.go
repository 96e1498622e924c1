package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/certs"
	"vncgate/gateway/control"
	"vncgate/gateway/tunnel"
	"vncgate/layers/layertest"
)

// revokedGate is a gateway, and an agent's certificate that was taken back.
func revokedGate(t *testing.T) (g *gate, p agentPKI) {
	t.Helper()
	p = newAgentPKI(t)
	g = newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {agents: /agent}, security: [none]}
  - {address: "127.0.0.1:0", agents: {}}
agents: {certificates: %q}
`, p.folder)
	p.over(t, "lab", g.toDoor(1)) // makes the files
	if _, err := g.agents.controlRevokeAgent(t.Context(), control.AgentRevocation{Name: "lab"}, "uid:0"); err != nil {
		t.Fatal(err)
	}
	return g, p
}

// files are the flags for an agent's certificate.
func (p agentPKI) files(name string) []string {
	return []string{"--certificate", filepath.Join(p.folder, "agent-"+name+".crt"), "--key", filepath.Join(p.folder, "agent-"+name+".key"), "--ca", p.ca.CertFile()}
}

// An agent that was revoked while it was away ends as one that was connected.
func TestAgentRevokedWhileAway(t *testing.T) {
	g, p := revokedGate(t)
	for name, gateway := range map[string]string{"tls": "tls://" + g.address(1), "ws": "ws://" + g.address(0) + "/agent"} {
		a := startAgent(t, append(p.files("lab"), "--gateway", gateway, "--service", "desk=127.0.0.1:1", "--connections", "2")...)
		ended, ok := errors.AsType[*endedWith](a.wait(t))
		if !ok || ended.code != exitUnwanted || !strings.Contains(ended.Error(), wordsAgentRevoked) || !strings.Contains(ended.Error(), "vncgate token agent NAME") {
			t.Errorf("%s: it ended with %v: %s", name, a.err, a.log)
		}
	}
	a := startAgent(t, append(p.files("lab"), "--gateway", "tls://"+g.address(1), "--service", "desk=127.0.0.1:1", "--check")...)
	if err := a.wait(t); err == nil || !strings.Contains(a.out.String(), wordsAgentRevoked) {
		t.Errorf("the check says %s, %v", a.out, err)
	}
	if list := g.agents.hub.Agents(); len(list) != 0 {
		t.Errorf("it was taken in: %+v", list)
	}
	g.logs("reason=revoked")
}

// Whoever is not the gateway cannot make an agent give up.
func TestImpostorCannotTurnAgentsAway(t *testing.T) {
	d, impostor := newAgentDoor(t), newAgentDoor(t)
	crt, key := d.pair(t, "lab", "desk")
	var met atomic.Int32
	pair, err := impostor.ca.Gateway()
	must(t, err)
	address := impostor.listen(t, "tcp", "127.0.0.1:0", func(ctx context.Context, c net.Conn) (net.Conn, error) {
		met.Add(1)
		inner := tls.Server(c, &tls.Config{GetCertificate: pair.GetCertificate, ClientAuth: tls.RequestClientCert})
		_ = inner.HandshakeContext(ctx) // whatever the agent thinks of it
		return nil, errors.Join(errors.New("turned away"), tunnel.TurnAway(ctx, inner, "give up"))
	})
	a := startAgent(t, "--gateway", "tls://"+address, "--certificate", crt, "--key", key, "--ca", d.caFile, "--service", "desk=127.0.0.1:1")
	eventually(t, "it tries again", func() bool {
		select {
		case <-a.done:
			t.Fatalf("it gave up: %v", a.err)
		default:
		}
		return met.Load() >= 2 && strings.Contains(a.log.String(), "not of the CA that this agent trusts")
	})
	a.stop()
	if err := a.wait(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// Of an agent with several certificates one may be taken back: it comes again.
func TestOneCertificateOfAnAgentIsRevoked(t *testing.T) {
	p := newAgentPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [none]}
  - {address: "127.0.0.1:0", agents: {}}
agents: {certificates: %q}
`, p.folder)
	var why atomic.Pointer[tunnel.Refusal]
	a := &tunnel.Agent{Connect: p.over(t, "lab", g.toDoor(1)), Services: []tunnel.Service{{Name: "desk"}}}
	a.Observe = func(s tunnel.State) {
		if refusal, ok := errors.AsType[*tunnel.Refusal](s.Err); ok {
			why.Store(refusal)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	g.agentHas("lab")
	serial := g.agents.hub.Agents()[0].Tunnels[0].Serial
	if n, err := g.agents.controlRevokeAgent(t.Context(), control.AgentRevocation{Serial: serial}, "uid:0"); err != nil || n != 1 {
		t.Errorf("%d tunnels, %v", n, err)
	}
	eventually(t, "it may come again", func() bool { r := why.Load(); return r != nil && r.Reason == wordsAgentRevoked })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// agentsBy is what takes in agents that store knows, and one of them with such a
// certificate; lost gets why its tunnel ends.
func agentsBy(t *testing.T, store tunnel.Store, p tunnel.Peer) (h *agentHouse, lost <-chan string) {
	t.Helper()
	why := make(chan string, 1)
	h = &agentHouse{trust: &agentTrust{}, hub: &tunnel.Hub{Observe: func(e tunnel.Event) {
		if e.Kind == tunnel.Lost {
			why <- e.Reason
		}
	}}}
	h.trust.registry = tunnel.OpenRegistry(t.Context(), store, tunnel.RegistryConfig{OnChange: h.dropRevoked})
	t.Cleanup(h.trust.close)
	h.hub.Until = h.trust.registry.Until
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); running.Wait() })
	connected := false
	a := &tunnel.Agent{Services: []tunnel.Service{{Name: "desk"}}, Connect: func(context.Context) (net.Conn, error) {
		if connected {
			return nil, errors.New("once is enough")
		}
		connected = true
		near, far := layertest.Pipe()
		running.Go(func() { _ = h.hub.Serve(ctx, far, p) })
		return near, nil
	}}
	running.Go(func() { _ = a.Run(ctx) })
	eventually(t, "the agent is there", func() bool { return h.hub.Services(p.Name) != nil })
	return h, why
}

// patient is a store whose watchers are done with a change before it returns.
type patient struct {
	tunnel.Store
	done func() bool
	t    *testing.T
}

func (p *patient) Change(ctx context.Context, name string, change func([]byte) ([]byte, error)) error {
	err := p.Store.Change(ctx, name, change)
	eventually(p.t, "watchers have seen "+name, p.done)
	return err
}

// Tunnels that end by a revocation are told to who revokes, however quick others
// are to end them.
func TestTunnelsThatARevocationCuts(t *testing.T) {
	dir, err := tunnel.OpenFolder(t.TempDir())
	must(t, err)
	store := &patient{Store: dir, t: t}
	now := time.Now()
	h, _ := agentsBy(t, store, tunnel.Peer{Name: "lab", Means: "certificate", Serial: "A1", Services: []string{"*"}, Issued: now, Expires: now.Add(time.Hour)})
	store.done = func() bool { return len(h.hub.Agents()) == 0 }
	if n, err := h.controlRevokeAgent(t.Context(), control.AgentRevocation{Serial: "A1"}, "uid:0"); err != nil || n != 1 {
		t.Errorf("%d tunnels, %v", n, err)
	}
}

// A tunnel that has outlived its certificate by a renewal ends as soon as that is
// taken back.
func TestRenewedCertificateIsRevoked(t *testing.T) {
	store, err := tunnel.OpenFolder(t.TempDir())
	must(t, err)
	known := tunnel.OpenRegistry(t.Context(), store, tunnel.RegistryConfig{})
	defer known.Close()
	now := time.Now()
	renewed := certs.Agent{Name: "lab", Serial: "B2", Services: []string{"*"}, Issued: now, Expires: now.Add(time.Hour)}
	must(t, known.Seen(t.Context(), renewed, "192.0.2.1"))
	h, lost := agentsBy(t, store, tunnel.Peer{
		Name: "lab", Means: "certificate", Serial: "A1", Services: []string{"*"}, Issued: now.Add(-time.Hour), Expires: now.Add(-time.Second),
	})
	if _, err := h.controlRevokeAgent(t.Context(), control.AgentRevocation{Serial: "B2"}, "uid:0"); err != nil {
		t.Fatal(err)
	}
	select {
	case why := <-lost:
		if !strings.Contains(why, "has run out") {
			t.Errorf("it ended: %s", why)
		}
	case <-time.After(patience):
		t.Error("its tunnel goes on")
	}
}

// As long as nobody knows who is revoked, agents are refused, and are not sent
// away for good.
func TestNobodyKnowsWhoIsRevoked(t *testing.T) {
	p := newAgentPKI(t)
	pair, err := p.ca.Agent("lab", []string{"desk"}, 0)
	must(t, err)
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{pair.Leaf()}}
	var unread tunnel.Registry
	if _, given, err := agentOf(state, &unread); !given || err == nil || errors.Is(err, tunnel.ErrRevoked) {
		t.Errorf("it is %v, %v", given, err)
	}
	cfg, err := agentTLS(p.ca, &unread)
	must(t, err)
	if cfg.VerifyConnection(state) == nil {
		t.Error("TLS lets it in")
	}
	h := &agentHouse{trust: &agentTrust{registry: &unread}}
	agent, err := certs.ParseAgent(pair.Leaf())
	must(t, err)
	var unwanted *tunnel.Unwanted
	if err := h.allow(agentPeer(agent, nil), nil); err == nil || errors.As(err, &unwanted) {
		t.Errorf("the hub says %v", err)
	}
}
