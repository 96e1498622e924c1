package layers_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// TestMain is also the commands that commandPair and the tests of inheritance
// spawn.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == relayCommand {
		relay(os.Args[2])
		return
	}
	if len(os.Args) == 3 && os.Args[1] == inheritCommand {
		inherit(os.Args[2])
		return
	}
	// Else the command takes a second to exit under the race detector.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	layertest.Main(m)
}

const relayCommand = "relay-for-test"

// relay joins standard input and output to a unix socket. Asked to end, it
// first passes on what it was given.
func relay(path string) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	c, err := net.Dial("unix", path)
	if err != nil {
		panic(err)
	}
	in, out := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(out)
		_, _ = io.Copy(os.Stdout, c)
		_ = syscall.Shutdown(1, syscall.SHUT_WR) // it is standard input as well
	}()
	go func() {
		defer close(in)
		_, _ = io.Copy(c, os.Stdin)
		_ = c.(*net.UnixConn).CloseWrite()
	}()
	select {
	case <-out:
	case <-term:
	}
	<-in
}

const inheritCommand = "inherit-for-test"

// inherit is the child of the tests: it opens the address it is told, serves
// one connection, or "conn" on standard input, and reports errors through it.
func inherit(address string) {
	if address == "conn" {
		c, err := layers.Inherited(0)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("noise")
		fmt.Fprintln(os.Stderr, "noise")
		_, _ = io.WriteString(c, "hello")
		_ = c.Close()
		_, _ = io.Copy(io.Discard, os.Stdin) // is at its end
		return
	}
	ln, err := layers.Listen(context.Background(), address, layers.ListenConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if strings.Contains(address, "none") {
		return
	}
	fmt.Println("listening")
	c, err := ln.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.WriteString(c, "hello")
	_ = c.Close()
	_ = ln.Close()
}

// commandPair returns a command as the near end and, as the far end, the unix
// socket that the command passes everything on to.
func commandPair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	path := filepath.Join(layertest.SocketDir(t), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	near, err = layers.DialCommand(context.Background(), []string{os.Args[0], relayCommand, path}, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	return near, far
}

// join runs the two sides of a handshake at the same time, each over its end.
func join(t testing.TB, near, far net.Conn, nearLayer, farLayer layers.Layer) (net.Conn, net.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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
