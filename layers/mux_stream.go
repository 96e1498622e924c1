package layers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/libp2p/go-yamux/v5"
)

// MuxStream is one stream of a Mux: a net.Conn with CloseWrite. It is the lowest
// connection of its stack: the tunnel's own TLS or socket is not found under it,
// for that is another's identity and another's readiness.
type MuxStream struct {
	m       *Mux
	id      uint32
	library *yamux.Stream

	readMu, writeMu sync.Mutex // one Read, one Write at a time
	handMu          sync.Mutex // while a frame is handed to the library

	// What follows belongs to m.mu.
	room       *sync.Cond // something that Write waits for has changed
	credit     int64      // what the other end lets us send
	queued     int        // bytes handed over and not yet written
	inLibrary  int        // those of them that the library still has
	out        [][]byte   // frames
	listed     bool       // in one of the lists of muxOut
	writeEnded bool       // CloseWrite or Close was called
	finSent    bool
	closed     bool
	aborted    bool
	peerEnded  bool  // the other end writes no more
	reset      error // why the other end wants to hear no more, or we do
	gone       chan struct{}
	readAt     time.Time
	writeAt    muxDeadline
	window     int64 // of ours, see mux_credit.go
	granted    int64 // in all
	received   int64
	consumed   int64
	reserved   int64     // of the memory
	updated    time.Time // when the window was last judged,
	tuned      int64     // and what was consumed then
	small      smallFrames
	sent       int64
	waited     time.Duration
	waitsSince time.Time
}

// MuxStreamStats are the figures of one stream.
type MuxStreamStats struct {
	ID      uint32
	In, Out int64         // bytes
	Window  int           // that the other end may send before we read, in bytes
	Credit  int64         // that we may send before the other end reads, in bytes
	Unread  int64         // bytes that have come and were not read
	Waited  time.Duration // how long writes have waited for credit
}

// add registers a stream that has memory; m.mu is held.
func (m *Mux) add(id uint32) *MuxStream {
	s := &MuxStream{m: m, id: id, credit: muxLeast, window: muxLeast, granted: muxLeast, reserved: muxLeast, gone: make(chan struct{})}
	s.room = sync.NewCond(&m.mu)
	m.streams[id] = s
	return s
}

// forget is the end of a stream: its memory is free; m.mu is held.
func (m *Mux) forget(s *MuxStream) {
	if m.streams[s.id] != s {
		return
	}
	delete(m.streams, s.id)
	if s.reset == nil {
		close(s.gone)
	}
	m.late += muxLate
	if !s.peerEnded {
		m.stale += s.granted - s.received
	}
	m.cfg.Memory.give(s.reserved)
	s.reserved = 0
	if m.isOurs(s.id) {
		m.ours--
	} else {
		m.theirs--
	}
}

// resetBy ends a stream that had no such end; m.mu is held.
func (s *MuxStream) resetBy(err error) {
	s.reset = err
	close(s.gone)
}

// Gone is closed when nothing that is written comes to anybody any more: the
// other end has closed the stream, or we have, or the tunnel is lost. What the
// other end wrote before may still be there to be read.
func (s *MuxStream) Gone() <-chan struct{} { return s.gone }

func (m *Mux) isOurs(id uint32) bool { return (id%2 == 1) == m.opener }

// Read reads what the other end has written, and has it granted as much again.
func (s *MuxStream) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	s.readMu.Lock()
	defer s.readMu.Unlock()
	s.m.mu.Lock()
	late := !s.readAt.IsZero() && !time.Now().Before(s.readAt)
	s.m.mu.Unlock()
	if late {
		return 0, s.readError(os.ErrDeadlineExceeded)
	}
	n, err := s.library.Read(b)
	if n > 0 { // an error beside is about the library's own credit, which never leaves
		s.consume(n)
		return n, nil
	}
	return 0, s.readError(err)
}

// readError is the library's, in the words of net.
func (s *MuxStream) readError(err error) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	var timeout net.Error
	switch {
	case s.closed:
		err = net.ErrClosed
	case err == io.EOF:
		return io.EOF
	case s.m.err != nil: // the library's error may be a timeout then
		err = s.m.err
	case errors.As(err, &timeout) && timeout.Timeout():
		err = os.ErrDeadlineExceeded
	case s.reset != nil:
		err = s.reset
	}
	return s.opError("read", err)
}

// Write sends b in frames of at most 16 KiB, each when there is credit for it and
// those before it have left.
func (s *MuxStream) Write(b []byte) (n int, err error) {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	for len(b) > 0 {
		k, err := s.await(len(b))
		if err == nil {
			err = s.hand(b[:k])
		}
		if err != nil {
			return n, s.opError("write", err)
		}
		n += k
		b = b[k:]
	}
	return n, nil
}

// await waits until some of n bytes may be sent, and takes the credit for them.
func (s *MuxStream) await(n int) (int, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	defer s.waitOver()
	for {
		k := min(muxPiece(n), int(s.credit))
		switch {
		case s.writeEnded:
			return 0, net.ErrClosed
		case s.m.err != nil:
			return 0, s.m.err
		case s.reset != nil:
			return 0, s.reset
		case s.writeAt.missed():
			return 0, os.ErrDeadlineExceeded
		case k > 0 && s.hasRoom(k):
			s.credit -= int64(k)
			s.queued += k
			s.inLibrary += k
			s.m.out.queued += k
			return k, nil
		case k == 0 && s.waitsSince.IsZero():
			s.waitsSince = time.Now()
		}
		s.room.Wait()
	}
}

// muxPiece is the length of the next frame of n bytes: equal parts, for one that
// is just longer than a frame would leave a crumb each time.
func muxPiece(n int) int {
	const most = muxFrame - muxHeader
	frames := (n + most - 1) / most
	return (n + frames - 1) / frames
}

// waitOver counts the time that was waited for credit.
func (s *MuxStream) waitOver() {
	if !s.waitsSince.IsZero() {
		s.waited += time.Since(s.waitsSince)
		s.waitsSince = time.Time{}
	}
}

// hand gives one frame to the library, which gives it to muxWire.Write. Neither
// waits for anything.
func (s *MuxStream) hand(b []byte) error {
	s.handMu.Lock()
	defer s.handMu.Unlock()
	n, err := s.library.Write(b)
	if err == nil {
		return nil
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.inLibrary -= len(b) - n
	s.release(len(b) - n)
	s.endWrite()
	switch {
	case s.m.err != nil:
		return s.m.err
	case s.reset != nil:
		return s.reset
	}
	return net.ErrClosed // Close was between
}

// CloseWrite ends the direction away from us.
func (s *MuxStream) CloseWrite() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.err != nil && !s.writeEnded {
		return s.opError("close", s.m.err)
	}
	s.writeEnded = true
	s.room.Broadcast()
	s.endWrite()
	return nil
}

// Close ends both directions. What was written is still sent; the other end
// reads it and then the end, and can write no more.
func (s *MuxStream) Close() error { return s.end(false) }

// Abort is Close where what the stream leads to was lost: the other end's Reads and
// Writes fail at once, with an error that matches ErrMuxLost.
func (s *MuxStream) Abort() error { return s.end(true) }

func (s *MuxStream) end(abort bool) error {
	s.m.mu.Lock()
	if s.closed {
		s.m.mu.Unlock()
		return nil
	}
	s.closed, s.writeEnded, s.aborted = true, true, abort
	s.writeAt.stop()
	s.room.Broadcast()
	s.m.mu.Unlock()
	s.handMu.Lock()
	_ = s.library.Reset() // wakes Read; its frame does not leave
	s.handMu.Unlock()
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.endWrite()
	return nil
}

// endWrite sends the end once all before it has come from the library; m.mu is
// held.
func (s *MuxStream) endWrite() {
	if !s.writeEnded || s.inLibrary > 0 || s.m.streams[s.id] != s {
		return
	}
	if !s.finSent && !s.aborted && s.reset == nil {
		s.m.push(s, muxHead(muxUpdate, muxFIN, s.id, 0))
	}
	s.finSent = true
	if !s.closed {
		return
	}
	switch {
	case s.reset != nil:
	case s.aborted:
		s.m.push(s, muxHead(muxUpdate, muxRST, s.id, muxLostBelow))
	case !s.peerEnded:
		s.m.push(s, muxHead(muxUpdate, muxRST, s.id, 0))
	}
	s.m.forget(s)
}

// SetDeadline sets both deadlines.
func (s *MuxStream) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline bounds Reads.
func (s *MuxStream) SetReadDeadline(t time.Time) error {
	s.m.mu.Lock()
	s.readAt = t
	s.m.mu.Unlock()
	return s.library.SetReadDeadline(t)
}

// SetWriteDeadline bounds Writes. One that misses it may have sent a part.
func (s *MuxStream) SetWriteDeadline(t time.Time) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if !s.closed {
		s.writeAt.set(s.room, t)
	}
	return nil
}

// LocalAddr is the tunnel's local address with the stream's number, of network
// "mux".
func (s *MuxStream) LocalAddr() net.Addr { return muxAddr{s.m.c.LocalAddr(), s.id} }

// RemoteAddr is the same of the other end.
func (s *MuxStream) RemoteAddr() net.Addr { return muxAddr{s.m.c.RemoteAddr(), s.id} }

// LayerName is "mux".
func (s *MuxStream) LayerName() string { return "mux" }

// Mux is the tunnel that the stream is in.
func (s *MuxStream) Mux() *Mux { return s.m }

// Stats are the figures of the stream, also after its end.
func (s *MuxStream) Stats() MuxStreamStats {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	stats := MuxStreamStats{
		ID: s.id, In: s.received, Out: s.sent, Window: int(s.window),
		Credit: s.credit, Unread: s.received - s.consumed, Waited: s.waited,
	}
	if !s.waitsSince.IsZero() {
		stats.Waited += time.Since(s.waitsSince)
	}
	return stats
}

func (s *MuxStream) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "mux", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
}

type muxAddr struct {
	tunnel net.Addr
	id     uint32
}

func (a muxAddr) Network() string { return "mux" }

func (a muxAddr) String() string {
	return fmt.Sprint(a.tunnel) + "#" + strconv.FormatUint(uint64(a.id), 10)
}

// muxDeadline wakes a stream's Write when it is missed.
type muxDeadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *muxDeadline) missed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// set is called with the lock of room held.
func (d *muxDeadline) set(room *sync.Cond, t time.Time) {
	d.stop()
	d.at = t
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, func() {
			room.L.Lock() // so that no Write is between its look and its Wait
			defer room.L.Unlock()
			room.Broadcast()
		})
	}
	room.Broadcast()
}

func (d *muxDeadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
