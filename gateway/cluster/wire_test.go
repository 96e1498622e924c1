package cluster_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"vncgate/auth/tickets"
)

// wire leads to a server, and can be cut.
type wire struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	severed  bool
	open     map[net.Conn]bool
	running  sync.WaitGroup
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: ln, to: to, open: map[net.Conn]bool{}}
	w.running.Go(w.accept)
	t.Cleanup(func() {
		ln.Close()
		w.cut()
		w.running.Wait()
	})
	return w
}

func (w *wire) client(t *testing.T) redis.UniversalClient {
	t.Helper()
	return clientOf(t, tickets.RedisConfig{Addresses: []string{w.listener.Addr().String()}})
}

func (w *wire) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.running.Go(func() { w.carry(c) })
	}
}

func (w *wire) carry(c net.Conn) {
	defer c.Close()
	far, err := new(net.Dialer).DialContext(context.Background(), "tcp", w.to)
	if err != nil || !w.opens(c, far) {
		return
	}
	defer far.Close()
	w.running.Go(func() {
		_, _ = io.Copy(far, c)
		_ = far.Close()
	})
	_, _ = io.Copy(c, far)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
	delete(w.open, far)
}

func (w *wire) opens(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		if w.severed {
			c.Close()
			continue
		}
		w.open[c] = true
	}
	return !w.severed
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.severed = true
	for c := range w.open {
		c.Close()
	}
	clear(w.open)
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.severed = false
}
