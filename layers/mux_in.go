package layers

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/libp2p/go-yamux/v5"
)

const (
	// maxMuxFrame is the longest payload that is taken.
	maxMuxFrame = 64 << 10
	// maxMuxCredit is the most that an end may be let send at once.
	maxMuxCredit = 1 << 30
	// maxMuxIdle is how many frames may come in ten seconds that bring nothing:
	// pings, credit of 0, words about streams that are over.
	maxMuxIdle = 1000
	// maxMuxOpens is how many streams may be opened in ten seconds.
	maxMuxOpens = 20000
	// maxMuxControl is how much may wait to be said about streams and pings: who
	// has us say more and does not take it is cut.
	maxMuxControl = 192 << 10
	// muxLate is how many frames may cross the end of a stream.
	muxLate = 16
	// muxReadBuffer is what is read from below at once, if there is as much.
	muxReadBuffer = 16 << 10
)

// Why a stream is refused or ended, in place of a length in a frame with muxRST.
const (
	muxNoMemory  = 1
	muxNoStreams = 2
	muxLostBelow = 3
)

// muxIn reads frames from the connection and judges each before the library
// sees it: an honest end never breaks these rules, so the tunnel of one that
// does is cut.
type muxIn struct {
	m    *Mux
	from *bufio.Reader
	hdr  [muxHeader]byte
	head []byte // of hdr, to be read by the library
	body int    // bytes of payload, to be read by the library
}

func newMuxWire(m *Mux) *muxWire {
	return &muxWire{muxIn{m: m, from: bufio.NewReaderSize(m.c, muxReadBuffer)}}
}

// Read gives the library its frames.
func (w *muxIn) Read(b []byte) (int, error) {
	for len(w.head) == 0 && w.body == 0 {
		if err := w.next(); err != nil {
			return 0, w.m.lose(err)
		}
	}
	if len(w.head) > 0 {
		n := copy(b, w.head)
		w.head = w.head[n:]
		return n, nil
	}
	n, err := w.from.Read(b[:min(len(b), w.body)])
	w.body -= n
	if err != nil {
		return n, w.m.lose(fmt.Errorf("read: %w", unexpected(err)))
	}
	return n, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// next reads the header of a frame, and the whole of one that the library need
// not see.
func (w *muxIn) next() error {
	if _, err := io.ReadFull(w.from, w.hdr[:]); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	f := muxFrameHead{
		kind:   w.hdr[1],
		flags:  binary.BigEndian.Uint16(w.hdr[2:]),
		id:     binary.BigEndian.Uint32(w.hdr[4:]),
		length: binary.BigEndian.Uint32(w.hdr[8:]),
	}
	if w.hdr[0] != 0 {
		return fmt.Errorf("protocol violation: version %d", w.hdr[0])
	}
	pass, err := w.m.judge(f)
	switch {
	case err != nil:
		return err
	case pass == muxPass:
		w.head = w.hdr[:]
		if f.kind == muxData {
			w.body = int(f.length)
		}
		return nil
	case pass == muxCut: // the library ends the stream as if the other end had wanted it
		w.hdr[1], w.hdr[3] = muxUpdate, muxRST
		w.head = w.hdr[:]
	}
	if f.kind == muxData {
		if _, err := w.from.Discard(int(f.length)); err != nil {
			return fmt.Errorf("read: %w", unexpected(err))
		}
	}
	return nil
}

// verdict is what becomes of a frame.
type verdict int

const (
	muxDrop verdict = iota // the library need not see it
	muxPass
	muxCut // nor any other of this stream
)

type muxFrameHead struct {
	kind       uint8
	flags      uint16
	id, length uint32
}

func (f muxFrameHead) String() string {
	return fmt.Sprintf("frame of type %d, flags %#x, stream %d, length %d", f.kind, f.flags, f.id, f.length)
}

// violates is an error for a frame that must not come.
func violates(f muxFrameHead, why string) (verdict, error) {
	return muxDrop, fmt.Errorf("protocol violation: %s: %v", why, f)
}

// judge reports whether the library is to see the frame, or why the tunnel is to
// end.
func (m *Mux) judge(f muxFrameHead) (verdict, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.In += muxHeader
	if len(m.out.control) > maxMuxControl {
		return violates(f, "it does not take the answers to what it says")
	}
	switch f.kind {
	case muxData:
		return m.judgeData(f)
	case muxUpdate:
		return m.judgeUpdate(f)
	case muxPing:
		if f.flags != muxSYN && f.flags != muxACK {
			return violates(f, "unknown flags")
		}
		return m.judgeIdle(f, muxPass)
	case muxGoAway:
		return muxDrop, errMuxGone
	}
	return violates(f, "unknown type")
}

var errMuxGone = errors.New("closed by the other end")

// judgeIdle passes a frame that brings nothing, unless there are too many.
func (m *Mux) judgeIdle(f muxFrameHead, pass verdict) (verdict, error) {
	if !m.idle.Allow() {
		return violates(f, "flood of frames that bring nothing")
	}
	return pass, nil
}

// judgeLate drops a frame of a stream that is over: some were on their way.
func (m *Mux) judgeLate(f muxFrameHead) (verdict, error) {
	if m.late > 0 {
		m.late--
		return muxDrop, nil
	}
	return m.judgeIdle(f, muxDrop)
}

// judgeData counts what has come against what was granted.
func (m *Mux) judgeData(f muxFrameHead) (verdict, error) {
	n := int64(f.length)
	m.stats.In += n
	s := m.streams[f.id]
	switch {
	case f.flags != 0:
		return violates(f, "unknown flags")
	case n > maxMuxFrame:
		return violates(f, "frame too long")
	case !m.known(f.id):
		return violates(f, "stream that never was")
	case n == 0:
		return m.judgeIdle(f, muxDrop)
	case s == nil:
		if m.stale -= n; m.stale < 0 {
			return violates(f, "data for a stream that is over")
		}
		return muxDrop, nil
	case s.peerEnded && s.reset == nil: // a reset overtakes data
		return violates(f, "data after the end")
	case s.received+n > s.granted:
		return violates(f, "window exceeded")
	}
	s.received += n
	if s.closed || s.reset != nil {
		return muxDrop, nil
	}
	if n < smallFrame && !s.small.came(s) {
		m.cut(s)
		return muxCut, nil
	}
	return muxPass, nil
}

// cut resets a stream whose frames are too small for the memory that is left.
func (m *Mux) cut(s *MuxStream) {
	m.cfg.Log.Warn("stream of a tunnel cut: no memory for what it sends in small pieces", "remote", m.c.RemoteAddr(), "stream", s.id)
	s.resetBy(ErrMuxMemory)
	m.control(muxUpdate, muxRST, s.id, muxNoMemory)
	s.room.Broadcast()
}

// known reports whether there was a stream of that number ever.
func (m *Mux) known(id uint32) bool {
	if id == 0 {
		return false
	}
	if m.isOurs(id) {
		return id < m.nextID || m.streams[id] != nil
	}
	return id <= m.lastID
}

// judgeUpdate is for credit, and for the beginning and the end of streams.
func (m *Mux) judgeUpdate(f muxFrameHead) (verdict, error) {
	if f.flags&muxSYN != 0 {
		return m.judgeOpen(f)
	}
	if f.flags != 0 && f.flags != muxACK && f.flags != muxFIN && f.flags != muxRST {
		return violates(f, "unknown flags")
	}
	if !m.known(f.id) {
		return violates(f, "stream that never was")
	}
	s := m.streams[f.id]
	if s == nil || f.flags == 0 && f.length == 0 {
		return m.judgeLate(f)
	}
	switch {
	case f.flags == muxFIN && f.length != 0: // the library would count it as credit
		return violates(f, "an end that grants credit")
	case f.flags == muxFIN && s.peerEnded:
		return violates(f, "ended twice")
	case f.flags == muxFIN:
		s.peerEnded = true
	case f.flags == muxRST && s.reset != nil:
		return m.judgeIdle(f, muxDrop)
	case f.flags == muxRST:
		s.resetBy(refused(f.length))
	default:
		if s.credit += int64(f.length); s.credit > maxMuxCredit {
			return violates(f, "too much credit")
		}
	}
	s.room.Broadcast()
	if s.closed {
		return muxDrop, nil
	}
	return muxPass, nil
}

// refused is what the other end means by resetting a stream.
func refused(code uint32) error {
	switch code {
	case muxNoMemory:
		return fmt.Errorf("refused by the other end: %w", ErrMuxMemory)
	case muxNoStreams:
		return fmt.Errorf("refused by the other end: %w", ErrMuxStreams)
	case muxLostBelow:
		return fmt.Errorf("behind the other end: %w", ErrMuxLost)
	}
	return fmt.Errorf("closed by the other end: %w", io.ErrClosedPipe)
}

// judgeOpen admits a stream, or refuses it.
func (m *Mux) judgeOpen(f muxFrameHead) (verdict, error) {
	switch {
	case f.flags != muxSYN:
		return violates(f, "unknown flags")
	case f.id == 0 || m.isOurs(f.id):
		return violates(f, "stream opened by the wrong end")
	case f.id <= m.lastID:
		return violates(f, "stream opened twice")
	case int64(f.length)+muxLeast > maxMuxCredit:
		return violates(f, "too much credit")
	case !m.opens.Allow():
		return violates(f, "flood of streams")
	}
	m.lastID = f.id
	switch {
	case m.leaving:
		return m.refuse(f, muxNoStreams, "leaving")
	case m.theirs >= m.cfg.Streams:
		return m.refuse(f, muxNoStreams, "too many are open")
	case m.out.streams() > 2*(m.cfg.Streams+muxOpen):
		return m.refuse(f, muxNoStreams, "what earlier ones have said waits to be written")
	case !m.cfg.Memory.take(muxLeast, muxToOpen):
		return m.refuse(f, muxNoMemory, "no memory is left")
	}
	m.theirs++
	m.add(f.id).credit += int64(f.length)
	return muxPass, nil
}

func (m *Mux) refuse(f muxFrameHead, code uint32, why string) (verdict, error) {
	m.stats.Refused++
	m.stale += muxLeast
	m.late += muxLate
	m.cfg.Log.Warn("stream of a tunnel refused", "remote", m.c.RemoteAddr(), "stream", f.id, "reason", why)
	m.control(muxUpdate, muxRST, f.id, code)
	return muxDrop, nil
}

// Close is called by the library when it gives up: it alone knows of pings.
func (w *muxIn) Close() error {
	w.m.lose(w.m.libraryError())
	return w.m.c.Close()
}

// libraryError is why the library has ended.
func (m *Mux) libraryError() error {
	if session := m.session.Load(); session != nil && session.IsClosed() {
		_, err := session.AcceptStream()
		if errors.Is(err, yamux.ErrKeepAliveTimeout) {
			return fmt.Errorf("no answer to a ping: %w", os.ErrDeadlineExceeded)
		}
		if err != nil {
			return err
		}
	}
	return net.ErrClosed
}

// LocalAddr and the others are of no use to the library.
func (w *muxIn) LocalAddr() net.Addr              { return w.m.c.LocalAddr() }
func (w *muxIn) RemoteAddr() net.Addr             { return w.m.c.RemoteAddr() }
func (w *muxIn) SetDeadline(time.Time) error      { return nil }
func (w *muxIn) SetReadDeadline(time.Time) error  { return nil }
func (w *muxIn) SetWriteDeadline(time.Time) error { return nil }
