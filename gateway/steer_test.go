package gateway_test

import (
	"context"
	"testing"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/rfb"
)

func everybody(gateway.SessionInfo) bool { return true }

func (g *testGateway) opened(t *testing.T) {
	t.Helper()
	eventually(t, "it is open", func() bool { l := g.List(); return len(l) == 1 && l[0].Open })
}

func TestPauseAndResume(t *testing.T) {
	var seen observer
	g := newGoverned(t, auth.Grant{}, overWS(gateway.Front{NoticeKey: noticeKey}), seen.on)
	viewer := g.mustBrowse(t)
	g.opened(t)
	notices := g.listen(t, noticeKey)
	next(t, notices) // the rights
	send(t, viewer, key(true, 'a'))
	g.sees(t, key(true, 'a'))
	if n := g.Resume(everybody, ""); n != 0 {
		t.Errorf("%d that were not paused", n)
	}
	if n := g.Pause(everybody, "Back in a minute."); n != 1 || !g.List()[0].Paused {
		t.Errorf("%d paused, %+v", n, g.List())
	}
	g.sees(t, key(false, 'a')) // nothing stays pressed
	if n := next(t, notices); n.Kind != gateway.NoticePaused || !n.Paused || n.Words != "Back in a minute." {
		t.Errorf("%+v", n)
	}
	notices = g.listen(t, noticeKey) // a page that comes later
	next(t, notices)
	if n := next(t, notices); n.Kind != gateway.NoticePaused || !n.Paused {
		t.Errorf("a page that comes later is told %+v", n)
	}
	send(t, viewer, mark(1))
	if n := g.Resume(everybody, ""); n != 1 || g.List()[0].Paused {
		t.Errorf("%d resumed, %+v", n, g.List())
	}
	if n := next(t, notices); n.Kind != gateway.NoticePaused || n.Paused || n.Words == "" {
		t.Errorf("%+v", n)
	}
	g.sees(t, mark(1))
	seen.await(t, "SESSION_AUTHENTICATED SESSION_OPENED SESSION_PAUSED SESSION_RESUMED")
	g.Pause(everybody, "")
	if n := g.End(everybody, gateway.Ending{Words: "Over."}); n != 1 {
		t.Errorf("%d ended", n)
	}
	if end := closing(t, viewer); end.Reason != "Over." {
		t.Errorf("closed with %v", end)
	}
}

func TestPauseMeetsOnlyWhatMatches(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, gateway.Front{})
	if n := g.Pause(everybody, ""); n != 0 {
		t.Errorf("%d of none", n)
	}
	g.view(t)
	g.opened(t)
	if n := g.Pause(func(s gateway.SessionInfo) bool { return s.Target == "other" }, ""); n != 0 || g.List()[0].Paused {
		t.Errorf("%d of another display", n)
	}
}

// TestHoldTo: what an operator takes stays taken at a review, and can be given
// back, but never more than was granted.
func TestHoldTo(t *testing.T) {
	most := auth.AllRights &^ auth.Power
	var seen observer
	g := newGoverned(t, auth.Grant{Rights: most}, gateway.Front{}, seen.on)
	viewer := g.view(t)
	g.opened(t)
	view := auth.EveryRight &^ (auth.Keyboard | auth.Pointer)
	if held := g.HoldTo(everybody, view); held != (gateway.Held{Sessions: 1}) {
		t.Errorf("%+v", held)
	}
	if got := g.List()[0]; got.Rights != most&view || got.Withheld != most&^view {
		t.Errorf("rights %s, without %s", got.Rights, got.Withheld)
	}
	send(t, viewer, key(true, 'a'), mark(1))
	g.sees(t, mark(1))
	if typed := g.input(); len(typed) != 0 {
		t.Errorf("the display saw % x", typed)
	}
	g.Review()
	eventually(t, "it was asked again", func() bool { return g.questions() == 2 })
	g.rights(most &^ auth.Resize)
	g.Review()
	eventually(t, "both narrow it", func() bool { return g.List()[0].Rights == most&view&^auth.Resize })
	if held := g.HoldTo(everybody, auth.EveryRight); held.Sessions != 1 || g.List()[0].Rights != most&^auth.Resize {
		t.Errorf("%+v, rights %s", held, g.List()[0].Rights)
	}
	send(t, viewer, key(true, 'b'), mark(2))
	g.sees(t, key(true, 'b'))
	if e := seen.last(gateway.GrantChanged); e.Session == nil || !e.Session.Rights.Has(auth.Keyboard) {
		t.Errorf("%+v", e)
	}
}

// What a display sends is not read in a session that may see all of it, and
// cannot be from the middle on.
func TestHoldToWhatCannotBe(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, gateway.Front{})
	viewer := g.view(t)
	g.opened(t)
	if held := g.HoldTo(everybody, auth.EveryRight&^auth.ClipboardOut); held != (gateway.Held{Cannot: 1}) {
		t.Errorf("%+v", held)
	}
	if got := g.List()[0].Rights; got != auth.AllRights {
		t.Errorf("rights %s", got)
	}
	send(t, viewer, key(true, 'a'))
	g.sees(t, key(true, 'a'))
}

// Whoever waits for a display is held to it from the start.
func TestHoldToWhoWaits(t *testing.T) {
	hold := make(chan struct{})
	g := newGoverned(t, auth.Grant{}, gateway.Front{}, func(gw *gateway.Gateway) {
		resolve := gw.Resolve
		gw.Resolve = func(ctx context.Context, name string) (*gateway.Target, error) {
			<-hold
			return resolve(ctx, name)
		}
	})
	got := make(chan *rfb.Conn, 1)
	c := g.dial(t)
	go func() {
		viewer, err := viewOver(c)
		if err != nil {
			t.Error(err)
		}
		got <- viewer
	}()
	eventually(t, "it waits", func() bool { return len(g.List()) == 1 })
	if held := g.HoldTo(everybody, auth.Viewing); held.Sessions != 1 {
		t.Errorf("%+v", held)
	}
	close(hold)
	viewer := <-got
	if viewer == nil {
		t.FailNow()
	}
	g.opened(t)
	if got := g.List()[0].Rights; got != auth.Viewing {
		t.Errorf("rights %s", got)
	}
	send(t, viewer, key(true, 'a'), mark(1))
	g.sees(t, mark(1))
	if typed := g.input(); len(typed) != 0 {
		t.Errorf("the display saw % x", typed)
	}
}
