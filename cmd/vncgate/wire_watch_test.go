package main

import (
	"context"
	"image"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/rfb/display/demo"
	"vncgate/rfb/display/player"
	"vncgate/rfb/display/recording"
	shown "vncgate/rfb/display/screen"
	"vncgate/rfb/display/screen/screentest"
)

// boss is who asks for links.
var boss = &control.Call{Role: control.Admin, Actor: "boss"}

// stillDemo is the address of a display that shows what its viewers do.
func stillDemo(t *testing.T) net.Addr {
	t.Helper()
	ln := listenLocal(t)
	display := demo.New(demo.Options{Still: true, Width: 400, Height: 300, Name: "desk"})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { acceptDemo(ctx, ln, display) })
	t.Cleanup(func() {
		stop()
		_ = ln.Close()
		display.Close()
		running.Wait()
	})
	return ln.Addr()
}

// watcher is a viewer that comes in at a door for browsers, and sees.
func (g *gate) watcher(door int, path string) *screentest.Watcher {
	g.t.Helper()
	return screentest.Watch(g.t, func(ctx context.Context, c net.Conn) error {
		ws, err := layers.Stack(visit(g.t), g.dial(door), layers.WebSocketClient("ws://"+g.address(door)+path, nil))
		if err != nil {
			_ = c.Close()
			return err
		}
		go func() { _, _ = io.Copy(ws, c); _ = ws.Close() }()
		_, err = io.Copy(c, ws)
		_ = c.Close()
		return err
	})
}

// told keeps the events of some kinds.
func told(g *gate, kinds ...gateway.EventKind) func(t *testing.T) gateway.Event {
	events := make(chan gateway.Event, 64)
	g.events.to(func(e gateway.Event) {
		if slices.Contains(kinds, e.Kind) {
			events <- e
		}
	})
	return func(t *testing.T) gateway.Event {
		t.Helper()
		select {
		case e := <-events:
			return e
		case <-time.After(patience):
			t.Fatalf("no event of %v", kinds)
			return gateway.Event{}
		}
	}
}

const shadowYAML = `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [sasl], target: desk}
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
  - {address: "127.0.0.1:0", web: {}, security: [sasl]}
targets: {desk: {address: %s}, other: {address: %s}}
users: {file: %q}
policy:
  - {who: ["user:alice", "user:bob"], targets: "*", allow: all}
  - {who: "user:carol", targets: ["session/desk"], allow: all}
capabilities: {store: %q}
shadow: {rules: [{who: "user:bob", watch: false}, {targets: "desk", watch: notice}]}
`

func newShadowGate(t *testing.T) *gate {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users")
	for _, name := range []string{"alice", "bob", "carol"} {
		must(t, (&auth.UsersFile{Path: users}).Add(name, "wonderland"))
	}
	return newGate(t, shadowYAML, stillDemo(t), stillDemo(t), users, t.TempDir())
}

// enters has a user see a display by the page, and returns its session's ID.
func (g *gate) enters(user string) (*page, string) {
	g.t.Helper()
	before := g.gate.List()
	p, err := g.pageStay(0, "/?notices", nil, scramAs(user, "wonderland"))
	must(g.t, err)
	for _, s := range g.gate.List() {
		if !slices.ContainsFunc(before, func(b gateway.SessionInfo) bool { return b.ID == s.ID }) {
			return p, s.ID
		}
	}
	g.t.Fatal("there is no session")
	return nil, ""
}

// An operator looks on in a session, whose viewer is told; nothing of what the
// operator does gets anywhere.
func TestSessionIsWatched(t *testing.T) {
	g := newShadowGate(t)
	event := told(g, shadowStarted, shadowEnded)
	p, id := g.enters("alice")
	p.say(t, rfb.AppendSetEncodings(nil, rfb.EncodingZRLE, rfb.EncodingCursor),
		rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 400, 300), rfb.AppendKeyEvent(nil, true, 'q'))
	link, err := g.sessionWatch(t.Context(), boss, sessionWatchArgs{ID: id})
	must(t, err)
	w := g.watcher(1, "/?token="+link.Token)
	if w.Init.Name != "watching desk" || w.Init.Width != 400 {
		t.Errorf("sees %+v", w.Init)
	}
	e := event(t)
	if e.Kind != shadowStarted || e.Session == nil || e.Session.ID != id || e.Details["watcher_session"] == "" {
		t.Errorf("told of %+v", e)
	}
	p.told("message", func(n pageNotice) bool { return n.Words == wordsWatched })
	for _, s := range g.gate.List() {
		if s.Target == shadowPrefix+id && s.Rights&^auth.Viewing != 0 {
			t.Errorf("who looks on may %s", s.Rights)
		}
	}
	w.Send(rfb.AppendKeyEvent(nil, true, 'x'), rfb.AppendPointerEvent(nil, 1, 5, 5))
	eventually(t, "a picture", func() bool {
		p.say(t, rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 400, 300))
		pix := w.Picture()
		return slices.ContainsFunc(pix, func(v uint32) bool { return v != 0 })
	})
	if _, err := g.webStay(1, "/?token="+link.Token); err == nil {
		t.Error("the link opens it for another")
	}
	_ = p.c.Close()
	_ = w.Ended()
	if e = event(t); e.Kind != shadowEnded {
		t.Errorf("told of %+v", e)
	}
	if _, err := g.sessionWatch(t.Context(), boss, sessionWatchArgs{ID: id}); err == nil || !strings.Contains(err.Error(), "query-sessions") {
		t.Errorf("afterwards: %v", err)
	}
}

// say sends what the viewer says.
func (p *page) say(t *testing.T, msgs ...[]byte) {
	t.Helper()
	_, err := p.c.Write(slices.Concat(msgs...))
	must(t, err)
}

// A rule for every target lets nobody look on, one that names the display does,
// and whose sessions are not followed, nobody sees.
func TestWhoMayWatchSessions(t *testing.T) {
	g := newShadowGate(t)
	_, id := g.enters("alice")
	_, apart := g.enters("bob")
	for _, c := range []struct{ user, session, want string }{
		{"carol", id, "watching desk"}, {"alice", id, "!"}, {"bob", id, "!"}, {"carol", apart, "!no rule of the gateway's shadow"},
		{"carol", "b0b0b0b0", "!"},
	} {
		got, err := g.browserAs(2, "/websockify?target="+shadowPrefix+c.session, scramAs(c.user, "wonderland"))
		sees(t, c.user, c.want, got, err)
	}
	if _, err := g.sessionWatch(t.Context(), boss, sessionWatchArgs{ID: apart}); err == nil || !strings.Contains(err.Error(), "shadow:") {
		t.Errorf("%v", err)
	}
	table := control.Commands(g.backend(control.Version{}))
	got, err := table.Run(t.Context(), boss, "query-sessions", nil)
	must(t, err)
	var followed []string
	for _, s := range got.(control.SessionList).Sessions {
		if s.Followed {
			followed = append(followed, s.ID)
		}
	}
	if !slices.Equal(followed, []string{id}) {
		t.Errorf("followed are %v, not %v alone", followed, id)
	}
	text, _, err := g.capabilities.Issue(capability.Token{Targets: []string{"*", "session/*"}, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	_, err = g.browser(1, "/?target="+shadowPrefix+id+"&token="+text, nil)
	sees(t, "a token for everything", "!", "", err)
}

// browserAs comes in as noVNC does, with a log-in.
func (g *gate) browserAs(door int, path string, security rfb.Security) (string, error) {
	g.t.Helper()
	return g.native(door, []layers.Layer{layers.WebSocketClient("ws://"+g.address(door)+path, nil)}, security)
}

// recordSession records what a viewer of a screen sees: count pictures. They are
// the last ones that it is shown.
func recordSession(t *testing.T, folder, name, target string, count int) (last *image.RGBA) {
	t.Helper()
	s := shown.New(shown.Options{Name: target, Size: image.Pt(120, 80)})
	defer s.Close()
	var rec *recording.Recorder
	w, _ := screentest.Tapped(t, s.ServeConn, func(init rfb.ServerInit) screentest.Follower {
		var err error
		rec, err = recording.New(recording.Directory(folder), recording.Options{
			Name: name, Init: init, Meta: recording.Meta{Session: "a1b2c3d4", Target: target, User: "alice"},
		})
		must(t, err)
		return rec
	})
	w.Encodings(rfb.EncodingZRLE)
	for n := range count {
		last = image.NewRGBA(image.Rect(0, 0, 120, 80))
		for i := range 120 * 80 {
			copy(last.Pix[4*i:], []byte{byte(i * n), byte(i % 120), byte(50 * n), 255})
		}
		s.Show(last, nil)
		w.Picture()
	}
	rec.Close("viewer left")
	<-rec.Done()
	must(t, rec.Err())
	return last
}

const playbackYAML = `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
  - {address: "127.0.0.1:0", web: {}, security: [sasl]}
targets: {desk: {address: "127.0.0.1:1"}}
users: {file: %q}
policy:
  - {who: "user:alice", targets: ["recording/desk", "recording/l*"], allow: all}
  - {who: "user:bob", targets: "*", allow: all}
capabilities: {store: %q}
playback: {directory: %q, viewers: 2}
`

func newPlaybackGate(t *testing.T) (g *gate, folder string) {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users")
	for _, name := range []string{"alice", "bob"} {
		must(t, (&auth.UsersFile{Path: users}).Add(name, "wonderland"))
	}
	folder = t.TempDir()
	return newGate(t, playbackYAML, users, t.TempDir(), folder), folder
}

// A recording is listed, opened by a link and steered by its page.
func TestRecordingIsWatched(t *testing.T) {
	g, folder := newPlaybackGate(t)
	last := recordSession(t, folder, "20260501-120000-desk-alice-a1b2c3d4", "desk", 3)
	list, err := g.queryRecordings(t.Context(), boss, recordingQuery{})
	must(t, err)
	if len(list.Recordings) != 1 {
		t.Fatalf("%+v", list)
	}
	r := list.Recordings[0]
	if r.Target != "desk" || r.User != "alice" || r.State != "whole" || r.Seconds <= 0 || r.Bytes <= 0 || r.Width != 120 || r.Reason != "viewer left" {
		t.Errorf("listed as %+v", r)
	}
	link, err := g.recordingLink(t.Context(), boss, recordingLinkArgs{Name: r.Name})
	must(t, err)
	p, err := g.pageStay(0, "/?notices&token="+link.Token, nil)
	must(t, err)
	if n := p.told("rights", nil); !n.Playback || strings.Join(n.Rights, ",") != "view" {
		t.Errorf("the page is told %+v", n)
	}
	status, state := p.ask(map[string]any{"play": map[string]any{"do": "pause"}})
	if status != 200 || state["recording"] != r.Name || state["playing"] != false {
		t.Errorf("%d %v", status, state)
	}
	status, state = p.ask(map[string]any{"play": map[string]any{"do": "seek", "position": r.Seconds + 5}})
	if status != 200 || state["position"] != r.Seconds {
		t.Errorf("%d %v", status, state)
	}
	if status, state = p.ask(map[string]any{"play": map[string]any{"do": "speed", "speed": 4, "skip_idle": 2}}); status != 200 || state["speed"] != 4.0 || state["skip_idle"] != 2.0 {
		t.Errorf("%d %v", status, state)
	}
	for _, wrong := range []map[string]any{{"do": "dance"}, {"do": "speed", "speed": 99}} {
		if status, answer := p.ask(map[string]any{"play": wrong}); status != 400 || answer["error"] == "" {
			t.Errorf("%v: %d %v", wrong, status, answer)
		}
	}
	if status, answer := p.ask(map[string]any{"play": map[string]any{"do": "thumbnail", "position": 0}}); status != 200 || !strings.HasPrefix(answer["picture"].(string), "data:image/jpeg;base64,") {
		t.Errorf("a small picture: %d %v", status, answer)
	}
	all, err := g.playbackStatus(t.Context(), boss, control.Paging{})
	must(t, err)
	if len(all.Playbacks) != 1 || all.Playbacks[0].Recording != r.Name || all.Playbacks[0].Speed != 4 {
		t.Errorf("%+v", all)
	}
	id := playbackID{ID: all.Playbacks[0].Session}
	for _, f := range []func(context.Context, *control.Call, playbackID) (playbackEntry, error){g.playbackPlay, g.playbackPause} {
		if _, err := f(t.Context(), boss, id); err != nil {
			t.Error(err)
		}
	}
	if e, err := g.playbackSpeed(t.Context(), boss, playbackSpeed{playbackID: id, Speed: player.MaxSpeed}); err != nil || e.Speed != 16 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := g.playbackSeek(t.Context(), boss, playbackSeek{playbackID: playbackID{ID: "other"}}); err == nil {
		t.Error("steers what is not there")
	}
	_ = p.c.Close()
	eventually(t, "the recording is let go of", func() bool { return len(g.playbacks.list()) == 0 })

	link, err = g.recordingLink(t.Context(), boss, recordingLinkArgs{Name: r.Name})
	must(t, err)
	w := g.watcher(0, "/?token="+link.Token)
	want := screentest.Want(last, w.Format)
	eventually(t, "the last picture", func() bool { return slices.Equal(w.Picture(), want) })
	_ = w.Conn.Close()
}

// Rules that name the display of a recording open it; a rule for every target does
// not.
func TestWhoMayWatchRecordings(t *testing.T) {
	g, folder := newPlaybackGate(t)
	recordSession(t, folder, "one", "desk", 1)
	recordSession(t, folder, "two", "lab/3", 1)
	recordSession(t, folder, "three", "secret", 1)
	must(t, os.WriteFile(filepath.Join(folder, "four.fbs"), []byte("nothing"), 0o600))
	for _, c := range []struct{ user, name, want string }{
		{"alice", "one", "recording of desk"}, {"alice", "two", "recording of lab/3"}, {"alice", "three", "!"}, {"bob", "one", "!"},
		{"alice", "none", "!"}, {"alice", "../one", "!"}, {"alice", "four", "!"}, {"alice", "", "!"},
	} {
		got, err := g.browserAs(1, "/websockify?target="+recordingPrefix+c.name, scramAs(c.user, "wonderland"))
		sees(t, c.user+" "+c.name, c.want, got, err)
	}
	if _, err := g.recordingLink(t.Context(), boss, recordingLinkArgs{Name: "four"}); err == nil || !strings.Contains(err.Error(), wordsNotPlayable) {
		t.Errorf("%v", err)
	}
	if _, err := g.recordingLink(t.Context(), boss, recordingLinkArgs{Name: "../one"}); err == nil || !strings.Contains(err.Error(), "query-recordings") {
		t.Errorf("%v", err)
	}
	list, err := g.queryRecordings(t.Context(), boss, recordingQuery{Target: "desk", Paging: control.Paging{Limit: 1}})
	if err != nil || len(list.Recordings) != 1 || list.Recordings[0].Name != "one" {
		t.Errorf("%+v, %v", list, err)
	}
}
