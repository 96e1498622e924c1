package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// faulty panics in the stated place as soon as it is armed.
type faulty struct {
	armed atomic.Bool
	place string
}

const topSecret = "s3cr3t-of-a-viewer"

func (f *faulty) at(place string) {
	if f.armed.Load() && f.place == place {
		panic("it holds " + topSecret)
	}
}

// faultyConn panics when something is written or read.
type faultyConn struct {
	net.Conn
	f           *faulty
	read, write string
}

func (c *faultyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.f.at(c.read)
	}
	return n, err
}

func (c *faultyConn) Write(b []byte) (int, error) {
	c.f.at(c.write)
	return c.Conn.Write(b)
}

// NetConn leaves the gateway no way around it.
func (c *faultyConn) NetConn() net.Conn { return nil }

// A fault of ours ends the session that meets it, wherever that is, and no other.
func TestPanicEndsOneSession(t *testing.T) {
	for _, place := range []string{
		"choose", "layer", "security", "authorize", "find", "claim", "viewer read", "viewer write", "display read", "display write",
		"open viewer read", "open viewer write", "open display read", "open display write", "review",
	} {
		t.Run(place, func(t *testing.T) {
			f := &faulty{place: strings.TrimPrefix(place, "open ")}
			g := newFaulty(t, f)
			bystander := g.view(t)
			later := place == "review" || strings.HasPrefix(place, "open ") // in a session that is open
			f.armed.Store(!later)
			c, err := viewOver(g.dial(t))
			f.armed.Store(true)
			switch {
			case place == "review":
				g.Review()
			case err == nil:
				_, _ = c.Write(keyA)
			}
			eventually(t, "the fault is reported", func() bool { return g.panics() > 0 })
			f.armed.Store(false)
			if c != nil {
				_, _ = io.Copy(io.Discard, c)
			}
			left := 1
			if place == "review" {
				left = 0 // it asks about all
			}
			eventually(t, "its place is given back", func() bool { return g.Sessions() == left })
			log := g.log.String()
			if !strings.Contains(log, "fault in the program") || !strings.Contains(log, "panicked_test.go") || strings.Contains(log, topSecret) {
				t.Errorf("the log lacks the stack, or shows a secret")
			}
			if !strings.Contains(log, `reason="internal error"`) {
				t.Errorf("the log lacks the reason")
			}
			if left == 0 {
				return
			}
			if _, err := bystander.Write(keyA); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(bystander, make([]byte, len(keyA))); err != nil {
				t.Errorf("the other session has ended, too: %v", err)
			}
			g.view(t)
		})
	}
}

type faultyGateway struct {
	*testGateway
	mu    sync.Mutex
	count int
}

func (g *faultyGateway) panics() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

func newFaulty(t *testing.T, f *faulty) *faultyGateway {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	target := display.target(rfb.None{})
	dial := target.Dial
	target.Dial = func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return &faultyConn{c, f, "display read", "display write"}, nil
	}
	g := &faultyGateway{}
	front := gateway.Front{
		Layers: []layers.Layer{func(_ context.Context, c net.Conn) (net.Conn, error) {
			f.at("layer")
			return &faultyConn{c, f, "viewer read", "viewer write"}, nil
		}},
		Choose: func(context.Context, net.Conn) (string, error) {
			f.at("choose")
			return "", nil
		},
		Security: func(net.Conn, string) []rfb.Security {
			f.at("security")
			return []rfb.Security{rfb.None{}}
		},
		Find: func(context.Context, string) (*gateway.Target, error) {
			f.at("find")
			return target, nil
		},
		Claim: func(context.Context) error {
			f.at("claim")
			return nil
		},
	}
	g.testGateway = newGateway(t, target, front, func(gate *gateway.Gateway) {
		gate.Authorize = func(_ context.Context, req auth.Request) (auth.Grant, error) {
			f.at("authorize")
			f.at("review")
			return auth.Grant{Rights: auth.AllRights}, nil
		}
		gate.Observe = func(e gateway.Event) {
			if e.Kind != gateway.Panicked {
				return
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			g.count++
			if e.Session == nil || e.Details["stack"] == "" || e.Err == nil || strings.Contains(e.Err.Error(), topSecret) {
				t.Errorf("%+v", e)
			}
		}
	})
	return g
}

func TestPanicOfTheRuntimeIsNamed(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	var list []int
	front := gateway.Front{Choose: func(context.Context, net.Conn) (string, error) { return "", errors.New(string(rune(list[3]))) }}
	g := newGateway(t, display.target(rfb.None{}), front)
	if _, err := viewOver(g.dial(t)); err == nil {
		t.Error("a viewer is let in")
	}
	eventually(t, "the fault is named", func() bool { return strings.Contains(g.log.String(), "index out of range [3]") })
}
