package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/auth/capability"
	"vncgate/auth/tickets/redistest"
	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/gateway/cluster"
	"vncgate/gateway/control"
	"vncgate/gateway/tunnel"
	"vncgate/layers"
	"vncgate/rfb"
)

// sharedRedis is a Redis that several gateways share, and that can be stopped.
type sharedRedis struct {
	*redistest.Server
	t *testing.T
}

func startSharedRedis(t *testing.T) *sharedRedis {
	t.Helper()
	return &sharedRedis{redistest.Start(t, "appendonly yes"), t}
}

// nodeMore is what a test adds to the configuration of each node.
type nodeMore struct{ listeners, targets, settings string }

// node is one of several gateways, with a display that keeps its viewers.
func (r *sharedRedis) node(name, certificates, display string, more nodeMore) *steered {
	r.t.Helper()
	ca, err := certs.OpenCA(certificates)
	must(r.t, err)
	_, err = ca.Node(name, []string{"127.0.0.1"})
	must(r.t, err)
	seal := filepath.Join(certificates, "seal")
	must(r.t, os.WriteFile(seal, []byte(strings.Repeat("s", 40)), 0o600))
	socket := filepath.Join(r.t.TempDir(), "c.sock")
	g := newGate(r.t, `
listeners:
  - {address: "127.0.0.1:0", target: desk}
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
%s
targets: {desk: {address: %q}%s}
policy: [{who: "*", targets: "*", allow: [all], limits: {per_target: 3}}]
capabilities: {redis: {secret: {file: %q}}}
cluster: {redis: {addresses: [%q]}, node: %s, listen: "127.0.0.1:0", certificates: %q, expire: 1s}
control: {socket: %q}
%s
`, strings.ReplaceAll(more.listeners, "NODE", name), display, more.targets, seal, r.Address, name, certificates, socket, more.settings)
	return &steered{g, socket}
}

// pair are two nodes that know each other.
func (r *sharedRedis) pair() (a, b *steered) {
	r.t.Helper()
	return r.pairOf(heldDisplay(r.t), nodeMore{})
}

// pairOf are two nodes with more in their configuration.
func (r *sharedRedis) pairOf(display string, more nodeMore) (a, b *steered) {
	r.t.Helper()
	dir := r.t.TempDir()
	a, b = r.node("a", dir, display, more), r.node("b", dir, display, more)
	for _, g := range []*steered{a, b} {
		eventually(r.t, "the nodes know each other", func() bool { return len(g.peers()) == 1 })
	}
	return a, b
}

// TestCheckedNode: a configuration whose tokens are in the cluster's Redis is in
// order without a word about where that is.
func TestCheckedNode(t *testing.T) {
	r := startSharedRedis(t)
	file := fileWith(t, `
listeners: [{address: "127.0.0.1:0", web: {}, sources: [capabilities]}]
targets: {desk: {address: "localhost:5900"}}
capabilities: {redis: {secret: {file: %q}}}
cluster: {redis: {addresses: [%q]}, node: c}
`, fileWith(t, "%s", strings.Repeat("s", 40)), r.Address)
	serve := newRootCommand()
	serve.SetArgs([]string{"serve", "--config", file, "--check"})
	var out bytes.Buffer
	serve.SetOut(&out)
	serve.SetErr(&out)
	if err := serve.ExecuteContext(visit(t)); err != nil || !strings.Contains(out.String(), "is in order") {
		t.Errorf("%v\n%s", err, &out)
	}
}

// TestTwoGateways: what an operator sees and does at one is about both.
func TestTwoGateways(t *testing.T) {
	r := startSharedRedis(t)
	a, b := r.pair()
	here, there := a.enters(), b.enters()
	b.enters()
	if name, err := a.native(0, nil, rfb.None{}); err == nil {
		t.Errorf("a fourth comes to %s, where three may be at both nodes together", name)
	}
	out, err := a.ctl("sessions")
	must(t, err)
	for _, text := range []string{"NODE", here, there} {
		if !strings.Contains(out, text) {
			t.Errorf("sessions at a: no %q in\n%s", text, out)
		}
	}
	out, err = a.ctl("nodes")
	must(t, err)
	if !strings.Contains(out, "this one") || !strings.Contains(out, "answers") {
		t.Errorf("nodes:\n%s", out)
	}
	out, err = b.ctl("targets", "desk", "--json")
	must(t, err)
	if !strings.Contains(out, `"sessions": 3`) {
		t.Errorf("targets at b, of which three look at the one:\n%s", out)
	}
	_, err = a.ctl("set-rights", there, "--without", "keyboard")
	must(t, err)
	_, err = a.ctl("kill", there)
	must(t, err)
	eventually(t, "the session at b ends", func() bool { return len(b.gate.gate.List()) == 1 })
	b.logs("reason=killed")
	if _, err := a.ctl("kill", there); err == nil || !strings.Contains(err.Error(), "no session") {
		t.Errorf("killed twice: %v", err)
	}
	if len(a.gate.gate.List()) != 1 {
		t.Error("the session at a has ended as well")
	}
}

// TestDrainOfAnotherNode: a node is drained, and let in to again, from the other.
func TestDrainOfAnotherNode(t *testing.T) {
	r := startSharedRedis(t)
	a, b := r.pair()
	for _, step := range []struct {
		command  string
		draining bool
	}{{"drain", true}, {"undrain", false}} {
		_, err := a.ctl(step.command, "--node", "b")
		must(t, err)
		_, here := a.gate.gate.Draining()
		if _, there := b.gate.gate.Draining(); here || there != step.draining {
			t.Errorf("after %s of b: a drains: %v, b drains: %v", step.command, here, there)
		}
		_, err = a.ctl(step.command, "--node", "c")
		if err == nil || !strings.Contains(err.Error(), `no node "c"`) {
			t.Errorf("%s of a node that there is not: %v", step.command, err)
		}
	}
}

// TestTokenOnceOverGateways: of two gateways at once one lets it in, and without
// Redis none does.
func TestTokenOnceOverGateways(t *testing.T) {
	r := startSharedRedis(t)
	a, b := r.pair()
	text, _, err := a.capabilities.Issue(capability.Token{Targets: []string{"desk"}, Uses: 1, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	other, _, err := a.capabilities.Issue(capability.Token{Targets: []string{"desk"}, Uses: 1, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	var in atomic.Int64
	done := make(chan error, 2)
	for _, g := range []*steered{a, b} {
		go func() {
			_, err := g.webStay(1, "/?token="+text)
			if err == nil {
				in.Add(1)
			}
			done <- nil
		}()
	}
	<-done
	<-done
	if in.Load() != 1 {
		t.Fatalf("%d got in by a token for one session", in.Load())
	}
	r.Kill()
	eventually(t, "b sees that redis is away", func() bool { return !b.cluster.State().Connected })
	if _, err := b.webStay(1, "/?token="+other); err == nil {
		t.Error("a token for one session is good while nobody can count")
	}
	b.unsure(1, other)
	if n := a.open() + b.open(); n != 1 {
		t.Errorf("%d sessions go on", n)
	}
	r.Start()
	eventually(t, "b is let in again", func() bool {
		_, err := b.webStay(1, "/?token="+other)
		return err == nil
	})
}

// unsure is told to come again with a token that may be good.
func (g *steered) unsure(door int, token string) {
	g.t.Helper()
	res, err := http.Get("http://" + g.address(door) + "/websockify?token=" + token)
	must(g.t, err)
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "make sure at the moment") {
		g.t.Errorf("a token that cannot be verified: %s, %s", res.Status, body)
	}
}

// TestOtherSeal: a node that cannot open the others' keys lets balancers know, and
// does not call links bad that are good at the others.
func TestOtherSeal(t *testing.T) {
	r := startSharedRedis(t)
	a := r.node("a", t.TempDir(), heldDisplay(t), nodeMore{})
	text, _, err := a.capabilities.Issue(capability.Token{Targets: []string{"desk"}, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	odd := &steered{gate: newGate(t, `
listeners: [{address: "127.0.0.1:0", web: {}, sources: [capabilities]}]
targets: {desk: {address: "localhost:5900"}}
capabilities: {redis: {addresses: [%q], secret: {file: %q}}}
`, r.Address, fileWith(t, "%s", strings.Repeat("o", 40)))}
	odd.unsure(0, text)
	if err := odd.ready(); err == nil || !strings.Contains(err.Error(), "cannot be verified") {
		t.Errorf("a node with another seal is ready: %v", err)
	}
	if err := a.ready(); err != nil {
		t.Error(err)
	}
}

// open is how many viewers see a display.
func (g *steered) open() (n int) {
	for _, info := range g.gate.gate.List() {
		if info.Open {
			n++
		}
	}
	return n
}

// TestSilentNode: a node that does not answer is named.
func TestSilentNode(t *testing.T) {
	r := startSharedRedis(t)
	a, b := r.pair()
	id := a.enters()
	b.cluster.hops.close()
	result, err := a.controls.server.Table.Run(t.Context(), &control.Call{Role: control.Admin, Actor: "test"}, "query-sessions", nil)
	must(t, err)
	list := result.(control.SessionList)
	if len(list.Sessions) != 1 || list.Sessions[0].ID != id || list.Sessions[0].Node != "a" || len(list.Silent) != 1 || !strings.HasPrefix(list.Silent[0], "b: ") {
		t.Errorf("%+v", list)
	}
	if _, err := a.ctl("kill", "nosuch"); err == nil || !strings.Contains(err.Error(), "not answered by b") {
		t.Errorf("killed what b may have: %v", err)
	}
	if out, err := a.ctl("nodes"); err != nil || !strings.Contains(out, "node b at") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestAgentAtAnotherNode: a viewer at one node reaches an agent at the other, over
// one hop.
func TestAgentAtAnotherNode(t *testing.T) {
	r := startSharedRedis(t)
	a, b := r.pair()
	display := heldDisplay(t)
	b.agentHere = func(ctx context.Context, agent, service string) (net.Conn, error) {
		switch {
		case agent != "lab":
			return nil, tunnel.ErrNoAgent
		case service != "desk":
			return nil, tunnel.ErrNoService
		}
		c, err := layers.Dial(ctx, display)
		return lossy{c}, err
	}
	nobody := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, tunnel.ErrNoAgent
	}
	type reached struct {
		c   net.Conn
		err error
	}
	early := make(chan reached, 1)
	go func() {
		c, err := a.dialAgent(visit(t), nobody, "lab", "desk")
		early <- reached{c, err}
	}()
	b.cluster.agent("lab", []string{"desk"}, true)
	got := <-early // who waits is told that it has come
	must(t, got.err)
	defer got.c.Close()
	head := make([]byte, 12)
	if _, err := io.ReadFull(got.c, head); err != nil || !strings.HasPrefix(string(head), "RFB 003") {
		t.Fatalf("%q, %v", head, err)
	}
	if at := got.c.RemoteAddr().String(); at != "lab/desk via node b" {
		t.Errorf("reached at %s", at)
	}
	if _, err := a.dialAgent(visit(t), nobody, "lab", "none"); !errors.Is(err, tunnel.ErrNoService) || !strings.Contains(err.Error(), "node b") {
		t.Errorf("a service that there is not: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.dialAgent(ctx, nobody, "other", "desk"); err == nil {
		t.Error("an agent that is nowhere is reached")
	}
	if n := b.cluster.hops.streams.Load(); n < 1 {
		t.Errorf("%d streams at b", n)
	}
	if _, err := got.c.Write([]byte("the end of the tunnel")); err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, got.c); !errors.Is(err, layers.ErrMuxLost) {
		t.Errorf("the agent's tunnel was lost at b, and here it looks like %v", err)
	}
}

// lossy is a display in a tunnel that is lost with the first bytes to it.
type lossy struct{ net.Conn }

func (l lossy) Write([]byte) (int, error) {
	_ = l.Close()
	return 0, &tunnel.LostError{Agent: "lab", Reason: "read: EOF"}
}

func (l lossy) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if err != nil {
		err = &tunnel.LostError{Agent: "lab", Reason: "read: EOF"}
	}
	return n, err
}

// TestStrangersAreNoNodes: who has no node's certificate of the CA steers nothing.
func TestStrangersAreNoNodes(t *testing.T) {
	dir, strange := t.TempDir(), t.TempDir()
	ca, err := certs.OpenCA(dir)
	must(t, err)
	_, err = ca.Node("a", []string{"127.0.0.1"})
	must(t, err)
	own, err := openHopTLS(dir, "a")
	must(t, err)
	h := newHops(own, "a", slog.New(slog.DiscardHandler))
	h.run = func(context.Context, *control.Call, string, json.RawMessage) (any, error) { return struct{}{}, nil }
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go func() { _ = h.serve(ln) }()
	defer h.close()
	at := cluster.Node{Name: "a", Address: ln.Addr().String()}
	call := &control.Call{Role: control.Admin, Actor: "x"}

	friend := newHops(own, "b", slog.New(slog.DiscardHandler))
	defer friend.close()
	_, err = friend.command(visit(t), at, call, "query-version", nil)
	must(t, err)

	otherCA, err := certs.OpenCA(strange)
	must(t, err)
	_, err = otherCA.Node("a", []string{"127.0.0.1"})
	must(t, err)
	foreign, err := openHopTLS(strange, "a")
	must(t, err)
	agent, err := ca.Agent("a", []string{"*"}, 0)
	must(t, err)
	for what, who := range map[string]*hopTLS{
		"a node of another CA": {pair: foreign.pair, ca: own.ca},
		"an agent":             {pair: agent, ca: own.ca},
	} {
		stranger := newHops(who, "s", slog.New(slog.DiscardHandler))
		if _, err := stranger.command(visit(t), at, call, "query-version", nil); err == nil {
			t.Errorf("%s steers", what)
		}
		stranger.close()
	}
	deceived := newHops(foreign, "b", slog.New(slog.DiscardHandler))
	defer deceived.close()
	if _, err := deceived.command(visit(t), at, call, "query-version", nil); err == nil || !strings.Contains(err.Error(), "node a at") {
		t.Errorf("a node trusts one of another CA: %v", err)
	}
	if _, err := openHopTLS(dir, "none"); err == nil || !strings.Contains(err.Error(), "vncgate cert node none") {
		t.Errorf("without a certificate: %v", err)
	}
}

// FuzzHop: a request that is read is written as it was, and nothing is read that is too
// large.
func FuzzHop(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x00\x00\x1c" + `{"kind":"agent","agent":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var request hopRequest
		r := strings.NewReader(string(b))
		if readHop(r, &request, 1<<10) != nil {
			return
		}
		if read := len(b) - r.Len(); read > 1<<10+4 {
			t.Fatalf("read %d bytes", read)
		}
		var text strings.Builder
		if err := writeHop(&text, request, maxHopRequest); err != nil {
			t.Fatal(err)
		}
		var again hopRequest
		if err := readHop(strings.NewReader(text.String()), &again, maxHopRequest); err != nil || fmt.Sprint(again.Kind, again.Agent, again.Service, again.Wait) != fmt.Sprint(request.Kind, request.Agent, request.Service, request.Wait) {
			t.Errorf("%v: %+v, want %+v", err, again, request)
		}
	})
}

func TestClusterSettings(t *testing.T) {
	for says, text := range map[string]string{
		"redis: addresses: is missing":         "cluster: {node: a}",
		"are of sources":                       "cluster: {redis: {addresses: ['r:1'], once: true}}",
		"is no name":                           "cluster: {redis: {addresses: ['r:1']}, node: 'a b'}",
		"did you mean \"closed\"":              "cluster: {redis: {addresses: ['r:1']}, alone: close}",
		"from 1s to 10m":                       "cluster: {redis: {addresses: ['r:1']}, expire: 1ms}",
		"listen: is missing":                   "cluster: {redis: {addresses: ['r:1']}, address: 'a:1'}",
		"certificates: is missing":             "cluster: {redis: {addresses: ['r:1']}, listen: ':7443'}",
		"is not HOST:PORT":                     "cluster: {redis: {addresses: ['r:1']}, listen: ':7443', certificates: c, address: a}",
		"secret: is missing":                   "capabilities: {redis: {addresses: ['r:1']}}",
		"leave out store and keys":             "capabilities: {store: s, redis: {addresses: ['r:1'], secret: {file: f}}}",
		"write addresses: [redis.internal:637": "capabilities: {redis: {secret: {file: f}}}",
	} {
		listener := ""
		if strings.HasPrefix(text, "capabilities") {
			listener = ", sources: [capabilities]"
		}
		_, err := parseConfig([]byte("listeners: [{address: ':1', web: {}" + listener + "}]\ntargets: {desk: {address: 'vm:5900'}}\n" + text))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}

// TestPageAtAnotherNode: what a page asks of its session is done by the node that
// has it, whichever is asked.
func TestPageAtAnotherNode(t *testing.T) {
	r := startSharedRedis(t)
	a, b := r.pair()
	text, issued, err := a.capabilities.Issue(capability.Token{
		Targets: []string{"desk"}, Expires: time.Now().Add(time.Minute), Renew: time.Hour, RenewUntil: time.Now().Add(2 * time.Hour),
	})
	must(t, err)
	p, err := b.pageStay(1, "/?notices&token="+text, nil, rfb.None{})
	must(t, err)
	key := p.told("rights", func(n pageNotice) bool { return n.Key != "" }).Key
	must(t, a.renewAnywhere(visit(t), key))
	renewed, err := b.capabilities.Store.Get(issued.ID)
	if err != nil || !renewed.Expires.After(issued.Expires) {
		t.Errorf("ends %v as before, %v", renewed.Expires, err)
	}
	if rights, _ := a.mayShareAnywhere(key); rights != nil {
		t.Errorf("one that came by a token may share %v", rights)
	}
	if err := a.renewAnywhere(visit(t), "nosuch"); !errors.Is(err, gateway.ErrNoSession) {
		t.Errorf("a session that is nowhere: %v", err)
	}
	if err := a.unshareAnywhere(visit(t), key, "nosuch"); !errors.Is(err, errNotShared) {
		t.Errorf("a link that nobody has made: %v", err)
	}
}
