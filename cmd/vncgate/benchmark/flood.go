package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The flood is a FramebufferUpdate of one Raw rectangle, again and again. Its
// pixels begin with its number, so that a piece that is lost, doubled or moved
// shows, be it a whole message.
const (
	floodWidth  = 256
	floodHeight = 128
	floodSize   = updateHead + 4*floodWidth*floodHeight
	updateHead  = 16 // of a FramebufferUpdate with one rectangle (RFC 6143, 7.6.1)
	numberSize  = 8
)

// errBroken says that a stream did not arrive as it was sent.
var errBroken = errors.New("the stream arrived broken")

// appendUpdate appends the head of an update of one Raw rectangle.
func appendUpdate(b []byte, width, height int) []byte {
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(width))
	b = binary.BigEndian.AppendUint16(b, uint16(height))
	return binary.BigEndian.AppendUint32(b, 0) // Raw
}

// floodMessage is one message of the flood, number 0.
func floodMessage() []byte {
	b := appendUpdate(make([]byte, 0, floodSize), floodWidth, floodHeight)
	for x := uint32(1); len(b) < floodSize; x = x*1664525 + 1013904223 {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	number(b, 0)
	return b
}

func number(message []byte, n uint64) {
	binary.BigEndian.PutUint64(message[updateHead:], n)
}

// sendFlood writes the flood until the other end is gone.
func sendFlood(s stream) error {
	message := floodMessage()
	if ws, ok := s.(*webSocketStream); ok {
		framed := ws.packed(message, len(message))
		head := len(framed) - len(message)
		return sendNumbered(framed, framed[head:], ws.raw)
	}
	return sendNumbered(message, message, s.write)
}

func sendNumbered(whole, message []byte, write func([]byte) error) error {
	for n := uint64(0); ; n++ {
		number(message, n)
		if err := write(whole); err != nil {
			return err
		}
	}
}

// check follows a flood. It looks at every number and at the ends of every piece
// that it is given, or at every byte.
type check struct {
	whole   bool // every byte
	message []byte
	at      int // in the message
	next    uint64
}

func newCheck(whole bool) *check { return &check{whole: whole, message: floodMessage()} }

// see takes the next piece of the stream.
func (c *check) see(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), floodSize-c.at)
		if !c.same(b[:n]) {
			return fmt.Errorf("%w in message %d", errBroken, c.next)
		}
		b, c.at = b[n:], c.at+n
		if c.at == floodSize {
			c.at = 0
			c.next++
			number(c.message, c.next)
		}
	}
	return nil
}

// same compares a piece of one message; of a long one its two ends unless all is
// wanted.
func (c *check) same(b []byte) bool {
	const ends = 64
	want := c.message[c.at : c.at+len(b)]
	if c.whole || len(b) <= 2*ends {
		return bytes.Equal(b, want)
	}
	return bytes.Equal(b[:ends], want[:ends]) && bytes.Equal(b[len(b)-ends:], want[len(want)-ends:])
}

// clipboard is a ClientCutText of size bytes.
func clipboard(size int) []byte {
	b := binary.BigEndian.AppendUint32([]byte{msgClientCutText, 0, 0, 0}, uint32(size))
	for i := range size {
		b = append(b, 'a'+byte(i%23))
	}
	return b
}

// takeClipboard reads the text of one, looking at the ends of each piece.
func takeClipboard(e *exact, size int) error {
	for at := 0; at < size; {
		have, err := e.next()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		n := min(len(have), size-at)
		if have[0] != 'a'+byte(at%23) || have[n-1] != 'a'+byte((at+n-1)%23) {
			return fmt.Errorf("%w in a clipboard text", errBroken)
		}
		at, e.left = at+n, have[n:]
	}
	return nil
}
