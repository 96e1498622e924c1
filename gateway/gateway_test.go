package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// keyA is a KeyEvent: "a" goes down.
var keyA = []byte{4, 1, 0, 0, 0, 0, 0, 0x61}

func TestSessionFromEndToEnd(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	viewer := g.view(t)
	if shared := <-display.shared; !shared {
		t.Error("the display was not told that the viewer shares it")
	}
	typed := append(append([]byte(nil), keyA...), 4, 0, 0, 0, 0, 0, 0, 0x61) // and up again: nothing is left to be released
	if _, err := viewer.Write(typed); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(typed))
	if _, err := io.ReadFull(viewer, got); err != nil || !bytes.Equal(got, typed) {
		t.Fatalf("came back: % x, %v", got, err)
	}
	_ = viewer.Close()
	eventually(t, "the session ends", func() bool { return g.Sessions() == 0 })
	eventually(t, "its end is logged", func() bool { return strings.Contains(g.log.String(), "session closed") })
	for _, want := range []string{"session opened", `reason="viewer left"`, "bytes_up=16", "bytes_down=16", "stack=tcp", "user=(none)", "target=display", "duration="} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestDisplayPasswordIsInjected(t *testing.T) {
	const displaySecret = "tOpS3cr1"
	passwords := func(context.Context) ([]string, error) { return []string{displaySecret}, nil }
	display := newDisplay(t, []rfb.Security{rfb.ServerVncAuth{Passwords: passwords}}, echo)
	proof := rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return displaySecret, nil }}
	g := newGateway(t, display.target(proof), gateway.Front{})
	tap := &tapConn{Conn: g.dial(t)}
	if _, err := viewOver(tap); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(tap.seen.Bytes(), []byte(displaySecret)) {
		t.Error("the viewer saw the display's password")
	}
	if strings.Contains(g.log.String(), displaySecret) {
		t.Error("the log holds the display's password")
	}
}

type tapConn struct {
	net.Conn
	seen bytes.Buffer
}

func (c *tapConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.seen.Write(b[:n])
	return n, err
}

func TestViewersAreToldWhy(t *testing.T) {
	secret := func(s string) func(context.Context) ([]string, error) {
		return func(context.Context) ([]string, error) { return []string{s}, nil }
	}
	wrong := rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return "wrong", nil }}
	display := newDisplay(t, []rfb.Security{rfb.ServerVncAuth{Passwords: secret("right")}}, echo)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	at := func(addr net.Addr) *gateway.Target {
		return &gateway.Target{
			Name: "display",
			Dial: func(ctx context.Context) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", addr.String())
			},
			Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} },
		}
	}
	deny := func(g *gateway.Gateway) {
		g.Authorize = func(context.Context, auth.Request) (auth.Grant, error) {
			return auth.Grant{}, &rfb.Refusal{Reason: "You may not use this display."}
		}
	}
	broken := func(g *gateway.Gateway) {
		g.Authorize = func(context.Context, auth.Request) (auth.Grant, error) {
			return auth.Grant{}, errors.New("the store of policies is on fire")
		}
	}
	hasty := func(g *gateway.Gateway) { g.Limits.DialTimeout = 50 * time.Millisecond }
	tests := []struct {
		name      string
		target    *gateway.Target
		front     gateway.Front
		configure func(*gateway.Gateway)
		words     string
	}{
		{"dead display", at(dead.Addr()), gateway.Front{}, nil, "The display cannot be reached."},
		{"silent display", at(mute.Addr()), gateway.Front{}, hasty, "The display did not answer in time."},
		{"display refuses us", display.target(wrong), gateway.Front{}, nil, "The display did not let the gateway in."},
		{"no such target", nil, gateway.Front{Target: "other"}, nil, "There is no such display."},
		{"policy", display.target(wrong), gateway.Front{}, deny, "You may not use this display."},
		{"fault of ours", display.target(wrong), gateway.Front{}, broken, "The gateway cannot serve this now."},
		{"wrong password", nil, gateway.Front{Security: offer(rfb.ServerVncAuth{Passwords: secret("other")})}, nil, "Authentication failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.configure == nil {
				test.configure = func(*gateway.Gateway) {}
			}
			g := newGateway(t, test.target, test.front, test.configure)
			_, err := viewOver(g.dial(t), rfb.None{}, wrong)
			var refused *rfb.DisplayError
			if !errors.As(err, &refused) || refused.Reason != test.words {
				t.Errorf("the viewer was told %v, want %q", err, test.words)
			}
			eventually(t, "the session ends", func() bool { return g.Sessions() == 0 })
			if !strings.Contains(g.log.String(), "session refused") {
				t.Error("the log has no line of it")
			}
		})
	}
}

func TestRightsAreEnforced(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, func(g *gateway.Gateway) {
		g.Authorize = func(_ context.Context, req auth.Request) (auth.Grant, error) {
			return auth.Grant{Identity: req.Identities[0], Target: req.Target, Rights: auth.Viewing | auth.ClipboardOut}, nil
		}
	})
	viewer := g.view(t)
	update := []byte{3, 1, 0, 0, 0, 0, 0, 9, 0, 9}
	if _, err := viewer.Write(append(append([]byte(nil), keyA...), update...)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(update))
	if _, err := io.ReadFull(viewer, got); err != nil || !bytes.Equal(got, update) {
		t.Fatalf("a viewer without rights got % x through, %v", got, err)
	}
}

func TestUnknownMessageEndsTheSession(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	viewer := g.view(t)
	if _, err := viewer.Write([]byte{99, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(viewer); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="message not allowed"`) })
}

func TestDisplayThatLeavesEndsTheSession(t *testing.T) {
	last := []byte("last words of the display")
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) { _, _ = c.Write(last) })
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	viewer := g.view(t)
	got, err := io.ReadAll(viewer)
	if err != nil || !bytes.Equal(got, last) {
		t.Errorf("got %q, %v", got, err)
	}
	eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="display closed"`) })
}

func TestDisplayThatIsCutOffIsAFailure(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) {
		for l := range layers.Walk(c) {
			if tcp, ok := l.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // close with a reset, as a kernel does for a process that dies
			}
		}
	})
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	g.view(t)
	eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="display failed"`) })
}

func TestFrontWithoutSecurityLetsNobodyIn(t *testing.T) {
	g := &gateway.Gateway{}
	ours, theirs := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- g.ServeConn(context.Background(), theirs, gateway.Front{}) }()
	_, err := viewOver(ours)
	var refused *rfb.DisplayError
	if !errors.As(err, &refused) {
		t.Errorf("the viewer saw %v", err)
	}
	if <-served == nil {
		t.Error("ServeConn says that all was well")
	}
}

// A viewer that shuts its sending side down still gets what the display had to
// say, and the display sees the end.
func TestHalfCloseIsPassedOn(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) {
		_, _ = io.Copy(io.Discard, c)
		_, _ = c.Write([]byte("bye"))
	})
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	viewer := g.view(t)
	if err := viewer.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(viewer)
	if err != nil || string(got) != "bye" {
		t.Errorf("got %q, %v", got, err)
	}
}
