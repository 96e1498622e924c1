//go:build linux

package main

import (
	"strconv"
	"strings"
	"testing"

	"vncgate/layers"
)

// The life of the service under a systemd that runs: it comes with its first
// viewer, reads its configuration again, is exchanged under a viewer that moves
// data, is watched over, and stops.
func TestUnderSystemd(t *testing.T) {
	b := boot(t)
	display := newStreamDisplay(t)
	browsers, viewers := freePort(t), freePort(t)
	config := "listeners:\n  - {address: 'systemd:browsers', web: {}, security: [none]}\n  - {address: 'systemd:viewers', security: [none]}\n" +
		"targets: {stream: {address: %q}}\nlimits: {shutdown_timeout: 2s}\ncontrol: {socket: /run/vncgate/control.sock}\naudit: {journal: true}\n%s"
	b.config(config, display.address, "")
	b.override("vncgate.socket", "[Socket]\nListenStream=\nListenStream="+browsers+"\n")
	b.override("vncgate-viewers.socket", "[Socket]\nListenStream=\nListenStream="+viewers+"\n")
	b.override("vncgate.service", "[Service]\nWatchdogSec=20\nEnvironment=GORACE=atexit_sleep_ms=0\n")
	b.run("systemctl", "daemon-reload")
	b.run("systemctl", "start", "vncgate.socket", "vncgate-viewers.socket")
	if state := b.show("ActiveState"); state != "inactive" {
		t.Errorf("before anybody comes it is %s", state)
	}
	ways := []way{
		{"tcp", viewers, nil},
		{"ws", browsers, []layers.Layer{layers.WebSocketClient("ws://gate.example/websockify", nil)}},
	}
	var watching []*streamViewer
	join := func() {
		t.Helper()
		for _, w := range ways {
			v, err := watchStream(t.Context(), w.name, w.address, 0, w.stack...)
			if err != nil {
				t.Fatalf("%s: %v\n%s", w.name, err, b.run("journalctl", "--no-pager", "-n", "60"))
			}
			watching = append(watching, v)
		}
	}
	join()
	b.becomes("ActiveState", "active")
	first := b.mainPID()

	t.Run("journal", func(t *testing.T) { b.of(t).hasLogged(first) })
	t.Run("reload", func(t *testing.T) {
		b := b.of(t)
		b.config(config, display.address, "log: {level: debug}\n")
		b.run("systemctl", "reload", "vncgate.service")
		b.logged(map[string]string{"VNCGATE_AUDIT": "CONFIG_RELOADED"})
		t.Logf("Type=%s; reloaded %d times", b.show("Type"), strings.Count(b.run("journalctl", "--no-pager", "-o", "cat", "VNCGATE_AUDIT=CONFIG_RELOADED"), "CONFIG_RELOADED"))
		b.config("%s", "nonsense: true\n")
		out, err := b.try("systemctl", "reload", "vncgate.service")
		t.Logf("a reload of nonsense: %v %s", err, out)
		if status := b.show("StatusText"); !strings.Contains(status, "rejected") {
			t.Errorf("after a reload of nonsense the status is %q", status)
		}
		b.logged(map[string]string{"MESSAGE": "nonsense", "PRIORITY": "3"})
		b.becomes("ActiveState", "active")
		b.config(config, display.address, "")
		b.run("systemctl", "reload", "vncgate.service")
		eventually(t, "the status is as before", func() bool { return !strings.Contains(b.show("StatusText"), "rejected") })
	})
	t.Run("upgrade", func(t *testing.T) {
		b := b.of(t)
		before := first
		for range 2 {
			b.run("systemctl", "kill", "--signal=USR2", "--kill-whom=main", "vncgate.service")
			eventually(t, "another process is the main one", func() bool { return b.mainPID() != before && b.mainPID() != 0 })
			before = b.mainPID()
			join()
			for _, v := range watching {
				v.goesOn(t)
			}
		}
		b.becomes("ActiveState", "active")
		b.becomes("NRestarts", "0")
		b.logged(map[string]string{"VNCGATE_AUDIT": "SESSION_OPENED", "_PID": strconv.Itoa(before)})
	})
	t.Run("watchdog", func(t *testing.T) {
		b := b.of(t)
		b.run("systemctl", "kill", "--signal=STOP", "--kill-whom=main", "vncgate.service")
		b.becomes("NRestarts", "1")
		b.becomes("ActiveState", "active")
		watching = nil
		join()
	})
	t.Run("stop", func(t *testing.T) {
		b := b.of(t)
		for _, v := range watching {
			v.leave()
		}
		b.run("systemctl", "stop", "vncgate.service", "vncgate.socket", "vncgate-viewers.socket")
		b.becomes("ActiveState", "inactive")
		b.becomes("Result", "success")
	})
	if c := display.complaints(); len(c) > 0 {
		t.Error(c)
	}
}

func (b *booted) mainPID() int {
	pid, _ := strconv.Atoi(b.show("MainPID"))
	return pid
}

// hasLogged looks for what the journal keeps of a session, field by field.
func (b *booted) hasLogged(pid int) {
	b.t.Helper()
	entry := b.logged(map[string]string{
		"MESSAGE": "session open", "VNCGATE_TARGET": "stream", "SYSLOG_IDENTIFIER": "vncgate", "PRIORITY": "6",
		"_SYSTEMD_UNIT": "vncgate.service", "_PID": strconv.Itoa(pid),
	})
	session, _ := entry["VNCGATE_SESSION"].(string)
	if session == "" {
		b.t.Fatalf("no session in %v", entry)
	}
	audited := b.logged(map[string]string{"VNCGATE_AUDIT": "SESSION_OPENED", "MESSAGE": session})
	if text, _ := audited["MESSAGE"].(string); !strings.HasPrefix(text, "{") || !strings.Contains(text, `"hash":`) {
		b.t.Errorf("the audit line is %q", text)
	}
	if found := b.run("journalctl", "--no-pager", "-o", "cat", "VNCGATE_SESSION="+session); !strings.HasPrefix(found, "session opened") {
		b.t.Errorf("asked for the session, the journal has %q", found)
	}
}
