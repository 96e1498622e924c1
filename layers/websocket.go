package layers

// Protocol flow (RFC 6455): one HTTP request that asks for the upgrade, its
// 101 answer, then frames both ways: a header of 2 to 14 bytes and a payload,
// masked if the client sent it. The payloads of binary frames, put one after
// the other, are the stream; pings and pongs may stand between any two frames;
// a close frame with a code ends the connection.
//
// The HTTP side is gorilla/websocket's: its Upgrader and its Dialer. The frames
// are our own, because a connection here must survive a missed read deadline
// anywhere, also inside a header (gorilla makes such an error permanent), must
// write a frame with one Write (gorilla needs two above its buffer, so two
// records on TLS), and must not keep buffers while it is idle. The tests use
// gorilla as the other end.

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Close codes of RFC 6455, 7.4.1, that vncgate sends or tells apart.
const (
	CloseNormal      = 1000 // the display ended
	CloseGoingAway   = 1001 // shutdown, drain
	CloseProtocol    = 1002
	CloseUnsupported = 1003 // a text frame
	CloseNoStatus    = 1005 // never sent: a close frame without a code
	CloseInvalidText = 1007
	ClosePolicy      = 1008
	CloseServerError = 1011 // the display cannot be reached
)

// beside is the least time that a frame beside the stream has.
const beside = 10 * time.Second

// maxControl is the longest payload of a control frame, and so of a close code
// with its reason (RFC 6455, 5.5).
const maxControl = 125

// linger is how long CloseWith waits until the peer has taken the reason and sent
// its close frame: a browser that did not run for a moment finds the reason only
// afterwards, and what it sends first must not be answered with a reset.
const linger = 2 * time.Second

// CloseError says with what code and reason the peer closed a WebSocket.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("layers: websocket: peer closed with %d", e.Code)
	}
	return fmt.Sprintf("layers: websocket: peer closed with %d (%q)", e.Code, e.Reason)
}

// HeadroomWriter is a connection that puts a header in front of what it writes
// and can do so in the caller's buffer: one write, no copy.
type HeadroomWriter interface {
	// Headroom is the number of bytes to leave free in front of the payload.
	Headroom() int
	// WriteHeadroom writes b[Headroom():] as payload and uses b[:Headroom()]
	// for its header. It may change all of b. n counts payload bytes.
	WriteHeadroom(b []byte) (n int, err error)
}

// WebSocketConn carries a stream in the binary frames of a WebSocket. It owns
// the connection below. It has no half-close: RFC 6455 knows none.
type WebSocketConn struct {
	below       net.Conn
	client      bool // we mask what we send and refuse what is masked
	subprotocol string

	rmu   sync.Mutex
	read  wsReader
	rerr  error       // sticky: how the stream ended
	left  atomic.Bool // the peer has ended the connection below, without a close frame
	watch func(payload []byte, last bool)

	answer atomic.Pointer[[]byte] // to the request, until it goes out; taken under wmu

	wmu  sync.Mutex
	werr error // sticky: why no frame can be sent any more
	key  [4]byte

	pong     pongSlot
	lastPong atomic.Int64 // Unix nanoseconds
	lastPing atomic.Int64 // the same, of the one that is not answered yet; else 0
	trip     atomic.Int64 // nanoseconds from a ping to its pong

	heard atomic.Uint64 // Reads below that brought something
	sent  atomic.Uint64 // frames that went out

	dmu    sync.Mutex // deadlines against Close
	until  time.Time  // the write deadline that was set
	closed bool
	close  sync.Once
	cerr   error
}

var _ HeadroomWriter = (*WebSocketConn)(nil)

func newWebSocket(below net.Conn, client bool, subprotocol string) *WebSocketConn {
	c := &WebSocketConn{below: below, client: client, subprotocol: subprotocol}
	c.read.client = client
	return c
}

// NetConn returns the connection below.
func (c *WebSocketConn) NetConn() net.Conn { return c.below }

// LayerName is "ws"; that it runs over TLS shows in the layer below.
func (c *WebSocketConn) LayerName() string { return "ws" }

// Subprotocol is "binary" or "": what the handshake agreed on.
func (c *WebSocketConn) Subprotocol() string { return c.subprotocol }

// LocalAddr is that of the connection below.
func (c *WebSocketConn) LocalAddr() net.Addr { return c.below.LocalAddr() }

// RemoteAddr is that of the connection below.
func (c *WebSocketConn) RemoteAddr() net.Addr { return c.below.RemoteAddr() }

// SetDeadline sets both deadlines of the connection below.
func (c *WebSocketConn) SetDeadline(t time.Time) error {
	return c.whileOpen(func() error {
		c.until = t
		return c.below.SetDeadline(t)
	})
}

// SetReadDeadline makes a Read time out, after which the next goes on where it
// stopped, be it inside a frame header.
func (c *WebSocketConn) SetReadDeadline(t time.Time) error {
	return c.whileOpen(func() error { return c.below.SetReadDeadline(t) })
}

// SetWriteDeadline makes a Write time out. If that cut a frame, every later
// Write returns the same error. What goes out beside the stream (pings, pongs,
// texts) has a few seconds in any case: the deadline of a Write that is long
// through is none of it.
func (c *WebSocketConn) SetWriteDeadline(t time.Time) error {
	return c.whileOpen(func() error {
		c.until = t
		return c.below.SetWriteDeadline(t)
	})
}

// whileOpen keeps the deadlines that Close sets from being put off.
func (c *WebSocketConn) whileOpen(f func() error) error {
	c.dmu.Lock()
	defer c.dmu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	return f()
}

// Close sends close code 1000 if the peer takes it at once, and closes the
// connection below. It may be called at any time.
func (c *WebSocketConn) Close() error {
	c.close.Do(func() {
		c.sayGoodbye(CloseNormal, "", time.Now().Add(goodbye))
		c.cerr = c.below.Close()
	})
	return c.cerr
}

// CloseWith closes with a code and a reason for the peer, cut to 123 bytes at a
// character. Unlike Close it gives the peer two seconds to take what is on its way
// and the reason, and to answer: a connection closed while bytes of the peer are
// still unread is reset, and a reset can overtake the reason.
func (c *WebSocketConn) CloseWith(code int, reason string) error {
	c.close.Do(func() {
		end := time.Now().Add(linger)
		if c.sayGoodbye(code, reason, end) {
			c.awaitClose(end)
		}
		c.cerr = c.below.Close()
	})
	return c.cerr
}

// sayGoodbye sends our close frame, and reports whether it could until end. A Write
// that is stuck is cut off then. A peer that has ended the connection below is told
// nothing: it knows no half-close, so all that it would do is to reset it.
func (c *WebSocketConn) sayGoodbye(code int, reason string, end time.Time) bool {
	c.dmu.Lock()
	c.closed = true
	_ = c.below.SetWriteDeadline(end)
	c.dmu.Unlock()
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.left.Load() {
		c.endWrites()
		return false
	}
	return c.writeClose(code, reason)
}

// awaitClose drops what the peer sends until its close frame or the end.
func (c *WebSocketConn) awaitClose(end time.Time) {
	_ = c.below.SetReadDeadline(end)
	c.rmu.Lock()
	defer c.rmu.Unlock()
	var dropped [512]byte
	for c.rerr == nil {
		if _, err := c.fill(dropped[:]); err != nil {
			return
		}
	}
}

// Observe has f shown the payload that every Read takes in, piece by piece in
// order, with last for the piece that ends a message, which may be empty: Read
// itself tells nothing of messages. f must not keep or change what it is shown,
// nor use the connection. Observe must come before the first Read.
func (c *WebSocketConn) Observe(f func(payload []byte, last bool)) { c.watch = f }

// Ping asks the peer for a sign of life; LastPong tells when one came. It sends
// nothing while a Write is under way: that Write's own success tells as much.
func (c *WebSocketConn) Ping() error {
	_, err := c.tryPing()
	return err
}

// tryPing reports whether it could send: not while a Write is under way.
func (c *WebSocketConn) tryPing() (bool, error) {
	if !c.wmu.TryLock() {
		return false, nil
	}
	defer c.unlockWrite()
	c.lastPing.CompareAndSwap(0, time.Now().UnixNano())
	return true, c.writeControl(opPing, nil)
}

// RoundTrip is the time from the last ping that was answered to its pong, or
// zero. What keeps the peer or our own Reads busy is part of it.
func (c *WebSocketConn) RoundTrip() time.Duration { return time.Duration(c.trip.Load()) }

// LastPong is when a Read last met a pong, or zero.
func (c *WebSocketConn) LastPong() time.Time {
	if ns := c.lastPong.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// cutReason shortens a close reason to n bytes without splitting a character.
func cutReason(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// WebSocketConfig refines the server side of the handshake.
type WebSocketConfig struct {
	// CheckOrigin decides on a request by its Origin. nil allows requests
	// without one and those whose Origin is the host they ask for.
	CheckOrigin func(*http.Request) bool
	// SpeaksFirst says that the caller writes before it waits for anything, as a
	// display does: the answer to the request goes out with that, in one packet.
	// Without a Write it goes with the first Read.
	SpeaksFirst bool
}

// truncation makes an end without end mark what it is.
func truncation(err error) error {
	if err == io.EOF {
		return ErrTruncated
	}
	return err
}
