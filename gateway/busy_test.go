package gateway_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/layers/layertest"
	"vncgate/rfb"
)

const inUse = "This display is in use. Try again later."

func TestNumbersOfSessions(t *testing.T) {
	for _, test := range []struct {
		name   string
		limits auth.Limits
		words  string
	}{
		{"target", auth.Limits{PerTarget: 2}, inUse},
		{"target, refused in words", auth.Limits{PerTarget: 2, Busy: auth.BusyRefuse}, inUse},
		{"address", auth.Limits{PerAddress: 2}, "There are as many sessions from your address as there may be. Close one of them first."},
		{"address is not for looking", auth.Limits{PerAddress: 2, Busy: auth.BusyView}, "There are as many sessions from your address as there may be. Close one of them first."},
		{"user", auth.Limits{PerUser: 2}, "You have as many sessions open as you may. Close one of them first."},
		{"narrowest", auth.Limits{PerUser: 5, PerTarget: 3, PerAddress: 2}, "There are as many sessions from your address as there may be. Close one of them first."},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGoverned(t, auth.Grant{Limits: test.limits}, gateway.Front{Identities: []auth.Identity{{Name: "alice", Method: "test"}}})
			first := g.view(t)
			g.view(t)
			if _, err := viewOver(g.dial(t)); told(err) != test.words {
				t.Errorf("the third was told %v", err)
			}
			eventually(t, "it is logged", func() bool { return strings.Contains(g.log.String(), "reason=busy") })
			_ = first.Close()
			eventually(t, "there is a place", func() bool { return g.Sessions() == 1 })
			g.view(t)
		})
	}
}

// People whose names nobody has proved are not counted as one.
func TestNobodyIsNoUser(t *testing.T) {
	g := newGoverned(t, auth.Grant{Limits: auth.Limits{PerUser: 1}}, gateway.Front{})
	g.view(t)
	g.view(t)
}

func TestBusyReplace(t *testing.T) {
	g := newGoverned(t, auth.Grant{Limits: auth.Limits{PerTarget: 2, Busy: auth.BusyReplace}}, overWS(gateway.Front{}))
	first, second := g.mustBrowse(t), g.mustBrowse(t)
	g.mustBrowse(t)
	if end := closing(t, first); end.Code != layers.ClosePolicy || end.Reason != "Another session took the place of this one." {
		t.Errorf("closed with %v", end)
	}
	send(t, second, mark(1))
	g.sees(t, mark(1))
	eventually(t, "it is logged", func() bool { return strings.Contains(g.log.String(), "reason=replaced") })
}

func TestBusyView(t *testing.T) {
	g := newGoverned(t, auth.Grant{Limits: auth.Limits{PerTarget: 1, Busy: auth.BusyView}}, gateway.Front{})
	first, second := g.view(t), g.view(t)
	send(t, second, key(true, 'x'), mark(1))
	g.sees(t, mark(1))
	send(t, first, key(true, 'a'), mark(2))
	g.sees(t, mark(2))
	if seen := g.input(); len(seen) != 1 || seen[0][7] != 'a' {
		t.Errorf("the display saw % x", seen)
	}
	// When the first has left there is a place for a third, whose keys count.
	_ = first.Close()
	eventually(t, "there is a place", func() bool { return g.Sessions() == 1 })
	send(t, g.view(t), key(true, 'b'))
	g.sees(t, key(true, 'b'))
	g.Review() // what it was refused then is not given later
	eventually(t, "it was asked", func() bool { return g.questions() >= 5 })
	send(t, second, key(true, 'y'), mark(3))
	g.sees(t, mark(3))
	if last := g.input(); last[len(last)-1][7] == 'y' {
		t.Error("a review made more of one that may look")
	}
}

func TestBusyQueueInOrder(t *testing.T) {
	g := newGoverned(t, auth.Grant{Limits: auth.Limits{PerTarget: 1, Busy: auth.BusyQueue}}, gateway.Front{})
	first := g.view(t)
	type arrival struct {
		who    int
		viewer *rfb.Conn
		err    error
	}
	arrivals := make(chan arrival, 4)
	waiting := func(n int) {
		eventually(t, "they wait", func() bool { return strings.Count(g.log.String(), "waiting for a place") == n })
	}
	join := func(who int) func() error {
		c := g.dial(t)
		go func() {
			viewer, err := viewOver(c)
			arrivals <- arrival{who, viewer, err}
		}()
		return c.Close
	}
	join(1)
	waiting(1)
	leave := join(2)
	waiting(2)
	join(3)
	waiting(3)
	if words, _, ok := g.Waiting("display"); !ok || words != "The display is in use; waiting for a place." {
		t.Errorf("those who wait are told %q, %v", words, ok)
	}
	_ = leave()
	if left := <-arrivals; left.who != 2 || left.err == nil {
		t.Errorf("%+v", left)
	}
	eventually(t, "the one who left is gone", func() bool { return g.Sessions() == 3 })
	for who := 1; who <= 3; who += 2 {
		_ = first.Close()
		next := <-arrivals
		if next.who != who || next.err != nil {
			t.Fatalf("%d came in, %v", next.who, next.err)
		}
		first = next.viewer
	}
	if _, _, ok := g.Waiting("display"); ok {
		t.Error("nobody waits any more")
	}
}

func TestQueueEnds(t *testing.T) {
	t.Parallel()
	waits := func(s gateway.SessionInfo) bool { return !s.Open }
	for _, test := range []struct {
		name   string
		limits auth.Limits
		change func(g *governed, revoked *atomic.Bool)
		words  string
	}{
		{"time", auth.Limits{QueueTime: 50 * time.Millisecond}, func(*governed, *atomic.Bool) {}, "This display is still in use. Try again later."},
		{"access", auth.Limits{}, func(g *governed, revoked *atomic.Bool) { revoked.Store(true); g.Review() }, "No more."},
		{"end", auth.Limits{}, func(g *governed, _ *atomic.Bool) { g.End(waits, gateway.Ending{Words: "Go home."}) }, "Go home."},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.limits.PerTarget, test.limits.Busy = 1, auth.BusyQueue
			var revoked atomic.Bool
			g := newGoverned(t, auth.Grant{Limits: test.limits}, gateway.Front{Valid: func(context.Context) error {
				if revoked.Load() {
					return &rfb.Refusal{Reason: "No more."}
				}
				return nil
			}})
			near, far := layertest.TCP(t) // by another front, whose ticket stays good
			go func() {
				_ = g.ServeConn(context.Background(), far, gateway.Front{Target: "display", Security: offer(rfb.None{})})
			}()
			if _, err := viewOver(near); err != nil {
				t.Fatal(err)
			}
			c, refused := g.dial(t), make(chan error, 1)
			go func() {
				_, err := viewOver(c)
				refused <- err
			}()
			eventually(t, "it waits", func() bool { return strings.Contains(g.log.String(), "waiting for a place") })
			test.change(g, &revoked)
			if err := <-refused; told(err) != test.words {
				t.Errorf("told %v", err)
			}
		})
	}
}

// viewAlone is a viewer whose ClientInit does not share.
func (g *governed) viewAlone(t *testing.T) *rfb.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := layers.Stack(ctx, g.dial(t), layers.WebSocketClient("ws://localhost/", nil))
	if err != nil {
		t.Fatal(err)
	}
	viewer, err := rfb.Client(ctx, c, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if err == nil {
		err = viewer.WriteClientInit(ctx, false)
	}
	if err == nil {
		_, err = viewer.ReadServerInit(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return viewer
}

func TestExclusive(t *testing.T) {
	t.Run("without the right", func(t *testing.T) {
		g := newGoverned(t, auth.Grant{Rights: auth.AllRights &^ auth.Exclusive}, overWS(gateway.Front{}))
		other := g.mustBrowse(t)
		<-g.shared
		g.viewAlone(t)
		if !<-g.shared {
			t.Error("the display was asked to end others")
		}
		send(t, other, mark(1))
		g.sees(t, mark(1))
	})
	t.Run("ends others", func(t *testing.T) {
		g := newGoverned(t, auth.Grant{}, overWS(gateway.Front{}))
		other := g.mustBrowse(t)
		<-g.shared
		alone := g.viewAlone(t)
		if <-g.shared {
			t.Error("the display was not told")
		}
		if end := closing(t, other); end.Code != layers.ClosePolicy || end.Reason != "Another viewer has taken this display for itself." {
			t.Errorf("closed with %v", end)
		}
		send(t, alone, mark(1))
		g.sees(t, mark(1))
	})
	t.Run("keeps others out", func(t *testing.T) {
		g := newGoverned(t, auth.Grant{Limits: auth.Limits{Busy: auth.BusyRefuse}}, overWS(gateway.Front{}))
		alone := g.viewAlone(t)
		if <-g.shared {
			t.Error("the display was not told")
		}
		if _, err := g.browse(t); told(err) != "Another viewer has this display for itself. Try again later." {
			t.Errorf("beside it: %v", err)
		}
		_ = alone.Close()
		eventually(t, "it is gone", func() bool { return g.Sessions() == 0 })
		other := g.mustBrowse(t)
		<-g.shared
		g.viewAlone(t) // who comes second shares
		if !<-g.shared {
			t.Error("the display was asked to end others")
		}
		send(t, other, mark(1))
		g.sees(t, mark(1))
	})
}

func TestKickedStayOut(t *testing.T) {
	for _, test := range []struct {
		name  string
		front gateway.Front
	}{
		{"address", gateway.Front{}},
		{"user", gateway.Front{Identities: []auth.Identity{{Name: "alice", Method: "link"}}}},
		{"ticket", gateway.Front{TicketID: "17"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := newGoverned(t, auth.Grant{}, overWS(test.front), func(g *gateway.Gateway) { g.Limits.KickTime = 4 * time.Second })
			viewer := g.mustBrowse(t)
			eventually(t, "it is open", func() bool { return len(g.List()) == 1 })
			n := g.End(func(s gateway.SessionInfo) bool { return s.Ticket == test.front.TicketID && s.Target == "display" }, gateway.Ending{Reason: "kicked", Words: "Enough.", Kick: true})
			if end := closing(t, viewer); n != 1 || end.Code != layers.ClosePolicy || end.Reason != "Enough." {
				t.Errorf("%d, closed with %v", n, end)
			}
			if _, err := g.browse(t); told(err) != "You were sent away from this display. Wait for 4s before you try again." {
				t.Errorf("at once: %v", err)
			}
			eventually(t, "who waits gets in", func() bool {
				time.Sleep(4100 * time.Millisecond)
				_, err := g.browse(t)
				return err == nil
			})
		})
	}
}

// A user who is banned gets in nowhere, neither one who has begun to come in,
// and others do.
func TestBanned(t *testing.T) {
	front := gateway.Front{Identities: []auth.Identity{{Name: "alice", Method: "link"}}}
	var ban atomic.Bool
	g := newGoverned(t, auth.Grant{}, overWS(front), func(g *gateway.Gateway) {
		g.Limits.KickTime = time.Hour
		ask := g.Authorize
		g.Authorize = func(ctx context.Context, req auth.Request) (auth.Grant, error) {
			if ban.Load() { // after the first look at who is out
				g.Ban("alice")
			}
			return ask(ctx, req)
		}
	})
	g.Ban("bob")
	g.mustBrowse(t)
	ban.Store(true)
	for _, when := range []string{"while it comes in", "afterwards"} {
		if _, err := g.browse(t); !strings.HasPrefix(told(err), "You were sent away") {
			t.Errorf("%s: %v", when, err)
		}
	}
}

func TestEndWithoutKick(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, overWS(gateway.Front{}))
	viewer := g.mustBrowse(t)
	eventually(t, "it is open", func() bool { return len(g.List()) == 1 })
	if n := g.End(func(s gateway.SessionInfo) bool { return s.Target == "other" }, gateway.Ending{}); n != 0 {
		t.Errorf("%d of another display", n)
	}
	if n := g.End(func(gateway.SessionInfo) bool { return true }, gateway.Ending{}); n != 1 {
		t.Errorf("%d", n)
	}
	if end := closing(t, viewer); end.Code != layers.ClosePolicy || end.Reason != "Your session was ended." {
		t.Errorf("closed with %v", end)
	}
	g.mustBrowse(t)
}

func TestList(t *testing.T) {
	claims := map[string]any{"sub": "alice"}
	g := newGoverned(t, auth.Grant{Rule: "rule 3"}, gateway.Front{
		TicketID: "17", Claims: claims, Limits: auth.Limits{KeyRate: 9}, Rights: auth.Control,
		Identities: []auth.Identity{{Name: "alice", Method: "link"}},
	})
	if list := g.List(); len(list) != 0 {
		t.Errorf("%v", list)
	}
	g.view(t)
	eventually(t, "it is open", func() bool { l := g.List(); return len(l) == 1 && l[0].Open })
	if n := g.Granted(); n != 1 {
		t.Errorf("%d sessions have a grant", n)
	}
	got := g.List()[0]
	if got.Listener != "front" || got.Target != "display" || got.Identity.Name != "alice" || len(got.Identities) != 1 ||
		got.Ticket != "17" || got.Rights != auth.Control || got.Limits.KeyRate != 9 || got.Rule != "rule 3" ||
		!strings.HasPrefix(got.From, "127.0.0.1:") || got.Since.IsZero() || !strings.Contains(g.log.String(), got.ID) {
		t.Errorf("%+v", got)
	}
	asked := g.asked[0]
	if asked.Address != netip.MustParseAddr("127.0.0.1") || asked.Claims["sub"] != "alice" || asked.Now.IsZero() || asked.Target != "display" {
		t.Errorf("asked %+v", asked)
	}
}

// An error that is neither a no nor a word is ours, and nobody is told of it.
func TestDeniedLooksLikeNotProved(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, gateway.Front{})
	g.set(func(a *authority) { a.err = errors.Join(gateway.ErrDenied, errors.New("rule 7 is secret")) })
	if _, err := viewOver(g.dial(t)); told(err) != "Authentication failed" {
		t.Errorf("told %v", err)
	}
	eventually(t, "the log has it", func() bool { return strings.Contains(g.log.String(), "rule 7 is secret") })
}
