package layers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultSilence is how long a connection says nothing before it is taken for a
// viewer that waits for the display's greeting. Other programs that share a port
// in this way wait for 100 ms; three times that forgives a lost packet.
const DefaultSilence = 300 * time.Millisecond

// Kind is what a connection turned out to be.
type Kind int

// The kinds that Sniff tells apart.
const (
	KindUnknown Kind = iota // it speaks first, in no language known here
	KindTLS                 // a TLS or an SSLv2 hello
	KindHTTP                // a request of HTTP
	KindRFB                 // silence, as of a viewer, or the letters "RFB "
)

// String is the name of the kind in a log.
func (k Kind) String() string {
	switch k {
	case KindTLS:
		return "TLS"
	case KindHTTP:
		return "HTTP"
	case KindRFB:
		return "RFB"
	}
	return "unknown"
}

// SniffConfig refines Sniff.
type SniffConfig struct {
	// Silence is how long nothing may come before the connection is KindRFB;
	// 0 is DefaultSilence, and a negative one waits for as long as ctx allows.
	Silence time.Duration
}

// openings are what HTTP and RFB begin with.
var openings = []struct {
	text string
	kind Kind
}{
	{"GET ", KindHTTP}, {"HEAD ", KindHTTP}, {"POST ", KindHTTP}, {"OPTIONS ", KindHTTP}, {"PUT ", KindHTTP},
	{"DELETE ", KindHTTP}, {"CONNECT ", KindHTTP}, {"PATCH ", KindHTTP}, {"TRACE ", KindHTTP}, {"PRI ", KindHTTP},
	{"RFB ", KindRFB},
}

// longestOpening bounds what is read ahead.
const longestOpening = len("OPTIONS ")

// Types of the first byte of a TLS record and of an SSLv2 hello.
const (
	tlsHandshakeRecord = 0x16
	ssl2Hello          = 0x80
)

// Sniff tells by its first bytes what c is, within ctx. The connection it
// returns gives those bytes back and then steps aside (see Raw); it owns c. On
// error c is still the caller's.
func Sniff(ctx context.Context, c net.Conn, config SniffConfig) (Kind, net.Conn, error) {
	s := &sniffed{Conn: c}
	kind, err := s.examine(ctx, config.Silence)
	if err != nil {
		return KindUnknown, nil, fmt.Errorf("layers: sniff: %w", err)
	}
	s.pending.Store(s.end > 0)
	return kind, s, nil
}

// errSilent ends the wait for a first byte.
var errSilent = errors.New("silence")

// lastLook is how long a silent connection is looked at once more.
const lastLook = 5 * time.Millisecond

// sniffed is a connection whose first bytes have been looked at.
type sniffed struct {
	net.Conn
	pending    atomic.Bool // head still holds bytes
	mu         sync.Mutex
	head       [longestOpening]byte
	start, end int
}

func (s *sniffed) examine(ctx context.Context, silence time.Duration) (Kind, error) {
	err := s.firstByte(ctx, silence)
	if errors.Is(err, errSilent) {
		return KindRFB, nil
	}
	for err == nil {
		if kind, sure := classify(s.head[:s.end]); sure {
			return kind, nil
		}
		err = s.more(ctx)
	}
	return KindUnknown, err
}

func (s *sniffed) firstByte(ctx context.Context, silence time.Duration) error {
	if silence < 0 {
		return s.more(ctx)
	}
	return unlessSilent(ctx, cmp.Or(silence, DefaultSilence), s.more)
}

// unlessSilent runs read until the silence is over, and once more for a moment:
// on a machine that is too busy to look, bytes may have been there all the time.
func unlessSilent(ctx context.Context, silence time.Duration, read func(context.Context) error) (err error) {
	for _, wait := range [...]time.Duration{silence, lastLook} {
		waiting, cancel := context.WithTimeoutCause(ctx, wait, errSilent)
		err = read(waiting)
		cancel()
		if !errors.Is(err, errSilent) {
			return err
		}
	}
	return err
}

// more reads ahead what there is room for.
func (s *sniffed) more(ctx context.Context) error {
	return Interrupt(ctx, s.Conn, func() error {
		n, err := s.Conn.Read(s.head[s.end:])
		s.end += n
		if n > 0 {
			return nil
		}
		return err
	})
}

// classify says what begins with b, at least one byte, and whether more bytes
// could not change that.
func classify(b []byte) (kind Kind, sure bool) {
	if b[0] == tlsHandshakeRecord || b[0] == ssl2Hello {
		return KindTLS, true
	}
	for _, o := range openings {
		switch {
		case strings.HasPrefix(string(b), o.text):
			return o.kind, true
		case strings.HasPrefix(o.text, string(b)):
			return KindUnknown, false
		}
	}
	return KindUnknown, true
}

// Read gives the bytes back that were looked at, and then reads on.
func (s *sniffed) Read(b []byte) (int, error) {
	if !s.pending.Load() || len(b) == 0 {
		return s.Conn.Read(b)
	}
	s.mu.Lock()
	n := copy(b, s.head[s.start:s.end])
	s.start += n
	s.pending.Store(s.start < s.end)
	s.mu.Unlock()
	if n == 0 { // another Read took them
		return s.Conn.Read(b)
	}
	return n, nil
}

// NetConn returns the connection below.
func (s *sniffed) NetConn() net.Conn { return s.Conn }

// Bypass returns the connection below once all bytes have been given back.
func (s *sniffed) Bypass() net.Conn {
	if s.pending.Load() {
		return nil
	}
	return s.Conn
}

// LayerName is empty: a look at the first bytes adds nothing to the stack.
func (s *sniffed) LayerName() string { return "" }

// CloseWrite ends our direction as the connection below does it.
func (s *sniffed) CloseWrite() error { return CloseWrite(s.Conn) }
