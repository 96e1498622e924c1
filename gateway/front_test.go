package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
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

func TestSplitUser(t *testing.T) {
	for _, test := range []struct{ given, name, target string }{
		{"alice", "alice", ""},
		{"alice%desk", "alice", "desk"},
		{"alice%lab%desk", "alice%lab", "desk"},
		{"alice%", "alice", ""},
		{"%desk", "", "desk"},
		{"", "", ""},
	} {
		if name, target := gateway.SplitUser(test.given); name != test.name || target != test.target {
			t.Errorf("%q = %q, %q", test.given, name, target)
		}
	}
}

// routes are a gateway with one display under two names, which notes what is
// asked of it.
type routes struct {
	*testGateway
	asked chan string // "user target", of Authorize
}

func newRoutes(t *testing.T, front gateway.Front) *routes {
	r := &routes{asked: make(chan string, 10)}
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	target := display.target(rfb.None{})
	r.testGateway = newGateway(t, target, front, func(g *gateway.Gateway) {
		g.Resolve = func(_ context.Context, name string) (*gateway.Target, error) {
			if name != "display" && name != "desk" {
				return nil, gateway.ErrNoTarget
			}
			return target, nil
		}
		g.Authorize = func(ctx context.Context, req auth.Request) (auth.Grant, error) {
			r.asked <- req.Identities[len(req.Identities)-1].Name + " " + req.Target
			if req.Target == "secret" {
				return auth.Grant{}, rfb.FailAuthentication(ctx, errors.New("policy"))
			}
			return auth.Grant{Identity: req.Identities[0], Target: req.Target, Rights: auth.AllRights}, nil
		}
	})
	return r
}

// see comes in as a viewer and returns what Authorize was asked and the error.
func (r *routes) see(t *testing.T, c net.Conn, security ...rfb.Security) (asked string, err error) {
	t.Helper()
	_, err = viewOver(c, security...)
	select {
	case asked = <-r.asked:
	default:
	}
	return asked, err
}

func TestChooseByRepeaterPrologue(t *testing.T) {
	offered := make(chan string, 10)
	front := gateway.Front{
		Choose: func(ctx context.Context, c net.Conn) (string, error) {
			request, err := rfb.RepeaterServer(ctx, c)
			switch {
			case err != nil:
				return "", err
			case request.ID == "0":
				return "", nil
			case request.ID == "":
				return "", &rfb.Refusal{Reason: "Ask for an ID."}
			}
			return request.ID, nil
		},
		Security: func(_ net.Conn, target string) []rfb.Security {
			offered <- target
			return []rfb.Security{rfb.None{}}
		},
	}
	g := newRoutes(t, front)
	for _, test := range []struct{ request, target, words string }{
		{"ID:desk", "desk", ""},
		{"ID:0", "display", ""},
		{"ID:nowhere", "nowhere", "There is no such display."},
	} {
		c := g.dial(t)
		prologue(t, c, test.request)
		asked, err := g.see(t, c)
		if asked != " "+test.target || told(err) != test.words {
			t.Errorf("%s: %q, %v", test.request, asked, err)
		}
		if got := <-offered; got != test.target {
			t.Errorf("%s: security of %q", test.request, got)
		}
	}
	c := g.dial(t)
	prologue(t, c, "host:5900")
	if _, err := g.see(t, c); told(err) != "Ask for an ID." {
		t.Error(err)
	}
	c = g.dial(t)
	prologue(t, c, "ID:\xff")
	if _, err := g.see(t, c); !errors.Is(err, io.EOF) {
		t.Errorf("after nonsense: %v", err)
	}
	eventually(t, "the nonsense is logged", func() bool { return strings.Contains(g.log.String(), "not printable ASCII") })
}

// prologue is a viewer's side of a repeater.
func prologue(t *testing.T, c net.Conn, request string) {
	t.Helper()
	greeting := make([]byte, 12)
	if _, err := io.ReadFull(c, greeting); err != nil || string(greeting) != "RFB 000.000\n" {
		t.Fatalf("greeted by %q, %v", greeting, err)
	}
	b := make([]byte, rfb.RepeaterLen)
	copy(b, request)
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// told is what a display, or we in its place, said in refusing.
func told(err error) string {
	var refused *rfb.DisplayError
	if errors.As(err, &refused) {
		return refused.Reason
	}
	return ""
}

// A viewer that is silent where Choose waits is not given the time that people
// get for typing.
func TestChooseHasNoTimeForPeople(t *testing.T) {
	t.Parallel()
	front := gateway.Front{Choose: func(ctx context.Context, c net.Conn) (string, error) {
		_, err := rfb.RepeaterServer(ctx, c)
		return "", err
	}}
	g := newGateway(t, nil, front, func(g *gateway.Gateway) { g.Limits.LayerTimeout = time.Second })
	if b, err := io.ReadAll(g.dial(t)); err != nil || len(b) != 12 {
		t.Errorf("%q, %v", b, err)
	}
	eventually(t, "it is logged", func() bool { return strings.Contains(g.log.String(), `reason="handshake timeout"`) })
}

func TestChooseByServerName(t *testing.T) {
	certs := layertest.Certificates(t)
	front := gateway.Front{
		Layers: []layers.Layer{layers.TLSServer(certs.Server)},
		Choose: func(_ context.Context, c net.Conn) (string, error) {
			state, _ := layers.TLSState(c)
			name, _, _ := strings.Cut(state.ServerName, ".")
			return name, nil
		},
	}
	g := newRoutes(t, front)
	config := certs.Client.Clone()
	config.ServerName, config.InsecureSkipVerify = "desk.vnc.example", true
	c, err := layers.Stack(context.Background(), g.dial(t), layers.TLSClient(config))
	if err != nil {
		t.Fatal(err)
	}
	if asked, err := g.see(t, c); err != nil || asked != "viewer desk" {
		t.Errorf("%q, %v", asked, err)
	}
}

func TestUserNamesItsTarget(t *testing.T) {
	plain := rfb.ServerPlain{Verify: func(_ context.Context, given, password string) error {
		if name, _ := gateway.SplitUser(given); name != "alice" || password != "right" {
			return errors.New("wrong")
		}
		return nil
	}}
	as := func(user string) rfb.Security {
		return rfb.ClientVeNCrypt{Subtypes: []rfb.Security{rfb.ClientPlain{Credentials: func(context.Context) (string, string, error) { return user, "right", nil }}}}
	}
	g := newRoutes(t, gateway.Front{
		UserTarget: true,
		Choose:     func(context.Context, net.Conn) (string, error) { return "chosen", nil },
		Rechoose:   func(rfb.Secured) string { return "display" },
		Security:   offer(rfb.ServerVeNCrypt{Subtypes: []rfb.Security{plain}}),
	})
	for _, test := range []struct{ user, asked, words string }{
		{"alice", "alice display", ""},
		{"alice%desk", "alice desk", ""},
		{"alice%", "alice display", ""},
		{"alice%nowhere", "alice nowhere", "There is no such display."},
		{"alice%secret", "alice secret", "Authentication failed"},
		{"mallory%desk", "", "Authentication failed"},
		{"alice%x%desk", "", "Authentication failed"},
	} {
		asked, err := g.see(t, g.dial(t), as(test.user))
		if asked != test.asked || told(err) != test.words || (err == nil) != (test.words == "") {
			t.Errorf("%s: %q, %v", test.user, asked, err)
		}
	}
	eventually(t, "the log has the user and the target", func() bool {
		return strings.Contains(g.log.String(), "target=desk user=alice")
	})
}

// A ticket brings its display, under a name for the policy and the log.
func TestFindInsteadOfResolve(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	asked := make(chan string, 10)
	var found atomic.Pointer[gateway.Target]
	found.Store(display.target(rfb.None{}))
	front := gateway.Front{Target: "lab/7", Find: func(_ context.Context, name string) (*gateway.Target, error) {
		asked <- name
		if t := found.Load(); t != nil {
			return t, nil
		}
		return nil, gateway.ErrNoTarget
	}}
	g := newGateway(t, nil, front)
	g.view(t)
	found.Store(nil) // what the first viewer was given does not count for the next
	if _, err := viewOver(g.dial(t)); told(err) != "There is no such display." {
		t.Error(err)
	}
	if a, b := <-asked, <-asked; a != "lab/7" || b != "lab/7" {
		t.Errorf("%s, %s", a, b)
	}
	eventually(t, "it is logged", func() bool { return strings.Contains(g.log.String(), "target=lab/7") })
}

func TestFrontNarrowsRights(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	grants := func(rights auth.Rights) func(*gateway.Gateway) {
		return func(g *gateway.Gateway) {
			g.Authorize = func(_ context.Context, req auth.Request) (auth.Grant, error) {
				return auth.Grant{Identity: req.Identities[0], Target: req.Target, Rights: rights}, nil
			}
		}
	}
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{Rights: auth.Viewing | auth.ClipboardOut | auth.Pointer}, grants(auth.AllRights))
	viewer := g.view(t)
	update := []byte{3, 1, 0, 0, 0, 0, 0, 9, 0, 9}
	if _, err := viewer.Write(append(append([]byte(nil), keyA...), update...)); err != nil {
		t.Fatal(err)
	}
	if got := make([]byte, 1); true {
		if _, err := io.ReadFull(viewer, got); err != nil || got[0] != update[0] {
			t.Errorf("a key came through: % x, %v", got, err)
		}
	}
	eventually(t, "the rights are logged", func() bool {
		return strings.Contains(g.log.String(), "rights="+(auth.Viewing|auth.Pointer|auth.ClipboardOut).String())
	})

	g = newGateway(t, display.target(rfb.None{}), gateway.Front{Rights: auth.Power}, grants(auth.Control))
	if _, err := viewOver(g.dial(t)); told(err) != "You may not use this display." {
		t.Error(err)
	}
}

func TestGrantExpires(t *testing.T) {
	t.Parallel()
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	soon := func() time.Time { return time.Now().Add(3 * time.Second) } // the viewer has to be in by then
	late := time.Now().Add(time.Hour)
	for name, expiry := range map[string]struct {
		ticket, policy func() time.Time
	}{
		"ticket's":         {soon, func() time.Time { return time.Time{} }},
		"policy's":         {func() time.Time { return time.Time{} }, soon},
		"ticket's earlier": {soon, func() time.Time { return late }},
		"policy's earlier": {func() time.Time { return late }, soon},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, display.target(rfb.None{}), gateway.Front{Expires: expiry.ticket()}, func(g *gateway.Gateway) {
				g.Authorize = func(_ context.Context, req auth.Request) (auth.Grant, error) {
					return auth.Grant{Identity: req.Identities[0], Target: req.Target, Rights: auth.AllRights, Expires: expiry.policy()}, nil
				}
			})
			viewer := g.view(t)
			if _, err := io.ReadAll(viewer); err != nil {
				t.Errorf("the viewer saw %v", err)
			}
			eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="grant expired"`) })
		})
	}
}

func TestExpiredTicketLetsNobodyIn(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{Expires: time.Now().Add(-time.Second)})
	if _, err := viewOver(g.dial(t)); told(err) != "Your time on this display is over." {
		t.Error(err)
	}
}

func TestExpiryIsAPolicyClose(t *testing.T) {
	t.Parallel()
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	front := gateway.Front{Layers: []layers.Layer{layers.WebSocketServer(layers.WebSocketConfig{})}, Expires: time.Now().Add(3 * time.Second)}
	g := newGateway(t, display.target(rfb.None{}), front)
	c, err := layers.Stack(context.Background(), g.dial(t), layers.WebSocketClient("ws://localhost/", nil))
	if err != nil {
		t.Fatal(err)
	}
	viewer, err := viewOver(c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(viewer)
	var closed *layers.CloseError
	if !errors.As(err, &closed) || closed.Code != layers.ClosePolicy || closed.Reason != "Your time on this display is over." {
		t.Errorf("closed with %v", err)
	}
}

func TestIdle(t *testing.T) {
	g := &gateway.Gateway{}
	before := time.Now()
	s, err := g.Admit(gateway.Front{})
	if err != nil {
		t.Fatal(err)
	}
	if _, idle := g.Idle(); idle {
		t.Error("idle with a session")
	}
	s.Release()
	if since, idle := g.Idle(); !idle || since.Before(before) {
		t.Errorf("idle since %v, %v", since, idle)
	}
}
