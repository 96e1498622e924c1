//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vncgate/gateway"
)

// manager is who systemd is to a service: the end of its notify socket.
type manager struct {
	t    *testing.T
	path string
	mu   sync.Mutex
	told []string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	m := &manager{t: t, path: filepath.Join(dir, "socket")}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 4096); ; {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.told = append(m.told, string(b[:n]))
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
		if t.Failed() {
			t.Logf("%q", m.told)
		}
	})
	return m
}

// after waits for a message that holds all texts, behind the first n, and returns
// how many there are up to it.
func (m *manager) after(n int, texts ...string) int {
	m.t.Helper()
	found := 0
	eventually(m.t, fmt.Sprint("systemd is told ", texts), func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := n; i < len(m.told); i++ {
			all := true
			for _, text := range texts {
				all = all && strings.Contains(m.told[i], text)
			}
			if all {
				found = i + 1
				return true
			}
		}
		return false
	})
	return found
}

// systemd hears of a start, of life, of a reload, of an upgrade and of the end.
func TestSystemdIsTold(t *testing.T) {
	m := newManager(t)
	r := newRan(t, "", "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=3000000")
	n := m.after(0, "READY=1", "STATUS=serving 0 sessions at 4 listeners")
	n = m.after(n, "WATCHDOG=1")
	if strings.Contains(r.log(), selfName) {
		t.Error("a session with ourselves is in the log")
	}
	must(t, syscall.Kill(r.pids[0], syscall.SIGHUP))
	n = m.after(n, "RELOADING=1", "MONOTONIC_USEC=")
	n = m.after(n, "READY=1")
	v := r.watch(r.ways[0])
	r.upgrade()
	n = m.after(n, fmt.Sprintf("MAINPID=%d", r.pids[1]))
	n = m.after(n, "READY=1", "serving 0 sessions")
	n = m.after(n, "WATCHDOG=1")
	v.goesOn(t)
	must(t, syscall.Kill(r.pids[1], syscall.SIGTERM))
	m.after(n, "STOPPING=1")
}

// The watchdog gets nothing while no session can be had.
func TestWatchdogIsFedByASession(t *testing.T) {
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	n := &notifier{log: slog.New(slog.DiscardHandler), healthy: func(context.Context) error { return errors.New("stuck") }}
	n.feed(t.Context(), time.Minute)
	n.status("marker")
	m.after(0, "marker")
	m.mu.Lock()
	if len(m.told) != 1 {
		t.Errorf("%q", m.told)
	}
	m.mu.Unlock()

	g := newGate(t, "listeners: [{address: '127.0.0.1:0', web: {}, security: [none], target: one}]\ntargets: {one: {address: %q}}\n"+
		"policy: [{who: 'user:nobody', targets: one, allow: [all]}]\nlimits: {sessions: 1}", displaysAt(t, "one")...)
	must(t, g.selfSession(visit(t)))
	if got := g.gate.List(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	g.drain(0, "")
	must(t, g.selfSession(visit(t)))
	must(t, g.undrain())
	if err := g.undrain(); !errors.Is(err, errNotDraining) {
		t.Error(err)
	}
	stuck, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.selfSession(stuck); err == nil {
		t.Error("a session within no time")
	}
}

// The watchdog ends nobody who is in because nobody else may come in.
func TestWatchdogIsFedWhenNobodyMayComeIn(t *testing.T) {
	t.Run("audit", func(t *testing.T) {
		g, _ := brokenAudit(t, "on_failure: stop")
		g.breakAudit()
		must(t, g.selfSession(visit(t)))
	})
	t.Run("memory", func(t *testing.T) {
		g := newGate(t, "listeners: [{address: '127.0.0.1:0', web: {}, security: [none], target: one}]\ntargets: {one: {address: %q}}\n"+
			"limits: {memory: 32MiB}", displaysAt(t, "one")...)
		held := make([]byte, 64<<20)
		runtime.GC() // which finds it in use
		eventually(t, "nobody is let in", func() bool { return errors.Is(g.gate.Ready(), gateway.ErrMemory) })
		must(t, g.selfSession(visit(t)))
		runtime.KeepAlive(held)
	})
}
