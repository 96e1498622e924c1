package main

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
)

// listening is the descriptor of a socket that nobody else holds.
func listening(t *testing.T) (file *os.File, address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if file, err = ln.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	return file, ln.Addr().String()
}

// A listener that was added while the gateway runs accepts nobody once another
// process has taken over, which does not know of it; and none is added then.
func TestAddedListenersEndWithAnUpgrade(t *testing.T) {
	g := newGate(t, `
listeners: [{address: 127.0.0.1:0, target: wall}]
targets: {wall: {address: 127.0.0.1:1}}
`)
	like := g.doors[0].l.Address
	file, address := listening(t)
	if got, err := g.controlAddListener(like, file); err != nil || got != address {
		t.Fatalf("at %s: %v", got, err)
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len("RFB 003.008\n"))); err != nil {
		t.Fatalf("before: %v", err)
	}
	ours, theirs := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	g.handOver(&successor{pid: 4711, channel: ours})
	if again, err := net.Dial("tcp", address); err == nil {
		_ = again.Close()
		t.Error("it still listens")
	}
	g.logs("add it to the new process again", address)
	late, _ := listening(t)
	if _, err := g.controlAddListener(like, late); err == nil || !strings.Contains(err.Error(), "process 4711 has taken over") {
		t.Errorf("once it is handed over: %v", err)
	}
}
