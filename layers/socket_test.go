package layers_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

func TestParseAddress(t *testing.T) {
	for _, test := range []struct{ in, network, address, err string }{
		{"localhost:5900", "tcp", "localhost:5900", ""},
		{"192.0.2.1:0", "tcp", "192.0.2.1:0", ""},
		{"[::1]:5900", "tcp", "[::1]:5900", ""},
		{":5900", "tcp", ":5900", ""},
		{"unix:/run/vnc.sock", "unix", "/run/vnc.sock", ""},
		{"unix:vnc.sock", "unix", "vnc.sock", ""},
		{"unix:@vnc", "unix", "@vnc", ""},
		{"fd:3", "fd", "3", ""},
		{"fd:003", "fd", "3", ""},
		{"systemd:vncgate.socket", "systemd", "vncgate.socket", ""},
		{"fd:", "", "", "as in fd:3"},
		{"fd:x", "", "", "as in fd:3"},
		{"fd:-1", "", "", "as in fd:3"},
		{"systemd:", "", "", "as in systemd:vnc"},
		{"systemd:a:b", "", "", "as in systemd:vnc"},
		{"", "", "", "empty"},
		{"localhost", "", "", "port is missing, as in localhost:5900"},
		{"[::1]", "", "", "port is missing, as in [::1]:5900"},
		{"::1:5900", "", "", "needs brackets"},
		{"localhost:vnc", "", "", `port "vnc" is not a number`},
		{"localhost:", "", "", "not a number"},
		{"localhost:65536", "", "", "from 0 to 65535"},
		{"localhost:-1", "", "", "not a number"},
		{"vnc://localhost:5900", "", "", "not a URL"},
		{"[::1:5900", "", "", "write host:port"},
		{"/run/vnc.sock", "", "", "written unix:/run/vnc.sock"},
		{"@vnc", "", "", "written unix:@vnc"},
		{"unix:", "", "", "path is missing"},
		{"unix:@", "", "", "path is missing"},
		{"unix:/a\x00b", "", "", "NUL"},
		{"unix:/" + strings.Repeat("a", 107), "", "", "allows 107"},
	} {
		network, address, err := layers.ParseAddress(test.in)
		if network != test.network || address != test.address {
			t.Errorf("ParseAddress(%q) = %q, %q, %v", test.in, network, address, err)
		}
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("ParseAddress(%q): %v, want %q", test.in, err, test.err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"a:1", "[::1]:2", ":3", "unix:/p", "unix:@n", "", "[", "a:b:c", "fd:3", "systemd:vnc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		network, address, err := layers.ParseAddress(s)
		if err != nil {
			return
		}
		back := address
		if network != "tcp" {
			back = network + ":" + address
		}
		n, a, err := layers.ParseAddress(back)
		if n != network || a != address || err != nil {
			t.Errorf("%q gives %q, which gives %q, %q, %v", s, back, n, a, err)
		}
	})
}

// greet accepts one connection, says hello and closes it.
func greet(t *testing.T, ln net.Listener) {
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello")
			_ = c.Close()
		}
	}()
}

func TestDialAndListen(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(layertest.SocketDir(t), "s")
	for _, address := range []string{"127.0.0.1:0", "unix:" + path} {
		ln, err := layers.Listen(ctx, address, layers.ListenConfig{Mode: 0o600})
		if err != nil {
			t.Fatal(err)
		}
		greet(t, ln)
		if !strings.HasPrefix(address, "unix:") {
			address = ln.Addr().String()
		}
		c, err := layers.Dial(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("%s: read %q, %v", address, got, err)
		}
		_ = c.Close()
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the socket: %v, %v", info, err)
	}
}

func TestDialErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, address := range []string{"nonsense", "unix:/does/not/exist", "127.0.0.1:1"} {
		if c, err := layers.Dial(ctx, address); c != nil || err == nil || !strings.HasPrefix(err.Error(), "layers: ") {
			t.Errorf("Dial(%q) = %v, %v", address, c, err)
		}
	}
	if ln, err := layers.Listen(ctx, "nonsense", layers.ListenConfig{}); ln != nil || err == nil {
		t.Errorf("Listen = %v, %v", ln, err)
	}
}

// TestListenInPlaceOf tries what may be in a socket's place: only a socket that
// nobody listens on goes away.
func TestListenInPlaceOf(t *testing.T) {
	ctx := context.Background()
	dir := layertest.SocketDir(t)
	stale, live, file := filepath.Join(dir, "stale"), filepath.Join(dir, "live"), filepath.Join(dir, "file")
	old, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = old.Close()
	running, err := net.Listen("unix", live)
	if err != nil {
		t.Fatal(err)
	}
	greet(t, running)
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := layers.Listen(ctx, "unix:"+stale, layers.ListenConfig{})
	if err != nil {
		t.Errorf("stale socket: %v", err)
	} else {
		_ = ln.Close()
	}
	for path, want := range map[string]string{live: "another process listens", file: "not a socket"} {
		if ln, err := layers.Listen(ctx, "unix:"+path, layers.ListenConfig{}); ln != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", path, ln, err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
}

// TestHintsNeverFail gives the hints to everything.
func TestHintsNeverFail(t *testing.T) {
	tcp, _ := layertest.TCP(t)
	unix, _ := layertest.Unix(t)
	pipe, _ := layertest.Pipe()
	client, _ := websockets(t)
	for _, c := range []net.Conn{tcp, unix, pipe, client, named{tcp, "above"}} {
		layers.SetNoDelay(c, false)
		layers.SetCork(c, true)
		layers.SetCork(c, false)
		layers.SetNoDelay(c, true)
		layers.SetUserTimeout(c, time.Minute)
		layers.SetKeepAlive(c, net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 3})
	}
	_ = tcp.Close()
	layers.SetUserTimeout(tcp, -time.Second)
	layers.SetNoDelay(tcp, true)
	layers.SetCork(tcp, true)
}

func TestUnsupported(t *testing.T) {
	tcp, _ := layertest.TCP(t)
	if _, err := layers.PeerCredentials(tcp); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("PeerCredentials: %v", err)
	}
	if err := layers.SendFiles(tcp, []byte("x"), os.Stdin); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SendFiles: %v", err)
	}
	if _, _, err := layers.ReceiveFiles(tcp, make([]byte, 1)); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("ReceiveFiles: %v", err)
	}
}
