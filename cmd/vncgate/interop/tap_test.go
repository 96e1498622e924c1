package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
)

// A tap lies on the way to an endpoint and keeps what is sent up there. It can
// put a message of its own in between.
type tap struct {
	port int // of 127.0.0.1
	to   endpoint

	mu    sync.Mutex
	up    net.Conn // for who came last
	heard []byte   // from there, since the first byte
	marks byte
}

// startTap listens until the scope closes.
func startTap(s *scope, to endpoint) (*tap, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.onClose(func() { ln.Close() })
	p := &tap{port: ln.Addr().(*net.TCPAddr).Port, to: to}
	go p.accept(ln)
	return p, nil
}

func (p *tap) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go p.pass(c)
	}
}

// pass carries one connection both ways, until one end leaves.
func (p *tap) pass(c net.Conn) {
	defer c.Close()
	up, err := p.to.dial()
	if err != nil {
		return
	}
	defer up.Close()
	p.mu.Lock()
	p.up, p.heard = up, nil
	p.mu.Unlock()
	go func() {
		_, _ = io.Copy(c, up)
		c.Close()
	}()
	b := make([]byte, 32<<10)
	for {
		n, err := c.Read(b)
		if err != nil || p.carry(up, b[:n]) != nil {
			return
		}
	}
}

func (p *tap) carry(up net.Conn, b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if up == p.up {
		p.heard = append(p.heard, b...)
	}
	_, err := up.Write(b)
	return err
}

// messages are those that have come up from a viewer which came in by security
// type None, with or without a WebSocket, and how many bytes of the next.
func (p *tap) messages() (whole [][]byte, rest int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return messagesIn(p.heard)
}

// mark puts in a request for a few pixels, which goes through whatever the
// viewer may do, and returns it.
func (p *tap) mark() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, rest := messagesIn(p.heard); rest > 0 || len(p.heard) == 0 {
		return nil, errors.New("the viewer is in the middle of a message")
	}
	p.marks++
	mark := []byte{3, 0, 0, p.marks, 0, 1, 0, 3, 0, 2} // FramebufferUpdateRequest, at (marks, 1)
	msg := mark
	if isWeb(p.heard) {
		msg = slices.Concat([]byte{0x82, 0x80 | byte(len(mark)), 0, 0, 0, 0}, mark) // masked with nothing
	}
	_, err := p.up.Write(msg)
	return mark, err
}

// has is an error while what was sent up does not have text in it.
func (p *tap) has(text []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !bytes.Contains(p.heard, text) {
		return fmt.Errorf("%x has not been sent up", text)
	}
	return nil
}

func isWeb(stream []byte) bool { return bytes.HasPrefix(stream, []byte("GET ")) }

// messagesIn takes what a viewer has sent apart into the messages behind its
// ClientInit.
func messagesIn(stream []byte) (whole [][]byte, rest int) {
	broken := 0
	if isWeb(stream) {
		stream, broken = framesIn(stream)
	}
	const handshake = 12 + 1 + 1 // version, security type, ClientInit
	if len(stream) < handshake {
		return nil, len(stream) + broken
	}
	for stream = stream[handshake:]; len(stream) > 0; {
		n := messageLen(stream)
		if n == 0 || n > len(stream) {
			break
		}
		whole = append(whole, stream[:n])
		stream = stream[n:]
	}
	return whole, len(stream) + broken
}

// framesIn returns the payload of a browser's WebSocket frames behind its
// request (RFC 6455, 5.2), and how many bytes there are of an unfinished one.
func framesIn(stream []byte) (payload []byte, rest int) {
	end := bytes.Index(stream, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, len(stream)
	}
	for stream = stream[end+4:]; len(stream) >= 6; {
		n, head := int(stream[1]&0x7f), 2
		switch {
		case n == 126:
			n, head = int(binary.BigEndian.Uint16(stream[2:])), 4
		case n == 127: // no test sends that much
			return payload, len(stream)
		}
		if len(stream) < head+4+n {
			break
		}
		mask, data := stream[head:head+4], stream[head+4:head+4+n]
		if stream[0]&0xf <= 2 {
			for i := range data {
				payload = append(payload, data[i]^mask[i%4])
			}
		}
		stream = stream[head+4+n:]
	}
	return payload, len(stream)
}

// messageLen is how long the client message is that b begins with; 0 as long as
// that is not known.
func messageLen(b []byte) int {
	at := func(i, size int) int {
		if len(b) < i+size {
			return 0
		}
		return int(binary.BigEndian.Uint32(append(make([]byte, 4-size, 8), b[i:i+size]...)))
	}
	counted := func(head, i, size, each int) int {
		if len(b) < head {
			return 0
		}
		return head + each*at(i, size)
	}
	switch b[0] {
	case 0:
		return 20
	case 2:
		return counted(4, 2, 2, 4)
	case 3, 150:
		return 10
	case 4:
		return 8
	case 5:
		return 6 + at(1, 1)>>7 // no test presses the eighth button
	case 6:
		n := int32(at(4, 4))
		return counted(8, 4, 0, 0) + int(max(n, -n)) // negative: the extended clipboard's
	case 248:
		return counted(9, 8, 1, 1)
	case 250:
		return 4
	case 251:
		return counted(8, 6, 1, 16)
	case 255:
		return 12 // QEMU's key event
	}
	return 0
}

// releases matches the release of a key, as a KeyEvent and as QEMU's.
func releases(k key) func(msg []byte) bool {
	return func(msg []byte) bool {
		symbol := binary.BigEndian.AppendUint32(nil, uint32(k.keysym))
		switch msg[0] {
		case 4:
			return msg[1] == 0 && bytes.Equal(msg[4:8], symbol)
		case 255:
			return msg[3] == 0 && bytes.Equal(msg[4:8], symbol)
		}
		return false
	}
}

// isCutText matches a viewer that tells of its clipboard, in either way.
func isCutText(msg []byte) bool { return msg[0] == 6 }
