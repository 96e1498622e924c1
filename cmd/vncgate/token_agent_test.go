package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"vncgate/auth/tickets/redistest"
	"vncgate/certs"
	"vncgate/gateway/tunnel"
)

func runTokens(t *testing.T, args ...string) (out, hints string, err error) {
	t.Helper()
	cmd := newRootCommand()
	cmd.SetArgs(append([]string{"token"}, args...))
	var o, e bytes.Buffer
	cmd.SetOut(&o)
	cmd.SetErr(&e)
	err = cmd.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

// The token on standard output is one that enrols, and the command line beside
// it is one of ours.
func TestTokenAgent(t *testing.T) {
	g := newEnrolGate(t)
	out, hints, err := runTokens(t, "agent", "lab", "--service", "desk-*", "--service", "console", "--certificates", g.dir, "--gateway", "wss://vnc.example/agent", "--note", "for the lab")
	must(t, err)
	token := strings.TrimSpace(out)
	for _, want := range []string{"vncgate agent --gateway wss://vnc.example/agent --token " + token + " --service NAME=localhost:5900 --service console=localhost:5900", "agent lab with services desk-*, console", "takes it back"} {
		if !strings.Contains(hints, want) {
			t.Errorf("%q is not in:\n%s", want, hints)
		}
	}
	id, err := enrolAgent(visit(t), token, t.TempDir(), g.connect, false, slog.New(slog.DiscardHandler))
	must(t, err)
	if name, err := g.knows(t, id); name != "lab" || err != nil {
		t.Errorf("%q, %v", name, err)
	}

	out, _, err = runTokens(t, "agents", "--certificates", g.dir)
	must(t, err)
	for _, want := range []string{"AGENT", "lab", "desk-*,console", "good", "never", "TOKEN", "used 2", "for the lab"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if strings.Contains(out, token[len(token)-26:]) {
		t.Error("the list shows the secret")
	}
	out, _, err = runTokens(t, "agents", "revoke", "lab", "--certificates", g.dir)
	if must(t, err); out != "revoked agent lab\n" {
		t.Errorf("said %q", out)
	}
	eventually(t, "the gateway to refuse the agent", func() bool {
		_, err := g.knows(t, id)
		return err != nil
	})
	out, _, err = runTokens(t, "agents", "--json", "--certificates", g.dir)
	must(t, err)
	var list listedAgents
	must(t, json.Unmarshal([]byte(out), &list))
	if len(list.Agents) != 1 || !list.Agents[0].Revoked || len(list.Tokens) != 0 {
		t.Errorf("%+v", list)
	}
	_, hints, err = runTokens(t, "agents", "revoke", "nobody", "--serial", list.Agents[0].Serial, "--certificates", g.dir)
	if must(t, err); !strings.Contains(hints, "is the name right?") {
		t.Errorf("said %q", hints)
	}
}

func TestTokenAgentByTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := fileWith(t, `
listeners: [{address: "gate.example:7000", agents: {}}]
agents: {certificates: %q}
`, dir)
	out, _, err := runTokens(t, "agent", "lab", "--service", "desk", "--config", file, "--json")
	must(t, err)
	var made agentToken
	must(t, json.Unmarshal([]byte(out), &made))
	ca, err := certs.OpenCA(dir)
	must(t, err)
	fingerprint, _, err := tunnel.ParseToken(made.Token)
	if err != nil || fingerprint != certs.KeyFingerprint(ca.Certificate()) || !strings.Contains(made.Command, "--gateway tls://gate.example:7000 ") || made.Agent != "lab" {
		t.Errorf("%+v, %v", made, err)
	}
	_, _, err = runTokens(t, "agents", "revoke", "--id", made.ID, "--config", file)
	must(t, err)
	out, _, err = runTokens(t, "agents", "--config", file)
	if must(t, err); !strings.Contains(out, "no agent is known") {
		t.Errorf("said %q", out)
	}
	var noConfig *config
	if got := noConfig.agentURL(""); got != "tls://GATEWAY:PORT" {
		t.Error(got)
	}
}

func TestTokenAgentErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	none := fileWith(t, `{listeners: [{address: ":6080", web: {}}], targets: {desk: {address: "localhost:5900"}}}`)
	for want, args := range map[string][]string{
		"give one name":             {"agent", "--service", "desk"},
		"what may it announce?":     {"agent", "lab"},
		"a letter or digit first":   {"agent", "../lab", "--service", "desk"},
		"a pattern such as":         {"agent", "lab", "--service", "[x"},
		"neither a duration":        {"agent", "lab", "--service", "desk", "--expires", "soon"},
		"agents use ws://x/agent":   {"agent", "lab", "--service", "desk", "--certificates", dir, "--gateway", "http://x/agent"},
		"socket need no token":      {"agent", "lab", "--service", "desk", "--certificates", dir, "--gateway", "unix:/x"},
		"has no agents":             {"agent", "lab", "--service", "desk", "--config", none},
		"--certificates":            {"agents", "--config", filepath.Join(dir, "none.yaml")},
		"what is to be revoked?":    {"agents", "revoke"},
		"a token and not its ID":    {"agents", "revoke", "--certificates", dir, "--id", "vga1.x.y"},
		"there is no token":         {"agents", "revoke", "--certificates", dir, "--id", "ABCDEFGH"},
		"is no serial number":       {"agents", "revoke", "--certificates", dir, "--serial", "xyz"},
		"a token lasts at most":     {"agent", "lab", "--service", "desk", "--expires", "90d", "--certificates", dir},
		"would have expired":        {"agent", "lab", "--service", "desk", "--expires", "2020-01-01T00:00[UTC]", "--certificates", dir},
		`agents has no command "x"`: {"agents", "x"},
	} {
		if _, _, err := runTokens(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

func TestCertAgentAndNode(t *testing.T) {
	dir := t.TempDir()
	out, _, err := runCert(t, "agent", "lab", "--service", "desk,con-?", "--days", "90", "--dir", dir)
	must(t, err)
	for _, want := range []string{"agent-lab.crt (agent lab, services desk, con-?; until", "--certificate agent-lab.crt --key agent-lab.key --ca ca.crt --service desk=localhost:5900 --service NAME=localhost:5900"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	pair, err := certs.Load(filepath.Join(dir, "agent-lab.crt"), filepath.Join(dir, "agent-lab.key"))
	must(t, err)
	if a, err := certs.ParseAgent(pair.Leaf()); err != nil || !a.May("con-1") || a.May("other") {
		t.Errorf("%+v, %v", a, err)
	}
	out, _, err = runCert(t, "node", "a", "--host", "a.internal", "--dir", dir)
	if must(t, err); !strings.Contains(out, "node-a.crt (node a at a.internal; until") {
		t.Errorf("said:\n%s", out)
	}
	for want, args := range map[string][]string{
		"give one name":           {"agent"},
		"what may it announce":    {"agent", "lab"},
		"not a number of days":    {"agent", "lab", "--service", "desk", "--days", "x"},
		"a pattern such as":       {"agent", "lab", "--service", "a/b"},
		"a letter or digit first": {"node", ".a", "--host", "x"},
		"reach it":                {"node", "a"},
		"without scheme":          {"node", "a", "--host", "https://x/"},
	} {
		if _, _, err := runCert(t, append(args, "--dir", dir)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

// Where gateways are several, a token that one command line makes is in Redis,
// and one agent gets it, whichever gateway it comes to.
func TestTokenAgentAmongSeveralGateways(t *testing.T) {
	g, server := newEnrolGate(t), redistest.Start(t)
	file := fileWith(t, `
listeners: [{address: ":7000", agents: {}}]
agents: {certificates: %q}
cluster: {node: a, redis: {addresses: [%q]}}
`, g.dir, server.Address)
	cfg, err := loadConfig(file)
	must(t, err)
	gateway := func() *tunnel.Authority {
		store, err := cfg.openAgentStore(t.Context())
		must(t, err)
		a := &tunnel.Authority{CA: g.authority.CA, Registry: tunnel.OpenRegistry(t.Context(), store, tunnel.RegistryConfig{})}
		t.Cleanup(func() { a.Registry.Close() })
		return a
	}
	a, b := gateway(), gateway()
	out, _, err := runTokens(t, "agent", "lab", "--service", "desk", "--config", file)
	must(t, err)
	_, secret, err := tunnel.ParseToken(out)
	must(t, err)
	key := func() []byte {
		key, err := certs.KeepKey(filepath.Join(t.TempDir(), "key"))
		must(t, err)
		request, err := certs.NewKeyRequest(key)
		must(t, err)
		return request
	}
	if _, err := b.Enrol(t.Context(), secret, key()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Enrol(t.Context(), secret, key()); !errors.Is(err, tunnel.ErrTokenUsed) {
		t.Errorf("at the other gateway: %v", err)
	}
	agents, err := a.Registry.Agents(t.Context())
	if err != nil || len(agents) != 1 {
		t.Fatalf("%+v, %v", agents, err)
	}
	_, _, err = runTokens(t, "agents", "revoke", "lab", "--config", file)
	must(t, err)
	eventually(t, "both gateways to know", func() bool {
		c := agents[0].Certificates[0]
		return a.Registry.Revoked("lab", c.Serial, c.Issued) && b.Registry.Revoked("lab", c.Serial, c.Issued)
	})
}
