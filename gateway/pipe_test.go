package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/layers/layertest"
)

// piped joins two TCP connections by a Pipe and returns their far ends.
func piped(t *testing.T, ctx context.Context, stall time.Duration, ls ...layers.Layer) (viewer, other net.Conn, result <-chan gateway.PipeResult) {
	t.Helper()
	near, viewer := layertest.TCP(t)
	back, other := layertest.TCP(t)
	done := make(chan gateway.PipeResult, 1)
	go func() {
		top, err := layers.Stack(context.Background(), near, ls...)
		if err != nil {
			done <- gateway.PipeResult{Err: err}
			return
		}
		r := gateway.Pipe(ctx, top, back, stall)
		_ = top.Close()
		_ = back.Close()
		done <- r
	}()
	for _, c := range []net.Conn{viewer, other} {
		_ = c.SetDeadline(time.Now().Add(patience))
	}
	return viewer, other, done
}

func TestPipeCarriesAnything(t *testing.T) {
	viewer, other, result := piped(t, context.Background(), 0)
	up, down := make([]byte, 3<<20), make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(up)
	_, _ = source.Read(down)
	go func() {
		_, _ = viewer.Write(up)
		_ = viewer.(*net.TCPConn).CloseWrite()
	}()
	go func() {
		_, _ = other.Write(down[:len(down)/2])
	}()
	type read struct {
		b   []byte
		err error
	}
	came := make(chan read, 1)
	go func() { b, err := io.ReadAll(viewer); came <- read{b, err} }()
	got, err := io.ReadAll(other)
	if err != nil || !bytes.Equal(got, up) {
		t.Fatalf("%d bytes went up, %v", len(got), err)
	}
	// The viewer has ended its direction; the other goes on.
	if _, err := other.Write(down[len(down)/2:]); err != nil {
		t.Fatal(err)
	}
	_ = other.(*net.TCPConn).CloseWrite()
	if got := <-came; got.err != nil || !bytes.Equal(got.b, down) {
		t.Errorf("%d bytes came down, %v", len(got.b), got.err)
	}
	r := <-result
	if !r.ViewerFirst || r.Reason != "viewer left" || r.Up != int64(len(up)) || r.Down != int64(len(down)) || r.Err != nil {
		t.Errorf("%+v", r)
	}
}

func TestPipeSaysWhoEndedIt(t *testing.T) {
	cancelled, cancel := context.WithCancelCause(context.Background())
	why := errors.New("shutting down")
	reset := func(c net.Conn) {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	for _, test := range []struct {
		name, reason string
		viewer       bool
		end          func(viewer, other net.Conn)
	}{
		{"viewer closes", "viewer left", true, func(viewer, _ net.Conn) { _ = viewer.Close() }},
		{"other closes", "target closed", false, func(_, other net.Conn) { _ = other.Close() }},
		{"viewer is cut off", "viewer left", true, func(viewer, _ net.Conn) { reset(viewer) }},
		{"other is cut off", "target failed", false, func(_, other net.Conn) { reset(other) }},
		{"cancelled", "cancelled", false, func(_, _ net.Conn) { cancel(why) }},
	} {
		viewer, other, result := piped(t, cancelled, 0)
		if _, err := viewer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(other, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		test.end(viewer, other)
		for _, c := range []net.Conn{viewer, other} { // whoever is left does not go on alone
			go func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() }()
		}
		r := <-result
		if r.Reason != test.reason || r.ViewerFirst != test.viewer || r.Up != 1 {
			t.Errorf("%s: %+v", test.name, r)
		}
		if test.reason == "cancelled" && !errors.Is(r.Err, why) {
			t.Errorf("cancelled by %v", r.Err)
		}
	}
}

// A browser that leaves leaves for good: WebSocket has no half-close.
func TestPipeEndsWithItsBrowser(t *testing.T) {
	viewer, other, result := piped(t, context.Background(), time.Hour, layers.WebSocketServer(layers.WebSocketConfig{}))
	ws, err := layers.Stack(context.Background(), viewer, layers.WebSocketClient("ws://localhost/", nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ws.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(other, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	_ = ws.Close()
	if r := <-result; !r.ViewerFirst || r.Up != 5 {
		t.Errorf("%+v", r)
	}
}

// What moves nothing any more after one end has gone does not stay forever.
func TestHalfOfAPipeThatIsIdleEnds(t *testing.T) {
	viewer, other, result := piped(t, context.Background(), 100*time.Millisecond)
	_ = viewer.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(other); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	if r := <-result; r.Reason != "viewer left" {
		t.Errorf("%+v", r)
	}
}

func TestPipeEndsWhatStalls(t *testing.T) {
	viewer, _, result := piped(t, context.Background(), 100*time.Millisecond)
	for b := make([]byte, 1<<20); ; {
		if _, err := viewer.Write(b); err != nil {
			break
		}
	}
	if r := <-result; r.Reason != "target stalled" || r.ViewerFirst || !errors.Is(r.Err, os.ErrDeadlineExceeded) {
		t.Errorf("%+v", r)
	}
}

func ExamplePipe() {
	viewer, near := net.Pipe()
	far, other := net.Pipe()
	go func() {
		_, _ = viewer.Write([]byte("hello"))
		_ = viewer.Close()
	}()
	heard := make(chan string)
	go func() { b, _ := io.ReadAll(other); heard <- string(b) }()
	r := gateway.Pipe(context.Background(), near, far, time.Minute)
	_ = near.Close()
	_ = far.Close()
	fmt.Printf("%s (%s)", <-heard, r.Reason)
	// Output: hello (viewer left)
}
