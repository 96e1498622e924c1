package main

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"vncgate/gateway/control"
	"vncgate/gateway/tunnel"
)

// An agent that comes in while its gateway is being replaced has to connect anew,
// as all others had to.
func TestAgentComesWhileDrained(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agents")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [none]}
  - {address: "unix:%s", agents: {}}
agents: {local: [lab]}
targets:
  desk: {agent: lab/desk}
`, socket)
	g.agents.drain()
	runAgent(t, "lab", overUnix(socket), map[string]string{"desk": "127.0.0.1:1"})
	eventually(t, "it is told to connect anew", func() bool {
		for _, a := range g.agents.hub.Agents() {
			for _, tunnel := range a.Tunnels {
				if tunnel.Draining {
					return true
				}
			}
		}
		return false
	})
}

// An agent that is revoked between the look at its certificate and its being
// taken in does not stay.
func TestAgentIsRevokedAsItComes(t *testing.T) {
	p := newAgentPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [none]}
  - {address: "127.0.0.1:0", agents: {}}
agents: {certificates: %q}
policy: [{who: "*", targets: "agent/*/*", allow: all}]
`, p.folder)
	g.agents.hub.Allow = func(p tunnel.Peer, _ []string) error {
		_, err := g.agents.controlRevokeAgent(t.Context(), control.AgentRevocation{Name: p.Name}, "uid:0")
		return err
	}
	var unwanted *tunnel.Unwanted
	ended := runAgent(t, "", p.over(t, "lab", g.toDoor(1)), map[string]string{"desk": "127.0.0.1:1"})
	if err := <-ended; !errors.As(err, &unwanted) {
		t.Errorf("it ended with %v", err)
	}
}

// An agent that has proved who it is, and says no more, does not delay the end.
func TestSilentAgentAtTheEnd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agents")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [none]}
  - {address: "unix:%s", agents: {}}
agents: {local: [lab]}
targets:
  desk: {agent: lab/desk}
`, socket)
	silent, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := silent.Read(make([]byte, 1)); err != nil { // what is served begins with a ping
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { g.agents.close(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the gateway waits for it")
	}
	g.logs("hello: context canceled") // and not that its time is over
}

// Events of two tunnels may come in any order: what counts is who is here.
func TestAgentIsPlacedByWhatIsSo(t *testing.T) {
	var hub tunnel.Hub
	if s := hub.Services("lab"); s != nil {
		t.Error(s)
	}
	near, far := net.Pipe()
	a := &tunnel.Agent{
		Name: "lab", Connect: func(context.Context) (net.Conn, error) { return near, nil },
		Services: []tunnel.Service{{Name: "spare"}, {Name: "desk"}},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = hub.Serve(ctx, far, tunnel.Peer{Name: "lab", Services: []string{"*"}})
	}()
	eventually(t, "its services are known", func() bool {
		s := hub.Services("lab")
		return len(s) == 2 && s[0] == "desk"
	})
	cancel()
	<-served
	<-done
	if s := hub.Services("lab"); s != nil {
		t.Error(s)
	}
}
