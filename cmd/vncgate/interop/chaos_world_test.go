package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// A world is three gateways over one Redis, agents that are spread over them,
// and displays behind the agents.
type world struct {
	t      *testing.T
	binary string
	dir    string
	redis  *chaosRedis
	nodes  []*node
	agents []*agentProcess
	shown  []*ledger // the displays, by target
	few    *ledger   // the one that may have few sessions
	crowd  *crowd
	begun  time.Time
}

// fewAtOnce is how many sessions the target few may have, at all nodes together.
const fewAtOnce = 3

// expire is after how long a node that says nothing is taken for dead.
const expire = 3 * time.Second

// A node is one of the gateways. It is started anew in the same place.
type node struct {
	*process
	name             string
	dir, config      string
	web, agents, hop int
}

// An agentProcess is one 'vncgate agent', at the node at.
type agentProcess struct {
	*process
	name string
	at   *node
}

// chaosConfig is the configuration of a node.
var chaosConfig = template.Must(template.New("node").Parse(`listeners:
  - address: 127.0.0.1:{{.Node.Web}}
    web: {path: /websockify}
    security: [none]
    sources: [capabilities]
    token: optional
    target: few
  - {address: "127.0.0.1:{{.Node.Agents}}", agents: {}}
targets:
  few: {agent: {{.Few}}, security: [none]}
agents: {certificates: {{.Dir}}/agents}
cluster:
  redis: {addresses: ["127.0.0.1:{{.Redis}}"]}
  node: {{.Node.Name}}
  listen: 127.0.0.1:{{.Node.Hop}}
  address: 127.0.0.1:{{.Node.Hop}}
  certificates: {{.Dir}}/nodes
  expire: {{.Expire}}
capabilities: {redis: {secret: {file: {{.Dir}}/seal}}, grace: 0s}
policy:
  - {who: "*", targets: few, allow: [all], limits: {per_target: {{.AtOnce}}}}
  - {who: "*", targets: "*", allow: [all]}
limits: {{.Limits}}
audit: {file: {{.Node.Dir}}/audit.log, no_sync: true}
control: {socket: {{.Node.Dir}}/control.sock}
log: {level: info, format: text}
`))

// chaosLimits lets everybody come from one address, and many at a time.
const chaosLimits = "{sessions: 2000, handshakes: 1000, accept_rate: off, handshake_timeout: 1m, dial_timeout: 10s, shutdown_timeout: 1s}"

// newWorld starts everything: agents of so many displays each.
func newWorld(t *testing.T, agents, displays int) *world {
	t.Helper()
	need(t, "redis-server", "redis-server")
	s := testScope(t)
	dir, err := s.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, binary: program(t), dir: dir, crowd: newCrowd(), begun: time.Now()}
	t.Cleanup(func() {
		for _, g := range w.crowd.all(nil) {
			g.leave()
		}
	})
	w.redis = startChaosRedis(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "seal"), []byte(newToken()+newToken()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		w.nodes = append(w.nodes, w.newNode(name))
	}
	for i := range agents {
		w.newAgent(fmt.Sprintf("agent%d", i), w.nodes[i%len(w.nodes)], displays, i == 0)
	}
	for _, target := range w.targets() {
		w.reachable(target, w.nodes...)
	}
	return w
}

// newNode makes a node and starts it.
func (w *world) newNode(name string) *node {
	w.t.Helper()
	n := &node{name: name, dir: filepath.Join(w.dir, name)}
	n.config = filepath.Join(n.dir, "vncgate.yaml")
	for _, port := range []*int{&n.web, &n.agents, &n.hop} {
		var err error
		if *port, err = freePort(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.vncgate("cert", "node", name, "--host", "127.0.0.1", "--dir", filepath.Join(w.dir, "nodes"))
	var text bytes.Buffer
	err := errors.Join(os.Mkdir(n.dir, 0o700), chaosConfig.Execute(&text, map[string]any{
		"Node": map[string]any{"Web": n.web, "Agents": n.agents, "Hop": n.hop, "Name": n.name, "Dir": n.dir},
		"Dir":  w.dir, "Redis": w.redis.port, "Few": "agent0/few", "AtOnce": fewAtOnce, "Limits": chaosLimits, "Expire": expire,
	}), os.WriteFile(n.config, text.Bytes(), 0o600))
	if err != nil {
		w.t.Fatal(err)
	}
	w.startNode(n)
	return n
}

// startNode starts the program, and waits until it lets viewers in.
func (w *world) startNode(n *node) {
	w.t.Helper()
	p, err := start(testScope(w.t), "gateway "+n.name, exec.Command(w.binary, "serve", "--config", n.config))
	if err != nil {
		w.t.Fatal(err)
	}
	n.process = p
	w.t.Cleanup(func() { sound(w.t, p) })
	eventually(w.t, "gateway "+n.name+" listens", func() error {
		if err := p.alive(); err != nil {
			return err
		}
		c, err := endpoint{host: "127.0.0.1", port: n.web}.dial()
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// sound looks at what a program has said.
func sound(t *testing.T, p *process) {
	out := p.log.String()
	for _, bad := range []string{"DATA RACE", "panic", "goroutine "} {
		if at := strings.Index(out, bad); at >= 0 {
			t.Errorf("the output of %s has %q:\n%s", p.name, bad, out[at:min(at+6000, len(out))])
			return
		}
	}
	if t.Failed() {
		t.Logf("%s said:\n%s", p.name, p.log.tail(30))
	}
}

// newAgent starts an agent with so many displays; the first one has few, too.
func (w *world) newAgent(name string, at *node, displays int, first bool) {
	w.t.Helper()
	w.vncgate("cert", "agent", name, "--service", "*", "--dir", filepath.Join(w.dir, "agents"))
	args := []string{"agent", "--gateway", fmt.Sprintf("tls://127.0.0.1:%d", at.agents), "--ca", filepath.Join(w.dir, "agents", "ca.crt"),
		"--certificate", filepath.Join(w.dir, "agents", "agent-"+name+".crt"), "--key", filepath.Join(w.dir, "agents", "agent-"+name+".key")}
	for i := range displays {
		d := keepLedger(w.t, fmt.Sprintf("agent/%s/d%d", name, i))
		w.shown = append(w.shown, d)
		args = append(args, "--service", fmt.Sprintf("d%d=%s", i, d.Addr()))
	}
	if first {
		w.few = keepLedger(w.t, "few")
		args = append(args, "--service", "few="+w.few.Addr().String())
	}
	p, err := start(testScope(w.t), "agent "+name, exec.Command(w.binary, args...))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { sound(w.t, p) })
	w.agents = append(w.agents, &agentProcess{p, name, at})
}

// vncgate runs the program to its end, and returns what it printed.
func (w *world) vncgate(args ...string) []byte {
	w.t.Helper()
	out, err := run(exec.Command(w.binary, args...))
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) targets() []string {
	var names []string
	for _, d := range w.shown {
		names = append(names, d.name)
	}
	return names
}

// atAgent says through which agent a target is reached.
func (w *world) atAgent(target string) *agentProcess {
	for _, a := range w.agents {
		if strings.HasPrefix(target, "agent/"+a.name+"/") {
			return a
		}
	}
	return w.agents[0] // few
}

// reachable waits until a target is reached from the nodes.
func (w *world) reachable(target string, from ...*node) {
	w.t.Helper()
	for _, n := range from {
		eventually(w.t, target+" is reached through "+n.name, func() error {
			if err := n.alive(); err != nil {
				return err
			}
			g, err := w.crowd.enter(n, target, "")
			if err != nil {
				return err
			}
			g.leave()
			return nil
		})
	}
}

// ask has a node run a command through its control socket: quicker than
// 'vncgate ctl', which is the same from outside.
func (n *node) ask(answer any, command string, args map[string]any) error {
	c, err := net.Dial("unix", filepath.Join(n.dir, "control.sock"))
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	out, in := json.NewEncoder(c), json.NewDecoder(c)
	var greeting any
	if err := in.Decode(&greeting); err != nil {
		return err
	}
	var got struct {
		Return json.RawMessage
		Error  *struct{ Desc string }
	}
	for _, call := range []map[string]any{{"execute": "qmp_capabilities"}, {"execute": command, "arguments": args, "id": 1}} {
		if err := out.Encode(call); err != nil {
			return err
		}
		if err := in.Decode(&got); err != nil {
			return err
		}
		if got.Error != nil {
			return fmt.Errorf("%s: %s", command, got.Error.Desc)
		}
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(got.Return, answer)
}

// audited reads the audit logs of all nodes: the sessions that were opened, and
// those of which the end was written down, by any node.
func (w *world) audited() (opened, ended map[string]bool, err error) {
	opened, ended = map[string]bool{}, map[string]bool{}
	for _, n := range w.nodes {
		b, err := os.ReadFile(filepath.Join(n.dir, "audit.log"))
		if err != nil {
			return nil, nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r struct{ Event, Session string }
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				continue // a line that was being written as the node was killed
			}
			switch r.Event {
			case "SESSION_OPENED":
				opened[r.Session] = true
			case "SESSION_CLOSED", "SESSION_LOST":
				ended[r.Session] = true
			}
		}
	}
	return opened, ended, nil
}

// kill ends a process as a power cut does.
func kill(p *process) {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// A chaosRedis writes down what it is told before it answers, and is started
// anew with that.
type chaosRedis struct {
	*process
	t    *testing.T
	dir  string
	port int
}

func startChaosRedis(t *testing.T, dir string) *chaosRedis {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	r := &chaosRedis{t: t, dir: dir, port: port}
	r.start()
	return r
}

func (r *chaosRedis) start() {
	r.t.Helper()
	var err error
	r.process, err = start(testScope(r.t), "redis", exec.Command("redis-server", "--bind", "127.0.0.1",
		"--port", strconv.Itoa(r.port), "--save", "", "--appendonly", "yes", "--dir", r.dir))
	if err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, "redis answers", func() error {
		if err := r.alive(); err != nil {
			return err
		}
		c, err := endpoint{host: "127.0.0.1", port: r.port}.dial()
		if err != nil {
			return err
		}
		return c.Close()
	})
}
