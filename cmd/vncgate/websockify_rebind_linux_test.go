package main

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// bindHelper is the environment variable that makes TestBindHelper a server.
const bindHelper = "VNCGATE_TEST_BIND"

// TestBindHelper is the wrapped command of TestPortMovers.
func TestBindHelper(t *testing.T) {
	port := os.Getenv(bindHelper)
	if port == "" {
		t.Skip("a helper of another test")
	}
	for _, network := range []string{"tcp", "tcp4"} {
		ln, err := net.Listen(network, ":"+port)
		if err != nil {
			t.Logf("%s: %v", network, err)
			continue
		}
		t.Cleanup(func() { _ = ln.Close() })
		if other, err := net.Listen("tcp", "127.0.0.1:0"); err != nil { // another port goes where it was meant to
			t.Fatal(err)
		} else {
			_ = other.Close()
		}
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("hi"))
		_ = c.Close()
		return
	}
}

// portMoverHere is the way to move a port without a library. The library knows
// only programs that call bind through libc, which our helper does not.
func portMoverHere(t *testing.T) portMover {
	t.Helper()
	if err := canCopySockets(); err != nil {
		t.Skipf("the system does not let ports be moved: %v", err)
	}
	return &seccompMover{log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// TestPortMover wraps a static program that listens for both families, while
// its port is taken.
func TestPortMover(t *testing.T) {
	mover := portMoverHere(t)
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	from := taken.Addr().(*net.TCPAddr).Port
	to, err := spareLoopbackPort()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(bindHelper, strconv.Itoa(from))
	cmd, err := mover.start([]string{os.Args[0], "-test.run=^TestBindHelper$"}, from, to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	waitFor(t, "the command listens elsewhere", func() bool {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(to)))
		if err != nil {
			return false
		}
		defer func() { _ = c.Close() }()
		b := make([]byte, 2)
		_, err = c.Read(b)
		return err == nil && string(b) == "hi"
	})
}

// TestChoosePortMover prefers the filter, which moves IPv6 as well; with the
// library it says what stays open.
func TestChoosePortMover(t *testing.T) {
	denied := unix.EPERM
	for _, tt := range []struct {
		denied       error
		library      string
		want, logged string
	}{
		{nil, "", "*main.seccompMover", ""},
		{nil, "/lib/rebind.so", "*main.seccompMover", ""},
		{denied, "/lib/rebind.so", "main.preloader", "leaves IPv6 as it is"},
		{denied, "", "<nil>", ""},
	} {
		var text logText
		mover, err := choosePortMover(tt.denied, tt.library, slog.New(slog.NewTextHandler(&text, nil)), false)
		if got := fmt.Sprintf("%T", mover); got != tt.want || (err != nil) != (mover == nil) {
			t.Errorf("%v, %q: %s, %v", tt.denied, tt.library, got, err)
		}
		if got := text.String(); (got == "") != (tt.logged == "") || !strings.Contains(got, tt.logged) {
			t.Errorf("%v, %q: logged %q", tt.denied, tt.library, got)
		}
	}
}

// TestPortMoverIPv6 leaves nobody on the command's own port, for neither family.
func TestPortMoverIPv6(t *testing.T) {
	mover := portMoverHere(t)
	from, err := spareLoopbackPort()
	if err != nil {
		t.Fatal(err)
	}
	to, err := spareLoopbackPort()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(bindHelper, strconv.Itoa(from))
	cmd, err := mover.start([]string{os.Args[0], "-test.run=^TestBindHelper$"}, from, to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	waitFor(t, "the command listens elsewhere", func() bool {
		c, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(to)))
		if err == nil {
			for _, host := range []string{"127.0.0.1", "::1"} {
				if open, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(from))); err == nil {
					_ = open.Close()
					t.Errorf("%s is open", open.RemoteAddr())
				}
			}
			_ = c.Close()
		}
		return err == nil
	})
}

func TestPortMoverWithoutAProgram(t *testing.T) {
	if _, err := portMoverHere(t).start([]string{"/none/program"}, 1, 2); err == nil {
		t.Error("it was started")
	}
}

// FuzzLoopbackInstead holds that only binds to the port are moved, whatever
// stands in a command's memory.
func FuzzLoopbackInstead(f *testing.F) {
	f.Add(append([]byte{2, 0, 0x17, 0x0d}, make([]byte, 12)...))
	f.Add(append([]byte{10, 0, 0x17, 0x0d}, make([]byte, 24)...))
	f.Add([]byte{1, 0, '/', 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		to, ok := loopbackInstead(b, 5901, 6000)
		if ok != (to != nil) || ok && binary.BigEndian.Uint16(b[2:]) != 5901 {
			t.Fatalf("% x: %v, %v", b, to, ok)
		}
	})
}
