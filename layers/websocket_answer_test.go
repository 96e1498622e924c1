package layers_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// speaksFirst is a server whose answer to an upgrade waits for what it says, and
// the client's end of the connection, on which the request has been sent.
func speaksFirst(t *testing.T, over func(net.Conn) net.Conn) (server net.Conn, client net.Conn) {
	t.Helper()
	near, far := layertest.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	go func() { _, _ = io.WriteString(near, wsHead(getHead, nil)) }()
	server, err := layers.Stack(context.Background(), over(far), layers.WebSocketServer(layers.WebSocketConfig{SpeaksFirst: true}))
	if err != nil {
		t.Fatal(err)
	}
	return server, near
}

// answered reads the answer and n bytes behind it.
func answered(t *testing.T, client net.Conn, n int) string {
	t.Helper()
	r := bufio.NewReader(client)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAnswerGoesOutWithTheFirstFrame(t *testing.T) {
	below := &counted{}
	server, client := speaksFirst(t, func(c net.Conn) net.Conn { below.Conn = c; return below })
	if n := below.writes.Load(); n != 0 {
		t.Fatalf("%d writes before anything is said", n)
	}
	if n, err := server.Write([]byte("RFB 003.008\n")); n != 12 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	if got := answered(t, client, 14); got != "\x82\x0cRFB 003.008\n" || below.writes.Load() != 1 {
		t.Errorf("%q in %d writes", got, below.writes.Load())
	}
	_, _ = server.Write([]byte("more"))
	b := make([]byte, 6)
	if _, err := io.ReadFull(client, b); err != nil || string(b) != "\x82\x04more" {
		t.Errorf("then %q, %v", b, err)
	}
}

// TestAnswerWithoutAFrame: who waits for its peer first answers it, and so does
// who has nothing to say.
func TestAnswerWithoutAFrame(t *testing.T) {
	server, client := speaksFirst(t, func(c net.Conn) net.Conn { return c })
	read := make(chan string, 1)
	go func() {
		b := make([]byte, 16)
		n, err := server.Read(b)
		read <- string(b[:n])
		if err != nil {
			t.Error(err)
		}
	}()
	answered(t, client, 0)
	_, _ = client.Write(masked(binaryFrame, "hello"))
	if got := <-read; got != "hello" {
		t.Errorf("read %q", got)
	}

	server, client = speaksFirst(t, func(c net.Conn) net.Conn { return c })
	_ = server.Close()
	if got := answered(t, client, 4); got != "\x88\x02\x03\xe8" {
		t.Errorf("%q", got)
	}
}

// late is a connection whose first Writes miss their deadline.
type late struct {
	net.Conn
	misses int
}

func (l *late) Write(b []byte) (int, error) {
	if l.misses > 0 {
		l.misses--
		return 0, os.ErrDeadlineExceeded
	}
	return l.Conn.Write(b)
}

// NetConn returns the connection below.
func (l *late) NetConn() net.Conn { return l.Conn }

// TestAnswerIsTriedAgain: a deadline that was missed takes nothing with it.
func TestAnswerIsTriedAgain(t *testing.T) {
	server, client := speaksFirst(t, func(c net.Conn) net.Conn { return &late{Conn: c, misses: 2} })
	if n, err := server.Write([]byte("one")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if n, err := server.Read(make([]byte, 8)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d, %v", n, err)
	}
	if n, err := server.Write([]byte("two")); n != 3 || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if got := answered(t, client, 5); got != "\x82\x03two" {
		t.Errorf("%q", got)
	}

	broken := &counted{breaks: true, left: 20}
	server, _ = speaksFirst(t, func(c net.Conn) net.Conn { broken.Conn = c; return broken })
	for range 2 {
		if n, err := server.Write([]byte("one")); n != 0 || !errors.Is(err, errBroken) {
			t.Errorf("in the middle of the answer: wrote %d, %v", n, err)
		}
	}

	broken = &counted{breaks: true, left: 20}
	server, _ = speaksFirst(t, func(c net.Conn) net.Conn { broken.Conn = c; return broken })
	if _, err := server.Read(make([]byte, 8)); !errors.Is(err, errBroken) {
		t.Errorf("in the middle of the answer: read %v", err)
	}
	broken.breaks = false
	if n, err := server.Write([]byte("one")); n != 0 || !errors.Is(err, errBroken) {
		t.Errorf("behind half an answer: wrote %d, %v", n, err)
	}
}

// TestAnswerOnce: a Read and Writes at the same time answer once, before all.
func TestAnswerOnce(t *testing.T) {
	for range 50 {
		server, client := speaksFirst(t, func(c net.Conn) net.Conn { return c })
		var both sync.WaitGroup
		both.Go(func() { _, _ = server.Read(make([]byte, 8)) })
		both.Go(func() { _, _ = server.Write([]byte("word")) })
		if got := answered(t, client, 6); got != "\x82\x04word" {
			t.Errorf("%q", got)
		}
		_ = client.Close()
		both.Wait()
	}
}
