package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/rfb"
)

// testArrivals takes in displays at one port.
type testArrivals struct {
	*gateway.Arrivals
	addr string
	log  *lockedBuffer
}

// newArrivals binds ID 7 to target seven, ID 8 to eight, and displays without
// an ID to display.
func newArrivals(t *testing.T, configure ...func(*gateway.Arrivals)) *testArrivals {
	t.Helper()
	log := &lockedBuffer{}
	a := &gateway.Arrivals{
		Bind: func(id string, _ net.Addr) (string, bool) {
			target, ok := map[string]string{"": "display", "7": "seven", "8": "eight"}[id]
			return target, ok
		},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	for _, change := range configure {
		change(a)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- a.Serve(ln) }()
	t.Cleanup(func() {
		a.Close()
		if err := <-served; !errors.Is(err, gateway.ErrClosed) {
			t.Errorf("Serve = %v", err)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return &testArrivals{a, ln.Addr().String(), log}
}

// arrive dials in as a display with what it says first, and plays the display
// from there on if it is wanted.
func (a *testArrivals) arrive(t *testing.T, prologue string, serve bool) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = c.Close() })
	if prologue != "" {
		b := make([]byte, rfb.RepeaterLen)
		copy(b, prologue)
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if !serve {
		return c
	}
	d := &testDisplay{config: rfb.ServerConfig{Security: []rfb.Security{rfb.None{}}}, serve: echo, shared: make(chan bool, 1)}
	done := make(chan struct{})
	go func() { defer close(done); d.handle(c) }()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return c
}

func (a *testArrivals) target(name string) *gateway.Target {
	return &gateway.Target{Name: name, Dial: a.Dialer(name), Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} }}
}

func TestDisplayThatDialsIn(t *testing.T) {
	for _, test := range []struct{ name, prologue, target string }{
		{"listening mode", "", "display"},
		{"repeater", "ID:7", "seven"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newArrivals(t)
			a.arrive(t, test.prologue, true)
			eventually(t, "it waits", func() bool { return a.Waiting() == 1 })
			g := newGateway(t, a.target(test.target), gateway.Front{})
			viewer := g.view(t)
			if a.Waiting() != 0 {
				t.Error("it still waits")
			}
			if _, err := viewer.Write(keyA); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(viewer, make([]byte, len(keyA))); err != nil {
				t.Error(err)
			}
		})
	}
}

// The viewer may be there first.
func TestViewerWaitsForADisplayToDialIn(t *testing.T) {
	t.Parallel()
	a := newArrivals(t)
	target := a.target("seven")
	target.Retry = time.Minute
	g := newGateway(t, target, gateway.Front{}, func(g *gateway.Gateway) { g.Limits.DialTimeout = 2 * time.Second })
	c := g.dial(t)
	done := make(chan error, 1)
	go func() { _, err := viewOver(c); done <- err }()
	eventually(t, "it waits", func() bool { _, _, ok := g.Waiting("display"); return ok })
	a.arrive(t, "ID:8", false) // somebody else's
	a.arrive(t, "ID:7", true)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if a.Waiting() != 1 {
		t.Errorf("%d wait", a.Waiting())
	}
}

func TestDisplayThatHasNotDialledIn(t *testing.T) {
	a := newArrivals(t)
	g := newGateway(t, a.target("seven"), gateway.Front{}, func(g *gateway.Gateway) { g.Limits.DialTimeout = 20 * time.Millisecond })
	if _, err := viewOver(g.dial(t)); told(err) != "The display has not connected to the gateway yet." {
		t.Error(err)
	}
}

// closed reports whether the gateway has closed c.
func closed(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err != nil
}

func TestArrivalsThatAreTurnedAway(t *testing.T) {
	nobody := func(a *gateway.Arrivals) { a.Allow = func(net.Addr) bool { return false } }
	unbound := func(a *gateway.Arrivals) { a.Bind = nil }
	hasty := func(a *gateway.Arrivals) { a.Timeout = 20 * time.Millisecond }
	as := func(*gateway.Arrivals) {}
	for _, test := range []struct {
		name, says, log string
		configure       func(*gateway.Arrivals)
	}{
		{"unknown ID", "ID:9" + strings.Repeat("\x00", rfb.RepeaterLen), "no target is bound", as},
		{"mode I", "host:5900" + strings.Repeat("\x00", rfb.RepeaterLen), "not a VNC server", as},
		{"bad ID", "ID:\xff" + strings.Repeat("\x00", rfb.RepeaterLen), "not printable", as},
		{"address", "RFB 003.008\n", "may not dial in", nobody},
		{"nothing bound", "RFB 003.008\n", "no target is bound", unbound},
		{"web browser", "GET / HTTP/1.1\r\n\r\n", "not a VNC server", as},
		{"silence", "", "deadline exceeded", hasty},
		{"half an ID", "ID:7", "deadline exceeded", hasty},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newArrivals(t, test.configure)
			c := a.arrive(t, "", false)
			_, _ = io.WriteString(c, test.says)
			if !closed(c) {
				t.Error("not closed")
			}
			eventually(t, "it is logged", func() bool { return strings.Contains(a.log.String(), test.log) })
			if a.Waiting() != 0 {
				t.Error("it waits")
			}
		})
	}
}

// The newest of one ID counts: its machine may have come back without the end
// of its old connection ever having been seen.
func TestNewerDisplayReplacesTheOlder(t *testing.T) {
	a := newArrivals(t)
	old := a.arrive(t, "ID:7", false)
	eventually(t, "it waits", func() bool { return a.Waiting() == 1 })
	a.arrive(t, "ID:7", true)
	if !closed(old) {
		t.Error("the older one is still open")
	}
	eventually(t, "one waits", func() bool { return a.Waiting() == 1 })
	newGateway(t, a.target("seven"), gateway.Front{}).view(t)
}

func TestDisplayThatLeavesWhileItWaits(t *testing.T) {
	a := newArrivals(t)
	c := a.arrive(t, "", false)
	_, _ = io.WriteString(c, "RFB 003.008\n")
	eventually(t, "it waits", func() bool { return a.Waiting() == 1 })
	_ = c.Close()
	eventually(t, "it is forgotten", func() bool { return a.Waiting() == 0 })
}

func TestArrivalsAreBounded(t *testing.T) {
	t.Run("of one address", func(t *testing.T) {
		a := newArrivals(t)

		for range 10 {
			c := a.arrive(t, "", false)
			_, _ = io.WriteString(c, "RFB 003.008\n")

		}
		eventually(t, "six have made room", func() bool { return strings.Count(a.log.String(), "replaced by a newer one") == 6 })
		if n := a.Waiting(); n != 4 {
			t.Errorf("%d wait", n)
		}
	})
	t.Run("in all", func(t *testing.T) {
		a := newArrivals(t, func(a *gateway.Arrivals) { a.Max = 1 })
		a.arrive(t, "ID:7", false)
		eventually(t, "it waits", func() bool { return a.Waiting() == 1 })
		if c := a.arrive(t, "ID:8", false); !closed(c) {
			t.Error("one too many")
		}
	})
	t.Run("half open", func(t *testing.T) {
		a := newArrivals(t)
		first := a.arrive(t, "", false)
		for range 100 {
			a.arrive(t, "", false)
		}
		if !closed(first) {
			t.Error("the oldest has made no room")
		}
		a.arrive(t, "ID:7", true)
		newGateway(t, a.target("seven"), gateway.Front{}).view(t)
	})
}

func TestArrivalsThatAreClosed(t *testing.T) {
	a := &gateway.Arrivals{Bind: func(string, net.Addr) (string, bool) { return "display", true }}
	dial := a.Dialer("display")
	waiting := make(chan error, 1)
	go func() { _, err := dial(context.Background()); waiting <- err }()
	time.Sleep(10 * time.Millisecond)
	a.Close()
	if err := <-waiting; !errors.Is(err, gateway.ErrClosed) {
		t.Error(err)
	}
	if _, err := dial(context.Background()); !errors.Is(err, gateway.ErrClosed) {
		t.Error(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Serve(ln); !errors.Is(err, gateway.ErrClosed) {
		t.Error(err)
	}
}

// Displays and viewers come and go, and nobody gets a display that is another's.
func TestArrivalsRace(t *testing.T) {
	a := newArrivals(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	const n = 50
	errs := make(chan error, 2*n)
	for i := range n {
		go func() {
			c, err := net.Dial("tcp", a.addr)
			if err == nil {
				defer c.Close()
				_, err = fmt.Fprintf(c, "RFB 003.%03d\n", i)
			}
			if err == nil {
				_, err = c.Read(make([]byte, 1)) // until somebody takes it, or a newer one its place
			}
			_ = err
			errs <- nil
		}()
		go func() {
			short, cancel := context.WithTimeout(ctx, time.Duration(i)*time.Millisecond)
			defer cancel()
			c, err := a.Dialer("display")(short)
			if err == nil {
				_, err = io.ReadFull(c, make([]byte, 12))
				_ = c.Close()
			} else if errors.Is(err, gateway.ErrNotArrived) {
				err = nil
			}
			errs <- err
		}()
	}
	for got := 0; got < 2*n; {
		select {
		case err := <-errs:
			got++
			if err != nil {
				t.Error(err)
			}
		case <-time.After(50 * time.Millisecond): // those that are left have no viewer
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			if c, err := a.Dialer("display")(short); err == nil {
				_ = c.Close()
			}
			cancel()
		}
	}
}
