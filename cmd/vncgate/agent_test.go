package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/certs"
	"vncgate/gateway/tunnel"
	"vncgate/layers"
	"vncgate/layers/layertest"
)

// agentDoor is a gateway's end of agents, and no more of a gateway.
type agentDoor struct {
	*tunnel.Hub
	ca     *certs.CA
	caFile string
	dir    string
	outer  *layertest.TLSPair
}

func newAgentDoor(t *testing.T) *agentDoor {
	t.Helper()
	dir := t.TempDir()
	ca, err := certs.OpenCA(dir)
	must(t, err)
	d := &agentDoor{Hub: &tunnel.Hub{Software: "vncgate test"}, ca: ca, caFile: ca.CertFile(), dir: dir, outer: layertest.Certificates(t)}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// pair is the files of an agent's certificate.
func (d *agentDoor) pair(t *testing.T, name string, services ...string) (certificate, key string) {
	t.Helper()
	_, err := d.ca.Agent(name, services, time.Hour)
	must(t, err)
	return filepath.Join(d.dir, "agent-"+name+".crt"), filepath.Join(d.dir, "agent-"+name+".key")
}

// inner is the TLS by which agents know the gateway, and it them.
func (d *agentDoor) inner(t *testing.T) layers.Layer {
	t.Helper()
	pair, err := d.ca.Gateway()
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(d.ca.Certificate())
	return layers.TLSServer(&tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: pair.GetCertificate, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
}

// listen lets agents in through the layers.
func (d *agentDoor) listen(t *testing.T, network, address string, ls ...layers.Layer) string {
	t.Helper()
	ln, err := net.Listen(network, address)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			socket, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { d.let(ctx, socket, ls) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); cancel(); serving.Wait() })
	return ln.Addr().String()
}

func (d *agentDoor) let(ctx context.Context, socket net.Conn, ls []layers.Layer) {
	defer socket.Close()
	c, err := layers.Stack(ctx, socket, ls...)
	if err != nil {
		return
	}
	p := tunnel.Peer{Means: "unix", Names: []string{"lab*"}, Services: []string{"*"}}
	if state, ok := layers.TLSState(c); ok {
		agent, err := certs.ParseAgent(state.PeerCertificates[0])
		if err != nil {
			return
		}
		p = tunnel.Peer{Name: agent.Name, Means: "certificate", Serial: agent.Serial, Services: agent.Services}
	}
	_ = d.Serve(ctx, c, p)
}

// agentDisplay is a server that greets as displays do.
func agentDisplay(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, "RFB 003.008\n")
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return ln.Addr().String()
}

// agentStarted is a "vncgate agent" that runs.
type agentStarted struct {
	stop context.CancelFunc
	done chan struct{}
	err  error
	log  *lockedBuffer
	out  *lockedBuffer
}

func startAgent(t *testing.T, args ...string) *agentStarted {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a := &agentStarted{stop: cancel, done: make(chan struct{}), log: &lockedBuffer{}, out: &lockedBuffer{}}
	root := newRootCommand()
	root.SetArgs(append([]string{"agent"}, args...))
	root.SetOut(a.out)
	root.SetErr(a.log)
	go func() { defer close(a.done); a.err = root.ExecuteContext(ctx) }()
	t.Cleanup(func() { cancel(); <-a.done })
	return a
}

func (a *agentStarted) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(time.Minute):
		t.Fatalf("the agent does not end: %s", a.log)
	}
	return a.err
}

// greeted opens a session through the hub and reads the greeting.
func (d *agentDoor) greeted(t *testing.T, a *agentStarted, agent, service string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {})
	defer stop()
	go func() {
		select {
		case <-a.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	c, err := d.Dial(ctx, agent, service)
	if err != nil {
		t.Fatalf("%v\n%v\n%s", err, a.err, a.log)
	}
	defer c.Close()
	head := make([]byte, greetingLen)
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadFull(c, head); err != nil || string(head) != "RFB 003.008\n" {
		t.Fatalf("greeting %q, %v\n%s", head, err, a.log)
	}
}

// connectProxy is an HTTP proxy that connects on, and counts.
func connectProxy(t *testing.T, user, password string) (address string, asked func() int) {
	t.Helper()
	var mu sync.Mutex
	count := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		count++
		mu.Unlock()
		want := &http.Request{Header: http.Header{}}
		want.SetBasicAuth(user, password)
		if user != "" && r.Header.Get("Proxy-Authorization") != want.Header.Get("Authorization") {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		far, err := net.Dial("tcp", r.RequestURI)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { defer near.Close(); _, _ = io.Copy(near, far) }()
		_, _ = io.Copy(far, near)
		_ = far.Close()
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), func() int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}

func TestAgentReaches(t *testing.T) {
	d := newAgentDoor(t)
	crt, key := d.pair(t, "lab", "desk", "vm-*")
	desk := agentDisplay(t)
	ws := layers.WebSocketServer(layers.WebSocketConfig{})
	overTLS := "tls://" + d.listen(t, "tcp", "127.0.0.1:0", d.inner(t))
	overWS := "ws://" + d.listen(t, "tcp", "127.0.0.1:0", ws, d.inner(t)) + "/agent"
	overWSS := "wss://" + d.listen(t, "tcp", "127.0.0.1:0", layers.TLSServer(d.outer.Server), ws, d.inner(t)) + "/agent"
	socket := filepath.Join(layertest.SocketDir(t), "agents")
	d.listen(t, "unix", socket)
	proxy, asked := connectProxy(t, "u", "p4ss")
	certificate := []string{"--certificate", crt, "--key", key, "--ca", d.caFile}
	for name, args := range map[string][]string{
		"tls":            append([]string{"--gateway", overTLS}, certificate...),
		"ws":             append([]string{"--gateway", overWS}, certificate...),
		"wss":            append([]string{"--gateway", overWSS}, certificate...),
		"fingerprint":    {"--gateway", overTLS, "--certificate", crt, "--key", key, "--ca-fingerprint", certs.KeyFingerprint(d.ca.Certificate())},
		"unix":           {"--gateway", "unix:" + socket, "--name", "lab"},
		"tls by a proxy": append([]string{"--gateway", overTLS, "--proxy", "http://u:p4ss@" + proxy}, certificate...),
		"wss by a proxy": append([]string{"--gateway", overWSS, "--proxy", "http://u:p4ss@" + proxy}, certificate...),
	} {
		t.Run(name, func(t *testing.T) {
			before := asked()
			a := startAgent(t, append(args, "--service", "desk="+desk)...)
			d.greeted(t, a, "lab", "desk")
			if strings.Contains(name, "proxy") != (asked() > before) {
				t.Errorf("the proxy was asked %d times", asked()-before)
			}
			a.stop()
			if err := a.wait(t); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if strings.Contains(a.log.String(), "p4ss") {
				t.Errorf("the log holds a secret: %s", a.log)
			}
			eventuallyNoAgents(t, d)
		})
	}
}

func eventuallyNoAgents(t *testing.T, d *agentDoor) {
	t.Helper()
	for end := time.Now().Add(time.Minute); len(d.Agents()) > 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("agents are left: %+v", d.Agents())
		}
	}
}

// A revoked agent ends, with words and a code of its own.
func TestAgentUnwanted(t *testing.T) {
	d := newAgentDoor(t)
	socket := filepath.Join(layertest.SocketDir(t), "agents")
	d.listen(t, "unix", socket)
	a := startAgent(t, "--gateway", "unix:"+socket, "--name", "lab", "--service", "desk="+agentDisplay(t))
	d.greeted(t, a, "lab", "desk")
	d.Revoke("lab", "the disk was stolen")
	ended, ok := errors.AsType[*endedWith](a.wait(t))
	if !ok || ended.code != exitUnwanted || !strings.Contains(ended.Error(), "the disk was stolen") {
		t.Errorf("it ended with %v", a.err)
	}
}

func TestAgentCheck(t *testing.T) {
	d := newAgentDoor(t)
	crt, key := d.pair(t, "lab", "*")
	address := d.listen(t, "tcp", "127.0.0.1:0", d.inner(t))
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed.Close()
	a := startAgent(t, "--gateway", "tls://"+address, "--certificate", crt, "--key", key, "--ca", d.caFile, "--check",
		"--service", "desk="+agentDisplay(t), "--service", "off="+closed.Addr().String(), "--service", "web=command:echo hello there, world")
	if status, ok := errors.AsType[*exitStatus](a.wait(t)); !ok || status.code != exitFailed {
		t.Errorf("it ended with %v", a.err)
	}
	for _, want := range []string{
		"gateway tls://" + address + ": it takes this agent in as lab, with 4 connections at most (vncgate test)\n",
		"service desk (127.0.0.1:", "reached, it says RFB 003.008\n",
		"service off (", "WRONG: layers: dial tcp 127.0.0.1:", "connection refused",
		"service web (command:echo): WRONG: it is reached, but does not speak RFB",
	} {
		if !strings.Contains(a.out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, a.out)
		}
	}
	if len(d.Agents()) != 0 {
		t.Error("a check was taken for an agent")
	}
}

// What is wrong on the way is said with what to do.
func TestAgentExplains(t *testing.T) {
	d, other := newAgentDoor(t), newAgentDoor(t)
	crt, key := d.pair(t, "lab", "desk")
	strange, strangeKey := other.pair(t, "lab", "desk")
	address := d.listen(t, "tcp", "127.0.0.1:0", d.inner(t))
	notFound := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notFound.Close)
	oldTLS := httptest.NewUnstartedServer(http.NotFoundHandler())
	oldTLS.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	oldTLS.Config.ErrorLog = log.New(io.Discard, "", 0)
	oldTLS.StartTLS()
	t.Cleanup(oldTLS.Close)
	proxy, _ := connectProxy(t, "u", "p")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"another CA's gateway": {[]string{"--gateway", "tls://" + address, "--certificate", crt, "--key", key, "--ca", other.caFile}, "not of the CA that this agent trusts"},
		"another fingerprint":  {[]string{"--gateway", "tls://" + address, "--certificate", crt, "--key", key, "--ca-fingerprint", certs.KeyFingerprint(other.ca.Certificate())}, "not of the CA that this agent trusts"},
		"another CA's agent":   {[]string{"--gateway", "tls://" + address, "--certificate", strange, "--key", strangeKey, "--ca", d.caFile}, "does not take this agent's certificate"},
		"a page without TLS":   {[]string{"--gateway", "tls" + strings.TrimPrefix(notFound.URL, "http"), "--certificate", crt, "--key", key, "--ca", d.caFile}, "speaks no TLS"},
		"a page with TLS":      {[]string{"--gateway", "tls" + strings.TrimPrefix(oldTLS.URL, "https"), "--certificate", crt, "--key", key, "--ca", d.caFile}, "does not want this TLS"},
		"no such path":         {[]string{"--gateway", "ws" + strings.TrimPrefix(notFound.URL, "http") + "/x", "--certificate", crt, "--key", key, "--ca", d.caFile}, "no agents are taken at this path"},
		"proxy's password":     {[]string{"--gateway", "tls://" + address, "--proxy", "http://" + proxy, "--certificate", crt, "--key", key, "--ca", d.caFile}, "wants a name and a password"},
		"not allowed":          {[]string{"--gateway", "tls://" + address, "--certificate", crt, "--key", key, "--ca", d.caFile, "--service", "secret=localhost:1"}, "does not allow the service secret, only desk"},
	} {
		t.Run(name, func(t *testing.T) {
			a := startAgent(t, append(c.args, "--service", "desk="+agentDisplay(t), "--check")...)
			err := a.wait(t)
			if said := a.out.String() + errorText(err); err == nil || !strings.Contains(said, c.want) {
				t.Errorf("it says %s", said)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAgentUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"no gateway":                   {"--service", "desk=localhost:5901"},
		"nothing to serve":             {"--gateway", "tls://gw"},
		"agents use wss://gw/agent":    {"--gateway", "https://gw/agent", "--service", "desk=localhost:1"},
		"write tls://HOST:PORT":        {"--gateway", "gw:7000", "--service", "desk=localhost:1"},
		"tls:// has no path":           {"--gateway", "tls://gw/agent", "--service", "desk=localhost:1"},
		"has no place in it":           {"--gateway", "wss://u:p@gw", "--service", "desk=localhost:1"},
		"--name is missing":            {"--gateway", "unix:/x", "--service", "desk=localhost:1"},
		"needs no certificate":         {"--gateway", "unix:/x", "--name", "lab", "--token", "t", "--service", "desk=localhost:1"},
		"--proxy is to be":             {"--gateway", "wss://gw", "--proxy", "socks5://p", "--service", "desk=localhost:1"},
		"write NAME=ADDRESS":           {"--gateway", "tls://gw", "--service", "localhost:1"},
		"given twice":                  {"--gateway", "tls://gw", "--service", "a=localhost:1,a=localhost:2"},
		"a command to run goes behind": {"--gateway", "tls://gw", "--service", "desk=localhost:1", "Xvnc"},
		"there is no command behind":   {"--gateway", "tls://gw", "--service", "desk=localhost:1", "--"},
		"--ca is missing":              {"--gateway", "tls://gw", "--service", "desk=localhost:1", "--certificate", "x", "--key", "y"},
		"did you mean --gateway":       {"--gatewy", "tls://gw"},
		"a quote in the command":       {"--gateway", "tls://gw", "--service", "desk=command:sh -c 'x"},
	} {
		root := newRootCommand()
		root.SetArgs(append([]string{"agent"}, args...))
		err := root.ExecuteContext(context.Background())
		var usage *usageError
		if err == nil || !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: it says %v", args, err)
		}
	}
}

func TestAgentServices(t *testing.T) {
	for text, want := range map[string]string{
		"desk=localhost:5901":                      "desk|localhost:5901",
		"a=localhost:1,b=unix:/run/x\nc=[::1]:2\n": "a|localhost:1 b|unix:/run/x c|[::1]:2",
		"a=command:Xvnc -inetd -x 1,2":             "a|Xvnc+-inetd+-x+1,2",
		"a=localhost:1,b=command:x 'y z',\" \"":    "a|localhost:1 b|x+y z, ",
	} {
		var s agentServices
		if err := s.Set(text); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var got []string
		for _, one := range s.list {
			if one.command != nil {
				one.address = strings.Join(one.command, "+")
			}
			got = append(got, one.name+"|"+one.address)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q", text, got)
		}
		var again agentServices
		if err := again.Set(s.String()); err != nil || again.String() != s.String() {
			t.Errorf("%q reads as %q, %v", s.String(), again.String(), err)
		}
	}
}

func TestAgentVariables(t *testing.T) {
	d := newAgentDoor(t)
	socket := filepath.Join(layertest.SocketDir(t), "agents")
	d.listen(t, "unix", socket)
	t.Setenv("VNCGATE_AGENT_GATEWAY", "unix:"+socket)
	t.Setenv("VNCGATE_AGENT_NAME", "lab2")
	t.Setenv("VNCGATE_AGENT_SERVICE", "desk="+agentDisplay(t)+",second=localhost:1")
	t.Setenv("VNCGATE_GATEWAY", "another's")
	a := startAgent(t)
	d.greeted(t, a, "lab2", "desk")
	if got := d.Agents()[0].Services; strings.Join(got, " ") != "desk second" {
		t.Errorf("announced: %q", got)
	}
}

// The command beside an agent says how it ends, and does not see its variables.
func TestAgentBeside(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("no shell here")
	}
	d := newAgentDoor(t)
	dir := layertest.SocketDir(t)
	socket := filepath.Join(dir, "agents")
	d.listen(t, "unix", socket)
	t.Setenv("VNCGATE_AGENT_NAME", "lab")
	base := []string{"--gateway", "unix:" + socket, "--service", "desk=" + agentDisplay(t), "--"}
	go_ := filepath.Join(dir, "go")
	a := startAgent(t, append(base, "/bin/sh", "-c", "while ! test -e "+go_+"; do sleep 0.02; done; test -z \"$VNCGATE_AGENT_NAME\" && exit 7")...)
	d.greeted(t, a, "lab", "desk")
	must(t, os.WriteFile(go_, nil, 0o600))
	if status, ok := errors.AsType[*exitStatus](a.wait(t)); !ok || status.code != 7 {
		t.Errorf("it ended with %v: %s", a.err, a.log)
	}
	eventuallyNoAgents(t, d)
	a = startAgent(t, append(base, "/bin/sh", "-c", "trap 'exit 5' TERM; touch "+go_+"2; while :; do sleep 0.02; done")...)
	d.greeted(t, a, "lab", "desk")
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if _, err := os.Stat(go_ + "2"); err == nil {
			break
		}
	}
	a.stop()
	if status, ok := errors.AsType[*exitStatus](a.wait(t)); !ok || status.code != 5 {
		t.Errorf("it ended with %v: %s", a.err, a.log)
	}
	a = startAgent(t, append(base, filepath.Join(dir, "none"))...)
	if err := a.wait(t); err == nil || !strings.Contains(err.Error(), "the command: ") {
		t.Errorf("no such command: %v", err)
	}
}
