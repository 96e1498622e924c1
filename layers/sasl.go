package layers

// Protocol flow (RFC 4422, 3.7): after the authentication exchange each side
// sends its bytes as buffers of U32 length ‖ token, the token being what the
// mechanism's wrap makes of a piece of plain text. There is no end mark: the
// stream ends where the connection below ends between two buffers.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

const (
	// saslDefaultSize bounds tokens where the mechanism negotiated no size.
	saslDefaultSize = 64 << 10
	// saslMaxSize is the largest size a mechanism can negotiate (24 bits,
	// RFC 4752, 3.3).
	saslMaxSize = 1<<24 - 1
	// saslReadStep bounds what is allocated on the word of a length alone.
	saslReadStep = 16 << 10
)

// SASLCodec is the security layer that a SASL mechanism has agreed on.
type SASLCodec struct {
	// Wrap protects one piece of plain text, Unwrap undoes one token of the
	// peer. Each is called by one goroutine at a time, in the order of the
	// stream; neither may keep its argument, and what it returns is used up
	// before its next call.
	Wrap, Unwrap func([]byte) ([]byte, error)
	// MaxSend is the most plain text one Wrap gets: the peer's maximum token
	// less the mechanism's overhead. 0 means 64 KiB.
	MaxSend int
	// MaxReceive is the longest token the peer may send: what we told it.
	// 0 means 64 KiB, the most is 2^24-1.
	MaxReceive int
	// SSF is the layer's strength in bits, for people and policy; 1 is
	// integrity only.
	SSF int
}

// SASLConn carries the bytes of a SASL security layer. It owns the connection
// below.
type SASLConn struct {
	net.Conn
	codec SASLCodec

	rmu    sync.Mutex
	buffer []byte // U32 length and token, as far as they have come
	plain  []byte // unwrapped and not yet read
	rerr   error  // sticky

	wmu  sync.Mutex
	out  []byte
	werr error // sticky
}

// SASL puts the negotiated security layer on the connection. There is no
// handshake: the mechanism has had it.
func SASL(codec SASLCodec) Layer {
	codec.MaxSend = saslSize(codec.MaxSend)
	codec.MaxReceive = saslSize(codec.MaxReceive)
	return func(_ context.Context, below net.Conn) (net.Conn, error) {
		if codec.Wrap == nil || codec.Unwrap == nil {
			return nil, errors.New("layers: sasl: codec has no Wrap or no Unwrap")
		}
		return &SASLConn{Conn: below, codec: codec}, nil
	}
}

func saslSize(n int) int {
	if n <= 0 {
		return saslDefaultSize
	}
	return min(n, saslMaxSize)
}

// NetConn returns the connection below.
func (s *SASLConn) NetConn() net.Conn { return s.Conn }

// LayerName is "sasl(ssf=56)".
func (s *SASLConn) LayerName() string { return fmt.Sprintf("sasl(ssf=%d)", s.codec.SSF) }

// SSF is the strength of the layer in bits.
func (s *SASLConn) SSF() int { return s.codec.SSF }

// CloseWrite ends our direction as the connection below does it.
func (s *SASLConn) CloseWrite() error { return CloseWrite(s.Conn) }

// Read returns plain text of the current token. An end of the connection inside
// a token is ErrTruncated; a token that is too long or that Unwrap refuses ends
// the stream.
func (s *SASLConn) Read(b []byte) (int, error) {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if len(b) == 0 {
		return 0, nil
	}
	for len(s.plain) == 0 {
		if s.rerr != nil {
			return 0, s.rerr
		}
		if err := s.receive(); err != nil {
			if !isTimeout(err) {
				s.rerr = err
			}
			return 0, err
		}
	}
	n := copy(b, s.plain)
	s.plain = s.plain[n:]
	return n, nil
}

// receive reads and unwraps one token. A deadline may cut it anywhere: what has
// come stays in s.buffer.
func (s *SASLConn) receive() error {
	if err := s.readTo(4); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(s.buffer)
	if size == 0 || uint64(size) > uint64(s.codec.MaxReceive) {
		return fmt.Errorf("layers: sasl: token of %d bytes, at most %d agreed", size, s.codec.MaxReceive)
	}
	if err := s.readTo(4 + int(size)); err != nil {
		return err
	}
	plain, err := s.codec.Unwrap(s.buffer[4:])
	if err != nil {
		return fmt.Errorf("layers: sasl: unwrap: %w", err)
	}
	s.plain, s.buffer = plain, keepSmall(s.buffer)
	return nil
}

// readTo reads until the buffer holds n bytes. The buffer grows as bytes come,
// not as a length promises.
func (s *SASLConn) readTo(n int) error {
	for len(s.buffer) < n {
		have := len(s.buffer)
		step := min(n-have, saslReadStep)
		s.buffer = append(s.buffer, make([]byte, step)...)
		m, err := s.Conn.Read(s.buffer[have : have+step])
		s.buffer = s.buffer[:have+m]
		if err == io.EOF && len(s.buffer) > 0 && len(s.buffer) < n {
			return ErrTruncated
		}
		if err != nil && len(s.buffer) < n {
			return err
		}
	}
	return nil
}

// Write wraps b in pieces of at most MaxSend and sends each with one Write
// below. A token that could not be sent whole ruins the stream: the error stays.
func (s *SASLConn) Write(b []byte) (n int, err error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	for len(b) > 0 {
		piece := b[:min(len(b), s.codec.MaxSend)]
		if err := s.send(piece); err != nil {
			return n, err
		}
		n += len(piece)
		b = b[len(piece):]
	}
	return n, s.werr
}

func (s *SASLConn) send(piece []byte) error {
	if s.werr != nil {
		return s.werr
	}
	token, err := s.codec.Wrap(piece)
	if err == nil && len(token) > saslMaxSize {
		err = fmt.Errorf("token of %d bytes", len(token))
	}
	if err != nil {
		s.werr = fmt.Errorf("layers: sasl: wrap: %w", err)
		return s.werr
	}
	s.out = binary.BigEndian.AppendUint32(s.out[:0], uint32(len(token)))
	s.out = append(s.out, token...)
	_, err = s.Conn.Write(s.out)
	s.out = keepSmall(s.out)
	if err != nil {
		// Wrap has counted the token, so it cannot be sent again.
		s.werr = err
	}
	return err
}

// keepSmall empties a buffer and gives up a large one, so that an idle
// connection holds none.
func keepSmall(b []byte) []byte {
	if cap(b) > 4<<10 {
		return nil
	}
	return b[:0]
}

// isTimeout tells a missed deadline, after which a Read may go on.
func isTimeout(err error) bool {
	if err == nil { // as mostly: the variable below costs an allocation
		return false
	}
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
