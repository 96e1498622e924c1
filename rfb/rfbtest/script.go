// Package rfbtest has both ends of RFB for tests: a display and a viewer that
// are small but real, a connection whose peer is a list of bytes, and
// transcripts of sessions with programs of other people, to be replayed.
package rfbtest

import (
	"bytes"
	"io"
	"net"
	"time"
)

// Script is a connection to a peer that has said all it will ever say: reads
// take it up to io.EOF, writes are kept. Nothing blocks, so deadlines are
// ignored.
type Script struct {
	Out   bytes.Buffer // what was written
	Piece int          // the most bytes of a Read; 0 is any number

	in []byte
}

// NewScript returns a Script whose peer says in.
func NewScript(in []byte) *Script { return &Script{in: in} }

// Read returns the next bytes of the peer's, at most Piece.
func (s *Script) Read(b []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	if s.Piece > 0 && len(b) > s.Piece {
		b = b[:s.Piece]
	}
	n := copy(b, s.in)
	s.in = s.in[n:]
	return n, nil
}

// Left returns how many bytes of the peer's have not been read.
func (s *Script) Left() int { return len(s.in) }

// Write keeps b in Out.
func (s *Script) Write(b []byte) (int, error) { return s.Out.Write(b) }

// Close does nothing.
func (s *Script) Close() error { return nil }

// LocalAddr returns an address of network "script".
func (s *Script) LocalAddr() net.Addr { return scriptAddr{} }

// RemoteAddr returns an address of network "script".
func (s *Script) RemoteAddr() net.Addr { return scriptAddr{} }

// SetDeadline does nothing.
func (s *Script) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (s *Script) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (s *Script) SetWriteDeadline(time.Time) error { return nil }

type scriptAddr struct{}

func (scriptAddr) Network() string { return "script" }
func (scriptAddr) String() string  { return "script" }
