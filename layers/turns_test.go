package layers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// watchedTLS is a server's configuration that counts how many handshakes are
// inside it.
func watchedTLS(config *tls.Config, most *atomic.Int64) *tls.Config {
	var now atomic.Int64
	config = config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		for n := now.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		runtime.Gosched()
		now.Add(-1)
		return nil, nil
	}
	return config
}

func TestTurnsBoundWhatComputes(t *testing.T) {
	layertest.CheckLeaks(t)
	certs := layertest.Certificates(t)
	for _, places := range []int64{1, 3} {
		var most atomic.Int64
		layer := layers.NewTurns(int(places)).TLSServer(watchedTLS(certs.Server, &most))
		var all sync.WaitGroup
		for range 40 {
			near, far := layertest.Pipe()
			all.Go(func() { shake(t, near, far, layers.TLSClient(certs.Client), layer) })
		}
		all.Wait()
		if n := most.Load(); n > places {
			t.Errorf("%d handshakes computed at once, %d may", n, places)
		}
	}
}

// TestSlowHandshakesHoldNoTurn has more of them begun than there are turns; then
// somebody comes who does not dawdle.
func TestSlowHandshakesHoldNoTurn(t *testing.T) {
	layertest.CheckLeaks(t)
	certs := layertest.Certificates(t)
	layer := layers.NewTurns(1).TLSServer(certs.Server)
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("enough")
	var slow sync.WaitGroup
	for i := range 50 {
		near, far := layertest.Pipe()
		_, _ = io.WriteString(near, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[:i%12])
		slow.Go(func() {
			if _, err := layer(ctx, far); !errors.Is(err, enough) {
				t.Errorf("a handshake that never ends: %v", err)
			}
			_ = near.Close()
			_ = far.Close()
		})
	}
	near, far := layertest.Pipe()
	client, server := join(t, near, far, layers.TLSClient(certs.Client), layer)
	for below := range layers.Walk(server) {
		if kind := fmt.Sprintf("%T", below); strings.Contains(kind, "turn") {
			t.Errorf("%s is left in the stack", kind)
		}
	}
	_ = client.Close()
	_ = server.Close()
	cancel(enough)
	slow.Wait()
}

// TestTurnOverBeforeItCame ends the time of a handshake that waits for its turn.
func TestTurnOverBeforeItCame(t *testing.T) {
	layertest.CheckLeaks(t)
	certs := layertest.Certificates(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	config := certs.Server.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		close(inside)
		<-leave
		return nil, nil
	}
	layer := layers.NewTurns(1).TLSServer(config)
	near, far := layertest.Pipe()
	var first sync.WaitGroup
	first.Go(func() { shake(t, near, far, layers.TLSClient(certs.Client), layer) })
	<-inside
	ctx, cancel := context.WithCancelCause(context.Background())
	late := errors.New("too late")
	cancel(late)
	_, other := layertest.Pipe()
	defer other.Close()
	if _, err := layer(ctx, other); !errors.Is(err, late) {
		t.Errorf("it was told %v", err)
	}
	close(leave)
	first.Wait()
}

// TestTurnsConformance runs the whole suite over stacks that are made in turn.
func TestTurnsConformance(t *testing.T) {
	certs := layertest.Certificates(t)
	layertest.TestLayer(t, layertest.Subject{
		Near: layers.TLSClient(certs.Client), Far: layers.NewTurns(1).TLSServer(certs.Server), EndMark: true, Sparse: true,
	})
}

// shake runs both sides of a handshake, and ends what comes of it.
func shake(t *testing.T, near, far net.Conn, client, server layers.Layer) {
	done := make(chan net.Conn, 1)
	go func() {
		c, err := server(context.Background(), far)
		if err != nil {
			t.Errorf("server: %v", err)
			c = far
		}
		done <- c
	}()
	c, err := client(context.Background(), near)
	if err != nil {
		t.Errorf("client: %v", err)
		c = near
	}
	_ = c.Close()
	_ = (<-done).Close()
}
