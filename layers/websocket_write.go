package layers

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// maxFramePayload is the most that Write puts into one frame: a page of the
// relay, and below what any known peer refuses.
const maxFramePayload = 64 << 10

// frames holds the buffers in which Write puts a header in front of its bytes.
var frames = sync.Pool{New: func() any { return new([maxFrameHeader + maxFramePayload]byte) }}

// controls holds the buffers in which control frames are made.
var controls = sync.Pool{New: func() any { return new([maxFrameHeader + maxControl]byte) }}

// Headroom is the length of the longest header we send.
func (c *WebSocketConn) Headroom() int {
	if c.client {
		return maxFrameHeader
	}
	return maxFrameHeader - 4
}

// WriteHeadroom sends b[Headroom():] as one binary frame with one Write below.
func (c *WebSocketConn) WriteHeadroom(b []byte) (int, error) {
	if len(b) <= c.Headroom() {
		return 0, nil
	}
	c.wmu.Lock()
	defer c.unlockWrite()
	return c.writeFrame(opBinary, b)
}

// Write sends b in binary frames of up to 64 KiB, each with one Write below.
func (c *WebSocketConn) Write(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	frame := frames.Get().(*[maxFrameHeader + maxFramePayload]byte)
	defer frames.Put(frame)
	room := c.Headroom()
	c.wmu.Lock()
	defer c.unlockWrite()
	for len(b) > 0 && err == nil {
		k := copy(frame[room:room+maxFramePayload], b)
		b = b[k:]
		k, err = c.writeFrame(opBinary, frame[:room+k])
		n += k
		c.sendPong()
	}
	return n, err
}

// WriteText sends b, at most 64 KiB, as a text message beside the stream: for a
// peer that has said that it tells the two apart, as any other would end the
// connection. It may be called while others Write, and waits for them.
func (c *WebSocketConn) WriteText(b []byte) error {
	if len(b) > maxFramePayload {
		return fmt.Errorf("layers: websocket: text of %d bytes, longer than %d", len(b), maxFramePayload)
	}
	frame := frames.Get().(*[maxFrameHeader + maxFramePayload]byte)
	defer frames.Put(frame)
	room := c.Headroom()
	n := copy(frame[room:], b)
	c.wmu.Lock()
	defer c.unlockWrite()
	return c.writeBeside(opText, frame[:room+n])
}

// writeBeside sends a frame that is none of the stream's, and has its own time:
// nobody renews the deadline of a stream that rests. It needs wmu.
func (c *WebSocketConn) writeBeside(opcode byte, b []byte) error {
	if c.extend(time.Now().Add(beside)) {
		defer c.extend(time.Time{})
	}
	_, err := c.writeFrame(opcode, b)
	return err
}

// extend puts a write deadline off that is before t, and reports whether it did;
// the zero time brings back the one that was set. Deadlines that are set
// meanwhile, because all has to end, count at once.
func (c *WebSocketConn) extend(t time.Time) bool {
	c.dmu.Lock()
	defer c.dmu.Unlock()
	if c.closed || c.until.IsZero() || !t.IsZero() && !c.until.Before(t) {
		return false
	}
	if t.IsZero() {
		t = c.until
	}
	return c.below.SetWriteDeadline(t) == nil
}

// writeFrame sends one frame whose payload stands in b behind the headroom. It
// needs wmu. A frame that went out in part ruins the stream, so its error stays.
func (c *WebSocketConn) writeFrame(opcode byte, b []byte) (int, error) {
	if c.werr != nil {
		return 0, c.werr
	}
	room := c.Headroom()
	payload := b[room:]
	start := room - outHeaderSize(len(payload), c.client)
	var key *[4]byte
	if c.client {
		key = &c.key
		_, _ = rand.Read(key[:]) // never fails
		maskBytes(payload, *key, 0)
	}
	putFrameHeader(b[start:room], opcode, len(payload), key)
	n, err := c.writeBelow(b[start:])
	if err == nil {
		c.sent.Add(1)
		return len(payload), nil
	}
	if n == 0 && isTimeout(err) {
		if c.client {
			maskBytes(payload, *key, 0) // as the caller had it
		}
		return 0, err
	}
	c.werr = fmt.Errorf("layers: websocket: frame cut: %w", err)
	return max(0, n-(room-start)), c.werr
}

// writeBelow sends a frame, behind the answer to the request if that has not gone
// out yet. It needs wmu.
func (c *WebSocketConn) writeBelow(frame []byte) (int, error) {
	answer := c.answer.Load()
	if answer == nil {
		return c.below.Write(frame)
	}
	c.answer.Store(nil)
	n, err := c.below.Write(slices.Concat(*answer, frame))
	switch {
	case err == nil:
		n = len(frame)
	case n == 0: // it can be tried again
		c.answer.Store(answer)
	default: // nothing of it comes again
		n = max(n-len(*answer), 1)
	}
	return n, err
}

// sendAnswer sends the answer to the request, where nothing else is to take it
// along.
func (c *WebSocketConn) sendAnswer() error {
	c.wmu.Lock()
	defer c.unlockWrite()
	if c.answer.Load() == nil {
		return nil
	}
	_, err := c.writeBelow(nil)
	if err != nil && c.answer.Load() == nil && c.werr == nil {
		c.werr = fmt.Errorf("layers: websocket: answer cut: %w", err)
	}
	return err
}

// writeControl sends a control frame. It needs wmu.
func (c *WebSocketConn) writeControl(opcode byte, payload []byte) error {
	control := controls.Get().(*[maxFrameHeader + maxControl]byte)
	defer controls.Put(control)
	room := c.Headroom()
	n := copy(control[room:room+maxControl], payload)
	if opcode == opClose { // whoever closes has said how long that may take
		_, err := c.writeFrame(opcode, control[:room+n])
		return err
	}
	return c.writeBeside(opcode, control[:room+n])
}

// writeClose sends the close frame, after which nothing may follow, and reports
// whether that was possible. It needs wmu.
func (c *WebSocketConn) writeClose(code int, reason string) bool {
	var payload []byte
	if sendable(code) {
		payload = binary.BigEndian.AppendUint16(payload, uint16(code))
		payload = append(payload, cutReason(reason, maxControl-2)...)
	}
	err := c.writeControl(opClose, payload)
	c.endWrites()
	return err == nil
}

// endWrites has every later Write fail. It needs wmu.
func (c *WebSocketConn) endWrites() {
	if c.werr == nil {
		c.werr = fmt.Errorf("layers: websocket: write after close: %w", net.ErrClosed)
	}
}

// sendPong sends the pong that is due, if one is. It needs wmu.
func (c *WebSocketConn) sendPong() {
	if !c.pong.due.Load() {
		return
	}
	control := controls.Get().(*[maxFrameHeader + maxControl]byte)
	defer controls.Put(control)
	room := c.Headroom()
	if n, ok := c.pong.get(control[room : room+maxControl]); ok {
		_ = c.writeBeside(opPong, control[:room+n]) // an error shows in the next Write
	}
}

// unlockWrite gives up wmu, and looks again whether a Read has left a pong in
// the moment between the last look and the unlocking.
func (c *WebSocketConn) unlockWrite() {
	for {
		c.sendPong()
		c.wmu.Unlock()
		if !c.pong.due.Load() || !c.wmu.TryLock() {
			return
		}
	}
}
