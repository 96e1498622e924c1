package layers

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// bulkRead is the size from which a Read lets the connection below fill the
// caller's buffer with frames and takes the headers out in place. Into a
// smaller buffer it reads exactly the header, then exactly the payload.
const bulkRead = 256

// wsReader follows the frames in a stream of bytes that may be cut anywhere.
type wsReader struct {
	client     bool // we are the client: frames must come unmasked
	fragmented bool // a binary message is open
	inPayload  bool // the header is complete, left bytes of payload to come

	header [maxFrameHeader]byte
	have   int // bytes of header

	frame   frameHeader
	left    uint64
	control []byte // what has come of a control frame's payload
}

// Read returns payload bytes as they come, in pieces that need not be whole
// frames. A peer that closed with 1000, 1001 or no code is io.EOF, with another
// code a *CloseError; an end without close frame is ErrTruncated; a breach of
// the protocol is answered with a close frame. A deadline that is missed loses
// nothing. Pings are answered in here, so someone must read.
func (c *WebSocketConn) Read(b []byte) (int, error) {
	c.rmu.Lock()
	defer c.rmu.Unlock()
	if len(b) == 0 {
		return 0, nil
	}
	if c.answer.Load() != nil {
		if err := c.sendAnswer(); err != nil {
			return 0, err
		}
	}
	for {
		if c.rerr != nil {
			return 0, c.rerr
		}
		n, err := c.fill(b)
		if n > 0 {
			return n, nil // an error that lasts comes again
		}
		if err != nil {
			return 0, err
		}
	}
}

// fill does one Read below and returns the payload it brought, in front of b.
func (c *WebSocketConn) fill(b []byte) (int, error) {
	into := b
	if len(b) < bulkRead {
		scratch := controls.Get().(*[maxFrameHeader + maxControl]byte)
		defer controls.Put(scratch)
		into = c.exactly(b, scratch[:])
	}
	m, err := c.below.Read(into)
	if m > 0 {
		c.heard.Add(1)
	}
	n := c.take(into[:m])
	if err == nil || c.rerr != nil {
		return n, c.rerr
	}
	if !isTimeout(err) {
		c.rerr = truncation(err)
		c.left.Store(c.rerr == ErrTruncated)
		err = c.rerr
	}
	return n, err
}

// exactly is where to read what is missing of the current header or payload.
func (c *WebSocketConn) exactly(b, scratch []byte) []byte {
	r := &c.read
	switch {
	case !r.inPayload:
		return scratch[:frameHeaderSize(r.header[:r.have])-r.have]
	case r.frame.control():
		return scratch[:r.left]
	}
	return b[:min(uint64(len(b)), r.left)]
}

// take goes through the frames in p and moves their payload to its front. The
// payload never overtakes what is still to be read, for headers only shrink it.
func (c *WebSocketConn) take(p []byte) (n int) {
	r := &c.read
	for pos := 0; pos < len(p) && c.rerr == nil; {
		if !r.inPayload {
			size := frameHeaderSize(r.header[:r.have])
			k := copy(r.header[r.have:size], p[pos:])
			r.have += k
			pos += k
			if r.have >= 2 && r.have == frameHeaderSize(r.header[:r.have]) {
				c.startFrame()
			}
			continue
		}
		k := int(min(uint64(len(p)-pos), r.left))
		part := p[pos : pos+k]
		if r.frame.masked {
			maskBytes(part, r.frame.key, r.frame.length-r.left)
		}
		if r.frame.control() {
			r.control = append(r.control, part...)
		} else {
			c.show(part)
			if n != pos {
				copy(p[n:], part)
			}
			n += k
		}
		pos += k
		r.left -= uint64(k)
		if r.left == 0 {
			c.endFrame()
		}
	}
	return n
}

func (c *WebSocketConn) startFrame() {
	r := &c.read
	h, v := parseFrameHeader(r.header[:r.have])
	r.have = 0
	if v == nil {
		v = r.admit(&h)
	}
	if v != nil {
		c.fail(v)
		return
	}
	r.frame, r.left, r.inPayload = h, h.length, true
	if r.left == 0 {
		c.show(nil)
		c.endFrame()
	}
}

// show tells whoever observes of the next piece of the current frame.
func (c *WebSocketConn) show(part []byte) {
	if r := &c.read; c.watch != nil && !r.frame.control() {
		c.watch(part, r.frame.fin && uint64(len(part)) == r.left)
	}
}

// admit checks a header against the role of its sender and the messages so far.
func (r *wsReader) admit(h *frameHeader) *violation {
	switch {
	case h.masked && r.client:
		return breach("masked frame from a server")
	case !h.masked && !r.client:
		return breach("unmasked frame from a client")
	case h.control():
		return nil
	case h.opcode == opContinuation && !r.fragmented:
		return breach("continuation of no message")
	case h.opcode == opBinary && r.fragmented:
		return breach("new message inside another")
	}
	r.fragmented = !h.fin
	return nil
}

func (c *WebSocketConn) endFrame() {
	r := &c.read
	r.inPayload = false
	payload := r.control
	r.control = nil // most have none
	switch r.frame.opcode {
	case opPing:
		c.pong.put(payload)
		if c.wmu.TryLock() { // else the Write under way sends it
			c.unlockWrite()
		}
	case opPong:
		now := time.Now().UnixNano()
		c.lastPong.Store(now)
		if pinged := c.lastPing.Swap(0); pinged != 0 {
			c.trip.Store(now - pinged)
		}
	case opClose:
		c.closedByPeer(payload)
	}
}

func (c *WebSocketConn) closedByPeer(payload []byte) {
	code, reason, v := parseClose(payload)
	if v != nil {
		c.fail(v)
		return
	}
	switch code {
	case CloseNormal, CloseGoingAway, CloseNoStatus:
		c.rerr = io.EOF
	default:
		c.rerr = &CloseError{code, reason}
	}
	c.answerClose(code)
}

// fail ends the stream because of v and tells the peer.
func (c *WebSocketConn) fail(v *violation) {
	c.rerr = v
	c.answerClose(v.code)
}

// answerClose sends a close frame from within a Read. A Write under way keeps
// it from being sent, and never keeps the Read waiting.
func (c *WebSocketConn) answerClose(code int) {
	if !c.wmu.TryLock() {
		return
	}
	defer c.wmu.Unlock()
	_ = c.whileOpen(func() error { return c.below.SetWriteDeadline(time.Now().Add(goodbye)) })
	if c.werr == nil {
		c.writeClose(code, "")
	}
}

// pongSlot holds the one pong that is due: the answer to the latest ping is
// enough (RFC 6455, 5.5.3).
type pongSlot struct {
	due  atomic.Bool
	mu   sync.Mutex
	data []byte
}

func (s *pongSlot) put(payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = payload
	s.due.Store(true)
}

// get copies the pong into b and returns its size; ok is false if none is due.
func (s *pongSlot) get(b []byte) (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.due.Load() {
		return 0, false
	}
	s.due.Store(false)
	n = copy(b, s.data)
	s.data = nil
	return n, true
}

var _ net.Conn = (*WebSocketConn)(nil)
