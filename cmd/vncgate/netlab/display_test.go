package netlab

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// The display's picture is large, so that one request for it keeps a flood
// going for long: 32 MiB.
const (
	displayWidth, displayHeight = 4096, 2048

	floodBytes = displayWidth*displayHeight*4 + 16 // of one whole picture, with the heads of message and rectangle
	keyBytes   = 4 + 12 + 4                        // of the answer to a key
)

// display serves RFB 3.8 without a password (RFC 6143). It answers a request
// for the whole picture with as much, unpacked, and a key that goes down with
// one pixel, which has the key's value.
func display(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_ = show(c)
		}()
	}
}

func show(c net.Conn) error {
	r := bufio.NewReader(c)
	if err := greet(c, r); err != nil {
		return err
	}
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return err
		}
		switch kind {
		case 0: // SetPixelFormat
			_, err = r.Discard(19)
		case 2: // SetEncodings
			err = discardList(r)
		case 3: // FramebufferUpdateRequest
			err = answerRequest(c, r)
		case 4: // KeyEvent
			err = answerKey(c, r)
		case 5: // PointerEvent
			_, err = r.Discard(5)
		default:
			return fmt.Errorf("netlab: message of type %d", kind)
		}
		if err != nil {
			return err
		}
	}
}

func greet(c net.Conn, r *bufio.Reader) error {
	if _, err := io.WriteString(c, "RFB 003.008\n"); err != nil {
		return err
	}
	if _, err := r.Discard(12); err != nil {
		return err
	}
	if _, err := c.Write([]byte{1, 1}); err != nil { // one security type: None
		return err
	}
	if _, err := r.Discard(1); err != nil {
		return err
	}
	if _, err := c.Write(make([]byte, 4)); err != nil { // SecurityResult
		return err
	}
	if _, err := r.Discard(1); err != nil { // ClientInit
		return err
	}
	init := binary.BigEndian.AppendUint16(nil, displayWidth)
	init = binary.BigEndian.AppendUint16(init, displayHeight)
	init = append(init, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0)
	init = binary.BigEndian.AppendUint32(init, 6)
	_, err := c.Write(append(init, "netlab"...))
	return err
}

func discardList(r *bufio.Reader) error {
	head := make([]byte, 3)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	_, err := r.Discard(4 * int(binary.BigEndian.Uint16(head[1:])))
	return err
}

// answerRequest sends the whole picture, unless changes alone were asked for:
// there are none.
func answerRequest(c net.Conn, r *bufio.Reader) error {
	b := make([]byte, 9)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if b[0] != 0 {
		return nil
	}
	if _, err := c.Write(rectangle(displayWidth, displayHeight)); err != nil {
		return err
	}
	line := make([]byte, 64*displayWidth*4)
	for range displayHeight / 64 {
		if _, err := c.Write(line); err != nil {
			return err
		}
	}
	return nil
}

func answerKey(c net.Conn, r *bufio.Reader) error {
	b := make([]byte, 7)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if b[0] == 0 { // it goes up
		return nil
	}
	_, err := c.Write(append(rectangle(1, 1), b[3:]...))
	return err
}

// rectangle is the head of an update of one unpacked rectangle.
func rectangle(width, height uint16) []byte {
	b := []byte{0, 0, 0, 1, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, width)
	b = binary.BigEndian.AppendUint16(b, height)
	return append(b, 0, 0, 0, 0) // encoding Raw
}
