package layers_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

const wsURL = "ws://display.test/websockify"

// websockets joins a client and a server in memory.
func websockets(t testing.TB) (client, server *layers.WebSocketConn) {
	t.Helper()
	near, far := layertest.Pipe()
	a, b := join(t, near, far, layers.WebSocketClient(wsURL, nil), layers.WebSocketServer(layers.WebSocketConfig{}))
	return a.(*layers.WebSocketConn), b.(*layers.WebSocketConn)
}

// rawPeer returns a server and the bare connection of its client, or, if client
// is set, a client and the bare connection of its server.
func rawPeer(t testing.TB, client bool) (*layers.WebSocketConn, *layertest.PipeConn) {
	t.Helper()
	a, b := websockets(t)
	if client {
		return a, b.NetConn().(*layertest.PipeConn)
	}
	return b, a.NetConn().(*layertest.PipeConn)
}

// frame is a frame as a client sends it, with the mask key given, or as a
// server does, with none.
func frame(flags byte, payload string, key ...byte) []byte {
	b := []byte{flags, byte(len(payload))}
	if len(payload) > 125 {
		b = binary.BigEndian.AppendUint16([]byte{flags, 126}, uint16(len(payload)))
	}
	if len(key) == 4 {
		b[1] |= 0x80
		b = append(b, key...)
	}
	for i := range len(payload) {
		x := payload[i]
		if len(key) == 4 {
			x ^= key[i%4]
		}
		b = append(b, x)
	}
	return b
}

// masked is a client's frame.
func masked(flags byte, payload string) []byte { return frame(flags, payload, 1, 2, 3, 4) }

const (
	textFrame   = 0x81
	binaryFrame = 0x82
	closeFrame  = 0x88
	pingFrame   = 0x89
	pongFrame   = 0x8A
)

// readFrame reads a frame of a server, of at most 125 bytes.
func readFrame(t *testing.T, c net.Conn) (flags byte, payload string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 2)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatalf("frame header: %v", err)
	}
	flags = b[0]
	b = make([]byte, b[1])
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatalf("frame payload: %v", err)
	}
	return flags, string(b)
}

func closeWith(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// TestWebSocketViolations sends what must not be sent: the connection ends with
// the right code and Read with an error.
func TestWebSocketViolations(t *testing.T) {
	long := strings.Repeat("x", 126)
	for _, test := range []struct {
		name string
		sent []byte
		code int
	}{
		{"text", masked(0x81, "hello"), 1003},
		{"fragmented text", masked(0x01, "hello"), 1003},
		{"unmasked", frame(binaryFrame, "hello"), 1002},
		{"unmasked ping", frame(pingFrame, ""), 1002},
		{"RSV1", masked(0xC2, "x"), 1002},
		{"RSV3 on a ping", masked(0x99, "x"), 1002},
		{"opcode 3", masked(0x83, "x"), 1002},
		{"opcode 11", masked(0x8B, "x"), 1002},
		{"fragmented ping", masked(0x09, "x"), 1002},
		{"long ping", masked(pingFrame, long), 1002},
		{"long close", masked(closeFrame, closeWith(1000, long)), 1002},
		{"continuation of nothing", masked(0x80, "x"), 1002},
		{"message in a message", append(masked(0x02, "x"), masked(binaryFrame, "y")...), 1002},
		{"long form of 125", []byte{binaryFrame, 0xFE, 0, 125, 1, 2, 3, 4}, 1002},
		{"longest form of 65535", []byte{binaryFrame, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 2, 3, 4}, 1002},
		{"top bit of the length", []byte{binaryFrame, 0xFF, 0x80, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4}, 1002},
		{"half a close code", masked(closeFrame, "x"), 1002},
		{"close code 1005", masked(closeFrame, closeWith(1005, "")), 1002},
		{"close code 999", masked(closeFrame, closeWith(999, "")), 1002},
		{"close code 2000", masked(closeFrame, closeWith(2000, "")), 1002},
		{"close reason not UTF-8", masked(closeFrame, closeWith(1000, "\xff")), 1007},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, peer := rawPeer(t, false)
			_, _ = peer.Write(test.sent)
			got, err := io.ReadAll(server)
			var closed *layers.CloseError
			if err == nil || errors.As(err, &closed) || strings.Trim(string(got), "x") != "" {
				t.Errorf("Read = %q, %v", got, err)
			}
			if _, again := server.Read(make([]byte, 1)); again != err {
				t.Errorf("again: %v", again)
			}
			if flags, payload := readFrame(t, peer); flags != closeFrame || payload != closeWith(test.code, "") {
				t.Errorf("answer %#x %q, want code %d", flags, payload, test.code)
			}
			if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write after it: %v", err)
			}
		})
	}
}

func TestWebSocketClientRefusesMask(t *testing.T) {
	client, peer := rawPeer(t, true)
	_, _ = peer.Write(masked(binaryFrame, "x"))
	if n, err := client.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("Read = %d, %v", n, err)
	}
}

// TestWebSocketPeerCloses: what a Read makes of the peer's close frame, and what
// the peer gets for it.
func TestWebSocketPeerCloses(t *testing.T) {
	for _, test := range []struct {
		payload string
		want    error
		answer  string
	}{
		{"", io.EOF, ""},
		{closeWith(1000, ""), io.EOF, closeWith(1000, "")},
		{closeWith(1001, "leaving"), io.EOF, closeWith(1001, "")},
		{closeWith(1011, "no display"), &layers.CloseError{Code: 1011, Reason: "no display"}, closeWith(1011, "")},
		{closeWith(4000, ""), &layers.CloseError{Code: 4000}, closeWith(4000, "")},
	} {
		server, peer := rawPeer(t, false)
		_, _ = peer.Write(append(masked(binaryFrame, "last"), masked(closeFrame, test.payload)...))
		b := make([]byte, 4)
		if _, err := io.ReadFull(server, b); err != nil || string(b) != "last" {
			t.Errorf("before the close: %q, %v", b, err)
		}
		_, err := server.Read(b)
		var got *layers.CloseError
		if want, ok := test.want.(*layers.CloseError); ok {
			if !errors.As(err, &got) || *got != *want {
				t.Errorf("%q: %v", test.payload, err)
			}
		} else if err != test.want {
			t.Errorf("%q: %v, want %v", test.payload, err, test.want)
		}
		if flags, payload := readFrame(t, peer); flags != closeFrame || payload != test.answer {
			t.Errorf("%q: answered %#x %q", test.payload, flags, payload)
		}
	}
}

func TestCloseErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"layers: websocket: peer closed with 1011":          &layers.CloseError{Code: 1011},
		`layers: websocket: peer closed with 1008 ("no\n")`: &layers.CloseError{Code: 1008, Reason: "no\n"},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

func TestCloseWith(t *testing.T) {
	wide := strings.Repeat("é", 100)
	for _, test := range []struct{ reason, want string }{
		{"display unreachable", "display unreachable"},
		{wide, strings.Repeat("é", 61)},
		{strings.Repeat("x", 200), strings.Repeat("x", 123)},
	} {
		client, server := websockets(t)
		done := make(chan error, 1)
		go func() { done <- server.CloseWith(layers.CloseServerError, test.reason) }()
		_, err := client.Read(make([]byte, 1))
		var closed *layers.CloseError
		if !errors.As(err, &closed) || closed.Code != 1011 || closed.Reason != test.want || !utf8.ValidString(closed.Reason) {
			t.Errorf("%q: %v", test.reason, err)
		}
		if err := <-done; err != nil {
			t.Errorf("CloseWith: %v", err)
		}
		if err := server.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("deadline after Close: %v", err)
		}
	}
}

// TestCloseWithWaitsForTheAnswer: what the peer still sends is read and dropped,
// or the reset for it could overtake the reason.
func TestCloseWithWaitsForTheAnswer(t *testing.T) {
	near, far := layertest.TCP(t)
	a, b := join(t, near, far, layers.WebSocketClient(wsURL, nil), layers.WebSocketServer(layers.WebSocketConfig{}))
	for range 10 {
		if _, err := a.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- b.(*layers.WebSocketConn).CloseWith(layers.ClosePolicy, "enough") }()
	_, err := a.Read(make([]byte, 1))
	var closed *layers.CloseError
	if !errors.As(err, &closed) || closed.Reason != "enough" {
		t.Errorf("Read = %v", err)
	}
	<-done
}

// TestCloseWithOfASlowReader: a peer that is slow to take what is on its way still
// gets the reason behind it.
func TestCloseWithOfASlowReader(t *testing.T) {
	for range 5 { // as often as the machine stands still meanwhile
		near, far := layertest.TCP(t)
		a, b := join(t, near, far, layers.WebSocketClient(wsURL, nil), layers.WebSocketServer(layers.WebSocketConfig{}))
		wrote, closed := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := b.Write(make([]byte, 16<<20))
			wrote <- err
		}()
		if _, err := io.ReadFull(a, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		go func() { closed <- b.(*layers.WebSocketConn).CloseWith(layers.ClosePolicy, "enough") }()
		time.Sleep(300 * time.Millisecond)
		n, err := io.Copy(io.Discard, a)
		took := time.Since(begun)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		var reason *layers.CloseError
		if errors.As(err, &reason) && reason.Reason == "enough" && n == 16<<20-1 && <-wrote == nil {
			return
		}
		if took < time.Second {
			t.Fatalf("%d bytes after %v, then %v", n, took, err)
		}
	}
	t.Skip("this machine stands still all the time")
}

// TestFrameHeaders checks the bytes of our own frames (protocol.md, 8).
func TestFrameHeaders(t *testing.T) {
	server, peer := rawPeer(t, false)
	for _, test := range []struct {
		size   int
		header string
	}{
		{1, "\x82\x01"}, {125, "\x82\x7d"}, {126, "\x82\x7e\x00\x7e"},
		{65535, "\x82\x7e\xff\xff"}, {65536, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
	} {
		room := server.Headroom()
		b := make([]byte, room+test.size)
		go func() {
			if n, err := server.WriteHeadroom(b); n != test.size || err != nil {
				t.Errorf("WriteHeadroom = %d, %v", n, err)
			}
		}()
		got := make([]byte, len(test.header)+test.size)
		if _, err := io.ReadFull(peer, got); err != nil || !strings.HasPrefix(string(got), test.header) {
			t.Errorf("%d bytes: header % x, %v", test.size, got[:len(test.header)], err)
		}
	}
	if n, err := server.WriteHeadroom(make([]byte, server.Headroom())); n != 0 || err != nil {
		t.Errorf("no payload: %d, %v", n, err)
	}
}

func TestHeadroomBothWays(t *testing.T) {
	client, server := websockets(t)
	for _, ends := range [][2]*layers.WebSocketConn{{client, server}, {server, client}} {
		b := append(make([]byte, ends[0].Headroom()), "headroom"...)
		if n, err := ends[0].WriteHeadroom(b); n != 8 || err != nil {
			t.Errorf("WriteHeadroom = %d, %v", n, err)
		}
		got := make([]byte, 300)
		if n, err := ends[1].Read(got); string(got[:n]) != "headroom" || err != nil {
			t.Errorf("Read = %q, %v", got[:n], err)
		}
	}
}

// oneWrite counts the writes below.
type oneWrite struct {
	net.Conn
	writes int
}

func (o *oneWrite) Write(b []byte) (int, error) {
	o.writes++
	return o.Conn.Write(b)
}

func TestOneFrameIsOneWrite(t *testing.T) {
	near, far := layertest.Pipe()
	counted := &oneWrite{Conn: far}
	client, server := join(t, near, counted, layers.WebSocketClient(wsURL, nil), layers.WebSocketServer(layers.WebSocketConfig{}))
	before := counted.writes
	if _, err := server.Write(make([]byte, 60<<10)); err != nil {
		t.Fatal(err)
	}
	if n := counted.writes - before; n != 1 {
		t.Errorf("%d writes for one frame", n)
	}
	if _, err := io.ReadFull(client, make([]byte, 60<<10)); err != nil {
		t.Fatal(err)
	}
}

// TestFrameCutByDeadlineIsFinal: half a frame cannot be taken back.
func TestFrameCutByDeadlineIsFinal(t *testing.T) {
	server, peer := rawPeer(t, false)
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := server.Write(make([]byte, 1<<20))
		done <- result{n, err}
	}()
	for peer.Waiting() < 64<<10 { // until the pipe is full
		time.Sleep(time.Millisecond)
	}
	_ = server.SetWriteDeadline(time.Unix(1, 0))
	r := <-done
	n, err := r.n, r.err
	if !isTimeout(err) || n <= 0 || n >= 1<<20 {
		t.Fatalf("Write = %d, %v", n, err)
	}
	_ = server.SetWriteDeadline(time.Time{})
	if n, again := server.Write([]byte("x")); n != 0 || !errors.Is(again, errors.Unwrap(err)) {
		t.Errorf("after it: %d, %v", n, again)
	}
}

// TestDeadlineBeforeAFrameIsNot: nothing was sent, so nothing is broken.
func TestDeadlineBeforeAFrameIsNot(t *testing.T) {
	client, server := websockets(t)
	for _, ends := range [][2]*layers.WebSocketConn{{client, server}, {server, client}} {
		b := append(make([]byte, ends[0].Headroom()), "once more"...)
		_ = ends[0].SetWriteDeadline(time.Unix(1, 0))
		if n, err := ends[0].WriteHeadroom(b); n != 0 || !isTimeout(err) {
			t.Errorf("missed deadline: %d, %v", n, err)
		}
		_ = ends[0].SetWriteDeadline(time.Time{})
		if _, err := ends[0].WriteHeadroom(b); err != nil {
			t.Errorf("again: %v", err)
		}
		got := make([]byte, 9)
		if _, err := io.ReadFull(ends[1], got); err != nil || string(got) != "once more" {
			t.Errorf("read %q, %v", got, err)
		}
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// TestDescribeOverTLS is what the log shows of a browser.
func TestDescribeOverTLS(t *testing.T) {
	certs := layertest.Certificates(t)
	near, far := layertest.TCP(t)
	_, server := join(t, near, far,
		stack(layers.TLSClient(certs.Client), layers.WebSocketClient("wss://gate.test/", nil)),
		stack(layers.TLSServer(certs.Server), layers.WebSocketServer(layers.WebSocketConfig{})))
	if got := layers.Describe(server); got != "tcp→tls1.3→ws" {
		t.Errorf("Describe = %q", got)
	}
}

func ExampleWebSocketConn_CloseWith() {
	near, far := layertest.Pipe()
	ctx := context.Background()
	go func() {
		c, err := layers.WebSocketServer(layers.WebSocketConfig{})(ctx, far)
		if err == nil {
			_ = c.(*layers.WebSocketConn).CloseWith(layers.CloseServerError, "display unreachable")
		}
	}()
	c, err := layers.WebSocketClient("ws://gate.test/", nil)(ctx, near)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	_, err = c.Read(make([]byte, 1))
	var closed *layers.CloseError
	if errors.As(err, &closed) {
		fmt.Println(closed.Code, closed.Reason)
	}
	// Output: 1011 display unreachable
}

// A peer that is gone is sent no close frame, which it would answer with a reset.
func TestCloseTellsNobodyWhoIsGone(t *testing.T) {
	for name, end := range map[string]func(*layers.WebSocketConn) error{
		"Close":     (*layers.WebSocketConn).Close,
		"CloseWith": func(c *layers.WebSocketConn) error { return c.CloseWith(layers.CloseGoingAway, "bye") },
	} {
		near, far := layertest.TCP(t)
		_, b := join(t, near, far, layers.WebSocketClient(wsURL, nil), layers.WebSocketServer(layers.WebSocketConfig{}))
		server := b.(*layers.WebSocketConn)
		if err := layers.CloseWrite(near); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Read(make([]byte, 1)); err != layers.ErrTruncated {
			t.Errorf("%s: Read = %v", name, err)
		}
		if err := end(server); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: Write = %v", name, err)
		}
		if sent, err := io.ReadAll(near); len(sent) > 0 || err != nil {
			t.Errorf("%s: the peer was sent % x, %v", name, sent, err)
		}
	}
}
