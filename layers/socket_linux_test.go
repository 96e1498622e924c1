package layers_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

func TestAbstractSocket(t *testing.T) {
	ctx := context.Background()
	address := fmt.Sprintf("unix:@vncgate-test-%d", os.Getpid())
	ln, err := layers.Listen(ctx, address, layers.ListenConfig{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	greet(t, ln)
	c, err := layers.Dial(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := layers.Listen(ctx, address, layers.ListenConfig{}); err == nil {
		t.Error("an abstract name in use was taken over")
	}
}

func TestPeerCredentials(t *testing.T) {
	near, far := layertest.Unix(t)
	above, _ := join(t, near, far, layers.WebSocketClient(wsURL, nil), layers.WebSocketServer(layers.WebSocketConfig{}))
	want := layers.Credentials{PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid()}
	if got, err := layers.PeerCredentials(above); got != want || err != nil {
		t.Errorf("PeerCredentials = %+v, %v", got, err)
	}
	_ = far.Close()
	_ = near.Close()
	if _, err := layers.PeerCredentials(near); err == nil {
		t.Error("credentials of a closed socket")
	}
}

// TestTimeoutsReachTheSocket asks the kernel what the hints have set.
func TestTimeoutsReachTheSocket(t *testing.T) {
	near, _ := layertest.TCP(t)
	layers.SetUserTimeout(named{near, "above"}, 90*time.Second)
	layers.SetKeepAlive(near, net.KeepAliveConfig{Enable: true, Idle: 40 * time.Second, Interval: 7 * time.Second, Count: 4})
	raw, err := near.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[int]int{
		unix.TCP_USER_TIMEOUT: 90000, unix.TCP_KEEPIDLE: 40, unix.TCP_KEEPINTVL: 7, unix.TCP_KEEPCNT: 4,
	} {
		_ = raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option); got != want || err != nil {
				t.Errorf("option %d is %d, %v, want %d", option, got, err, want)
			}
		})
	}
}

// TestUnixIsBornClosed watches the file of a socket while it is made: at no
// moment may anybody connect who may not in the end.
func TestUnixIsBornClosed(t *testing.T) {
	path := filepath.Join(layertest.SocketDir(t), "s")
	old := unix.Umask(0)
	defer unix.Umask(old)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			if info, err := os.Stat(path); err == nil && info.Mode().Perm()&^0o600 != 0 {
				t.Errorf("mode %v", info.Mode())
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for range 200 {
		ln, err := layers.Listen(context.Background(), "unix:"+path, layers.ListenConfig{Mode: 0o600})
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.Close()
	}
	close(stop)
	<-done
}

// TestFiles passes an open file to the other end, which reads through it.
func TestFiles(t *testing.T) {
	near, far := layertest.Unix(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := layers.SendFiles(near, []byte("two files"), r, w); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	b := make([]byte, 64)
	n, files, err := layers.ReceiveFiles(far, b)
	if string(b[:n]) != "two files" || len(files) != 2 || err != nil {
		t.Fatalf("ReceiveFiles = %q, %d files, %v", b[:n], len(files), err)
	}
	_, _ = files[1].WriteString("through")
	_ = files[1].Close()
	if got, err := io.ReadAll(files[0]); string(got) != "through" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	_ = files[0].Close()
	_, _ = io.WriteString(near, "plain")
	_ = near.Close()
	n, files, err = layers.ReceiveFiles(far, b)
	if string(b[:n]) != "plain" || len(files) != 0 || err != nil {
		t.Errorf("without files: %q, %d, %v", b[:n], len(files), err)
	}
	if n, files, err := layers.ReceiveFiles(far, b); n != 0 || files != nil || err != io.EOF {
		t.Errorf("at the end: %d, %v, %v", n, files, err)
	}
}

func TestSendFilesRefuses(t *testing.T) {
	near, _ := layertest.Unix(t)
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, err := range map[string]error{
		"nothing to travel with": layers.SendFiles(near, nil, os.Stdin),
		"too many":               layers.SendFiles(near, []byte("x"), make([]*os.File, 17)...),
		"a closed file":          layers.SendFiles(near, []byte("x"), closed),
	} {
		if err == nil {
			t.Errorf("%s: sent", name)
		}
	}
	layered, _ := websockets(t)
	if err := layers.SendFiles(net.Conn(layered), []byte("x"), os.Stdin); err == nil {
		t.Error("files through a WebSocket")
	}
}
