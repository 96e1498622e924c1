package main

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"vncgate/gateway/control"
)

// TestElders: the API of the process that lets viewers in shows and steers the
// sessions of the one before.
func TestElders(t *testing.T) {
	now, old := newSteered(t, ""), newSteered(t, "")
	mine, theirs := now.enters(), old.enters()
	if now.hasElders() {
		t.Error("there is none yet")
	}
	if err := os.Symlink(old.socket, now.socket+".4711"); err != nil {
		t.Fatal(err)
	}
	if !now.hasElders() {
		t.Error("there is one")
	}
	table := now.withElders(now.controls.table)
	run := func(name, args string) any {
		t.Helper()
		got, err := table.Run(visit(t), &control.Call{Role: control.Admin, Actor: "test"}, name, json.RawMessage(args))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return got
	}
	list := run("query-sessions", `{"limit":1}`).(control.SessionList)
	if len(list.Sessions) != 1 || list.Sessions[0].ID != mine || list.Next == "" {
		t.Errorf("the first: %+v", list)
	}
	list = run("query-sessions", `{"limit":1,"after":"`+list.Next+`"}`).(control.SessionList)
	if len(list.Sessions) != 1 || list.Sessions[0].ID != theirs {
		t.Errorf("the second: %+v", list)
	}
	if s := run("query-stats", "").(control.Stats); s.Open != 1 || s.OlderProcesses != 1 || s.OlderSessions != 1 {
		t.Errorf("%+v", s)
	}
	if met := run("session-pause", `{"all":true}`).(control.Met); met.Sessions != 2 {
		t.Errorf("%+v", met)
	}
	if d := run("drain", `{"timeout":"1h","words":"Bye."}`).(control.Drained); d.Sessions != 2 {
		t.Errorf("%+v", d)
	}
	if d, draining := old.gate.gate.Draining(); !draining || d.Words != "Bye." {
		t.Errorf("the older one does not drain: %+v", d)
	}
	run("undrain", "")
	if set := run("session-set-rights", `{"id":"`+theirs+`","without":["keyboard"]}`).(control.RightsSet); set.Sessions != 1 {
		t.Errorf("%+v", set)
	}
	if met := run("session-kill", `{"id":"`+theirs+`"}`).(control.Met); met.Sessions != 1 {
		t.Errorf("%+v", met)
	}
	eventually(t, "it has ended", func() bool { return len(old.gate.gate.List()) == 0 })
	if len(now.gate.gate.List()) != 1 {
		t.Error("the wrong one has ended")
	}
	if _, err := table.Run(context.Background(), &control.Call{Role: control.Admin}, "session-kill", json.RawMessage(`{"id":"none"}`)); !isNotFound(err) {
		t.Errorf("%v", err)
	}
}
