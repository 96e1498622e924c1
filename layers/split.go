package layers

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Defaults of SplitConfig.
const (
	defaultFirstByte = 3 * time.Second
	defaultHandshake = 10 * time.Second
	defaultHalfOpen  = 256
)

// belowWarning is how often at most it is warned of what Below refuses.
const belowWarning = 10 * time.Second

// SplitConfig says what a Split takes, and for how long it looks at it. The
// zero value takes plain HTTP and plain RFB.
type SplitConfig struct {
	// TLS answers connections that begin with a TLS hello; nil refuses them
	// with an alert. Unless it names protocols for ALPN, http/1.1 is offered
	// where HTTP is taken.
	TLS *tls.Config
	// Turns bounds the handshakes that compute at once; nil does not.
	Turns *Turns
	// TLSOnly refuses connections without TLS: an HTTP request is told so with
	// status 400, anything else is closed.
	TLSOnly bool
	// NoHTTP and NoRaw leave one of the two out. Without raw connections silence
	// is closed after Timeout, and whatever speaks without TLS is for the HTTP
	// server to answer.
	NoHTTP, NoRaw bool
	// Silence is how long a viewer says nothing, as in SniffConfig; 0 is
	// DefaultSilence.
	Silence time.Duration
	// Timeout bounds each step of looking at a connection but the TLS handshake;
	// 0 is three seconds. HandshakeTimeout bounds that; 0 is ten seconds.
	Timeout, HandshakeTimeout time.Duration
	// Max bounds the connections that are being looked at or wait for an
	// Accept; 0 is 256. When there are more, the address that has most of them
	// loses its oldest; the address is that which Below states, once it has.
	Max int
	// Below is run over each connection first, under Timeout: ProxyServer.
	Below Layer
	// Log is told at level debug what was refused, and why; nil: nobody. What
	// Below refuses is a warning, every ten seconds at most: a balancer that
	// sends no header where one must come shuts everybody out.
	Log *slog.Logger
}

// http1 is the name of HTTP/1.1 in ALPN (RFC 7301, 6).
const http1 = "http/1.1"

// Reasons for which a Split gives up a connection.
var (
	errFirstByte     = errors.New("nothing came in time")
	errHandshakeTime = errors.New("the handshake took too long")
	errNotTaken      = errors.New("nobody accepts the connection")
	errCrowded       = errors.New("too many connections at once, and this address has most of them")
	errSplitClosed   = errors.New("the listener is closing")
)

// A Split turns a listener for all comers into one for HTTP and one for raw
// connections, which it tells apart by their first bytes. The connections keep
// their stack: As finds TLS and PROXY headers below.
type Split struct {
	config SplitConfig
	tls    *tls.Config // config.TLS with ALPN
	ln     net.Listener
	http   *side
	raw    *side

	stop  context.CancelCauseFunc
	half  halfOpen
	below rate.Sometimes // how often to warn of what Below refuses
	work  sync.WaitGroup
	ended chan struct{} // closed when Accept below has failed for good
	err   error         // why; before ended is closed

	mu   sync.Mutex
	open int // sides not closed yet
}

// NewSplit takes ln over and begins to accept. Close ends it.
func NewSplit(ln net.Listener, config SplitConfig) *Split {
	ctx, stop := context.WithCancelCause(context.Background())
	s := &Split{config: config, ln: ln, stop: stop, ended: make(chan struct{})}
	s.config.setDefaults()
	s.half.max = s.config.Max
	s.below.Interval = belowWarning
	s.tls = s.serverTLS()
	s.http, s.raw = newSide(s), newSide(s)
	for side, none := range map[*side]bool{s.http: config.NoHTTP, s.raw: config.NoRaw} {
		if none {
			side.shut()
		} else {
			s.open++
		}
	}
	s.work.Go(func() { s.acceptAll(ctx) })
	return s
}

func (c *SplitConfig) setDefaults() {
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{{&c.Silence, DefaultSilence}, {&c.Timeout, defaultFirstByte}, {&c.HandshakeTimeout, defaultHandshake}} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if c.Max <= 0 {
		c.Max = defaultHalfOpen
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

func (s *Split) serverTLS() *tls.Config {
	if s.config.TLS == nil {
		return nil
	}
	config := tlsConfig(s.config.TLS)
	if len(config.NextProtos) > 0 || s.config.NoHTTP {
		return config
	}
	plain := config
	config = config.Clone()
	config.NextProtos = []string{http1} // upgrades exist there alone
	if config.GetConfigForClient == nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if !slices.Contains(hello.SupportedProtos, http1) {
				return plain, nil // crypto/tls turns away who offers others only
			}
			return nil, nil
		}
	}
	return config
}

// HTTP is the listener of the connections that speak HTTP, for http.Server.
// What came over TLS is a *tls.Conn whose handshake is done. Its Close leaves
// the other listener open, and closes the Split if that is closed as well.
func (s *Split) HTTP() net.Listener { return s.http }

// Raw is the listener of the connections that wait to be spoken to, over TLS
// (As finds a *TLSConn) or without. Its Close is like that of HTTP.
func (s *Split) Raw() net.Listener { return s.raw }

// Close closes the listener below and every connection that nobody has taken,
// and returns when all work on them has ended.
func (s *Split) Close() error {
	s.stop(errSplitClosed)
	err := s.ln.Close()
	s.http.shut()
	s.raw.shut()
	s.work.Wait()
	return err
}

// acceptAll is the accept loop. Errors that pass are waited out, as net/http
// does; any other ends the Split.
func (s *Split) acceptAll(ctx context.Context) {
	var pause time.Duration
	for {
		c, err := s.ln.Accept()
		if err == nil {
			pause = 0
			s.admit(ctx, c)
			continue
		}
		if !passes(err) || ctx.Err() != nil {
			s.err = err
			close(s.ended)
			s.stop(err)
			return
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.config.Log.Warn("cannot accept, trying again", "address", s.ln.Addr().String(), "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// passes reports whether an error of Accept is one of the moment, such as a
// lack of file descriptors.
func passes(err error) bool {
	var e interface{ Temporary() bool }
	return !errors.Is(err, net.ErrClosed) && errors.As(err, &e) && e.Temporary()
}

// admit starts the examination of c.
func (s *Split) admit(ctx context.Context, c net.Conn) {
	ctx, cancel := context.WithCancelCause(ctx)
	h := s.half.add(peerAddr(c), func() { cancel(errCrowded) })
	s.work.Go(func() {
		defer cancel(nil)
		defer s.half.remove(h)
		defer s.contain(c)
		if err := s.examine(ctx, c, h); err != nil {
			s.config.Log.Debug("connection refused", "remote", c.RemoteAddr().String(), "error", err)
			_ = c.Close()
		}
	})
}

// examine looks at c and hands it on.
func (s *Split) examine(ctx context.Context, c net.Conn, h *halfConn) error {
	if s.config.Below != nil {
		below, err := s.under(ctx, c)
		if err != nil {
			s.below.Do(func() {
				s.config.Log.Warn("connections are refused before they say anything", "remote", c.RemoteAddr().String(), "error", err)
			})
			return err
		}
		c = below
		s.half.move(h, peerAddr(c))
	}
	kind, c, err := s.look(ctx, c)
	if err != nil {
		return err
	}
	if kind == KindTLS {
		kind, c, err = s.answerTLS(ctx, c)
	} else {
		err = s.judgePlain(ctx, kind, c)
	}
	if err != nil {
		return err
	}
	return s.handOver(ctx, kind, c)
}

func (s *Split) under(ctx context.Context, c net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, errFirstByte)
	defer cancel()
	return s.config.Below(ctx, c)
}

func (s *Split) look(ctx context.Context, c net.Conn) (Kind, net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, errFirstByte)
	defer cancel()
	silence := s.config.Silence
	if s.config.NoRaw || s.config.TLSOnly {
		silence = -1 // nobody who stays silent is let in
	}
	return Sniff(ctx, c, SniffConfig{Silence: silence})
}

// handOver waits until somebody accepts c.
func (s *Split) handOver(ctx context.Context, kind Kind, c net.Conn) error {
	to := s.raw
	if kind == KindHTTP || s.config.NoRaw {
		to = s.http
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.HandshakeTimeout, errNotTaken)
	defer cancel()
	select {
	case to.taken <- c:
		return nil
	case <-to.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A side is one of the two listeners of a Split.
type side struct {
	split  *Split
	taken  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newSide(s *Split) *side {
	return &side{split: s, taken: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept returns the next connection. When the listener below has failed for
// good, it returns that error.
func (d *side) Accept() (net.Conn, error) {
	select {
	case c := <-d.taken:
		return c, nil
	case <-d.closed:
		return nil, d.error(net.ErrClosed)
	case <-d.split.ended:
		return nil, d.error(d.split.err)
	}
}

func (d *side) error(err error) error {
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return err
	}
	return &net.OpError{Op: "accept", Net: d.Addr().Network(), Addr: d.Addr(), Err: err}
}

// Addr is that of the listener below.
func (d *side) Addr() net.Addr { return d.split.ln.Addr() }

func (d *side) shut() (first bool) {
	d.once.Do(func() {
		close(d.closed)
		first = true
	})
	return first
}

// Close ends this side, and the Split with the last of them.
func (d *side) Close() error {
	if !d.shut() {
		return nil
	}
	d.split.mu.Lock()
	d.split.open--
	last := d.split.open == 0
	d.split.mu.Unlock()
	if last {
		return d.split.Close()
	}
	return nil
}

var _ net.Listener = (*side)(nil)
