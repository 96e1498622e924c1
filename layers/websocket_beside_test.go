package layers_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"vncgate/layers"
)

// TestBesideARestingStream: the write deadline of a stream that has been still
// for long has passed, and what goes out beside it has none of that.
func TestBesideARestingStream(t *testing.T) {
	for _, test := range []struct {
		name    string
		send    func(*layers.WebSocketConn) error
		flags   byte
		payload string
	}{
		{"ping", (*layers.WebSocketConn).Ping, pingFrame, ""},
		{"text", func(c *layers.WebSocketConn) error { return c.WriteText([]byte("words")) }, textFrame, "words"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, peer := rawPeer(t, false)
			_ = server.SetWriteDeadline(time.Now().Add(-time.Minute))
			if err := test.send(server); err != nil {
				t.Fatal(err)
			}
			if flags, payload := readFrame(t, peer); flags != test.flags || payload != test.payload {
				t.Errorf("%#x %q", flags, payload)
			}
			// The stream's own deadline is as it was.
			if _, err := server.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Write: %v", err)
			}
			_ = server.SetDeadline(time.Now().Add(time.Minute))
			if _, err := server.Write([]byte("x")); err != nil {
				t.Errorf("Write with time: %v", err)
			}
			if flags, payload := readFrame(t, peer); flags != binaryFrame || payload != "x" {
				t.Errorf("%#x %q", flags, payload)
			}
		})
	}
}

// TestPongBesideARestingStream: a peer that pings is answered.
func TestPongBesideARestingStream(t *testing.T) {
	server, peer := rawPeer(t, false)
	_ = server.SetWriteDeadline(time.Now().Add(-time.Minute))
	_, _ = peer.Write(slicesJoin(masked(pingFrame, "there?"), masked(binaryFrame, "x")))
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if flags, payload := readFrame(t, peer); flags != pongFrame || payload != "there?" {
		t.Errorf("%#x %q", flags, payload)
	}
}

// TestEndCutsWhatIsBeside: a deadline that is set while a text waits for its
// peer counts.
func TestEndCutsWhatIsBeside(t *testing.T) {
	server, peer := rawPeer(t, false)
	filled := make(chan error, 1)
	go func() {
		_, err := server.Write(make([]byte, 1<<20)) // more than the pipe holds
		filled <- err
	}()
	for peer.Waiting() == 0 {
		time.Sleep(time.Millisecond)
	}
	told := make(chan error, 1)
	go func() { told <- server.WriteText([]byte("words")) }()
	_ = server.SetWriteDeadline(time.Now())
	if err := <-filled; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write: %v", err)
	}
	if err := <-told; err == nil {
		t.Error("a text went out behind half a frame")
	}
}

func TestLongText(t *testing.T) {
	server, peer := rawPeer(t, false)
	if err := server.WriteText(make([]byte, 64<<10+1)); err == nil {
		t.Error("a text that is too long went out")
	}
	text := strings.Repeat("w", 64<<10)
	told := make(chan error, 1)
	go func() { told <- server.WriteText([]byte(text)) }()
	got := make([]byte, 10+len(text))
	if _, err := io.ReadFull(peer, got); err != nil || got[0] != textFrame || string(got[10:]) != text {
		t.Errorf("% x, %v", got[:10], err)
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
}
