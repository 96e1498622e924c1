package layertest

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TCP returns the two ends of a TCP connection on the loopback interface.
func TCP(t testing.TB) (near, far net.Conn) {
	t.Helper()
	return dialSelf(t, "tcp", "127.0.0.1:0")
}

// Unix returns the two ends of a connection through a unix socket.
func Unix(t testing.TB) (near, far net.Conn) {
	t.Helper()
	return dialSelf(t, "unix", filepath.Join(SocketDir(t), "s"))
}

// SocketDir is a temporary directory with a path short enough for a unix
// socket in it, which t.TempDir does not promise.
func SocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func dialSelf(t testing.TB, network, address string) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if near, err = net.Dial(network, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		_ = near.Close()
		t.Fatal(err)
	}
	for _, c := range []net.Conn{near, far} {
		// Small buffers, so that a peer that stops reading is soon felt.
		_ = c.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(64 << 10)
		t.Cleanup(func() { _ = c.Close() })
	}
	return near, far
}
