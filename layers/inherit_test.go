//go:build unix

package layers_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// child starts this program as inherit, with files from number 3 on, and the
// variables of socket activation if there are any; $$ is the child's own number.
func child(t *testing.T, address string, env string, files ...*os.File) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", env+` exec "$0" "$@"`, os.Args[0], inheritCommand, address)
	cmd.ExtraFiles = files
	return cmd
}

// listenFile is a listener on loopback as a file.
func listenFile(t *testing.T) (*os.File, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, ln.Addr().String()
}

func TestListenInherited(t *testing.T) {
	one, first := listenFile(t)
	two, second := listenFile(t)
	for _, test := range []struct{ address, env, reach string }{
		{"fd:3", "", first},
		{"fd:4", "", second},
		{"systemd:vnc", "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:vnc", second},
		{"systemd:vnc", "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=vnc:vnc", first},
		{"systemd:vnc", "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=vnc:vnc", second},
		{"systemd:unknown", "LISTEN_PID=$$ LISTEN_FDS=1", first},
	} {
		cmd := child(t, test.address, test.env, one, two)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		reach(t, test.reach)
		said, _ := io.ReadAll(out)
		if err := cmd.Wait(); err != nil || string(said) != "listening\n" {
			t.Errorf("%s, %s: %q, %v", test.address, test.env, said, err)
		}
	}
}

// TestListenStandardInput is inetd's "wait".
func TestListenStandardInput(t *testing.T) {
	f, address := listenFile(t)
	cmd := child(t, "fd:0", "")
	cmd.Stdin = f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reach(t, address)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestListenInheritedErrors(t *testing.T) {
	ln, _ := listenFile(t)
	near, _ := layertest.TCP(t)
	conn, err := near.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, test := range []struct{ address, env, want string }{
		{"fd:3", "", "not a socket that listens"},
		{"fd:99", "", "bad file descriptor"},
		{"systemd:vnc", "", "no sockets were passed to this process"},
		{"systemd:vnc", "LISTEN_PID=1 LISTEN_FDS=2 LISTEN_FDNAMES=x:vnc", "no sockets were passed to this process"},
		{"systemd:vnc", "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:b", "no socket of that name; passed are a, b"},
		{"systemd:vnc", "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=vnc", "1 names for 2 sockets"},
		{"systemd:vnc", "LISTEN_PID=$$ LISTEN_FDS=x", "LISTEN_FDS"},
		{"systemd:vnc", "LISTEN_PID=$$ LISTEN_FDS=100000", "LISTEN_FDS"},
		{"systemd:vnc", "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=vnc:x", "not a socket that listens"},
	} {
		out, err := child(t, test.address, test.env, conn, ln).CombinedOutput()
		if err != nil || !strings.Contains(string(out), test.want) || !strings.HasPrefix(string(out), "layers: ") {
			t.Errorf("%s, %s: %q, %v, want %q", test.address, test.env, out, err, test.want)
		}
	}
}

// TestInherited is inetd's "nowait": the connection is standard input, output
// and error, and nothing but the protocol may reach the peer.
func TestInherited(t *testing.T) {
	near, far := layertest.TCP(t)
	f, err := near.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = near.Close()
	cmd := child(t, "conn", "")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if got, err := io.ReadAll(far); string(got) != "hello" || err != nil {
		t.Errorf("the peer reads %q, %v", got, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestInheritedErrors(t *testing.T) {
	f, _ := listenFile(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for want, in := range map[string]*os.File{"socket that listens": f, "fd 0 is not a connection": null} {
		cmd := child(t, "conn", "")
		cmd.Stdin = in
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%q, %v, want %q", out, err, want)
		}
	}
	if _, err := layers.Inherited(-1); err == nil {
		t.Error("a connection of no number")
	}
}
