package layers

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
)

// maxFramePayload is the most that Write puts into one frame: a page of the
// relay, and below what any known peer refuses.
const maxFramePayload = 64 << 10

// frames holds the buffers in which Write puts a header in front of its bytes.
var frames = sync.Pool{New: func() any { return new([maxFrameHeader + maxFramePayload]byte) }}

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
	n, err := c.below.Write(b[start:])
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

// writeControl sends a control frame. It needs wmu.
func (c *WebSocketConn) writeControl(opcode byte, payload []byte) error {
	room := c.Headroom()
	n := copy(c.wcontrol[room:room+maxControl], payload)
	_, err := c.writeFrame(opcode, c.wcontrol[:room+n])
	return err
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
	if c.werr == nil {
		c.werr = fmt.Errorf("layers: websocket: write after close: %w", net.ErrClosed)
	}
	return err == nil
}

// sendPong sends the pong that is due, if one is. It needs wmu.
func (c *WebSocketConn) sendPong() {
	if !c.pong.due.Load() {
		return
	}
	room := c.Headroom()
	if n, ok := c.pong.get(c.wcontrol[room : room+maxControl]); ok {
		_, _ = c.writeFrame(opPong, c.wcontrol[:room+n]) // an error shows in the next Write
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
