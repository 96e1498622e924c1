package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vncgate/layers"
)

// units are copied to a folder of their own, with a program that exists.
func units(t *testing.T) (dir string, paths []string) {
	t.Helper()
	needPeer(t, "systemd-analyze", "systemd")
	found, err := filepath.Glob(filepath.Join(root, "deploy/systemd/vncgate*"))
	must(t, err)
	dir = t.TempDir()
	for _, from := range found {
		text, err := os.ReadFile(from)
		must(t, err)
		path := filepath.Join(dir, filepath.Base(from))
		must(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/usr/bin/vncgate", "/bin/true")), 0o600))
		paths = append(paths, path)
	}
	if len(paths) < 4 {
		t.Fatalf("only %d units", len(paths))
	}
	return dir, paths
}

// The units that come with the program are such that systemd takes them.
func TestUnitsAreInOrder(t *testing.T) {
	dir, paths := units(t)
	cmd := exec.CommandContext(visit(t), "systemd-analyze", "verify", "--man=no")
	for _, path := range paths {
		if strings.Contains(path, "@.") { // of a template one instance is looked at
			must(t, os.Rename(path, strings.Replace(path, "@.", "@desk.", 1)))
			path = strings.Replace(path, "@.", "@desk.", 1)
		}
		cmd.Args = append(cmd.Args, path)
	}
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) && !strings.Contains(line, "ignoring: notify-reload") { // systemd before 253
			t.Error(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// What the README says of how far the unit is shut in.
func TestUnitIsShutIn(t *testing.T) {
	dir, _ := units(t)
	out, err := exec.CommandContext(visit(t), "systemd-analyze", "security", "--offline=true", "--threshold=17",
		filepath.Join(dir, "vncgate.service")).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// The sockets of vncgate.socket and vncgate-viewers.socket, passed as systemd
// passes them: the program starts when the first viewer comes.
func TestStartedByItsSockets(t *testing.T) {
	const activate = "systemd-socket-activate"
	needPeer(t, activate, "systemd")
	at := displaysAt(t, "one")
	config := fileWith(t, `
listeners:
  - {address: "systemd:browsers", web: {}}
  - {address: "systemd:viewers", security: [none]}
targets:
  one: {address: %q}
`, at[0])
	dir := t.TempDir()
	browsers, viewers := filepath.Join(dir, "browsers"), filepath.Join(dir, "viewers")
	cmd := program(t, "serve", "--config", config)
	cmd.Args = append([]string{activate, "--listen=" + browsers, "--listen=" + viewers, "--fdname=browsers:viewers",
		"--setenv=GORACE=atexit_sleep_ms=0", cmd.Path}, cmd.Args[1:]...)
	var err error
	cmd.Path, err = exec.LookPath(activate)
	must(t, err)
	var output strings.Builder
	cmd.Stderr = &output
	must(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	}()
	dial := func(path string) (c net.Conn) {
		eventually(t, "a socket at "+path, func() bool {
			c, err = net.Dial("unix", path)
			return err == nil
		})
		return c
	}
	ws, err := layers.WebSocketClient("ws://desk.test/websockify", nil)(visit(t), dial(browsers))
	must(t, err)
	got, err := look(visit(t), ws)
	sees(t, "browser", "one", got, err)
	got, err = look(visit(t), dial(viewers))
	sees(t, "viewer", "one", got, err)
}
