package main

import (
	"io"
	"net"
)

// stream is a connection that hands out what it reads instead of copying it.
type stream interface {
	next() ([]byte, error) // good until the next call
	write(b []byte) error
	packed(b []byte, size int) []byte // b, ready for raw, in messages of at most size bytes
	raw(b []byte) error
	conn() net.Conn
}

// plainStream is a stream without framing.
type plainStream struct {
	c   net.Conn
	buf []byte
}

func (s *plainStream) next() ([]byte, error) {
	n, err := s.c.Read(s.buf)
	if n > 0 {
		return s.buf[:n], nil
	}
	return nil, err
}

func (s *plainStream) write(b []byte) error {
	_, err := s.c.Write(b)
	return err
}

func (s *plainStream) packed(b []byte, _ int) []byte { return b }
func (s *plainStream) raw(b []byte) error            { return s.write(b) }
func (s *plainStream) conn() net.Conn                { return s.c }

// exact reads a stream by the byte where that is wanted, and gives what it has
// read too much to the next reader.
type exact struct {
	stream
	left []byte
}

func (e *exact) next() ([]byte, error) {
	if len(e.left) > 0 {
		b := e.left
		e.left = nil
		return b, nil
	}
	return e.stream.next()
}

// read fills b.
func (e *exact) read(b []byte) error {
	for len(b) > 0 {
		have, err := e.next()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		n := copy(b, have)
		b, e.left = b[n:], have[n:]
	}
	return nil
}

// skip passes over n bytes.
func (e *exact) skip(n int) error {
	for n > 0 {
		have, err := e.next()
		if err != nil {
			return err
		}
		take := min(n, len(have))
		n, e.left = n-take, have[take:]
	}
	return nil
}

// grow has reads bring up to size bytes; what was read stays where it is.
func (e *exact) grow(size int) {
	switch s := e.stream.(type) {
	case *plainStream:
		if len(s.buf) < size {
			s.buf = make([]byte, size)
		}
	case *webSocketStream:
		if len(s.buf) < size {
			s.buf = make([]byte, size)
		}
	}
}
