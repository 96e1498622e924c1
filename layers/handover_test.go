//go:build unix

package layers_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vncgate/layers"
)

func listenAt(t *testing.T, addresses ...string) net.Listener {
	t.Helper()
	var list []net.Listener
	for _, address := range addresses {
		ln, err := layers.Listen(t.Context(), address, layers.ListenConfig{})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, ln)
	}
	return layers.NewGroup(list...)
}

// The sockets go on in other hands while the first owner still serves what it has
// accepted, and nobody who connects is refused at any time.
func TestHandover(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	for _, addresses := range [][]string{{"127.0.0.1:0"}, {"unix:" + path}, {"127.0.0.1:0", "127.0.0.1:0"}} {
		old := layers.NewHandover(listenAt(t, addresses...))
		accepted := make(chan net.Conn, 10)
		ended := make(chan error, 1)
		go func() { ended <- acceptInto(old, accepted) }()
		connect(t, old.Addr())
		_ = (<-accepted).Close()

		fds, err := layers.Sockets(old)
		if err != nil || len(fds) != len(addresses) {
			t.Fatal(fds, err)
		}
		next, err := layers.Adopt(fds)
		if err != nil {
			t.Fatal(err)
		}
		if old.Settled() {
			t.Error("settled while it accepts")
		}
		if err := old.Retire(); err != nil {
			t.Error(err)
		}
		for end := time.Now().Add(time.Minute); !old.Settled(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("not settled though all that came has been accepted")
			}
		}
		connect(t, old.Addr())
		c, err := next.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		select {
		case err := <-ended:
			t.Errorf("a listener that has retired ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		if err := old.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		connect(t, old.Addr())
		layers.OwnFiles(next, true)
		_ = next.Close()
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file of the unix socket is left")
	}
}

func acceptInto(ln net.Listener, accepted chan<- net.Conn) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		accepted <- c
	}
}

func connect(t *testing.T, at net.Addr) {
	t.Helper()
	c, err := net.Dial(at.Network(), at.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestHandoverErrors(t *testing.T) {
	if _, err := layers.Adopt(nil); err == nil {
		t.Error("a listener of no sockets")
	}
	if _, err := layers.Adopt([]int{1 << 20}); err == nil {
		t.Error("a listener of a descriptor that is not open")
	}
	if _, err := layers.Sockets(noSocket{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	ln := layers.NewHandover(listenAt(t, "127.0.0.1:0"))
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if err := ln.Close(); err == nil {
		t.Error("closed twice without a word")
	}
}

type noSocket struct{ net.Listener }

func (noSocket) Addr() net.Addr { return &net.UnixAddr{} }
