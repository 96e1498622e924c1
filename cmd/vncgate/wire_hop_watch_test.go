package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/auth/capability"
	"vncgate/gateway"
	"vncgate/gateway/cluster"
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
	a.watchesForLong()
	peer := a.peers()[0]
	_, err = a.cluster.hops.silent.begin(peer, time.Second, false) // a question that takes long
	must(t, err)
	_ = a.cluster.hops.silent.mark(peer, time.Now())
	if got := a.watchedName(shadowPrefix + id); got != shadowPrefix+"desk" {
		t.Errorf("after a while, while its node is slow, the policy calls it %q", got)
	}
	a.cluster.hops.silent.end(peer, time.Now(), true)
	_, err = a.ctl("kill", id)
	must(t, err)
	_ = w.Ended()
	if e := event(t); e.Kind != shadowEnded || e.Target != "desk" || e.Details["session"] != id || e.Details["session_node"] != "b" {
		t.Errorf("told of %+v", e)
	}
	eventually(t, "the session is over", func() bool {
		_, err := run("session-watch", sessionWatchArgs{ID: id})
		return err != nil && strings.Contains(err.Error(), "no session")
	})
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

// watchesForLong has what is known of other nodes' sessions be two minutes old.
func (g *steered) watchesForLong() {
	g.watchPlaces.mu.Lock()
	defer g.watchPlaces.mu.Unlock()
	for id, one := range g.watchPlaces.of {
		one.found = one.found.Add(-2 * watchPlaceTime)
		g.watchPlaces.of[id] = one
	}
}

// TestSessionThatBegins: whoever asks for a session of another node before it can be
// looked on in sees it when it can.
func TestSessionThatBegins(t *testing.T) {
	a, b := watchedNodes(t)
	_, id := b.comes("other")
	one, _ := b.shadows.get(id)
	b.shadows.remove(id)
	if _, err := a.findShadow(visit(t), shadowPrefix+id); !errors.Is(err, errNotFollowed) {
		t.Errorf("too early: %v", err)
	}
	b.shadows.add(one)
	if _, err := a.findShadow(visit(t), shadowPrefix+id); err != nil {
		t.Errorf("in time: %v", err)
	}
}

// TestSessionThatWaits: one whose viewer waits for the display is there, and can be
// looked on in later.
func TestSessionThatWaits(t *testing.T) {
	address, came := deafNode(t, true)
	g := newGate(t, `
listeners: [{address: "127.0.0.1:0", target: desk, security: [none]}]
targets: {desk: {address: %q}}
shadow: {rules: [{targets: desk, watch: true}]}
`, address)
	c, err := net.Dial("tcp", g.address(0))
	must(t, err)
	defer c.Close()
	ctx := visit(t)
	go func() { _, _ = look(ctx, c) }()
	<-came
	var sessions []gateway.SessionInfo
	eventually(t, "the session is listed", func() bool { sessions = g.gate.List(); return len(sessions) == 1 })
	_, err = g.shadowHere(shadowPrefix + sessions[0].ID)
	if words, _ := gateway.Words(err); words != wordsNotYet || !errors.Is(err, gateway.ErrDenied) {
		t.Errorf("%v", err)
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
	address, _ := deafNode(t, true)
	deaf, err := cluster.Open(cluster.Config{Client: a.cluster.client, Prefix: a.cluster.cfg.prefix(), Node: "deaf", Address: address, Expire: patience})
	must(t, err)
	defer deaf.Close(t.Context())
	eventually(t, "a knows it", func() bool { return len(a.peers()) == 2 })
	if _, err := pictures.take(visit(t), control.Call{Role: control.Viewer, Actor: "boss"}, admin.Shot{Target: "bare"}); err != errMaybePicture {
		t.Errorf("of one that somebody may see through a node that does not answer: %v", err)
	}
}
