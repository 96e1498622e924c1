package rfb_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"vncgate/layers/layertest"
	"vncgate/rfb"
)

var errGaveUp = errors.New("gave up")

// cancelAt runs f against a peer that falls silent after n bytes and returns
// f's error once it is cancelled, and whether it was silent by then.
func cancelAt(t *testing.T, n int, peer func(context.Context, net.Conn), f func(context.Context, net.Conn) error) error {
	t.Helper()
	ours, theirs := layertest.Pipe()
	defer ours.Close()
	theirs.(*layertest.PipeConn).StallAfter(n)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	peerDone := make(chan struct{})
	go func() {
		defer close(peerDone)
		peer(context.Background(), theirs)
	}()
	result := make(chan error, 1)
	go func() { result <- f(ctx, ours) }()
	// Some points need no cancelling, because nothing more is to come. For the
	// others it does not matter how far f has got.
	var err error
	select {
	case err = <-result:
	case <-time.After(time.Millisecond):
		cancel(errGaveUp)
		select {
		case err = <-result:
		case <-time.After(20 * time.Second):
			t.Fatalf("still there, %d bytes into the handshake", n)
		}
	}
	ours.Close()
	theirs.Close()
	<-peerDone
	return err
}

// TestCancel ends the context at each byte of the longest handshake without
// TLS, on both sides.
func TestCancel(t *testing.T) {
	server := &rfb.ServerConfig{Security: []rfb.Security{rfb.ServerVeNCrypt{Subtypes: []rfb.Security{
		rfb.ServerSASL{Mechanisms: []string{"PLAIN"}, Start: startMechanism},
	}}}}
	client := &rfb.ClientConfig{Security: []rfb.Security{rfb.ClientVeNCrypt{Subtypes: []rfb.Security{
		rfb.ClientSASL{Choose: chooseMechanism(goodUser, goodPassword, "PLAIN")},
	}}}}
	display := func(ctx context.Context, c net.Conn) error { _, err := rfb.Server(ctx, c, server); return err }
	viewer := func(ctx context.Context, c net.Conn) error { _, err := rfb.Client(ctx, c, client); return err }
	ignore := func(f func(context.Context, net.Conn) error) func(context.Context, net.Conn) {
		return func(ctx context.Context, c net.Conn) { _ = f(ctx, c) }
	}
	// What each side sends: version, types and so on.
	for n := range 12 + 2 + 2 + 2 + 4 + 9 + 5 + 4 {
		if err := cancelAt(t, n, ignore(display), viewer); !errors.Is(err, errGaveUp) {
			t.Errorf("viewer, display silent after %d bytes: %v", n, err)
		}
	}
	for n := range 12 + 1 + 2 + 4 + 9 + 4 + 12 {
		if err := cancelAt(t, n, ignore(viewer), display); !errors.Is(err, errGaveUp) {
			t.Errorf("display, viewer silent after %d bytes: %v", n, err)
		}
	}
}

// TestCancelTight ends the context at each byte of the handshake of Tight.
func TestCancelTight(t *testing.T) {
	server := &rfb.ServerConfig{Security: []rfb.Security{rfb.ServerTight{Auths: []rfb.Security{rfb.ServerPlain{Verify: verify}}}}}
	client := &rfb.ClientConfig{Security: []rfb.Security{rfb.ClientTight{Auths: everyTight()}}}
	for n := range 12 + 2 + 8 + 16 + 4 {
		err := cancelAt(t, n, func(ctx context.Context, c net.Conn) { _, _ = rfb.Server(ctx, c, server) },
			func(ctx context.Context, c net.Conn) error { _, err := rfb.Client(ctx, c, client); return err })
		if !errors.Is(err, errGaveUp) {
			t.Errorf("viewer, display silent after %d bytes: %v", n, err)
		}
	}
	for n := range 12 + 1 + 4 + 8 + len(goodUser+goodPassword) {
		err := cancelAt(t, n, func(ctx context.Context, c net.Conn) { _, _ = rfb.Client(ctx, c, client) },
			func(ctx context.Context, c net.Conn) error { _, err := rfb.Server(ctx, c, server); return err })
		if !errors.Is(err, errGaveUp) {
			t.Errorf("display, viewer silent after %d bytes: %v", n, err)
		}
	}
}

func TestCancelledBefore(t *testing.T) {
	ours, _ := layertest.Pipe()
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errGaveUp)
	if _, err := rfb.Server(ctx, ours, &rfb.ServerConfig{}); !errors.Is(err, errGaveUp) {
		t.Error(err)
	}
	if _, err := rfb.Client(ctx, ours, &rfb.ClientConfig{}); !errors.Is(err, errGaveUp) {
		t.Error(err)
	}
}

// TestCancelledDelay: the delay before the answer to a wrong proof is no
// reason to stay.
func TestCancelledDelay(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	verify := func(context.Context, string, string) error {
		cancel(errGaveUp)
		return errWrong
	}
	front, back := layertest.Pipe()
	defer back.Close()
	go func() { _, _ = back.Write(unhex(t, `00000001 00000001 "xy"`)) }()
	if _, err := (rfb.ServerPlain{Verify: verify}).Handshake(ctx, front); !errors.Is(err, errGaveUp) {
		t.Error(err)
	}
}

// TestCancelLate: a context that ends behind the handshake changes nothing.
func TestCancelLate(t *testing.T) {
	front, back := layertest.Pipe()
	defer front.Close()
	defer back.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan *rfb.Conn)
	go func() {
		c, _ := rfb.Server(ctx, front, &rfb.ServerConfig{Security: []rfb.Security{rfb.None{}}})
		done <- c
	}()
	viewer, err := rfb.Client(ctx, back, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	display := <-done
	if err != nil || display == nil {
		t.Fatal(err)
	}
	cancel()
	exchange(t, outcome{viewer: viewer, display: display})
}

// TestCancelInit ends the context while ClientInit and ServerInit are awaited.
func TestCancelInit(t *testing.T) {
	ours, _ := layertest.Pipe()
	c := &rfb.Conn{Conn: ours}
	for _, read := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := c.ReadClientInit(ctx); return err },
		func(ctx context.Context) error { _, err := c.ReadServerInit(ctx); return err },
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Millisecond, func() { cancel(errGaveUp) })
		if err := read(ctx); !errors.Is(err, errGaveUp) {
			t.Error(err)
		}
	}
}
