package main

import (
	"context"
	"testing"

	"vncgate/gateway"
	"vncgate/rfb"
	"vncgate/web"
)

// A display of the configuration is recorded whatever it is called; what is looked
// at is not.
func TestDisplaysWithWatchedNamesAreRecorded(t *testing.T) {
	g := newGate(t, "listeners: [{address: 127.0.0.1:0, target: desk}]\ntargets: {session/1: {address: '127.0.0.1:1'}, desk: {address: '127.0.0.1:1'}}\n")
	asked := ""
	g.recorders = []recorderFor{func(_ context.Context, s gateway.SessionInfo, _ rfb.ServerInit) (gateway.Recorder, error) {
		asked = s.Target
		return nil, nil
	}}
	for name, want := range map[string]string{"session/1": "session/1", "desk": "desk", "session/2": "", "recording/1": ""} {
		asked = ""
		if _, err := g.record(t.Context(), gateway.SessionInfo{Target: name}, rfb.ServerInit{}); err != nil || asked != want {
			t.Errorf("%s: %q is recorded, %v", name, asked, err)
		}
	}
}

// Rules of recordings and of looking on call displays what the policy does, however
// a viewer has spelled them.
func TestRulesCallDisplaysAsThePolicyDoes(t *testing.T) {
	g := newGate(t, `
listeners: [{address: 127.0.0.1:0}]
targets: {desk: {address: '127.0.0.1:1'}}
recordings: {directory: %q, rules: [{targets: "free/lab.example:5901"}]}
shadow: {rules: [{targets: "free/lab.example:5901", watch: true}]}
`, t.TempDir())
	for name, want := range map[string]bool{"lab.example:5901": true, "LAB.example.:5901": true, "lab.example:5902": false, "desk": false} {
		session := gateway.SessionInfo{ID: "a1b2c3d4", Target: name}
		init := rfb.ServerInit{Width: 8, Height: 8, Format: rfb.Format32()}
		for kind, ask := range map[string]recorderFor{"recorded": g.recordingFor, "followed": g.shadow} {
			rec, err := ask(t.Context(), session, init)
			if err != nil || want != (rec != nil) {
				t.Errorf("%s is %s: %v, %v", name, kind, rec != nil, err)
			}
			if rec != nil {
				rec.Close("viewer left")
			}
		}
		g.house.ending.Wait()
	}
}

// A playback that has ended before its session was open is not kept for it.
func TestPlaybackThatEndsEarly(t *testing.T) {
	var a playbacks
	p := &playback{}
	if !a.enter(1) || a.enter(1) {
		t.Fatal("the wrong number may watch")
	}
	a.leave(p)
	a.belongs(p, gateway.SessionInfo{ID: "a1b2c3d4"})
	if _, ok := a.get("a1b2c3d4"); ok || len(a.list()) != 0 || !a.enter(1) {
		t.Error("it is kept")
	}
}

// A page that asks for much at once is turned away, and no other.
func TestPlaybackLooksUpSoMuch(t *testing.T) {
	p := &playback{}
	p.asked.Store(maxAsked)
	if _, err := p.lookUp(web.PlayRequest{Do: "search"}); err != errAskedMuch {
		t.Errorf("%v", err)
	}
	p.asked.Store(maxAsked - 1)
	if _, err := p.lookUp(web.PlayRequest{Do: "search"}); err != errNoSearch || p.asked.Load() != maxAsked-1 {
		t.Errorf("%v, and %d are under way", err, p.asked.Load())
	}
}
