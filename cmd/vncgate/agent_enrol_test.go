package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/folder"
	"vncgate/certs"
	"vncgate/gateway/tunnel"
)

// enrolGate is the agents' side of a gateway that enrols, and tells agents that
// have a certificate their names.
type enrolGate struct {
	dir       string
	authority *tunnel.Authority
	address   string
	lose      int // of the next answers
	mu        sync.Mutex
}

func newEnrolGate(t *testing.T) *enrolGate {
	t.Helper()
	g := &enrolGate{dir: t.TempDir()}
	ca, err := certs.OpenCA(g.dir)
	must(t, err)
	store, err := openAgentFolder(g.dir)
	must(t, err)
	g.authority = &tunnel.Authority{CA: ca, Registry: tunnel.OpenRegistry(t.Context(), store, tunnel.RegistryConfig{})}
	t.Cleanup(func() { g.authority.Registry.Close() })
	cfg, err := agentTLS(ca, g.authority.Registry)
	must(t, err)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	must(t, err)
	g.address = ln.Addr().String()
	var all sync.WaitGroup
	enrol := enrolment(g.authority, &auth.Guard{})
	enrol.Pause = -1
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { g.serve(c.(*tls.Conn), enrol) })
		}
	})
	t.Cleanup(func() { ln.Close(); all.Wait() })
	return g
}

func (g *enrolGate) serve(c *tls.Conn, enrol tunnel.EnrolConfig) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if c.Handshake() != nil {
		return
	}
	agent, given, err := agentOf(c.ConnectionState(), g.authority.Registry)
	switch {
	case err != nil:
	case given:
		_, _ = io.WriteString(c, agentPeer(agent, c.RemoteAddr()).Name)
	default:
		_ = tunnel.ServeEnrol(context.Background(), g.lossy(c), enrol)
	}
}

// lossy loses answers on their way.
func (g *enrolGate) lossy(c net.Conn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lose == 0 {
		return c
	}
	g.lose--
	return noAnswer{c}
}

type noAnswer struct{ net.Conn }

func (n noAnswer) Write([]byte) (int, error) { return 0, errors.Join(n.Conn.Close(), net.ErrClosed) }

func (g *enrolGate) connect(ctx context.Context, cfg *tls.Config) (net.Conn, error) {
	return (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", g.address)
}

func (g *enrolGate) token(t *testing.T, life time.Duration) string {
	t.Helper()
	secret, _, err := g.authority.Registry.AddToken(t.Context(), tunnel.Token{Agent: "lab", Services: []string{"desk"}, Expires: time.Now().Add(life)})
	must(t, err)
	return tunnel.FormatToken(certs.KeyFingerprint(g.authority.CA.Certificate()), secret)
}

// knows is what the gateway takes an agent for; it says nothing to one that it
// refuses.
func (g *enrolGate) knows(t *testing.T, id *agentIdentity) (name string, err error) {
	t.Helper()
	c, err := g.connect(t.Context(), id.config())
	if err != nil {
		return "", err
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	if err == nil && len(text) == 0 {
		err = io.ErrUnexpectedEOF
	}
	return string(text), err
}

func TestAgentIsEnrolled(t *testing.T) {
	g, state, quiet := newEnrolGate(t), filepath.Join(t.TempDir(), "state"), slog.New(slog.DiscardHandler)
	token := g.token(t, time.Hour)
	g.lose = 1 // the certificate is lost on its way, and the same key asks again
	id, err := enrolAgent(visit(t), token, state, g.connect, false, quiet)
	must(t, err)
	if name, err := g.knows(t, id); name != "lab" || id.name != "lab" || err != nil {
		t.Errorf("%q, %q, %v", name, id.name, err)
	}
	must(t, filepath.Walk(state, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		if text, _ := os.ReadFile(path); strings.Contains(string(text), token[len(token)-26:]) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	}))
	nobody := func(context.Context, *tls.Config) (net.Conn, error) { return nil, errors.New("asked without need") }
	for _, again := range []string{token, ""} { // it has a certificate
		id, err := enrolAgent(visit(t), again, state, nobody, false, quiet)
		must(t, err)
		if name, err := g.knows(t, id); name != "lab" || err != nil {
			t.Errorf("%q, %v", name, err)
		}
	}

	must(t, g.authority.Registry.Revoke(t.Context(), tunnel.Revocation{Agent: "lab"}))
	if name, err := g.knows(t, id); err == nil {
		t.Errorf("revoked, and known as %q", name)
	}
	id, err = enrolAgent(visit(t), g.token(t, time.Hour), state, g.connect, false, quiet)
	must(t, err)
	if name, err := g.knows(t, id); name != "lab" || err != nil {
		t.Errorf("enrolled anew: %q, %v", name, err)
	}
	if entries, err := os.ReadDir(state); len(entries) != 1 || err != nil {
		t.Errorf("%v, %v: what is old is left", entries, err)
	}
}

// What trying again does not mend ends the agent, with words that say what does.
func TestAgentThatIsNotEnrolled(t *testing.T) {
	g, other, quiet := newEnrolGate(t), newEnrolGate(t), slog.New(slog.DiscardHandler)
	used := g.token(t, time.Hour)
	_, err := enrolAgent(visit(t), used, t.TempDir(), g.connect, false, quiet)
	must(t, err)
	good := g.token(t, time.Hour)
	for want, token := range map[string]string{
		"used already":         used,
		"does not know":        good[:len(good)-26] + strings.Repeat("A", 26),
		"another authority":    other.token(t, time.Hour),
		"not one of":           "secret",
		"there is no certific": "",
	} {
		if _, err := enrolAgent(visit(t), token, t.TempDir(), g.connect, false, quiet); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	ctx, cancel := context.WithCancel(visit(t))
	cancel()
	down := func(context.Context, *tls.Config) (net.Conn, error) { return nil, errors.New("nobody there") }
	if _, err := enrolAgent(ctx, good, t.TempDir(), down, false, quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if _, err := enrolAgent(visit(t), good, t.TempDir(), down, true, quiet); err == nil || !strings.Contains(err.Error(), "nobody there") {
		t.Errorf("tried once: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := enrolAgent(visit(t), "", file, g.connect, false, quiet); err == nil {
		t.Error("a state folder that is a file")
	}
}

func TestAgentWithAnExpiredCertificate(t *testing.T) {
	g, state, quiet := newEnrolGate(t), t.TempDir(), slog.New(slog.DiscardHandler)
	g.authority.Life = time.Nanosecond
	token := g.token(t, time.Hour)
	_, err := enrolAgent(visit(t), token, state, g.connect, false, quiet)
	must(t, err)
	if _, err := enrolAgent(visit(t), "", state, g.connect, false, quiet); err == nil || !strings.Contains(err.Error(), "expired on") {
		t.Error(err)
	}
	g.authority.Life = 0
	id, err := enrolAgent(visit(t), token, state, g.connect, false, quiet) // the token lasts still
	must(t, err)
	if name, err := g.knows(t, id); name != "lab" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
}

func TestAgentRenews(t *testing.T) {
	g, state, quiet := newEnrolGate(t), t.TempDir(), slog.New(slog.DiscardHandler)
	_, err := enrolAgent(visit(t), g.token(t, time.Hour), state, g.connect, false, quiet)
	must(t, err)
	e, err := lastEnrolled(state, quiet)
	must(t, err)
	before := e.agent
	if left := time.Until(due(before)).Hours() / 24; left < 59 || left > 61 {
		t.Errorf("due in %v days", left)
	}
	ask := func(ctx context.Context, request []byte) ([]byte, error) {
		return g.authority.Renew(ctx, agentPeer(before, nil), request)
	}
	must(t, e.renewNow(visit(t), ask))
	last, err := lastEnrolled(state, quiet)
	must(t, err)
	if last.agent.Serial == before.Serial || last.agent.Serial != e.agent.Serial || last.agent.Name != "lab" {
		t.Errorf("%+v became %+v", before, last.agent)
	}
	id, err := last.identity()
	must(t, err)
	if name, err := g.knows(t, id); name != "lab" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	no := errors.New("no")
	for _, ask := range []func(context.Context, []byte) ([]byte, error){
		func(context.Context, []byte) ([]byte, error) { return nil, no },
		func(context.Context, []byte) ([]byte, error) { return []byte("garbage"), nil },
	} {
		if e.renewNow(visit(t), ask) == nil {
			t.Error("renewed by nothing")
		}
	}
	must(t, folder.WriteFile(filepath.Join(last.dir, agentCertFile), []byte("garbage")))
	if _, err := lastEnrolled(state, quiet); err == nil {
		t.Error("a broken certificate is passed over")
	}
}

// A certificate that is not an agent's lets nobody in as one.
func TestOthersAreNoAgents(t *testing.T) {
	g := newEnrolGate(t)
	client, err := g.authority.CA.Client("lab")
	must(t, err)
	foreign, err := certs.OpenCA(t.TempDir())
	must(t, err)
	agent, err := foreign.Agent("lab", []string{"*"}, 0)
	must(t, err)
	for name, pair := range map[string]*certs.KeyPair{"a viewer's": client, "another authority's": agent} {
		cfg := certs.PinnedClient(certs.GatewayName, certs.KeyFingerprint(g.authority.CA.Certificate()))
		cfg.GetClientCertificate = pair.GetClientCertificate
		if got, err := g.knows(t, &agentIdentity{config: func() *tls.Config { return cfg }}); err == nil {
			t.Errorf("%s: known as %q", name, got)
		}
	}
}
