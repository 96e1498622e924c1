package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
)

const noticeKey = "0123456789abcdef"

// next takes one notice.
func next(t *testing.T, notices <-chan gateway.Notice) gateway.Notice {
	t.Helper()
	select {
	case n, ok := <-notices:
		if !ok {
			t.Fatal("no more notices")
		}
		return n
	case <-time.After(patience):
		t.Fatal("no notice")
	}
	return gateway.Notice{}
}

// listen waits until there is a session of key.
func (g *testGateway) listen(t *testing.T, key string) <-chan gateway.Notice {
	t.Helper()
	var notices <-chan gateway.Notice
	eventually(t, "there is a session to listen to", func() bool {
		c, cancel, ok := g.Notices(key)
		if ok {
			notices = c
			t.Cleanup(cancel)
		}
		return ok
	})
	return notices
}

func TestNotices(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, overWS(gateway.Front{NoticeKey: noticeKey}))
	viewer := g.mustBrowse(t)
	notices := g.listen(t, noticeKey)
	if n := next(t, notices); n.Kind != gateway.NoticeRights || n.Rights != auth.AllRights || n.Renewable || !n.Expires.IsZero() {
		t.Errorf("%+v", n)
	}
	g.rights(auth.AllRights &^ auth.Keyboard)
	g.Review()
	if n := next(t, notices); n.Kind != gateway.NoticeRights || n.Rights.Has(auth.Keyboard) {
		t.Errorf("%+v", n)
	}
	if n := g.Message(func(s gateway.SessionInfo) bool { return s.Target == "display" }, "Lunch."); n != 1 {
		t.Errorf("told %d", n)
	}
	if n := next(t, notices); n.Kind != gateway.NoticeMessage || n.Words != "Lunch." {
		t.Errorf("%+v", n)
	}
	g.set(func(a *authority) { a.err = gateway.ErrDenied })
	g.Review()
	if n := next(t, notices); n.Kind != gateway.NoticeEnding || n.Words != "Your access to this display was withdrawn." || n.Code != layers.ClosePolicy {
		t.Errorf("%+v", n)
	}
	closing(t, viewer)
	if n, more := <-notices; more {
		t.Errorf("more: %+v", n)
	}
	eventually(t, "there is nothing left to listen to", func() bool { _, _, ok := g.Notices(noticeKey); return !ok })
}

func TestNoticesOfWhoWaits(t *testing.T) {
	g := newGoverned(t, auth.Grant{Limits: auth.Limits{PerTarget: 1, Busy: auth.BusyQueue}}, gateway.Front{NoticeKey: noticeKey})
	first := g.view(t)
	mine := g.listen(t, noticeKey)
	next(t, mine)
	c := g.dial(t)
	go func() { _, _ = viewOver(c) }()
	eventually(t, "it waits", func() bool { return strings.Contains(g.log.String(), "waiting for a place") })
	if _, more := <-mine; more {
		t.Error("two sessions have one key, and the old one still has it")
	}
	notices := g.listen(t, noticeKey)
	_ = first.Close()
	if n := next(t, notices); n.Kind != gateway.NoticeRights {
		t.Errorf("%+v", n)
	}
}

func TestNoticeKeysAreBounded(t *testing.T) {
	for _, key := range []string{"", "short", strings.Repeat("x", gateway.MinNoticeKey-1), strings.Repeat("x", gateway.MaxNoticeKey+1)} {
		g := newGoverned(t, auth.Grant{}, gateway.Front{NoticeKey: key})
		g.view(t)
		eventually(t, "it is open", func() bool { return len(g.List()) == 1 })
		if _, _, ok := g.Notices(key); ok {
			t.Errorf("%d bytes are a key", len(key))
		}
	}
}

// A page that does not listen loses what is old, and holds up nobody.
func TestNoticesAreBounded(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, gateway.Front{NoticeKey: noticeKey})
	g.view(t)
	notices := g.listen(t, noticeKey)
	eventually(t, "it is open", func() bool { l := g.List(); return len(l) == 1 && l[0].Open })
	for i := range 100 {
		g.Message(func(gateway.SessionInfo) bool { return true }, fmt.Sprint(i))
	}
	var words []string
	for len(notices) > 0 {
		words = append(words, (<-notices).Words)
	}
	if len(words) == 0 || words[len(words)-1] != "99" {
		t.Errorf("left: %q", words)
	}
}

func TestNoticeOnTheWire(t *testing.T) {
	until := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		notice gateway.Notice
		want   string
	}{
		{gateway.Notice{Kind: gateway.NoticeWarning, Words: "Soon.", Until: until}, `{"kind":"warning","words":"Soon.","until":"2026-03-01T12:00:00Z"}`},
		{gateway.Notice{Kind: gateway.NoticeWarning}, `{"kind":"warning"}`},
		{gateway.Notice{Kind: gateway.NoticeRights, Rights: auth.Control, Expires: until, Renewable: true}, `{"kind":"rights","rights":"view,keyboard,pointer","expires":"2026-03-01T12:00:00Z","renewable":true}`},
	} {
		if b, err := json.Marshal(test.notice); err != nil || string(b) != test.want {
			t.Errorf("%s, %v", b, err)
		}
	}
}

func TestRenew(t *testing.T) {
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	later := soon.Add(time.Hour)
	used := errors.New("renewed as often as it may be")
	var asked []gateway.SessionInfo
	front := gateway.Front{NoticeKey: noticeKey, Expires: soon, Renewable: true, TicketID: "17"}
	g := newGoverned(t, auth.Grant{}, front, func(g *gateway.Gateway) {
		g.Extend = func(_ context.Context, s gateway.SessionInfo) (time.Time, error) {
			if asked = append(asked, s); len(asked) > 1 {
				return time.Time{}, used
			}
			return later, nil
		}
	})
	if err := g.Renew(context.Background(), noticeKey); !errors.Is(err, gateway.ErrNoSession) {
		t.Errorf("without a session: %v", err)
	}
	g.view(t)
	notices := g.listen(t, noticeKey)
	if n := next(t, notices); !n.Renewable || !n.Expires.Equal(soon) {
		t.Errorf("%+v", n)
	}
	if err := g.Renew(context.Background(), noticeKey); err != nil {
		t.Fatal(err)
	}
	if n := next(t, notices); !n.Expires.Equal(later) {
		t.Errorf("%+v", n)
	}
	if err := g.Renew(context.Background(), noticeKey); !errors.Is(err, used) {
		t.Errorf("once more: %v", err)
	}
	if asked[0].Ticket != "17" || !asked[0].Expires.Equal(soon) || !g.List()[0].Expires.Equal(later) {
		t.Errorf("%+v, %+v", asked, g.List())
	}
}

func TestRenewWhatCannotBe(t *testing.T) {
	for name, front := range map[string]gateway.Front{
		"not renewable": {NoticeKey: noticeKey, Expires: time.Now().Add(time.Hour)},
		"no end":        {NoticeKey: noticeKey, Renewable: true},
	} {
		g := newGoverned(t, auth.Grant{}, front, func(g *gateway.Gateway) {
			g.Extend = func(context.Context, gateway.SessionInfo) (time.Time, error) {
				t.Error("asked to extend")
				return time.Time{}, nil
			}
		})
		g.view(t)
		g.listen(t, noticeKey)
		eventually(t, "it is open", func() bool { return len(g.List()) == 1 })
		if err := g.Renew(context.Background(), noticeKey); !errors.Is(err, gateway.ErrNotRenewable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
