//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"vncgate/layers"
)

// newRanAgent starts the program with a display that the program's own agent
// reaches for it.
func newRanAgent(t *testing.T) (r *ran, agent *exec.Cmd) {
	t.Helper()
	dir, err := os.MkdirTemp("", "agents")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r = &ran{t: t, dir: dir, display: newStreamDisplay(t)}
	r.configure("listeners:\n"+
		"  - {address: '127.0.0.1:0', web: {}, security: [none]}\n"+
		"  - {address: 'unix:%s/agents', agents: {}}\n"+
		"agents: {local: [lab]}\ntargets: {stream: {agent: lab/display, retry: 60s}}\n"+
		"limits: {shutdown_timeout: 2s}\ncontrol: {socket: '%[1]s/control'}\n", dir)
	r.start()
	r.ways = []way{{"ws", r.listening(2)[0], []layers.Layer{layers.WebSocketClient("ws://gate.example/websockify", nil)}}}
	return r, r.agent()
}

// agent starts the program's agent, which runs until the test ends.
func (r *ran) agent() *exec.Cmd {
	r.t.Helper()
	log, err := os.Create(r.path(fmt.Sprintf("agent.%d.log", len(r.pids))))
	must(r.t, err)
	defer log.Close()
	first := program(r.t, "agent", "--gateway", "unix:"+r.path("agents"), "--name", "lab", "--service", "display="+r.display.address)
	cmd := exec.Command(first.Path, first.Args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = first.Env, log, log
	must(r.t, cmd.Start())
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if r.t.Failed() {
			b, _ := os.ReadFile(log.Name())
			r.t.Logf("agent:\n%s", b)
		}
	})
	return cmd
}

// An upgrade cuts no session in a tunnel: the agent connects to the new process,
// and what it had goes on in the old one. The end of an agent ends its sessions,
// and who waits is let in when it is back.
func TestUpgradeWithAgents(t *testing.T) {
	r, agent := newRanAgent(t)
	before := r.watch(r.ways[0])
	before.goesOn(t)
	r.upgrade()
	after := r.watch(r.ways[0])
	for range 2 {
		before.goesOn(t)
		after.goesOn(t)
	}
	if gone(r.pids[0]) {
		t.Fatal("the process before has ended under its session")
	}
	before.leave()
	r.awaits("the process before ends", func() bool { return gone(r.pids[0]) })
	after.goesOn(t)

	must(t, agent.Process.Kill())
	<-after.ended
	r.awaits("the log says what was lost", func() bool { return strings.Contains(r.log(), `reason="tunnel lost"`) })
	later := make(chan error, 1)
	go func() { later <- knock(visit(t), r.ways[0]) }()
	r.awaits("a viewer waits for it", func() bool { return strings.Contains(r.log(), "display not up, trying again") })
	again := r.agent()
	if err := <-later; err != nil {
		t.Error("who has waited: ", err)
	}
	must(t, syscall.Kill(r.pids[1], syscall.SIGTERM))
	r.awaits("the gateway ends", func() bool { return gone(r.pids[1]) })
	if again.ProcessState != nil {
		t.Error("the agent has ended with its gateway")
	}
	if c := r.display.complaints(); len(c) > 0 {
		t.Error(c)
	}
}
