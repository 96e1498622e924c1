package gateway_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/rfb"
)

// observer keeps the events of a gateway.
type observer struct {
	mu   sync.Mutex
	seen []gateway.Event
}

func (o *observer) on(g *gateway.Gateway) { g.Observe = o.take }

func (o *observer) take(e gateway.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, e)
}

func (o *observer) events() []gateway.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.seen)
}

func (o *observer) kinds() string {
	var kinds []string
	for _, e := range o.events() {
		kinds = append(kinds, string(e.Kind))
	}
	return strings.Join(kinds, " ")
}

func (o *observer) last(kind gateway.EventKind) (last gateway.Event) {
	for _, e := range o.events() {
		if e.Kind == kind {
			last = e
		}
	}
	return last
}

func (o *observer) await(t *testing.T, want string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("observed: %s", o.kinds())
		}
	}()
	eventually(t, want, func() bool { return o.kinds() == want })
}

func TestSessionsAreObserved(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	var seen observer
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{TicketID: "t1"}, seen.on)
	viewer := g.view(t)
	if _, err := viewer.Write(keyA); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a key is moved", func() bool { return len(g.List()) == 1 && g.List()[0].BytesUp > 0 })
	_ = viewer.Close()
	seen.await(t, "SESSION_AUTHENTICATED SESSION_OPENED SESSION_CLOSED")
	id := ""
	for _, e := range seen.events() {
		s := e.Session
		if s == nil || s.ID == "" || id != "" && s.ID != id || e.Target != "display" || e.Listener != "front" || s.Ticket != "t1" || e.From == "" || e.Time.IsZero() {
			t.Errorf("%s tells too little: %+v", e.Kind, e)
			continue
		}
		id = s.ID
	}
	closed := seen.last(gateway.SessionClosed)
	if closed.Reason != "viewer left" || closed.BytesUp != int64(len(keyA)) || closed.Duration <= 0 {
		t.Errorf("the end tells %+v", closed)
	}
}

func TestStagesAddUp(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	var seen observer
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, seen.on)
	g.view(t)
	eventually(t, "the session opens", func() bool { return seen.last(gateway.SessionOpened).Kind != "" })
	opened := seen.last(gateway.SessionOpened)
	var sum time.Duration
	var names []string
	for _, s := range opened.Stages {
		sum += s.Duration
		names = append(names, s.Name)
	}
	if want := "accept layers security authorize queue start dial display_handshake init"; strings.Join(names, " ") != want {
		t.Errorf("stages %v, want %s", names, want)
	}
	if sum <= 0 || sum > opened.Duration {
		t.Errorf("the stages took %v of %v", sum, opened.Duration)
	}
	if !slices.IsSortedFunc(opened.Stages, func(a, b gateway.Stage) int { return a.Begun.Compare(b.Begun) }) {
		t.Errorf("stages out of order: %+v", opened.Stages)
	}
}

func TestWrongProofIsObserved(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	passwords := func(context.Context) ([]string, error) { return []string{"right"}, nil }
	wrong := rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return "wrong", nil }}
	var seen observer
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{Security: offer(rfb.ServerVncAuth{Passwords: passwords})}, seen.on)
	if _, err := viewOver(g.dial(t), wrong); err == nil {
		t.Fatal("a wrong password let somebody in")
	}
	seen.await(t, "AUTH_FAILED SESSION_REFUSED")
	if e := seen.last(gateway.AuthFailed); e.Method != "vnc" || e.Session == nil || e.Session.ID == "" || e.Err == nil {
		t.Errorf("told of a wrong password: %+v", e)
	}
	if e := seen.last(gateway.SessionRefused); e.Reason != "refused" || len(e.Stages) != 3 {
		t.Errorf("told of the refusal: %+v", e)
	}
}

func TestDeniedIsNoWrongProof(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	var seen observer
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, seen.on, func(g *gateway.Gateway) {
		g.Authorize = func(context.Context, auth.Request) (auth.Grant, error) {
			return auth.Grant{}, gateway.ErrDenied
		}
	})
	if _, err := viewOver(g.dial(t), rfb.None{}); err == nil {
		t.Fatal("a policy that says no let somebody in")
	}
	seen.await(t, "SESSION_REFUSED")
	if e := seen.last(gateway.SessionRefused); !errors.Is(e.Err, gateway.ErrDenied) {
		t.Errorf("the cause is %v", e.Err)
	}
}

func TestDisplaysGoDownAndUp(t *testing.T) {
	late := newLate(t)
	var seen observer
	g := newGateway(t, late.target(), gateway.Front{}, seen.on)
	for range 2 { // only the first tells anything new
		if _, err := viewOver(g.dial(t), rfb.None{}); err == nil {
			t.Fatal("a display that is off let somebody in")
		}
	}
	eventually(t, "both are over", func() bool { return strings.Count(seen.kinds(), "SESSION_REFUSED") == 2 })
	if _, ok := g.Up("display"); ok {
		t.Error("up and down at once")
	}
	if down := g.Down(); len(down) != 1 || down[0].Target != "display" || down[0].Reason != "display unreachable" || down[0].Last.Before(down[0].Since) {
		t.Errorf("down: %+v", down)
	}
	late.on.Store(true)
	g.view(t)
	eventually(t, "the display is up", func() bool { return seen.last(gateway.TargetUp).Target == "display" })
	if n := strings.Count(seen.kinds(), "TARGET_DOWN"); n != 1 {
		t.Errorf("told %d times that the display is down", n)
	}
	if since, ok := g.Up("display"); !ok || since.IsZero() {
		t.Error("not known to be up")
	}
	if len(g.Down()) != 0 {
		t.Errorf("still down: %+v", g.Down())
	}
	g.view(t)
	if n := strings.Count(seen.kinds(), "TARGET_UP"); n != 1 {
		t.Errorf("told %d times that the display is up", n)
	}
}

func TestGrantChangeIsObserved(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	var seen observer
	var mu sync.Mutex
	rights := auth.AllRights
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, seen.on, func(g *gateway.Gateway) {
		g.Authorize = func(_ context.Context, req auth.Request) (auth.Grant, error) {
			mu.Lock()
			defer mu.Unlock()
			return auth.Grant{Identity: req.Identities[0], Target: req.Target, Rights: rights}, nil
		}
	})
	g.view(t)
	eventually(t, "the session opens", func() bool { return seen.last(gateway.SessionOpened).Kind != "" })
	mu.Lock()
	rights = auth.Viewing
	mu.Unlock()
	g.Review()
	eventually(t, "the change is told", func() bool { return seen.last(gateway.GrantChanged).Kind != "" })
	if e := seen.last(gateway.GrantChanged); e.Session.Rights != auth.Viewing {
		t.Errorf("told of %v", e.Session.Rights)
	}
}
