package layers_test

import (
	"context"
	"net"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m) }

// join runs the two sides of a handshake at the same time, each over its end.
func join(t testing.TB, near, far net.Conn, nearLayer, farLayer layers.Layer) (net.Conn, net.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	type result struct {
		c   net.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := farLayer(ctx, far)
		done <- result{c, err}
	}()
	c, err := nearLayer(ctx, near)
	if err != nil {
		_ = near.Close()
	}
	r := <-done
	if err != nil || r.err != nil {
		_ = far.Close()
		t.Fatalf("handshake: near %v, far %v", err, r.err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = r.c.Close()
	})
	return c, r.c
}

// stack makes one layer of several.
func stack(ls ...layers.Layer) layers.Layer {
	return func(ctx context.Context, c net.Conn) (net.Conn, error) { return layers.Stack(ctx, c, ls...) }
}
