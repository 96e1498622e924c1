package layers

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	pool "github.com/libp2p/go-buffer-pool"
)

const (
	muxHeader = 12
	// muxFrame is the longest frame we send, header included: with it a TLS record
	// is full.
	muxFrame = 16 << 10
	// muxSmall is the payload up to which a frame may overtake longer ones.
	muxSmall = 1 << 10
	// muxAhead is what a stream may have handed over and not written yet, and
	// muxAheadAll that of all streams, beyond which each may have but one frame.
	muxAhead, muxAheadAll = 32 << 10, 256 << 10
)

// Types of frames, and flags.
const (
	muxData   = 0
	muxUpdate = 1 // of the window
	muxPing   = 2
	muxGoAway = 3

	muxSYN = 1
	muxACK = 2
	muxFIN = 4
	muxRST = 8
)

// muxOut is what waits to be written. Three kinds leave in this order: control
// (credit, pings, opens, each 12 bytes), small frames, bulk. The frames of one
// stream keep their order, so a stream's small write waits for its own bulk.
// Streams of a kind take turns, frame by frame.
type muxOut struct {
	control []byte
	small   muxTurns // streams whose next frame is a small one
	bulk    muxTurns
	queued  int // bytes of payload that streams have handed over
	passed  int // small bytes that have overtaken the bulk that waits
}

// streams is how many have something to be written, ended ones included.
func (o *muxOut) streams() int { return len(o.small.waiting()) + len(o.bulk.waiting()) }

// drop forgets everything.
func (o *muxOut) drop() {
	for _, s := range slices.Concat(o.small.waiting(), o.bulk.waiting()) {
		for _, frame := range s.out {
			pool.Put(frame)
		}
		s.out, s.listed = nil, false
	}
	*o = muxOut{}
}

// muxTurns are the streams that wait for their turn, in order.
type muxTurns struct {
	streams []*MuxStream
	first   int
}

func (t *muxTurns) waiting() []*MuxStream { return t.streams[t.first:] }
func (t *muxTurns) empty() bool           { return t.first == len(t.streams) }

func (t *muxTurns) push(s *MuxStream) {
	if t.first > len(t.streams)/2 { // so that the list does not creep through memory
		n := copy(t.streams, t.waiting())
		clear(t.streams[n:])
		t.streams, t.first = t.streams[:n], 0
	}
	t.streams = append(t.streams, s)
}

func (t *muxTurns) pop() *MuxStream {
	s := t.streams[t.first]
	t.streams[t.first] = nil
	t.first++
	return s
}

// muxHead makes a frame without payload.
func muxHead(kind uint8, flags uint16, id, length uint32) []byte {
	b := pool.Get(muxHeader)
	b[0], b[1] = 0, kind
	binary.BigEndian.PutUint16(b[2:], flags)
	binary.BigEndian.PutUint32(b[4:], id)
	binary.BigEndian.PutUint32(b[8:], length)
	return b
}

// control queues a frame without payload before all others; m.mu is held.
func (m *Mux) control(kind uint8, flags uint16, id, length uint32) {
	if m.err != nil {
		return
	}
	head := muxHead(kind, flags, id, length)
	m.out.control = append(m.out.control, head...)
	pool.Put(head)
	notify(m.wake)
}

// push queues a frame of s; m.mu is held.
func (m *Mux) push(s *MuxStream, frame []byte) {
	if m.err != nil {
		pool.Put(frame)
		return
	}
	s.out = append(s.out, frame)
	if !s.listed {
		m.list(s)
	}
	notify(m.wake)
}

// list has s wait for its turn with the next of its frames.
func (m *Mux) list(s *MuxStream) {
	s.listed = len(s.out) > 0
	switch {
	case !s.listed:
	case len(s.out[0]) <= muxHeader+muxSmall:
		m.out.small.push(s)
	default:
		m.out.bulk.push(s)
	}
}

// hasRoom reports whether s may hand over n bytes more. Small writes pass the
// bound of all streams.
func (s *MuxStream) hasRoom(n int) bool {
	return s.queued == 0 || s.queued+n <= muxAhead && (n <= muxSmall || s.m.out.queued < muxAheadAll)
}

// release is for n bytes of s that wait no more; m.mu is held.
func (s *MuxStream) release(n int) {
	s.queued -= n
	s.m.out.queued -= n
	s.room.Broadcast()
}

// writeOut writes what is queued until the tunnel is lost, or we leave and
// nothing is left.
func (m *Mux) writeOut() {
	defer close(m.written)
	for {
		b, over := m.next()
		if over {
			return
		}
		if b == nil {
			<-m.wake
			continue
		}
		_ = m.c.SetWriteDeadline(time.Now().Add(m.cfg.Timeout))
		_, err := m.c.Write(b)
		pool.Put(b)
		if err != nil {
			m.lose(fmt.Errorf("write: %w", err))
			_ = m.c.Close() // the library's Read ends, and so does the library
			return
		}
	}
}

// next takes what is written next: control and small frames together, as many
// as fit into muxFrame, or one frame of bulk.
func (m *Mux) next() (b []byte, over bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := &m.out
	switch {
	case m.err != nil:
		return nil, true
	case len(o.control) == 0 && o.small.empty() && o.bulk.empty():
		if !m.leaving || o.queued > 0 {
			return nil, false
		}
		if m.goodbye {
			return nil, true
		}
		m.goodbye = true
		b = muxHead(muxGoAway, 0, 0, 0)
	case len(o.control) == 0 && (o.small.empty() || !o.bulk.empty() && o.passed >= muxFrame):
		o.passed = 0
		b = m.pop(&o.bulk)
	default:
		b = m.gather(pool.Get(muxFrame)[:0])
	}
	m.stats.Out += int64(len(b))
	return b, false
}

// gather appends control and small frames to b.
func (m *Mux) gather(b []byte) []byte {
	o := &m.out
	n := min(len(o.control), muxFrame-muxFrame%muxHeader)
	b = append(b, o.control[:n]...)
	if o.control = o.control[n:]; len(o.control) == 0 {
		o.control = nil
	}
	for !o.small.empty() && len(b)+len(o.small.waiting()[0].out[0]) <= muxFrame {
		if !o.bulk.empty() && o.passed >= muxFrame {
			break
		}
		frame := m.pop(&o.small)
		o.passed += len(frame)
		b = append(b, frame...)
		pool.Put(frame)
	}
	return b
}

// pop takes the next frame of the first stream of a list.
func (m *Mux) pop(list *muxTurns) []byte {
	s := list.pop()
	frame := s.out[0]
	n := copy(s.out, s.out[1:]) // two or three
	s.out[n] = nil
	s.out = s.out[:n]
	m.list(s)
	s.sent += int64(len(frame) - muxHeader)
	s.release(len(frame) - muxHeader)
	return frame
}

// muxWire is the connection that the library has. It takes whole frames from it
// without waiting, and gives it whole frames.
type muxWire struct {
	muxIn
}

// Write takes one frame: the library writes each by one call. Those that carry
// data or ask for something of the whole tunnel go on; what streams say about
// themselves (windows, ends) MuxStream says.
func (w *muxWire) Write(b []byte) (int, error) {
	m := w.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return 0, m.err
	}
	switch id := binary.BigEndian.Uint32(b[4:]); b[1] {
	case muxData:
		s := m.streams[id]
		if s == nil {
			break
		}
		frame := pool.Get(len(b))
		copy(frame, b)
		frame[2], frame[3] = 0, 0
		m.push(s, frame)
		s.inLibrary -= len(b) - muxHeader
		s.endWrite()
	case muxPing, muxGoAway:
		m.control(b[1], binary.BigEndian.Uint16(b[2:]), id, binary.BigEndian.Uint32(b[8:]))
	}
	return len(b), nil
}
