package layers

// Inside TLS, too, a browser speaks first and a viewer waits. What it says cannot
// be looked at there: net/http tells a request that it came over TLS only if it
// is given the *tls.Conn itself, and that takes no byte back. So the wait happens
// below TLS: a client that has sent a record since the handshake speaks first.
// For that the records must not be read ahead into crypto/tls's buffer, which
// the conn here sees to, until it knows.

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// recordHeader is type, version and length of a TLS record.
const recordHeader = 5

// records hands the bytes of each TLS record over separately until it is set
// free. Its Read is crypto/tls's alone, which calls it under a lock.
type records struct {
	net.Conn
	free   atomic.Bool
	header [recordHeader]byte
	have   int  // bytes of header
	left   int  // bytes of the record that follow it
	held   bool // first is a byte read ahead
	first  [1]byte
}

func (r *records) Read(b []byte) (int, error) {
	if len(b) == 0 || r.free.Load() && !r.held {
		return r.Conn.Read(b)
	}
	if r.held {
		r.held = false
		b[0] = r.first[0]
		return 1, nil
	}
	n, err := r.Conn.Read(b[:min(len(b), r.wanted())])
	r.count(b[:n])
	return n, err
}

// wanted is what is missing of the current header or record.
func (r *records) wanted() int {
	if r.have < recordHeader {
		return recordHeader - r.have
	}
	return r.left
}

func (r *records) count(b []byte) {
	if r.have < recordHeader {
		r.have += copy(r.header[r.have:], b)
		if r.have == recordHeader {
			r.left = int(binary.BigEndian.Uint16(r.header[3:]))
		}
	} else {
		r.left -= len(b)
	}
	if r.have == recordHeader && r.left == 0 {
		r.have = 0
	}
}

// speaks waits for the next record and reports whether one began before the
// silence was over. From then on it reads whatever comes.
func (r *records) speaks(ctx context.Context, silence time.Duration) (bool, error) {
	err := unlessSilent(ctx, silence, r.ahead)
	r.free.Store(true)
	if errors.Is(err, errSilent) {
		return false, nil
	}
	return err == nil, err
}

// ahead reads one byte ahead.
func (r *records) ahead(ctx context.Context) error {
	return Interrupt(ctx, r.Conn, func() error {
		n, err := r.Conn.Read(r.first[:])
		r.held = n > 0
		if r.held {
			return nil
		}
		return err
	})
}

// NetConn returns the connection below.
func (r *records) NetConn() net.Conn { return r.Conn }

// LayerName is empty: it is a part of TLS.
func (r *records) LayerName() string { return "" }

// CloseWrite ends our direction as the connection below does it.
func (r *records) CloseWrite() error { return CloseWrite(r.Conn) }

// answerTLS runs the handshake on c and tells what is inside. An HTTP connection
// is returned as the *tls.Conn that net/http knows, any other as a TLSConn.
func (s *Split) answerTLS(ctx context.Context, c net.Conn) (Kind, net.Conn, error) {
	if s.config.TLS == nil {
		refuseTLS(c)
		return KindTLS, nil, errors.New("TLS is not offered here")
	}
	below := &records{Conn: c}
	under := &tlsUnder{Conn: below}
	t := tls.Server(under, s.tls)
	hctx, cancel := context.WithTimeoutCause(ctx, s.config.HandshakeTimeout, errHandshakeTime)
	defer cancel()
	made, err := s.config.Turns.handshake(hctx, t, under)
	if err != nil {
		return KindTLS, nil, err
	}
	kind, err := s.insideTLS(ctx, t, below)
	if err != nil {
		return KindTLS, nil, fmt.Errorf("inside TLS: %w", err)
	}
	if kind == KindHTTP {
		under.relaxed.Store(true) // net/http takes any other end for a bad request
		return kind, t, nil
	}
	return kind, made, nil
}

// insideTLS tells HTTP by ALPN, which browsers use and so may stay silent on a
// connection they opened in advance, or by who speaks first.
func (s *Split) insideTLS(ctx context.Context, t *tls.Conn, below *records) (Kind, error) {
	switch {
	case s.config.NoRaw, t.ConnectionState().NegotiatedProtocol == http1:
		below.free.Store(true)
		return KindHTTP, nil
	case s.config.NoHTTP:
		below.free.Store(true)
		return KindRFB, nil
	}
	speaks, err := below.speaks(ctx, s.config.Silence)
	if speaks {
		return KindHTTP, err
	}
	return KindRFB, err
}

// refuseTLS sends the fatal alert handshake_failure (RFC 8446, 6.2), which
// clients of every version understand.
func refuseTLS(c net.Conn) {
	_ = c.SetWriteDeadline(time.Now().Add(goodbye))
	_, _ = c.Write([]byte{0x15, 0x03, 0x01, 0, 2, 2, 40})
}
