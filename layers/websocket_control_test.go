package layers_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestPingIsAnswered(t *testing.T) {
	server, peer := rawPeer(t, false)
	// A ping inside a fragmented message, and one with data behind it. Each is
	// read before the next comes, or only the latest need be answered.
	for _, step := range []struct{ sent, read, pong string }{
		{string(masked(0x02, "RFB 003")), "RFB 003", ""},
		{string(masked(pingFrame, "one")) + string(masked(0x80, ".008\n")), ".008\n", "one"},
		{string(masked(pingFrame, strings.Repeat("3", 125))) + string(masked(binaryFrame, "!")), "!", strings.Repeat("3", 125)},
		{string(masked(pingFrame, "")) + string(masked(binaryFrame, "?")), "?", ""},
	} {
		_, _ = io.WriteString(peer, step.sent)
		got := make([]byte, len(step.read))
		if _, err := io.ReadFull(server, got); err != nil || string(got) != step.read {
			t.Fatalf("read %q, %v", got, err)
		}
		if step.pong == "" && step.read != "?" {
			continue
		}
		if flags, payload := readFrame(t, peer); flags != pongFrame || payload != step.pong {
			t.Errorf("answer %#x %q, want a pong of %q", flags, payload, step.pong)
		}
	}
}

func slicesJoin(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestStuckWriteDoesNotStopReads: a Read goes on, and the pong comes when the
// Write is through.
func TestStuckWriteDoesNotStopReads(t *testing.T) {
	server, peer := rawPeer(t, false)
	const size = 300 << 10 // more than the pipe holds
	written := make(chan error, 1)
	go func() {
		_, err := server.Write(make([]byte, size))
		written <- err
	}()
	for peer.Waiting() == 0 {
		time.Sleep(time.Millisecond)
	}
	_, _ = peer.Write(slicesJoin(masked(pingFrame, "old"), masked(pingFrame, "new"), masked(binaryFrame, "key")))
	got := make([]byte, 3)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "key" {
		t.Fatalf("read %q, %v", got, err)
	}
	pong := append([]byte{pongFrame, 3}, "new"...)
	var all []byte
	_ = peer.SetReadDeadline(time.Now().Add(10 * time.Second))
	for b := make([]byte, 64<<10); len(all) < size || !bytes.Contains(all, pong); {
		n, err := peer.Read(b)
		if err != nil {
			t.Fatalf("no pong: %v", err)
		}
		all = append(all, b[:n]...)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

func TestPing(t *testing.T) {
	client, server := websockets(t)
	if !server.LastPong().IsZero() {
		t.Error("a pong before the first ping")
	}
	start := time.Now().Add(-time.Second)
	if err := server.Ping(); err != nil {
		t.Fatal(err)
	}
	_, _ = server.Write([]byte("x"))
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_, _ = client.Write([]byte("y"))
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if server.LastPong().Before(start) {
		t.Errorf("LastPong = %v", server.LastPong())
	}
	if d := server.RoundTrip(); d <= 0 || d > time.Since(start) {
		t.Errorf("RoundTrip = %v", d)
	}
	_ = server.Close()
	if err := server.Ping(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Ping after Close: %v", err)
	}
}

// TestUnsolicitedPong is allowed (RFC 6455, 5.5.3).
func TestUnsolicitedPong(t *testing.T) {
	server, peer := rawPeer(t, false)
	_, _ = peer.Write(slicesJoin(masked(pongFrame, "beat"), masked(binaryFrame, "x")))
	b := make([]byte, 1000)
	if n, err := server.Read(b); string(b[:n]) != "x" || err != nil {
		t.Errorf("Read = %q, %v", b[:n], err)
	}
}
