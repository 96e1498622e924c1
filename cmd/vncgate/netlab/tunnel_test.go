package netlab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where the gateway listens.
const (
	agentsAt = gatewayAddress + ":7000"
	frontAt  = frontAddress + ":5902"
)

// A tunnelled display is one that is reached through an agent: the gateway, and
// the agent beside the display.
type tunnelled struct {
	lab            *lab
	binary, dir    string
	connections    int
	gateway, agent *process
}

// startTunnel starts both, and returns when the display is reached.
func startTunnel(t testing.TB, l *lab, connections int) *tunnelled {
	t.Helper()
	s := &tunnelled{lab: l, binary: program(t), dir: t.TempDir(), connections: connections}
	if err := os.WriteFile(s.config(), []byte(`listeners:
  - {address: "`+frontAt+`", security: [none], target: desk}
  - {address: "`+agentsAt+`", agents: {}}
targets:
  desk: {agent: lab/desk, security: [none], retry: 1s}
agents: {certificates: `+s.dir+`/agents}
policy: [{who: "*", targets: "*", allow: [all]}]
limits: {sessions: 1000, handshakes: 500, handshake_timeout: 1m}
audit: {file: `+s.audit()+`}
control: {socket: `+s.socket()+`}
log: {level: info, format: text}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	var token struct{ Token string }
	if err := json.Unmarshal([]byte(command(t, s.binary, "token", "agent", "lab", "--service", "desk", "--json", "--config", s.config())), &token); err != nil {
		t.Fatal(err)
	}
	s.startGateway(t)
	s.agent = start(t, "agent", l.agent.command(s.binary, "agent", "--gateway", "tls://"+agentsAt, "--token", token.Token,
		"--service", "desk="+agentAddress+":"+displayPort, "--state", filepath.Join(s.dir, "state"), "--connections", itoa(connections)))
	eventually(t, "the agent has come in", s.connected)
	return s
}

// tunnel is the route through it.
func tunnel(connections int) route {
	return route{fmt.Sprintf("tunnel x%d", connections), func(t testing.TB, l *lab) string {
		t.Helper()
		startTunnel(t, l, connections)
		return frontAt
	}}
}

func (s *tunnelled) config() string { return filepath.Join(s.dir, "vncgate.yaml") }
func (s *tunnelled) socket() string { return filepath.Join(s.dir, "control.sock") }
func (s *tunnelled) audit() string  { return filepath.Join(s.dir, "audit.log") }

func (s *tunnelled) startGateway(t testing.TB) {
	t.Helper()
	s.gateway = start(t, "gateway", s.lab.gateway.command(s.binary, "serve", "--config", s.config()))
	eventually(t, "the gateway listens", s.lab.viewer.reaches(t, frontAt, s.gateway))
}

// ctl asks the gateway, and reads its answer.
func (s *tunnelled) ctl(answer any, args ...string) error {
	cmd := exec.Command(s.binary, append([]string{"ctl", "--json", "--socket", s.socket()}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return fmt.Errorf("ctl %s: %w", strings.Join(args, " "), err)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(out, answer)
}

// agentState is what the gateway says of an agent.
type agentState struct {
	State   string
	From    string
	Memory  int64
	Tunnels []struct {
		From    string
		RTT     float64 `json:"rtt_ms"`
		Streams int
	}
}

func (s *tunnelled) agents() (list []agentState, err error) {
	return list, s.ctl(&list, "agents")
}

// state is of the one agent there is.
func (s *tunnelled) state() (agentState, error) {
	agents, err := s.agents()
	if err == nil && len(agents) != 1 {
		err = fmt.Errorf("there are %d agents", len(agents))
	}
	if err != nil {
		return agentState{}, err
	}
	return agents[0], nil
}

// connected is an error until all connections of the agent are there.
func (s *tunnelled) connected() error {
	for _, p := range []*process{s.gateway, s.agent} {
		if err := p.ended(); err != nil {
			return err
		}
	}
	a, err := s.state()
	if err == nil && len(a.Tunnels) != s.connections {
		err = fmt.Errorf("the agent has %d connections", len(a.Tunnels))
	}
	return err
}

// audited waits for words in the audit log.
func (s *tunnelled) audited(t testing.TB, words ...string) {
	t.Helper()
	eventually(t, "the audit log", func() error {
		b, err := os.ReadFile(s.audit())
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			missing := false
			for _, w := range words {
				missing = missing || !strings.Contains(line, w)
			}
			if !missing {
				return nil
			}
		}
		return fmt.Errorf("no line has %q", words)
	})
}
