package layers

// Protocol flow (RFC 8446, RFC 5246): handshake, then records both ways, then
// a close_notify alert from each side as the mark that its stream ended here
// and was not cut. crypto/tls takes an end of the connection between two
// records for that mark; the conn put below it here makes it ErrTruncated.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// goodbye is how long a Close may take to hand its last record or frame to a
// peer that has stopped reading.
const goodbye = 100 * time.Millisecond

// TLSConn is a TLS session over any connection. It owns the connection below.
type TLSConn struct {
	*tls.Conn
	under *tlsUnder
	close sync.Once

	writing sync.Mutex // held by a Write
}

// TLSServer answers the handshake with config, at TLS 1.2 or better unless
// config says otherwise. A handshake that fails because the peer does not speak
// TLS at all is a tls.RecordHeaderError, and the error says what it spoke.
func TLSServer(config *tls.Config) Layer {
	config = tlsConfig(config)
	return func(ctx context.Context, below net.Conn) (net.Conn, error) {
		under := &tlsUnder{Conn: below}
		return tlsHandshake(ctx, tls.Server(under, config), under, "server")
	}
}

// TLSClient starts the handshake with config, which needs a ServerName to
// verify the peer against.
func TLSClient(config *tls.Config) Layer {
	config = tlsConfig(config)
	return func(ctx context.Context, below net.Conn) (net.Conn, error) {
		under := &tlsUnder{Conn: below}
		return tlsHandshake(ctx, tls.Client(under, config), under, "client")
	}
}

// RelaxedEOF is a Layer that adds nothing: it tells the TLS layer directly
// below that its peer is one of those that never send close_notify, so that
// the end of the connection is an io.EOF.
func RelaxedEOF(_ context.Context, below net.Conn) (net.Conn, error) {
	t, ok := below.(*TLSConn)
	if !ok {
		return nil, fmt.Errorf("layers: relaxed EOF: %s is not TLS", Describe(below))
	}
	t.under.relaxed.Store(true)
	return t, nil
}

// ownTLS is the TLSConn that c was before a Split gave net/http the *tls.Conn
// alone that it knows; any other c stays as it is.
func ownTLS(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		if under, ok := t.NetConn().(*tlsUnder); ok {
			return &TLSConn{Conn: t, under: under}
		}
	}
	return c
}

// TLSState finds the topmost TLS of the stack under c, be it ours or a bare
// *tls.Conn of net/http.
func TLSState(c net.Conn) (tls.ConnectionState, bool) {
	t, ok := As[interface {
		net.Conn
		ConnectionState() tls.ConnectionState
	}](c)
	if !ok {
		return tls.ConnectionState{}, false
	}
	return t.ConnectionState(), true
}

// NetConn returns the connection below.
func (t *TLSConn) NetConn() net.Conn { return t.under.Conn }

// LayerName is "tls1.3" or "tls1.2".
func (t *TLSConn) LayerName() string { return tlsName(t.ConnectionState().Version) }

// Close says goodbye if the peer takes it at once, and closes the connection
// below. It may be called at any time, also while a Read or Write is blocked.
func (t *TLSConn) Close() error {
	t.close.Do(func() {
		t.under.closing.Store(true)
		_ = t.Conn.Close() // its error is the goodbye's; ours is that of below
	})
	return t.under.closeErr
}

// CloseWrite sends close_notify: the peer reads io.EOF, we go on reading. The
// connection below stays open in both directions.
func (t *TLSConn) CloseWrite() error {
	t.writing.Lock()
	defer t.writing.Unlock()
	if err := t.Conn.CloseWrite(); err != nil {
		return fmt.Errorf("layers: tls: close_notify: %w", err)
	}
	return nil
}

// tlsConfig pins the oldest version we speak, whatever GODEBUG says.
func tlsConfig(config *tls.Config) *tls.Config {
	if config == nil {
		config = &tls.Config{}
	}
	if config.MinVersion == 0 {
		config = config.Clone()
		config.MinVersion = tls.VersionTLS12
	}
	return config
}

func tlsHandshake(ctx context.Context, t *tls.Conn, under *tlsUnder, side string) (net.Conn, error) {
	err := t.HandshakeContext(ctx)
	if err == nil {
		return &TLSConn{Conn: t, under: under}, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return nil, fmt.Errorf("layers: tls: %s handshake: %w%s", side, err, tlsHint(err))
}

// tlsHint says in words what a peer that does not speak TLS spoke instead.
func tlsHint(err error) string {
	var record tls.RecordHeaderError
	if !errors.As(err, &record) {
		return ""
	}
	head := string(record.RecordHeader[:])
	for _, p := range []struct{ start, name string }{
		{"GET ", "plain HTTP"}, {"HEAD ", "plain HTTP"}, {"POST ", "plain HTTP"}, {"HTTP/", "plain HTTP"},
		{"RFB ", "plain RFB"}, {"PROXY", "a PROXY header"}, {"\r\n\r\n\x00", "a PROXY header"}, {"SSH-", "SSH"},
	} {
		if strings.HasPrefix(head, p.start) {
			return " (the peer sent " + p.name + ")"
		}
	}
	return ""
}

// tlsName is the name of a protocol version in a stack: "tls1.3".
func tlsName(version uint16) string {
	switch version {
	case tls.VersionTLS13:
		return "tls1.3"
	case tls.VersionTLS12:
		return "tls1.2"
	}
	return "tls"
}

// tlsUnder stands between crypto/tls and the connection below. It turns an end
// that crypto/tls would take for a clean one into ErrTruncated, and shortens
// the five seconds that crypto/tls gives its close_notify.
type tlsUnder struct {
	net.Conn
	relaxed  atomic.Bool
	closing  atomic.Bool
	stuck    atomic.Bool // the peer has let a Write miss its deadline
	closeErr error       // written inside TLSConn.close
	closed   sync.Once
	gather   gather
}

// Read is only asked for more when no close_notify has come, so an io.EOF from
// below is always a cut.
func (u *tlsUnder) Read(b []byte) (int, error) {
	n, err := u.Conn.Read(b)
	if err == io.EOF && !u.relaxed.Load() {
		err = ErrTruncated
	}
	return n, err
}

func (u *tlsUnder) SetWriteDeadline(t time.Time) error {
	switch {
	case !u.closing.Load():
	case u.stuck.Load():
		t = past
	default:
		t = time.Now().Add(goodbye)
	}
	return u.Conn.SetWriteDeadline(t)
}

// NetConn returns the connection below, for Walk to find it under a *tls.Conn.
func (u *tlsUnder) NetConn() net.Conn { return u.Conn }

// LayerName is empty: it is a part of TLS.
func (u *tlsUnder) LayerName() string { return "" }

func (u *tlsUnder) Close() error {
	u.closed.Do(func() { u.closeErr = u.Conn.Close() })
	return u.closeErr
}
