package layers_test

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// gorillaPair joins one of ours with one of gorilla's, over a Pipe.
func gorillaPair(t testing.TB, weAreServer bool) (ours *layers.WebSocketConn, theirs *websocket.Conn, theirPipe *layertest.PipeConn) {
	t.Helper()
	a, b := websockets(t)
	ours, other := a, b
	if weAreServer {
		ours, other = b, a
	}
	pipe := other.NetConn()
	return ours, gorilla(t, pipe, !weAreServer), pipe.(*layertest.PipeConn)
}

// gorilla puts a gorilla connection on c, whose handshake has been had: gorilla
// has another one with a peer that is not there.
func gorilla(t testing.TB, c net.Conn, server bool) *websocket.Conn {
	t.Helper()
	near, far := layertest.Pipe()
	ends := [2]*swapConn{{near}, {far}}
	accepted := make(chan *websocket.Conn, 1)
	go func() { accepted <- gorillaServer(ends[1]) }()
	client := gorillaClient(ends[0])
	both := [2]*websocket.Conn{client, <-accepted}
	if both[0] == nil || both[1] == nil {
		t.Fatal("gorilla's own handshake failed")
	}
	i := 0
	if server {
		i = 1
	}
	ends[i].Conn = c
	return both[i]
}

// swapConn is a connection that can be moved to another one.
type swapConn struct{ net.Conn }

// drain reads a gorilla connection to its end and returns the stream.
func drain(c *websocket.Conn) ([]byte, error) {
	var all []byte
	for {
		_, b, err := c.ReadMessage()
		all = append(all, b...)
		if err != nil {
			return all, err
		}
	}
}

// FuzzWebSocketAgainstGorilla sends the same stream from us to gorilla and from
// gorilla to us: fragmented at random, with pings and pongs between fragments,
// through reads of odd sizes.
func FuzzWebSocketAgainstGorilla(f *testing.F) {
	f.Add([]byte("RFB 003.008\n"), uint64(1), true)
	f.Add([]byte("RFB 003.008\n"), uint64(2), false)
	f.Add(bytes.Repeat([]byte("0123456789abcdef"), 300), uint64(3), true)
	f.Add(bytes.Repeat([]byte("0123456789abcdef"), 300), uint64(4), false)
	f.Add([]byte{}, uint64(5), true)
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, weAreServer bool) {
		data = data[:min(len(data), 20<<10)]
		r := rand.New(rand.NewPCG(seed, 0))
		ours, theirs, pipe := gorillaPair(t, weAreServer)
		pongs := 0
		theirs.SetPongHandler(func(string) error { pongs++; return nil })
		pipe.Chunk(r.IntN(9)) // 0: no limit

		pings := gorillaSends(t, theirs, data, r)
		got, err := readOdd(ours, r)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("from gorilla: %v, %d of %d bytes, equal: %v", err, len(got), len(data), bytes.Equal(got, data))
		}
		checkPongs(t, theirs, pings, &pongs)
	})
}

// gorillaSends writes data in messages of random fragments and closes.
func gorillaSends(t *testing.T, c *websocket.Conn, data []byte, r *rand.Rand) (pings int) {
	for len(data) > 0 {
		w, err := c.NextWriter(websocket.BinaryMessage)
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + r.IntN(4) {
			n := min(len(data), r.IntN(len(data)+1))
			if _, err := w.Write(data[:n]); err != nil {
				t.Fatal(err)
			}
			data = data[n:]
			if r.IntN(3) == 0 {
				pings++
				_ = c.WriteControl(websocket.PingMessage, make([]byte, r.IntN(126)), farFuture)
			}
			if r.IntN(5) == 0 {
				_ = c.WriteControl(websocket.PongMessage, make([]byte, r.IntN(126)), farFuture)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "done"), farFuture)
	return pings
}

// readOdd reads to the end in pieces of odd sizes, above and below bulkRead.
func readOdd(c io.Reader, r *rand.Rand) (all []byte, err error) {
	for {
		b := make([]byte, 1+r.IntN(1<<r.IntN(12)))
		n, err := c.Read(b)
		all = append(all, b[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// checkPongs reads our answers: a pong for each ping, then the close frame.
func checkPongs(t *testing.T, c *websocket.Conn, pings int, pongs *int) {
	t.Helper()
	_, err := drain(c)
	if !websocket.IsCloseError(err, 1000) {
		t.Errorf("gorilla reads %v at the end", err)
	}
	if *pongs != pings {
		t.Errorf("%d pongs for %d pings", *pongs, pings)
	}
}

// FuzzGorillaReadsUs writes with us, by both ways of writing, and reads with
// gorilla, which fails on any frame that is not right.
func FuzzGorillaReadsUs(f *testing.F) {
	f.Add([]byte("RFB 003.008\n"), uint64(1), true)
	f.Add(bytes.Repeat([]byte("x"), 70000), uint64(2), false)
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, weAreServer bool) {
		data = data[:min(len(data), 200<<10)]
		r := rand.New(rand.NewPCG(seed, 0))
		ours, theirs, _ := gorillaPair(t, weAreServer)
		theirs.SetPingHandler(func(string) error { return nil }) // we close without reading
		done := make(chan error, 1)
		go func() { done <- weSend(ours, data, r) }()
		got, err := drain(theirs)
		if !websocket.IsCloseError(err, 1000) || !bytes.Equal(got, data) {
			t.Errorf("gorilla read %d of %d bytes, equal: %v, %v", len(got), len(data), bytes.Equal(got, data), err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func weSend(c *layers.WebSocketConn, data []byte, r *rand.Rand) error {
	for len(data) > 0 {
		n := 1 + r.IntN(len(data))
		var err error
		switch r.IntN(3) {
		case 0:
			_, err = c.WriteHeadroom(append(make([]byte, c.Headroom()), data[:n]...))
		case 1:
			if err = c.Ping(); err == nil {
				_, err = c.Write(data[:n])
			}
		default:
			_, err = c.Write(data[:n])
		}
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return c.Close()
}

// FuzzFrameReader feeds bytes that are no WebSocket at all. However they are cut
// and into whatever buffers they are read, the result is the same, no more comes
// out than went in, and it ends with an error or io.EOF that stays.
func FuzzFrameReader(f *testing.F) {
	f.Add(masked(binaryFrame, "RFB 003.008\n"), uint16(3))
	f.Add(append(masked(0x02, "ab"), masked(0x80, "cd")...), uint16(300))
	f.Add(append(masked(pingFrame, "x"), masked(closeFrame, closeWith(1011, "why"))...), uint16(1))
	f.Add([]byte{binaryFrame, 0xFF, 0x80, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4}, uint16(2))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(5))
	f.Fuzz(func(t *testing.T, sent []byte, size uint16) {
		sent = sent[:min(len(sent), 16<<10)]
		whole, wholeErr := readFrames(t, sent, 64<<10, 0)
		cut, cutErr := readFrames(t, sent, 1+int(size)%1000, 1+int(size)%7)
		if !bytes.Equal(whole, cut) || wholeErr.Error() != cutErr.Error() {
			t.Errorf("read whole %q, %v; cut %q, %v", whole, wholeErr, cut, cutErr)
		}
		if len(whole) > len(sent) {
			t.Errorf("%d bytes out of %d", len(whole), len(sent))
		}
	})
}

func readFrames(t *testing.T, sent []byte, size, chunk int) ([]byte, error) {
	server, peer := rawPeer(t, false)
	peer.Chunk(chunk)
	_, _ = peer.Write(sent)
	_ = peer.CloseWrite()
	var all []byte
	b := make([]byte, size)
	for {
		n, err := server.Read(b)
		all = append(all, b[:n]...)
		if err != nil {
			if _, again := server.Read(b); again != err {
				t.Errorf("%v, then %v", err, again)
			}
			_ = peer.Close()
			_ = server.Close()
			return all, err
		}
	}
}

// gorillaServer is gorilla's server side on a bare connection.
func gorillaServer(c net.Conn) *websocket.Conn {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return nil
	}
	g, _ := (&websocket.Upgrader{}).Upgrade(hijackable{c}, r, nil)
	return g
}

// gorillaClient is gorilla's client side on a bare connection.
func gorillaClient(c net.Conn) *websocket.Conn {
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return c, nil }}
	g, _, _ := d.Dial("ws://x.test/", nil)
	return g
}

// hijackable is a response that can only be taken over.
type hijackable struct{ c net.Conn }

func (h hijackable) Header() http.Header         { return http.Header{} }
func (h hijackable) WriteHeader(int)             {}
func (h hijackable) Write(b []byte) (int, error) { return len(b), nil }
func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.c, bufio.NewReadWriter(bufio.NewReader(h.c), bufio.NewWriter(h.c)), nil
}

var farFuture = time.Now().Add(time.Hour)
