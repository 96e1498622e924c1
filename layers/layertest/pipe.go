package layertest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBuffer is what a pipe holds in each direction before a Write waits.
const pipeBuffer = 64 << 10

// Pipe returns the two ends of a buffered connection in memory, both *PipeConn.
// Other than with net.Pipe a Write does not wait for its reader until 64 KiB are
// under way, as with a socket; deadlines, CloseWrite and Close work alike.
func Pipe() (net.Conn, net.Conn) {
	ab, ba := newStream(), newStream()
	return &PipeConn{in: ba, out: ab}, &PipeConn{in: ab, out: ba}
}

// PipeConn is one end of a Pipe. Its hooks say what the other end gets to see of
// what this end writes; set them before the bytes they are about.
type PipeConn struct {
	in, out *stream
}

// StallAfter lets n more bytes through to the other end and holds back what
// follows, until the next call. A negative n lets everything through.
func (p *PipeConn) StallAfter(n int) { p.out.limit(n, nil) }

// CutAfter lets n more bytes through, then the other end reads io.EOF.
func (p *PipeConn) CutAfter(n int) { p.out.limit(n, io.EOF) }

// FailAfter lets n more bytes through, then the other end's Reads fail with err.
func (p *PipeConn) FailAfter(n int, err error) { p.out.limit(n, err) }

// Chunk makes each Read of the other end return at most n bytes; 0 means no limit.
func (p *PipeConn) Chunk(n int) { p.out.setChunk(n) }

// Sent is the number of bytes this end has written so far.
func (p *PipeConn) Sent() int {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	return p.out.sent
}

// Waiting is the number of bytes that the other end has written and this end
// has not read yet.
func (p *PipeConn) Waiting() int {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	return len(p.in.data)
}

// Read reads what the other end has written.
func (p *PipeConn) Read(b []byte) (int, error) {
	n, err := p.in.read(b)
	return n, opError("read", err)
}

// Write hands b to the other end.
func (p *PipeConn) Write(b []byte) (int, error) {
	n, err := p.out.write(b)
	return n, opError("write", err)
}

// Close ends both directions; bytes already written can still be read.
func (p *PipeConn) Close() error {
	p.out.endWrite(net.ErrClosed)
	p.in.endRead()
	return nil
}

// CloseWrite ends the direction away from this end.
func (p *PipeConn) CloseWrite() error {
	p.out.endWrite(io.ErrClosedPipe)
	return nil
}

// SetDeadline sets both deadlines.
func (p *PipeConn) SetDeadline(t time.Time) error {
	p.in.reader.set(&p.in.mu, p.in.cond, t)
	p.out.writer.set(&p.out.mu, p.out.cond, t)
	return nil
}

// SetReadDeadline bounds Reads.
func (p *PipeConn) SetReadDeadline(t time.Time) error {
	p.in.reader.set(&p.in.mu, p.in.cond, t)
	return nil
}

// SetWriteDeadline bounds Writes.
func (p *PipeConn) SetWriteDeadline(t time.Time) error {
	p.out.writer.set(&p.out.mu, p.out.cond, t)
	return nil
}

// LocalAddr is of network "pipe".
func (p *PipeConn) LocalAddr() net.Addr { return pipeAddr{} }

// RemoteAddr is of network "pipe".
func (p *PipeConn) RemoteAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// opError makes a failure look as that of a socket; io.EOF stays itself.
func opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "pipe", Addr: pipeAddr{}, Err: err}
}

// stream is one direction of a pipe.
type stream struct {
	mu   sync.Mutex
	cond *sync.Cond
	data []byte

	reader, writer deadline

	werr    error // why nothing can be written any more
	rclosed bool  // by the reader
	allowed int   // bytes still let through, or negative
	fault   error // what comes after them, or nil for a stall
	chunk   int
	sent    int
}

func newStream() *stream {
	s := &stream{allowed: -1}
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch n := s.readable(len(b)); {
		case s.rclosed:
			return 0, net.ErrClosed
		case s.reader.missed():
			return 0, os.ErrDeadlineExceeded
		case n > 0 || len(b) == 0:
			return s.take(b[:n]), nil
		case s.allowed == 0 && s.fault != nil:
			return 0, s.fault
		case s.werr != nil && len(s.data) == 0 && s.allowed != 0:
			return 0, io.EOF
		}
		s.cond.Wait()
	}
}

func (s *stream) readable(n int) int {
	n = min(n, len(s.data))
	if s.allowed >= 0 {
		n = min(n, s.allowed)
	}
	if s.chunk > 0 {
		n = min(n, s.chunk)
	}
	return n
}

func (s *stream) take(b []byte) int {
	n := copy(b, s.data)
	s.data = s.data[n:]
	if s.allowed > 0 {
		s.allowed -= n
	}
	s.cond.Broadcast()
	return n
}

func (s *stream) write(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.werr != nil:
			return n, s.werr
		case s.rclosed:
			return n, io.ErrClosedPipe
		case s.writer.missed():
			return n, os.ErrDeadlineExceeded
		case len(b) == 0:
			return n, nil
		}
		if k := min(len(b), pipeBuffer-len(s.data)); k > 0 {
			s.data = append(s.data, b[:k]...)
			s.sent += k
			b = b[k:]
			n += k
			s.cond.Broadcast()
			continue
		}
		s.cond.Wait()
	}
}

func (s *stream) endWrite(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.werr == nil || err == net.ErrClosed {
		s.werr = err
	}
	s.writer.stop()
	s.cond.Broadcast()
}

func (s *stream) endRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rclosed = true
	s.reader.stop()
	s.cond.Broadcast()
}

func (s *stream) limit(n int, fault error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed, s.fault = n, fault
	s.cond.Broadcast()
}

func (s *stream) setChunk(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chunk = n
}

// deadline wakes a stream's waiters when it is missed.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) missed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) set(mu *sync.Mutex, cond *sync.Cond, t time.Time) {
	mu.Lock()
	defer mu.Unlock()
	d.stop()
	d.at = t
	if !t.IsZero() && time.Until(t) > 0 {
		d.timer = time.AfterFunc(time.Until(t), func() {
			mu.Lock() // so that no waiter is between its check and its Wait
			defer mu.Unlock()
			cond.Broadcast()
		})
	}
	cond.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
