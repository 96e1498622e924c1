package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
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

// lateDisplay is a target that cannot be reached until it is switched on, and
// that counts how often it is tried.
type lateDisplay struct {
	*testDisplay
	on    atomic.Bool
	dials atomic.Int32
}

func newLate(t *testing.T) *lateDisplay {
	return &lateDisplay{testDisplay: newDisplay(t, []rfb.Security{rfb.None{}}, echo)}
}

func (d *lateDisplay) target() *gateway.Target {
	t := d.testDisplay.target(rfb.None{})
	dial := t.Dial
	t.Dial = func(ctx context.Context) (net.Conn, error) {
		d.dials.Add(1)
		if !d.on.Load() {
			return nil, errors.New("switched off")
		}
		return dial(ctx)
	}
	return t
}

// answering is a target that something else than a display answers for.
func answering(t *testing.T, name, says string) *gateway.Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			open = append(open, c)
			_, _ = io.WriteString(c, says)
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
		for _, c := range open {
			_ = c.Close()
		}
	})
	return &gateway.Target{
		Name: name,
		Dial: func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", ln.Addr().String())
		},
		Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} },
	}
}

func TestWhatAnsweredIsNoDisplay(t *testing.T) {
	for _, test := range []struct {
		name, says, words, reason, log string
		patience                       time.Duration
	}{
		{"ssh", "SSH-2.0-OpenSSH_10.0\r\n", "What answered there is not a VNC server.", "not a VNC server", "SSH-2.0-Open", patience},
		{"silence", "", "The display did not answer in time.", "display unreachable", "is it a VNC server?", 50 * time.Millisecond},
		{"half a greeting", "RFB 0", "The display did not answer in time.", "display unreachable", "is it a VNC server?", 50 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGateway(t, answering(t, "display", test.says), gateway.Front{}, func(g *gateway.Gateway) { g.Limits.GreetTimeout = test.patience })
			if _, err := viewOver(g.dial(t)); told(err) != test.words {
				t.Errorf("the viewer was told %v", err)
			}
			eventually(t, "the reason is logged", func() bool {
				return strings.Contains(g.log.String(), fmt.Sprintf("reason=%q", test.reason)) && strings.Contains(g.log.String(), test.log)
			})
		})
	}
}

func TestFallbacks(t *testing.T) {
	off := newLate(t)
	right := rfb.ServerVncAuth{Passwords: func(context.Context) ([]string, error) { return []string{"right"}, nil }}
	wrong := rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return "wrong", nil }}
	refuses := newDisplay(t, []rfb.Security{right}, echo).target(wrong)
	refuses.Name = "refuses"
	last := newDisplay(t, []rfb.Security{rfb.None{}}, echo).target(rfb.None{})
	last.Name = "last"
	first := off.target()
	first.Name = "first"
	first.Fallbacks = []*gateway.Target{refuses, answering(t, "ssh", "SSH-2.0-OpenSSH_10.0\r\n"), last}

	g := newGateway(t, first, gateway.Front{})
	g.view(t)
	eventually(t, "each is logged", func() bool {
		log := g.log.String()
		return strings.Contains(log, "display=first") && strings.Contains(log, "display=refuses") && strings.Contains(log, "display=ssh") && strings.Contains(log, "session opened")
	})
	if !strings.Contains(g.log.String(), "reached=last") {
		t.Error("the log does not say which was reached")
	}

	first.Fallbacks = first.Fallbacks[:2]
	g = newGateway(t, first, gateway.Front{})
	if _, err := viewOver(g.dial(t)); told(err) != "The display cannot be reached." {
		t.Errorf("the viewer is told of a fall-back: %v", err)
	}
	eventually(t, "all errors are logged", func() bool {
		return strings.Contains(g.log.String(), "session refused") && strings.Contains(g.log.String(), "display ssh: handshake")
	})
}

func TestRetryUntilTheDisplayIsUp(t *testing.T) {
	t.Parallel()
	late := newLate(t)
	target := late.target()
	target.Retry = time.Minute
	g := newGateway(t, target, gateway.Front{}, func(g *gateway.Gateway) { g.Limits.Handshakes = 2 })
	if _, _, ok := g.Waiting("display"); ok {
		t.Error("somebody waits already")
	}
	const crowd = 5
	var viewing sync.WaitGroup
	errs := make(chan error, crowd)
	begun := time.Now()
	for i := range int32(crowd) {
		c := g.dial(t)
		viewing.Go(func() {
			_, err := viewOver(c)
			errs <- err
		})
		eventually(t, "it has tried", func() bool { return late.dials.Load() > i })
	}
	eventually(t, "those who ask are told", func() bool {
		words, since, ok := g.Waiting("display")
		return ok && words == "The display is not up yet; trying again." && !since.Before(begun)
	})
	if _, _, ok := g.Waiting("other"); ok {
		t.Error("somebody waits for another display")
	}
	eventually(t, "all of them wait, and no place for strangers is taken", func() bool {
		if g.Sessions() != crowd {
			return false
		}
		for range 2 {
			s, err := g.Admit(gateway.Front{})
			if err != nil {
				return false
			}
			defer s.Release()
		}
		return true
	})
	late.on.Store(true)
	viewing.Wait()
	for range crowd {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if _, _, ok := g.Waiting("display"); ok {
		t.Error("somebody still waits")
	}
}

// While nobody gets through, one viewer tries for all.
func TestRetryIsNotACrowd(t *testing.T) {
	t.Parallel()
	late := newLate(t)
	target := late.target()
	target.Retry = time.Minute
	g := newGateway(t, target, gateway.Front{})
	const crowd = 20
	for range crowd {
		c := g.dial(t)
		go func() { _, _ = viewOver(c) }()
	}
	eventually(t, "each has tried once", func() bool { return late.dials.Load() >= crowd })
	time.Sleep(2 * time.Second) // two or three more tries of one viewer
	if n := late.dials.Load(); n > crowd+8 {
		t.Errorf("tried %d times", n)
	}
}

func TestRetryEnds(t *testing.T) {
	t.Parallel()
	late := newLate(t)
	target := late.target()
	target.Retry = 4 * time.Second
	g := newGateway(t, target, gateway.Front{})
	if _, err := viewOver(g.dial(t)); told(err) != "The display cannot be reached." {
		t.Error(err)
	}
	if late.dials.Load() < 2 {
		t.Error("it was not tried again")
	}
}

// Retry is time beyond what the handshake has, not of it.
func TestRetryExtendsTheHandshake(t *testing.T) {
	t.Parallel()
	late := newLate(t)
	target := late.target()
	target.Retry = time.Minute
	const limit = 2 * time.Second
	g := newGateway(t, target, gateway.Front{}, func(g *gateway.Gateway) { g.Limits.HandshakeTimeout = limit })
	timer := time.AfterFunc(2*limit, func() { late.on.Store(true) })
	defer timer.Stop()
	g.view(t)
}

// A display that does not want us is not asked again: it may lock us out.
func TestRetrySparesADisplayThatRefuses(t *testing.T) {
	t.Parallel()
	right := rfb.ServerVncAuth{Passwords: func(context.Context) ([]string, error) { return []string{"right"}, nil }}
	wrong := rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return "wrong", nil }}
	refuses := newDisplay(t, []rfb.Security{right}, echo).target(wrong)
	var dials atomic.Int32
	dial := refuses.Dial
	refuses.Dial = func(ctx context.Context) (net.Conn, error) { dials.Add(1); return dial(ctx) }
	refuses.Retry = time.Minute
	g := newGateway(t, refuses, gateway.Front{})
	if _, err := viewOver(g.dial(t)); told(err) != "The display did not let the gateway in." {
		t.Error(err)
	}
	late := newLate(t)
	refuses.Fallbacks = []*gateway.Target{late.target()}
	go func() {
		for late.dials.Load() < 3 {
			time.Sleep(5 * time.Millisecond)
		}
		late.on.Store(true)
	}()
	newGateway(t, refuses, gateway.Front{}).view(t)
	if n := dials.Load(); n != 2 {
		t.Errorf("it was asked %d times, once for each viewer is enough", n)
	}
}

func TestViewerLeavesWhileItWaits(t *testing.T) {
	t.Parallel()
	for _, early := range []string{"", "\x01"} {
		late := newLate(t)
		target := late.target()
		target.Retry = time.Hour
		g := newGateway(t, target, gateway.Front{})
		c := g.dial(t)
		handshake(t, c)
		_, _ = io.WriteString(c, early)
		eventually(t, "it waits", func() bool { _, _, ok := g.Waiting("display"); return ok })
		_ = c.Close()
		eventually(t, "the session ends", func() bool { return g.Sessions() == 0 })
		eventually(t, "the reason is logged", func() bool {
			return strings.Contains(g.log.String(), `level=INFO msg="session refused"`) && strings.Contains(g.log.String(), `reason="viewer left"`)
		})
	}
}

// handshake takes a viewer of 3.8 to where it waits for its SecurityResult.
func handshake(t *testing.T, c net.Conn) {
	t.Helper()
	b := make([]byte, 12)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "RFB 003.008\n")
	if _, err := io.ReadFull(c, b[:2]); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte{1})
}

// What a viewer says before its time, while it is watched, is not lost.
func TestEarlyBytesAreKept(t *testing.T) {
	for name, stack := range map[string]struct{ front, viewer []layers.Layer }{
		"tcp": {},
		"ws":  {webFront(0).Layers, []layers.Layer{layers.WebSocketClient("ws://localhost/", nil)}},
	} {
		t.Run(name, func(t *testing.T) {
			late := newLate(t)
			target := late.target()
			target.Retry = time.Minute
			g := newGateway(t, target, gateway.Front{Layers: stack.front})
			c, err := layers.Stack(context.Background(), g.dial(t), stack.viewer...)
			if err != nil {
				t.Fatal(err)
			}
			handshake(t, c)
			eventually(t, "it waits", func() bool { _, _, ok := g.Waiting("display"); return ok })
			if _, err := c.Write(append([]byte{1}, keyA...)); err != nil { // ClientInit, and a key
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
			late.on.Store(true)
			if shared := <-late.shared; !shared {
				t.Error("ClientInit came through wrong")
			}
			// SecurityResult, ServerInit, the key as the display sends it back
			b := make([]byte, 4+24+len(testInit.Name)+len(keyA))
			if _, err := io.ReadFull(c, b); err != nil || string(b[len(b)-len(keyA):]) != string(keyA) {
				t.Errorf("came back: % x, %v", b, err)
			}
		})
	}
}

func TestDisplayIsToldTheViewersAddress(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			from := make(chan string, 1)
			go func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				stacked, err := layers.Stack(context.Background(), c, layers.ProxyServer(func(netip.Addr) bool { return true }))
				if err != nil {
					from <- err.Error()
					return
				}
				from <- stacked.RemoteAddr().String()
				_, _ = rfb.Server(context.Background(), stacked, &rfb.ServerConfig{})
			}()
			target := &gateway.Target{
				Name: "display", SendProxy: version,
				Dial: func(ctx context.Context) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, "tcp", ln.Addr().String())
				},
				Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} },
			}
			g := newGateway(t, target, gateway.Front{})
			c := g.dial(t)
			if _, err := viewOver(c); told(err) == "" {
				t.Error(err)
			}
			if got := <-from; got != c.LocalAddr().String() {
				t.Errorf("the display sees %s, want %s", got, c.LocalAddr())
			}
		})
	}
}

// A display that is waited for longer than a ticket is good is not shown.
func TestGrantThatExpiresWhileWaiting(t *testing.T) {
	late := newLate(t)
	target := late.target()
	target.Retry = time.Minute
	g := newGateway(t, target, gateway.Front{Expires: time.Now().Add(200 * time.Millisecond)}, func(g *gateway.Gateway) {
		g.Authorize = func(_ context.Context, req auth.Request) (auth.Grant, error) {
			return auth.Grant{Identity: req.Identities[0], Target: req.Target, Rights: auth.AllRights}, nil
		}
	})
	if _, err := viewOver(g.dial(t)); told(err) != "Your time on this display is over." {
		t.Error(err)
	}
}
