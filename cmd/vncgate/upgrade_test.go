//go:build unix

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vncgate/certs"
	"vncgate/gateway/control"
	"vncgate/layers"
)

// ran is the program, in as many processes as upgrades have made of it.
type ran struct {
	t       *testing.T
	dir     string
	cmd     *exec.Cmd
	env     []string
	pids    []int
	ways    []way
	display *streamDisplay
}

// way is one way in.
type way struct {
	name, address string
	stack         []layers.Layer
}

func (r *ran) path(name string) string { return filepath.Join(r.dir, name) }

// newRan starts it with listeners for browsers, with TLS and without, and native
// viewers at a port and at a unix socket.
func newRan(t *testing.T, more string, env ...string) *ran {
	t.Helper()
	dir, err := os.MkdirTemp("", "upgrade") // t's own is too long for a unix socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &ran{t: t, dir: dir, display: newStreamDisplay(t), env: env}
	ours := newPKI(t)
	r.configure("listeners:\n"+
		"  - {address: '127.0.0.1:0', web: {}, security: [none]}\n"+
		"  - {address: '127.0.0.1:0', network: tcp4, web: {}, tls: {certificate: %q, key: %q}, security: [none]}\n"+
		"  - {address: 'localhost:0', security: [none]}\n"+
		"  - {address: 'unix:%s/front', security: [none]}\n"+
		"targets: {stream: {address: %q}}\nlimits: {sessions: 5000, shutdown_timeout: 2s}\ncontrol: {socket: '%s/control'}\n%s",
		ours.cert, ours.key, dir, r.display.address, dir, more)
	r.start()
	at := r.listening(4)
	pool, err := certs.Pool(ours.ca)
	must(t, err)
	r.ways = []way{
		{"ws", at[0], []layers.Layer{layers.WebSocketClient("ws://gate.example/websockify", nil)}},
		{"wss", at[1], []layers.Layer{
			layers.TLSClient(&tls.Config{RootCAs: pool, ServerName: "localhost"}), layers.WebSocketClient("wss://localhost/websockify", nil),
		}},
		{"tcp", at[2], nil},
		{"unix", "unix:" + r.path("front"), nil},
	}
	return r
}

func (r *ran) configure(format string, args ...any) {
	r.t.Helper()
	must(r.t, os.WriteFile(r.path("vncgate.yaml"), fmt.Appendf(nil, format, args...), 0o600))
}

func (r *ran) start() {
	r.t.Helper()
	log, err := os.Create(r.path("log"))
	must(r.t, err)
	defer log.Close()
	r.cmd = program(r.t, "serve", "--config", r.path("vncgate.yaml"), "--pid-file", r.path("pid"))
	again := exec.Command(r.cmd.Path, r.cmd.Args[1:]...) // one that ends with the test and not with a visit
	again.Env = append(r.cmd.Env, r.env...)
	again.Stdout, again.Stderr = log, log // no pipe: the processes to come have it, too
	r.cmd = again
	must(r.t, r.cmd.Start())
	r.t.Cleanup(r.stop)
	r.awaits("the pid file", func() bool { return r.pid() == r.cmd.Process.Pid })
	r.pids = []int{r.cmd.Process.Pid}
}

// stop ends whatever is left of it.
func (r *ran) stop() {
	for _, pid := range r.pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = r.cmd.Wait()
	if r.t.Failed() {
		r.t.Log(r.log())
	}
}

func (r *ran) log() string {
	b, _ := os.ReadFile(r.path("log"))
	return string(b)
}

func (r *ran) pid() int {
	b, _ := os.ReadFile(r.path("pid"))
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

func (r *ran) awaits(what string, ok func() bool) {
	r.t.Helper()
	eventually(r.t, what, ok)
}

var msgListening = regexp.MustCompile(`msg=listening address=(\S+)`)

// listening are the addresses in the log.
func (r *ran) listening(n int) (at []string) {
	r.t.Helper()
	r.awaits("it listens", func() bool { return strings.Count(r.log(), "msg=listening") >= n })
	for _, m := range msgListening.FindAllStringSubmatch(r.log(), n) {
		at = append(at, m[1])
	}
	return at
}

// upgrade asks the newest process for the next one, and waits for that.
func (r *ran) upgrade() {
	r.t.Helper()
	newest := r.pids[len(r.pids)-1]
	if len(r.pids)%2 == 0 {
		must(r.t, syscall.Kill(newest, syscall.SIGUSR2))
	} else {
		r.ask("upgrade")
	}
	r.awaits("there is a new process", func() bool { return r.pid() != newest && r.pid() != 0 })
	r.pids = append(r.pids, r.pid())
}

// ask has the newest process do something, by its control socket.
func (r *ran) ask(command string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	c, err := control.Dial(ctx, r.path("control"))
	must(r.t, err)
	defer c.Close()
	answer, err := c.Run(ctx, command, nil)
	if err != nil {
		r.t.Errorf("%s: %v", command, err)
	}
	if command == "upgrade" && !strings.Contains(string(answer), `"process"`) {
		r.t.Errorf("%s: %s", command, answer)
	}
}

func (r *ran) watch(w way) *streamViewer {
	r.t.Helper()
	v, err := watchStream(r.t.Context(), w.name, w.address, 0, w.stack...)
	if err != nil {
		r.t.Fatalf("%s: %v", w.name, err)
	}
	return v
}

// gone reports whether a process has ended, whoever waits for it.
func gone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) != nil
	}
	_, state, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(state, "Z")
}

// knocking connects by one way all the time, and tells of each that fails.
func (r *ran) knocking(w way) (stop func() (visits int)) {
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(r.t.Context())
	visits := 0
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			look, done := context.WithTimeout(context.WithoutCancel(ctx), patience)
			if err := knock(look, w); err != nil {
				r.t.Errorf("%s: visit %d: %v", w.name, visits, err)
			}
			done()
			visits++
			time.Sleep(10 * time.Millisecond)
		}
	}()
	stop = func() int {
		cancel()
		<-ended
		return visits
	}
	r.t.Cleanup(func() { stop() }) // not beyond a test that ends early
	return stop
}

func knock(ctx context.Context, w way) error {
	c, err := layers.Dial(ctx, w.address)
	if err != nil {
		return err
	}
	defer c.Close()
	top, err := layers.Stack(ctx, c, w.stack...)
	if err != nil {
		return err
	}
	name, err := look(ctx, top)
	if err == nil && name != "stream" {
		err = fmt.Errorf("the display is %q", name)
	}
	return err
}

// Three times the program is exchanged under viewers that move data, and under
// others that come: nobody loses a byte, and nobody is refused.
func TestThreeUpgrades(t *testing.T) {
	r := newRan(t, "")
	var viewers []*streamViewer
	join := func() {
		for _, w := range r.ways {
			viewers = append(viewers, r.watch(w))
		}
	}
	join()
	var knocking []func() int
	for _, w := range r.ways {
		knocking = append(knocking, r.knocking(w))
	}
	for range 3 {
		r.upgrade()
		join()
		for _, v := range viewers {
			v.goesOn(t)
		}
	}
	for i, stop := range knocking {
		if n := stop(); n < 3 {
			t.Errorf("%s: only %d visits", r.ways[i].name, n)
		}
	}
	for _, pid := range r.pids {
		if gone(pid) {
			t.Errorf("process %d has ended under its sessions", pid)
		}
	}
	for i, pid := range r.pids {
		socket := fmt.Sprintf("unix:%s/control.%d", r.dir, pid)
		if i == len(r.pids)-1 {
			socket = "unix:" + r.path("control")
		}
		c, err := layers.Dial(visit(t), socket)
		if err != nil {
			t.Errorf("the control socket of process %d: %v", i+1, err)
			continue
		}
		_ = c.Close()
	}
	bytes, keys := int64(0), int64(0)
	for _, v := range viewers {
		v.leave()
		bytes, keys = bytes+v.read.Load(), keys+v.typed.Load()
	}
	for _, pid := range r.pids[:3] {
		r.awaits("processes without sessions end", func() bool { return gone(pid) })
	}
	_ = r.cmd.Wait()
	if _, err := os.Stat(r.path("front")); err != nil {
		t.Errorf("the unix socket is gone with a process before: %v", err)
	}
	must(t, syscall.Kill(r.pids[3], syscall.SIGTERM))
	r.awaits("the last process ends", func() bool { return gone(r.pids[3]) })
	for _, pattern := range []string{"front", "pid", "control*"} {
		if left, _ := filepath.Glob(r.path(pattern)); len(left) > 0 {
			t.Errorf("%s is left", left)
		}
	}
	if c := r.display.complaints(); len(c) > 0 {
		t.Error(c)
	}
	t.Logf("%d viewers, %d bytes to them, %d keys (%d seen)", len(viewers), bytes, keys, r.display.keys.Load())
}

// Who has sent half of a request when the program is exchanged gets an answer from
// the process that has read it.
func TestUpgradeInARequest(t *testing.T) {
	r := newRan(t, "")
	v := r.watch(r.ways[0])
	ctx := visit(t)
	c, err := layers.Dial(ctx, r.ways[0].address)
	must(t, err)
	defer c.Close()
	halves := &inHalves{Conn: c, between: func() {
		r.upgrade()
		r.awaits("the upgrade is over", func() bool { return strings.Contains(r.log(), "the new process serves") })
		time.Sleep(2 * watchEvery) // Shutdown would have closed it
	}}
	top, err := layers.Stack(ctx, halves, r.ways[0].stack...)
	must(t, err)
	if name, err := look(ctx, top); err != nil || name != "stream" {
		t.Errorf("the display is %q: %v", name, err)
	}
	v.goesOn(t)
}

// inHalves sends the first write in two parts.
type inHalves struct {
	net.Conn
	between func()
	begun   bool
}

func (c *inHalves) Write(p []byte) (int, error) {
	if c.begun {
		return c.Conn.Write(p)
	}
	c.begun = true
	n, err := c.Conn.Write(p[:len(p)/2])
	if err != nil {
		return n, err
	}
	c.between()
	m, err := c.Conn.Write(p[len(p)/2:])
	return n + m, err
}

// An upgrade that fails changes nothing, and says why; the next one may work.
func TestUpgradeThatFails(t *testing.T) {
	r := newRan(t, "")
	v := r.watch(r.ways[0])
	good, err := os.ReadFile(r.path("vncgate.yaml"))
	must(t, err)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	for failures, c := range []struct{ config, why string }{
		{"nonsense: true\n" + string(good), "nonsense"},
		{strings.Replace(string(good), "localhost:0", taken.Addr().String(), 1), "another program listens there"},
	} {
		r.configure("%s", c.config)
		must(t, syscall.Kill(r.pids[0], syscall.SIGUSR2))
		r.awaits("the log says why", func() bool { // a file that is read again may have said so before
			return strings.Count(r.log(), "upgrade failed; this process goes on") > failures && strings.Contains(r.log(), c.why)
		})
	}
	v.goesOn(t)
	must(t, knock(visit(t), r.ways[3]))
	if r.pid() != r.pids[0] {
		t.Error("the pid file names another process")
	}
	c, err := layers.Dial(visit(t), "unix:"+r.path("control"))
	must(t, err)
	_ = c.Close()
	r.configure("%s", good)
	r.upgrade()
	v.goesOn(t)
	must(t, knock(visit(t), r.ways[0]))
}

// A process that has handed over ends its sessions when their time is over, and
// says what happened.
func TestUpgradeTimeout(t *testing.T) {
	r := newRan(t, "")
	config, err := os.ReadFile(r.path("vncgate.yaml"))
	must(t, err)
	v := r.watch(r.ways[2])
	r.configure("%s", strings.Replace(string(config), "shutdown_timeout: 2s", "shutdown_timeout: 1s, upgrade_timeout: 1s", 1))
	r.awaits("the file is read again", func() bool { return strings.Contains(r.log(), "configuration reloaded") })
	r.upgrade()
	<-v.ended
	r.awaits("the process before ends", func() bool { return gone(r.pids[0]) })
	must(t, knock(visit(t), r.ways[2]))
}
