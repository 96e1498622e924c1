package layers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-yamux/v5"
	"golang.org/x/time/rate"
)

// Errors of a Mux and of its streams.
var (
	// ErrMuxLost is matched by every error of a Mux that has ended, and of its
	// streams; the reason is wrapped in them.
	ErrMuxLost = errors.New("layers: tunnel lost")
	// ErrMuxMemory refuses a stream: no receive window is left for it here, or at
	// the other end (then its first Read or Write says so).
	ErrMuxMemory = errors.New("layers: no memory left for another stream of the tunnel")
	// ErrMuxStreams refuses a stream: as many are open as may be, here or there.
	ErrMuxStreams = errors.New("layers: too many streams in the tunnel")
)

const (
	// muxLeast is the credit that a stream begins with, by agreement of both ends:
	// what a stream costs of the memory even when there is hardly any.
	muxLeast = 32 << 10
	// defaultMuxMemory has room for 1000 streams in the half that growth leaves.
	defaultMuxMemory = 2 * 1024 * muxLeast
	// muxOpen is how many streams an end may have open that it has opened.
	muxOpen = 1024
	// muxGoodbye is how long Close waits for what is queued to be on its way.
	muxGoodbye = time.Second
)

// MuxConfig says how a Mux shares its connection. The zero value has the
// defaults in brackets.
type MuxConfig struct {
	// Window is what the other end may send on a new stream before it is read, in
	// bytes (256 KiB, at least 32 KiB), and MaxWindow how far that grows by itself
	// on a long path (16 MiB). Where memory is short a stream has 32 KiB.
	Window, MaxWindow int
	// Memory bounds the receive windows of all streams (64 MiB of its own). It
	// may be shared.
	Memory *MuxMemory
	// Streams is how many streams the other end may have open at once (1000);
	// with a negative number it may open none. We may have 1024 open at least.
	Streams int
	// Ping is the time in which something has to come from the other end, which
	// is asked for it (15 s).
	Ping time.Duration
	// Timeout is for its answer, and for each write of 16 KiB (10 s): then the
	// tunnel is lost.
	Timeout time.Duration
	// Log is told of refusals and of the end; nil: nobody is.
	Log *slog.Logger
}

func (cfg MuxConfig) withDefaults() MuxConfig {
	or := func(n *int, usual int) {
		if *n == 0 {
			*n = usual
		}
	}
	or(&cfg.Window, 256<<10)
	or(&cfg.MaxWindow, 16<<20)
	or(&cfg.Streams, 1000)
	cfg.Window = min(max(cfg.Window, muxLeast), maxMuxWindow)
	cfg.MaxWindow = min(max(cfg.MaxWindow, cfg.Window), maxMuxWindow)
	cfg.Streams = max(cfg.Streams, 0)
	if cfg.Memory == nil {
		cfg.Memory = NewMuxMemory(defaultMuxMemory, nil)
	}
	if cfg.Ping <= 0 {
		cfg.Ping = 15 * time.Second
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// A Mux carries many streams over one connection, in frames of yamux
// (github.com/hashicorp/yamux/blob/master/spec.md). No stream waits for
// another: the other end sends on a stream no more than it was granted, so that
// whatever comes has its place, and is granted more only when that was read.
//
// Streams, their buffers and pings are the work of github.com/libp2p/go-yamux.
// Below it lies what that has not: frames leave in an order by their kind
// (credit and pings, then small writes, then bulk, stream by stream in turn);
// all windows share a bound; and what comes is judged before it is believed.
type Mux struct {
	cfg     MuxConfig
	c       net.Conn
	opener  bool
	session atomic.Pointer[yamux.Session]
	done    chan struct{} // closed when the tunnel is lost
	written chan struct{} // closed when nothing is written any more
	wake    chan struct{} // capacity 1: there is something to write
	arrival chan struct{} // capacity 1: there is something to accept
	closing sync.Once

	openMu sync.Mutex // held while the library numbers a stream

	mu      sync.Mutex
	err     error
	leaving bool // Close was called
	goodbye bool // and the other end was told
	streams map[uint32]*MuxStream
	nextID  uint32 // of the next stream that we open
	lastID  uint32 // of the last that the other end has opened
	ours    int    // streams open, by who has opened them
	theirs  int
	arrived []*MuxStream // to be accepted
	stale   int64        // bytes that may still come on streams that are over
	late    int          // and frames without any
	out     muxOut
	stats   MuxStats
	idle    *rate.Limiter // frames that bring nothing
	opens   *rate.Limiter // streams of the other end
}

// MuxStats are the figures of a Mux since its beginning.
type MuxStats struct {
	In, Out          int64 // bytes, frames' headers included
	Opened, Accepted int64 // streams, by us and by the other end
	Refused          int64 // streams that the other end wanted to open
	Streams          int   // open now
	Queued           int   // bytes waiting to be written
	Window           int64 // what all receive windows of this Mux may hold now
}

// NewMux takes c over and shares it among streams. opener is true at exactly one
// of its ends, by custom the one that dialled; both may open streams. The error
// is for a configuration that cannot be.
func NewMux(c net.Conn, opener bool, cfg MuxConfig) (*Mux, error) {
	cfg = cfg.withDefaults()
	m := &Mux{
		cfg: cfg, c: c, opener: opener,
		done: make(chan struct{}), written: make(chan struct{}),
		wake: make(chan struct{}, 1), arrival: make(chan struct{}, 1),
		streams: map[uint32]*MuxStream{}, nextID: 2,
		idle:  rate.NewLimiter(maxMuxIdle/10, maxMuxIdle),
		opens: rate.NewLimiter(maxMuxOpens/10, maxMuxOpens),
	}
	start := yamux.Server
	if opener {
		m.nextID, start = 1, yamux.Client
	}
	setNotSent(c)
	session, err := start(newMuxWire(m), m.library(), nil)
	if err != nil {
		return nil, fmt.Errorf("layers: tunnel: %w", err)
	}
	m.session.Store(session)
	go m.writeOut()
	go m.takeIn(session)
	return m, nil
}

// library is how the library is set: it grants twice the window that we do, so
// that ours alone counts.
func (m *Mux) library() *yamux.Config {
	c := yamux.DefaultConfig()
	c.AcceptBacklog = max(m.cfg.Streams, muxOpen) + 1
	c.MaxIncomingStreams = uint32(m.cfg.Streams + 1)
	c.InitialStreamWindowSize = 2 * maxMuxWindow
	c.MaxStreamWindowSize = 2 * maxMuxWindow
	c.MaxMessageSize = muxFrame
	c.KeepAliveInterval = m.cfg.Ping
	c.MeasureRTTInterval = m.cfg.Ping
	c.ConnectionWriteTimeout = m.cfg.Timeout
	c.ReadBufSize = 0 // muxWire has one
	c.LogOutput = io.Discard
	return c
}

// Open opens a stream. It does not wait for the other end, which may still refuse
// it: the first Read says so then.
func (m *Mux) Open(ctx context.Context) (*MuxStream, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.openMu.Lock()
	defer m.openMu.Unlock()
	s, err := m.reserve()
	if err != nil {
		return nil, err
	}
	library, err := m.session.Load().OpenStream(context.Background()) // waits for nothing: see library
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil { // meanwhile, and s is forgotten already
		err = m.err
	}
	if err != nil {
		m.forget(s)
		return nil, fmt.Errorf("layers: open a stream: %w", err)
	}
	s.library = library
	m.nextID += 2
	m.stats.Opened++
	m.control(muxUpdate, muxSYN, s.id, s.widen())
	return s, nil
}

// reserve makes room for a stream of ours.
func (m *Mux) reserve() (*MuxStream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.err != nil:
		return nil, m.err
	case m.leaving:
		return nil, muxLost{net.ErrClosed}
	case m.ours >= max(m.cfg.Streams, muxOpen):
		return nil, ErrMuxStreams
	case !m.cfg.Memory.take(muxLeast, muxToOpen):
		return nil, ErrMuxMemory
	}
	m.ours++
	return m.add(m.nextID), nil
}

// Accept waits for a stream that the other end opens.
func (m *Mux) Accept(ctx context.Context) (*MuxStream, error) {
	for {
		m.mu.Lock()
		if len(m.arrived) > 0 && m.err == nil {
			s := m.arrived[0]
			m.arrived = m.arrived[1:]
			if len(m.arrived) > 0 {
				notify(m.arrival)
			}
			m.mu.Unlock()
			return s, nil
		}
		m.mu.Unlock()
		select {
		case <-m.arrival:
		case <-m.done:
			return nil, m.Err()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// takeIn has the library's streams accepted, so that they have their windows
// whether or not somebody calls Accept.
func (m *Mux) takeIn(session *yamux.Session) {
	for {
		library, err := session.AcceptStream()
		if err != nil {
			return
		}
		m.mu.Lock()
		if s := m.streams[library.StreamID()]; s != nil && m.err == nil {
			s.library = library
			m.stats.Accepted++
			m.control(muxUpdate, muxACK, s.id, s.widen())
			m.arrived = append(m.arrived, s)
			notify(m.arrival)
		}
		m.mu.Unlock()
	}
}

// Close ends the tunnel and all its streams. The other end still reads what was
// written on streams whose end was written too, if it does so within a second.
func (m *Mux) Close() error {
	m.closing.Do(func() {
		m.mu.Lock()
		m.leaving = true
		m.mu.Unlock()
		notify(m.wake)
		patience := time.NewTimer(muxGoodbye)
		defer patience.Stop()
		select {
		case <-m.written:
			select {
			case <-m.done: // the other end has read it all, and has closed
			case <-patience.C:
			}
		case <-patience.C:
		}
		m.lose(net.ErrClosed)
		_ = m.session.Load().Close()
		<-m.written
	})
	return nil
}

// Done is closed when the tunnel has ended, for whatever reason.
func (m *Mux) Done() <-chan struct{} { return m.done }

// Err is why the tunnel has ended, an error that matches ErrMuxLost, or nil as
// long as it has not. After Close it matches net.ErrClosed too.
func (m *Mux) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// RoundTrip is how long the last pings took on average, or 0 before the first
// was answered.
func (m *Mux) RoundTrip() time.Duration { return m.session.Load().RTT() }

// Streams is how many streams are open.
func (m *Mux) Streams() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ours + m.theirs
}

// Stats are the figures of the whole.
func (m *Mux) Stats() MuxStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Streams = m.ours + m.theirs
	s.Queued = m.out.queued + len(m.out.control)
	for _, stream := range m.streams {
		s.Window += stream.reserved
		s.Queued -= stream.inLibrary
	}
	return s
}

// muxLost is why a tunnel has ended.
type muxLost struct{ reason error }

func (e muxLost) Error() string        { return ErrMuxLost.Error() + ": " + e.reason.Error() }
func (e muxLost) Is(target error) bool { return target == ErrMuxLost }
func (e muxLost) Unwrap() error        { return e.reason }

// lose ends the tunnel for that reason, if it has not ended, and returns why it
// has.
func (m *Mux) lose(reason error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.leaving { // whatever it looks like: the other end may have left first
		reason = net.ErrClosed
	}
	m.err = muxLost{reason}
	m.cfg.Log.Debug("tunnel lost", "remote", m.c.RemoteAddr(), "error", reason)
	close(m.done)
	for _, s := range m.streams {
		m.forget(s)
		s.room.Broadcast()
		if s.library != nil {
			_ = s.library.SetReadDeadline(past) // ends Read, which need not wait until c is closed
		}
	}
	m.out.drop()
	notify(m.wake)
	return m.err
}

// notify fills a channel of capacity 1.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
