package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// The least of RFC 6455 that carries a stream: both ends of the benchmark speak
// it, so that neither takes more of the machine than it must.

const (
	wsAccept = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, 1.3
	wsBinary = 0x82                                   // FIN and the opcode
	wsClose  = 0x8
	wsPing   = 0x9
	wsPong   = 0xA
	wsMasked = 0x80
)

// maskKey hides what the load client sends. It need not be random: nobody is
// between the two ends.
var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// webSocketStream carries a stream in binary frames.
type webSocketStream struct {
	c      net.Conn
	client bool
	in     []byte // read and not looked at yet
	buf    []byte
	left   uint64 // payload bytes of the frame that in begins within
	mask   [4]byte
	at     int // where in the mask
	masked bool

	writing sync.Mutex // answers to pings go out beside the stream
	out     []byte
}

func newWebSocketStream(c net.Conn, client bool, size int) *webSocketStream {
	return &webSocketStream{c: c, client: client, buf: make([]byte, size)}
}

// next returns the next bytes of the stream. They are good until the next call.
func (s *webSocketStream) next() ([]byte, error) {
	for s.left == 0 {
		if err := s.header(); err != nil {
			return nil, err
		}
	}
	if len(s.in) == 0 {
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
	n := int(min(uint64(len(s.in)), s.left))
	b := s.in[:n]
	s.in, s.left = s.in[n:], s.left-uint64(n)
	if s.masked {
		s.at = unmask(b, s.mask, s.at)
	}
	return b, nil
}

// header reads up to the payload of the next frame that has one for us.
func (s *webSocketStream) header() error {
	if err := s.need(2); err != nil {
		return err
	}
	size := 2
	switch s.in[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	s.masked = s.in[1]&wsMasked != 0
	if s.masked {
		size += 4
	}
	if err := s.need(size); err != nil {
		return err
	}
	h := s.in[:size]
	s.in = s.in[size:]
	opcode := h[0] & 0x0f
	switch h[1] & 0x7f {
	case 126:
		s.left = uint64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		s.left = binary.BigEndian.Uint64(h[2:])
	default:
		s.left = uint64(h[1] & 0x7f)
	}
	if s.masked {
		s.at = 0
		copy(s.mask[:], h[size-4:])
	}
	if opcode >= wsClose {
		return s.control(opcode)
	}
	return nil
}

// control answers pings and ends the stream at a close frame.
func (s *webSocketStream) control(opcode byte) error {
	if s.left > 125 {
		return fmt.Errorf("control frame of %d bytes", s.left)
	}
	if err := s.need(int(s.left)); err != nil {
		return err
	}
	body := s.in[:s.left]
	s.in, s.left = s.in[s.left:], 0
	switch opcode {
	case wsClose:
		return io.EOF
	case wsPing:
		if s.masked {
			unmask(body, s.mask, 0)
		}
		return s.raw(frame(nil, 0x80|wsPong, body, s.client))
	}
	return nil
}

// need has n bytes at least in s.in.
func (s *webSocketStream) need(n int) error {
	for len(s.in) < n {
		if err := s.fill(); err != nil {
			return err
		}
	}
	return nil
}

// fill reads behind what is left in s.in.
func (s *webSocketStream) fill() error {
	left := copy(s.buf, s.in)
	n, err := s.c.Read(s.buf[left:])
	s.in = s.buf[:left+n]
	if n > 0 {
		return nil
	}
	return err
}

// write sends b in one frame.
func (s *webSocketStream) write(b []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.out = frame(s.out[:0], wsBinary, b, s.client)
	_, err := s.c.Write(s.out)
	return err
}

// packed is b as write would send it, in frames of at most size bytes; raw sends
// it.
func (s *webSocketStream) packed(b []byte, size int) []byte {
	var out []byte
	for len(b) > 0 {
		n := min(size, len(b))
		out = frame(out, wsBinary, b[:n], s.client)
		b = b[n:]
	}
	return out
}

func (s *webSocketStream) raw(b []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.c.Write(b)
	return err
}

func (s *webSocketStream) conn() net.Conn { return s.c }

// frame appends a frame to out.
func frame(out []byte, first byte, b []byte, masked bool) []byte {
	out = append(out, first)
	bit := byte(0)
	if masked {
		bit = wsMasked
	}
	switch {
	case len(b) < 126:
		out = append(out, bit|byte(len(b)))
	case len(b) < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, bit|126), uint16(len(b)))
	default:
		out = binary.BigEndian.AppendUint64(append(out, bit|127), uint64(len(b)))
	}
	if !masked {
		return append(out, b...)
	}
	out = append(out, maskKey[:]...)
	at := len(out)
	out = append(out, b...)
	unmask(out[at:], maskKey, 0)
	return out
}

// unmask applies the key to b, word by word, and returns where in the key the
// next byte stands.
func unmask(b []byte, key [4]byte, at int) int {
	var wide [8]byte
	for i := range wide {
		wide[i] = key[(at+i)&3]
	}
	k := binary.LittleEndian.Uint64(wide[:])
	end := (at + len(b)) & 3
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= wide[i]
	}
	return end
}

// askUpgrade is the client's opening handshake on the connection of s.
func (s *webSocketStream) askUpgrade(path string) error {
	request := "GET " + path + " HTTP/1.1\r\nHost: bench.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n\r\n"
	if _, err := s.c.Write([]byte(request)); err != nil {
		return err
	}
	for {
		if err := s.fill(); err != nil {
			return fmt.Errorf("upgrade: %w", err)
		}
		if end := bytes.Index(s.in, []byte("\r\n\r\n")); end >= 0 {
			if !bytes.HasPrefix(s.in, []byte("HTTP/1.1 101")) {
				return fmt.Errorf("upgrade refused: %.200q", s.in)
			}
			s.in = s.in[end+4:]
			return nil
		}
		if len(s.in) > 4096 {
			return errors.New("the answer to the upgrade is too long")
		}
	}
}

// acceptUpgrade is the display's side, for peers that only pass WebSockets on.
func acceptUpgrade(c net.Conn) error {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + wsAccept))
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if r.Header.Get("Sec-WebSocket-Protocol") != "" {
		answer += "Sec-WebSocket-Protocol: binary\r\n"
	}
	_, err = c.Write([]byte(answer + "\r\n"))
	return err
}
