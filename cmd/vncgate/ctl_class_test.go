package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestCtlClasses moves a session that is open, and one that is not.
func TestCtlClasses(t *testing.T) {
	g := newSteered(t, "classes: {bulk: {sessions: 5, bandwidth: 20MB/s}, interactive: {}}\n")
	id := g.enters()
	if out, err := g.ctl("sessions"); err != nil || strings.Contains(out, "CLASS") {
		t.Errorf("a column for one class: %v\n%s", err, out)
	}
	g.says("done", "set-class", id, "bulk")
	g.says("CLASS", "sessions")
	g.says("CLASS", "top")
	g.says(id, "sessions", "--class", "bulk")
	g.says("Nobody is in.", "sessions", "--class", "interactive")
	g.says("BUFFERS", "stats")
	if list := g.gate.gate.List(); len(list) != 1 || list[0].Class != "bulk" {
		t.Errorf("%+v", list)
	}
	out, err := g.ctl("stats")
	if err != nil || !strings.Contains(strings.Join(strings.Fields(out), " "), "bulk 1 5 0") {
		t.Errorf("%v\n%s", err, out)
	}
	g.fails("no class \"none\"", "set-class", id, "none")
	g.fails("no session \"none\"", "set-class", "none", "bulk")
	g.fails("is missing", "set-class", id)

	root := newRootCommand()
	var list bytes.Buffer
	root.SetOut(&list)
	root.SetErr(&bytes.Buffer{})
	root.SetArgs([]string{"__complete", "ctl", "--socket", g.socket, "set-class", id, ""})
	if err := root.Execute(); err != nil || !strings.Contains(list.String(), "bulk\ndefault\ninteractive\n") {
		t.Errorf("%q, %v", list.String(), err)
	}
}

// TestCtlShowsClassesOfWaysIn: as the configuration has them.
func TestCtlShowsClassesOfWaysIn(t *testing.T) {
	cfg, err := parseConfig([]byte("listeners: [{address: '127.0.0.1:0', target: one, class: bulk}]\n" +
		"targets: {one: {address: 'vm:5900', class: interactive}}\nclasses: {bulk: {}, interactive: {}}"))
	must(t, err)
	g := gateOf(t, cfg, nil)
	if l, n := g.controlListeners(), g.controlTargets(); l[0].Class != "bulk" || n[0].Class != "interactive" {
		t.Errorf("%+v, %+v", l, n)
	}
}
