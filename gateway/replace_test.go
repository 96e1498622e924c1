package gateway_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// replacing is what newcomers are granted in these tests.
var replacing = auth.Grant{Limits: auth.Limits{PerTarget: 1, Busy: auth.BusyReplace}}

// dials has a gateway come to its display by dial.
func dials(dial func(ctx context.Context, display *gateway.Target) (net.Conn, error)) func(*gateway.Gateway) {
	return func(g *gateway.Gateway) {
		resolve := g.Resolve
		g.Resolve = func(ctx context.Context, name string) (*gateway.Target, error) {
			t, err := resolve(ctx, name)
			if err != nil {
				return nil, err
			}
			through := *t
			through.Dial = func(ctx context.Context) (net.Conn, error) { return dial(ctx, t) }
			return &through, nil
		}
	}
}

// A session is not ended for one whose display cannot be reached.
func TestReplaceKeepsWhoIsInBeforeADeadDisplay(t *testing.T) {
	var dead atomic.Bool
	g := newGoverned(t, replacing, overWS(gateway.Front{}), dials(func(ctx context.Context, display *gateway.Target) (net.Conn, error) {
		if dead.Load() {
			return nil, errors.New("unplugged")
		}
		return display.Dial(ctx)
	}))
	first := g.mustBrowse(t)
	dead.Store(true)
	if _, err := g.browse(t); told(err) != "The display cannot be reached." {
		t.Errorf("the second was told %v", err)
	}
	send(t, first, mark(1))
	g.sees(t, mark(1))
	dead.Store(false)
	second := g.mustBrowse(t)
	if end := closing(t, first); end.Code != layers.ClosePolicy || end.Reason != "Another session took the place of this one." {
		t.Errorf("closed with %v", end)
	}
	send(t, second, mark(2))
	g.sees(t, mark(2))
}

// Neither is one ended for a viewer whose ticket turns out to be used up.
func TestReplaceKeepsWhoIsInBeforeAUsedTicket(t *testing.T) {
	var used atomic.Bool
	g := newGoverned(t, replacing, gateway.Front{Claim: func(context.Context) error {
		if used.Swap(true) {
			return &rfb.Refusal{Reason: "Used up.", Err: gateway.ErrDenied}
		}
		return nil
	}})
	first := g.view(t)
	if _, err := viewOver(g.dial(t)); told(err) != "Used up." {
		t.Errorf("the second was told %v", err)
	}
	send(t, first, mark(1))
	g.sees(t, mark(1))
}

// A display that greets one connection at a time says nothing to the next, which
// gets in all the same.
func TestReplaceOnADisplayForOne(t *testing.T) {
	t.Parallel()
	var inside sync.Mutex
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				inside.Lock()
				defer inside.Unlock()
				display.handle(c)
			}()
		}
	}()
	a := &authority{grant: replacing}
	a.grant.Rights = auth.AllRights
	g := newGateway(t, display.target(rfb.None{}), overWS(gateway.Front{}), dials(func(ctx context.Context, _ *gateway.Target) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", ln.Addr().String())
	}), func(g *gateway.Gateway) {
		g.Authorize = a.authorize
		g.Limits.GreetTimeout = 4 * time.Second
	})
	first := g.mustBrowse(t)
	g.mustBrowse(t)
	if end := closing(t, first); end.Reason != "Another session took the place of this one." {
		t.Errorf("closed with %v", end)
	}
}

// A tracked connection to a display knows when it was closed.
type tracked struct {
	net.Conn
	closed atomic.Bool
}

func (c *tracked) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// However many come at once: the display has one of them at a time.
func TestReplaceNeverHasTwo(t *testing.T) {
	var mu sync.Mutex
	open := map[string]*tracked{} // by our address
	var inside []*tracked
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) { // behind ClientInit
		mu.Lock()
		for _, before := range inside {
			if !before.closed.Load() {
				t.Error("the display has two")
			}
		}
		inside = append(inside, open[c.RemoteAddr().String()])
		mu.Unlock()
		echo(c)
	})
	a := &authority{grant: replacing}
	a.grant.Rights = auth.AllRights
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, dials(func(ctx context.Context, display *gateway.Target) (net.Conn, error) {
		c, err := display.Dial(ctx)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		open[c.LocalAddr().String()] = &tracked{Conn: c}
		return open[c.LocalAddr().String()], nil
	}), func(g *gateway.Gateway) { g.Authorize = a.authorize })
	var coming sync.WaitGroup
	for range 12 {
		c := g.dial(t)
		coming.Go(func() {
			if _, err := viewOver(c); err != nil && !strings.Contains(err.Error(), "took the place") {
				t.Logf("one was told %v", err)
			}
		})
	}
	coming.Wait()
	eventually(t, "one is left", func() bool { return g.Sessions() == 1 })
}
