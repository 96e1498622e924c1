package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vncgate/gateway/control"
	"vncgate/layers"
	"vncgate/rfb"
)

// steered is a gateway with a control socket.
type steered struct {
	*gate
	socket string
}

// newSteered has a display that shows a name, and one that is down.
func newSteered(t *testing.T, more string) *steered {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "c.sock")
	path := filepath.Join(dir, "vncgate.yaml")
	text := fmt.Sprintf("listeners: [{address: 'localhost:0', target: desk}]\ntargets: {desk: {address: %q}, down: {address: 'unix:%s/none'}}\ncontrol: {socket: %q}\n%s",
		heldDisplay(t), dir, socket, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file := newConfigFile(path, func() (*config, error) { return loadConfig(path) }, nil)
	cfg, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	return &steered{gateOf(t, cfg, file), socket}
}

// heldDisplay is a display that keeps its viewers until they leave.
func heldDisplay(t *testing.T) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go holdViewer(c)
		}
	}()
	return ln.Addr().String()
}

func holdViewer(c net.Conn) {
	defer c.Close()
	ctx := context.Background()
	viewer, err := rfb.Server(ctx, c, &rfb.ServerConfig{Security: []rfb.Security{rfb.None{}}})
	if err != nil {
		return
	}
	if _, err := viewer.ReadClientInit(ctx); err != nil {
		return
	}
	if viewer.WriteServerInit(ctx, rfb.ServerInit{Width: 64, Height: 48, Format: rfb.Format32(), Name: "held"}) != nil {
		return
	}
	for b := make([]byte, 64); err == nil; {
		_, err = viewer.Read(b)
	}
}

// enters has a viewer come in and stay, and returns its session's ID.
func (g *steered) enters() (id string) {
	g.t.Helper()
	viewer, err := rfb.Client(visit(g.t), g.dial(0), &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if err == nil {
		err = viewer.WriteClientInit(visit(g.t), true)
	}
	if err == nil {
		_, err = viewer.ReadServerInit(visit(g.t))
	}
	if err != nil {
		g.t.Fatal(err)
	}
	eventually(g.t, "it is open", func() bool {
		l := g.gate.gate.List()
		return len(l) > 0 && l[len(l)-1].Open
	})
	list := g.gate.gate.List()
	return list[len(list)-1].ID
}

// ctl runs the program as somebody would at a terminal.
func (g *steered) ctl(words ...string) (out string, err error) {
	g.t.Helper()
	return runCtl(g.t, append([]string{"--socket", g.socket}, words...)...)
}

func runCtl(t *testing.T, words ...string) (string, error) {
	t.Helper()
	root := newRootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"ctl"}, words...))
	err := root.ExecuteContext(visit(t))
	return out.String(), err
}

func (g *steered) says(want string, words ...string) {
	g.t.Helper()
	out, err := g.ctl(words...)
	if err != nil || !strings.Contains(out, want) {
		g.t.Errorf("ctl %s: %v\n%s", strings.Join(words, " "), err, out)
	}
}

func (g *steered) fails(want string, words ...string) {
	g.t.Helper()
	if out, err := g.ctl(words...); err == nil || !strings.Contains(err.Error(), want) {
		g.t.Errorf("ctl %s: %v\n%s", strings.Join(words, " "), err, out)
	}
}

func TestCtlLists(t *testing.T) {
	g := newSteered(t, "")
	g.says("Nobody is in.", "sessions")
	id := g.enters()
	g.says(id, "sessions")
	g.says(id, "query-sessions", "--target", "desk")
	g.says("Nobody is in.", "sessions", "--target", "down")
	g.says("desk", "targets")
	g.says("natives", "listeners")
	g.says("open ", "stats")
	g.says("session-kill", "commands")
	g.says("vncgate", "version")
	g.says("GRANT_CHANGED", "query-events")
	g.says(`"meta-type": "command"`, "schema")
	g.says(id, "top")
	g.says(id, "watch")
	out, err := g.ctl("sessions", "--json")
	var list []control.Session
	if err != nil || json.Unmarshal([]byte(out), &list) != nil || len(list) != 1 || list[0].ID != id || list[0].Target != "desk" || list[0].State != "open" {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := g.ctl("sessions", "--json", "--target", "down"); err != nil || strings.TrimSpace(out) != "[]" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestCtlSteersSessions(t *testing.T) {
	g := newSteered(t, "")
	one, two := g.enters(), g.enters()
	g.says("sessions  1", "pause", one)
	g.says("paused", "sessions")
	g.says("sessions  1", "resume", "--target", "desk")
	g.fails("no session that fits is paused", "resume", one)
	g.says("sessions  1", "view-only", one)
	var list []control.Session
	if out, _ := g.ctl("sessions", "--json"); json.Unmarshal([]byte(out), &list) != nil || slices.Contains(list[0].Rights, "keyboard") || !slices.Contains(list[1].Rights, "keyboard") {
		t.Errorf("%s", out)
	}
	g.says("sessions  1", "set-rights", one, "--restore")
	g.says("sessions  1", "set-rights", one, "--without", "keyboard,resize")
	g.fails("clipboard-out, bell and audio cannot be taken", "set-rights", one, "view")
	g.fails("unknown right", "set-rights", one, "dance")
	g.fails("without view nobody sees anything", "set-rights", one, "keyboard")
	g.fails("by one of rights, without and restore", "set-rights", one)
	g.fails("none has a page", "message", "--all", "Lunch", "is", "served.")
	g.fails("'words' is missing", "message", one)
	g.fails("which session?", "kill")
	g.fails("'vncgate ctl sessions' lists", "view-only")
	g.fails("'vncgate ctl sessions' lists", "kill", "none")
	g.fails("no session \"none\"", "kill", "none")
	g.says("sessions  1", "kill", one, two, "--words", "Enough.")
	eventually(t, "both have ended", func() bool { return len(g.gate.gate.List()) == 0 })
	g.logs("reason=killed")
}

func TestCtlSteersTheGateway(t *testing.T) {
	g := newSteered(t, "")
	g.says("unknown", "targets", "desk")
	g.says("name      held", "probe", "desk")
	g.says("up ", "targets", "desk")
	g.fails("no target \"other\"", "probe", "other")
	if out, err := g.ctl("probe", "down"); err == nil || !strings.Contains(out, "stage") {
		t.Errorf("%s, %v", out, err)
	}
	g.says("display unreachable", "targets", "down")
	g.says("level  debug", "log-level")
	g.says("was    debug", "log-level", "warn")
	g.says("level  info", "log-level", "info")
	g.fails("does not accept value 'loud'", "log-level", "loud")
	g.says("nobody is in.", "drain", "--timeout", "1h", "--words", "Back soon.")
	g.says("draining    true", "stats")
	g.says("done", "undrain")
	g.fails("does not drain", "undrain")
	g.says("nothing new", "reload")
	g.fails("has no account here", "revoke", "--user", "alice")
	g.fails("there is no session \"none\"; 'vncgate ctl sessions'", "revoke", "--session", "none")
	g.fails("one of token, user and session", "revoke")
	g.fails("there are no classes", "set-class", "x", "bulk")
}

func TestCtlProfile(t *testing.T) {
	g := newSteered(t, "")
	path := filepath.Join(t.TempDir(), "goroutines.txt")
	g.says("go tool pprof "+path, "profile", "goroutine", "--text", "--output", path)
	if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), "goroutine profile:") {
		t.Errorf("%.50q, %v", b, err)
	}
	g.fails("does not accept value 'dance'", "profile", "dance", "--output", path)
	g.fails("not a directory", "profile", "heap", "--output", filepath.Join(path, "x"))
}

// TestCtlReload: what has changed is told, and a mistake changes nothing.
func TestCtlReload(t *testing.T) {
	g := newSteered(t, "")
	good, err := os.ReadFile(g.file.path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(g.file.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(string(good), "targets: {", "targets: {third: {address: 'vm:5901'}, ", 1))
	eventually(t, "it is in force", func() bool {
		_, _ = g.ctl("reload")
		out, _ := g.ctl("targets")
		return strings.Contains(out, "third")
	})
	write(string(good) + "nonsense: 1\n")
	g.fails("nonsense", "reload")
	g.says("third", "targets")
}

func TestCtlWithoutAGateway(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("VNCGATE_CONTROL", filepath.Join(dir, "none.sock"))
	if _, err := runCtl(t, "sessions"); err == nil || !strings.Contains(err.Error(), "serve --control "+dir) {
		t.Errorf("%v", err)
	}
	ln, err := net.Listen("unix", filepath.Join(dir, "dead.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = ln.Close()
	if _, err := runCtl(t, "sessions", "--socket", filepath.Join(dir, "dead.sock")); err == nil || !strings.Contains(err.Error(), "its gateway has ended") {
		t.Errorf("%v", err)
	}
	if _, err := runCtl(t, "dance"); err == nil || !strings.Contains(err.Error(), "no command \"dance\"") {
		t.Errorf("%v", err)
	}
	if _, err := runCtl(t, "sessions", "extra"); err == nil || !strings.Contains(err.Error(), "takes no argument") {
		t.Errorf("%v", err)
	}
}

// TestCtlAsksOlderProcesses: their sockets have the number of the process at the
// end.
func TestCtlAsksOlderProcesses(t *testing.T) {
	now, old := newSteered(t, ""), newSteered(t, "")
	one, two := now.enters(), old.enters()
	if err := os.Symlink(old.socket, now.socket+".4711"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(now.socket+".bak", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := now.ctl("sessions")
	for _, want := range []string{"PROCESS", "current", "4711", one, two} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("no %s: %v\n%s", want, err, out)
		}
	}
	now.says("1 session left", "drain", "--timeout", "1h")
	for name, g := range map[string]*steered{"current": now, "older": old} {
		if _, draining := g.gate.gate.Draining(); !draining {
			t.Errorf("the %s one does not drain", name)
		}
	}
	now.says("done", "undrain")
	now.says("sessions  1", "kill", two)
	if strings.Contains(now.log.String(), "no session") {
		t.Error("the one that has no such session was asked to end it")
	}
	eventually(t, "it has ended", func() bool { return len(old.gate.gate.List()) == 0 })
	if len(now.gate.gate.List()) != 1 {
		t.Error("the wrong one has ended")
	}
}

func TestCtlCompletes(t *testing.T) {
	g := newSteered(t, "")
	id := g.enters()
	for words, want := range map[string]string{
		"kill ":                  id + "\t",
		"probe ":                 "down\t",
		"sessions --target ":     "desk\t",
		"sessions --listener":    "--listener",
		"set-rights " + id + " ": "clipboard-out",
		"log-level ":             "debug",
		"ki":                     "kill",
		"message ":               id,
	} {
		list := strings.Split(words, " ")
		root := newRootCommand()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&bytes.Buffer{})
		root.SetArgs(append([]string{"__complete", "ctl", "--socket", g.socket}, list...))
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %q, %v", words, out.String(), err)
		}
	}
}

func TestCtlShell(t *testing.T) {
	g := newSteered(t, "")
	id := g.enters()
	script := "# who is in\nsessions\n\nmessage --all \"Lunch is served.\"\nkill " + id + "\n"
	root := newRootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetIn(strings.NewReader(script))
	root.SetArgs([]string{"ctl", "shell", "--socket", g.socket})
	err := root.ExecuteContext(visit(t))
	if err == nil || !strings.Contains(err.Error(), "1 of the commands failed") || !strings.Contains(out.String(), "line 4: nobody was told") || !strings.Contains(out.String(), id) {
		t.Errorf("%v\n%s", err, out.String())
	}
	eventually(t, "the lines after it are run", func() bool { return len(g.gate.gate.List()) == 0 })
}

func TestShortRights(t *testing.T) {
	for names, want := range map[string]string{
		"all": "all", "control": "control", "view,keyboard,clipboard": "clipboard,view,keyboard", "all,opaque": "all,opaque",
		"control,clipboard,resize": "control,clipboard,resize", "view,dance": "view,dance",
	} {
		if got := shortRights(strings.Split(names, ",")); got != want {
			t.Errorf("%s: %s", names, got)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for line, want := range map[string]string{
		"":                       "",
		"  a  b ":                "a|b",
		`a "b c" 'd "e"' f""`:    `a|b c|d "e"|f`,
		`say ""`:                 "say|",
		`--words="back at noon"`: "--words=back at noon",
	} {
		if got, err := splitWords(line); err != nil || strings.Join(got, "|") != want {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	if _, err := splitWords(`a "b`); err == nil {
		t.Error("an open quote")
	}
}

func TestCtlHistory(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	h := openHistory()
	for _, line := range []string{"sessions", "sessions", " ", "top"} {
		h.Add(line)
	}
	if again := openHistory(); again.Len() != 2 || again.At(0) != "top" || again.At(1) != "sessions" {
		t.Errorf("%+v", again)
	}
	for i := range 2 * keptHistory {
		h.Add(fmt.Sprint(i))
	}
	if openHistory().Len() != keptHistory {
		t.Error("it grows")
	}
}

// TestControlRoles: who may connect and is nobody's is told so.
func TestControlConfig(t *testing.T) {
	for text, want := range map[string]string{
		"control: {socket: '@abstract'}":                   "is a path",
		"control: {socket: /x, group: nosuchgroup}":        "group",
		"control: {socket: /x, admins: [nosuchuser]}":      "does not know nosuchuser",
		"control: {socket: /x, viewers: ['group:nosuch']}": "does not know group:nosuch",
		"control: {mode: 0600}":                            "socket: is missing",
	} {
		t.Setenv("RUNTIME_DIRECTORY", "")
		if _, err := parseConfig([]byte(settings("", "address: 'vm:5900'", text))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	t.Setenv("RUNTIME_DIRECTORY", "/run/vncgate:/run/other")
	cfg, err := parseConfig([]byte(settings("", "address: 'vm:5900'", "control: {viewers: ['*']}")))
	if err != nil || cfg.Control.Socket != "/run/vncgate/control.sock" {
		t.Fatalf("%v", err)
	}
	for uid, want := range map[int]control.Role{0: control.Admin, os.Geteuid(): control.Admin, 54321: control.Viewer} {
		if got := cfg.Control.permits().Role(layers.Credentials{UID: uid, GID: 54321}); got != want {
			t.Errorf("%d: %s", uid, got)
		}
	}
}
