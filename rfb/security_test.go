package rfb_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"vncgate/rfb"
)

// passwords returns a look-up that knows these.
func passwords(ps ...string) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) { return ps, nil }
}

func password(p string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return p, nil }
}

// outcome is what both ends of a handshake ended with.
type outcome struct {
	viewer, display       *rfb.Conn
	viewerErr, displayErr error
}

// handshake runs Server against Client over a pipe and closes each end that
// failed, as their owners do.
func handshake(t *testing.T, s *rfb.ServerConfig, c *rfb.ClientConfig) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	front, back := net.Pipe()
	t.Cleanup(func() { front.Close(); back.Close() })
	var o outcome
	done := make(chan struct{})
	go func() {
		defer close(done)
		if o.display, o.displayErr = rfb.Server(ctx, front, s); o.displayErr != nil {
			front.Close()
		}
	}()
	if o.viewer, o.viewerErr = rfb.Client(ctx, back, c); o.viewerErr != nil {
		back.Close()
	}
	<-done
	return o
}

func TestHandshakeBasic(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server []rfb.Security
		client []rfb.Security
		method string
	}{
		{"none", []rfb.Security{rfb.None{}}, []rfb.Security{rfb.None{}}, "none"},
		{"vnc", []rfb.Security{rfb.ServerVncAuth{Passwords: passwords("other", "sesame")}},
			[]rfb.Security{rfb.ClientVncAuth{Password: password("sesame")}}, "vnc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := handshake(t, &rfb.ServerConfig{Security: tt.server}, &rfb.ClientConfig{Security: tt.client})
			if o.viewerErr != nil || o.displayErr != nil {
				t.Fatalf("viewer: %v, display: %v", o.viewerErr, o.displayErr)
			}
			if o.viewer.Secured.Method != tt.method || o.display.Secured.Method != tt.method {
				t.Errorf("methods %q and %q, want %q", o.viewer.Secured.Method, o.display.Secured.Method, tt.method)
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	o := handshake(t,
		&rfb.ServerConfig{Security: []rfb.Security{rfb.ServerVncAuth{Passwords: passwords("sesame")}}},
		&rfb.ClientConfig{Security: []rfb.Security{rfb.ClientVncAuth{Password: password("wrong")}}})
	var refusal *rfb.Refusal
	if !errors.As(o.displayErr, &refusal) || refusal.Reason != "Authentication failed" {
		t.Errorf("display: %v", o.displayErr)
	}
	var said *rfb.DisplayError
	if !errors.As(o.viewerErr, &said) || said.Reason != "Authentication failed" {
		t.Errorf("viewer: %v", o.viewerErr)
	}
}
