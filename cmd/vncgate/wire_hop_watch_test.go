package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"vncgate/auth/capability"
	"vncgate/gateway/control"
	"vncgate/rfb"
	"vncgate/web/admin"
)

// watchedNodes are two nodes: of desk a viewer is told of those who look on, of
// other it is not, and nobody looks on in bare.
func watchedNodes(t *testing.T) (a, b *steered) {
	t.Helper()
	address := stillDemo(t).String()
	r := startSharedRedis(t)
	return r.pairOf(address, nodeMore{
		targets:  fmt.Sprintf(", other: {address: %q}, bare: {address: %q}", address, address),
		settings: "shadow: {rules: [{targets: desk, watch: notice}, {targets: other, watch: true}]}",
	})
}

// comes has a viewer see a display by the page, and returns its session's ID.
func (g *steered) comes(target string) (p *page, id string) {
	g.t.Helper()
	text, _, err := g.capabilities.Issue(capability.Token{Targets: []string{target}, Expires: time.Now().Add(time.Hour)})
	must(g.t, err)
	p, err = g.pageStay(1, "/?notices&token="+text, nil, rfb.None{})
	must(g.t, err)
	eventually(g.t, "the session is open", func() bool {
		for _, s := range g.gate.gate.List() {
			if s.Target == target && s.Open {
				id = s.ID
			}
		}
		return id != ""
	})
	return p, id
}

// TestSessionWatchedFromAnotherNode: a link to a session is made at whichever node,
// leads to the one that has it, and opens it at all.
func TestSessionWatchedFromAnotherNode(t *testing.T) {
	a, b := watchedNodes(t)
	p, id := b.comes("desk")
	event := told(a.gate, shadowStarted, shadowEnded)
	run := func(name string, args any) (any, error) {
		text, err := json.Marshal(args)
		must(t, err)
		return a.controls.server.Table.Run(visit(t), boss, name, text)
	}
	result, err := run("session-watch", sessionWatchArgs{ID: id})
	must(t, err)
	link := result.(sharedLink)
	if !strings.HasPrefix(link.Link, "http://127.0.0.1:") || link.Token == "" {
		t.Errorf("%+v", link)
	}
	w := a.watcher(1, "/?token="+link.Token)
	if w.Init.Name != "watching desk" || w.Init.Width != 400 {
		t.Errorf("sees %+v", w.Init)
	}
	p.told("message", func(n pageNotice) bool { return n.Words == wordsWatched })
	if e := event(t); e.Kind != shadowStarted || e.Target != "desk" || e.Details["session"] != id || e.Details["session_node"] != "b" {
		t.Errorf("told of %+v", e)
	}
	_, err = a.ctl("kill", id)
	must(t, err)
	_ = w.Ended()
	if e := event(t); e.Kind != shadowEnded {
		t.Errorf("told of %+v", e)
	}
	if _, err := run("session-watch", sessionWatchArgs{ID: id}); err == nil || !strings.Contains(err.Error(), "no session") {
		t.Errorf("afterwards: %v", err)
	}
	_, bare := b.comes("bare")
	if _, err := run("session-watch", sessionWatchArgs{ID: bare}); err == nil || !strings.HasPrefix(err.Error(), "This session cannot be watched") {
		t.Errorf("one that nobody may watch: %v", err)
	}
	for session, want := range map[string]string{bare: "!no rule of the gateway's shadow", "b0b0b0b0": "!no such display"} {
		text, _, err := a.capabilities.Issue(capability.Token{Targets: []string{shadowPrefix + session}, Expires: time.Now().Add(time.Hour)})
		must(t, err)
		got, err := a.browser(1, "/?token="+text, nil)
		sees(t, session, want, got, err)
	}
}

// TestPictureOfAnotherNodesSession: the picture of a display that somebody sees
// through one node is taken of that session, whichever is asked, unless its viewer
// was to be told.
func TestPictureOfAnotherNodesSession(t *testing.T) {
	a, b := watchedNodes(t)
	b.comes("desk")
	b.comes("other")
	pictures := newPictures(a.gate.wiring, a.controls.server.Table)
	got, err := pictures.take(visit(t), control.Call{Role: control.Viewer, Actor: "boss"}, admin.Shot{Target: "other"})
	if err != nil || got.Type != "image/png" || len(got.Body) == 0 {
		t.Errorf("%s, %d bytes: %v", got.Type, len(got.Body), err)
	}
	b.logs("session is watched from another node")
	if _, err := pictures.take(visit(t), control.Call{Role: control.Viewer, Actor: "boss"}, admin.Shot{Target: "desk"}); err != errSeenPicture {
		t.Errorf("of one whose viewer would have to be told: %v", err)
	}
}
