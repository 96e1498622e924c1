package gateway

import (
	"cmp"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"vncgate/layers"
)

const (
	smallRead = 2 << 10   // what a direction reads with while little moves
	bulkRead  = 256 << 10 // what it reads with while much does
	wideRead  = 512 << 10 // the same while no other relay moves anything
	tickEvery = time.Second
)

// The buffers that are lent to a direction while bytes move, with room for a
// frame header in front. A piece of many bytes is cheap, for every one costs two
// system calls and mostly two changes of threads, and keeps others waiting.
var (
	smallBuffers = sync.Pool{New: func() any { return new([maxHeadroom + smallRead]byte) }}
	bulkBuffers  = sync.Pool{New: func() any { b := make([]byte, maxHeadroom+bulkRead); return &b }}
	wideBuffers  = sync.Pool{New: func() any { b := make([]byte, maxHeadroom+wideRead); return &b }}
)

const maxHeadroom = 16

// pump is one direction of a relay.
type pump struct {
	relay     *relay
	src, dst  net.Conn
	write     func([]byte) (int, error)                    // to dst, through filter or framing
	cut       func(b []byte, headroom int) ([]byte, error) // what is left of b to write; nil: all
	headroom  int                                          // bytes in front of the payload that write wants
	stall     time.Duration
	moved     atomic.Int64                 // payload bytes
	rate      atomic.Pointer[rate.Limiter] // nil: as fast as can be
	perSecond atomic.Int64                 // by the grant alone
	writing   atomic.Bool                  // nobody reads from src meanwhile

	since  int           // bytes moved since the last yield
	owns   bool          // a thread
	left   bool          // it has ended; the relay's lock
	armed  time.Time     // when the write deadline was last set
	lent   *[]byte       // a bulk or wide buffer, while bytes move
	lender *class        // that counts it, or nil
	loan   int64         // as so many bytes
	ticked int64         // moved at the last tick
	quiet  time.Duration // how long nothing had moved then
	spot   spot          // where it rests
}

// join makes p the direction from src to dst, through the framing of dst where
// that has one.
func (p *pump) join(r *relay, src, dst net.Conn, stall time.Duration) {
	p.relay, p.src, p.dst, p.write, p.stall = r, src, dst, dst.Write, stall
	p.spot.raw = socketUnder(src)
	if w, ok := layers.Raw(dst).(layers.HeadroomWriter); ok && w.Headroom() <= maxHeadroom {
		p.headroom, p.write = w.Headroom(), w.WriteHeadroom
	}
}

// run copies until an end, of which one of the errors says which it is, or until
// the direction should rest: readErr is errResting then, and all buffers have
// been given back.
func (p *pump) run() (readErr, writeErr error) {
	small := smallBuffers.Get().(*[maxHeadroom + smallRead]byte)
	defer smallBuffers.Put(small)
	defer p.giveBack()
	defer p.disown()
	p.relay.fair.enter()
	defer p.relay.fair.leave()
	p.begin()
	for {
		buf := small[:p.headroom+smallRead]
		if p.lent != nil {
			buf = p.piece()
			p.own()
		}
		if limit := p.rate.Load(); limit != nil { // what waits with us hides the end of src
			buf = buf[:min(len(buf), p.headroom+limit.Burst())]
		}
		n, err := p.src.Read(buf[p.headroom:])
		if n > 0 {
			p.yield(n)
			if err := p.pass(buf[:p.headroom+n]); err != nil {
				return nil, err
			}
		}
		switch {
		case err == nil:
			p.grow(n)
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := p.tick(err); err != nil {
				return err, nil
			}
		default:
			return err, nil
		}
	}
}

// pass writes what lies behind the headroom.
func (p *pump) pass(b []byte) error {
	p.arm()
	p.writing.Store(true)
	if err := p.send(b); err != nil {
		return err
	}
	p.writing.Store(false)
	p.moved.Add(int64(len(b) - p.headroom))
	return nil
}

// arm renews the deadline that ends a session whose peer takes nothing: now and
// then, not for every message.
func (p *pump) arm() {
	if now := time.Now(); now.Sub(p.armed) > p.stall/4 {
		p.armed = now
		p.setDeadline(p.dst.SetWriteDeadline, now.Add(p.stall))
	}
}

// send writes what the filter leaves, no faster than it may. An error of the
// filter comes after what it let through.
func (p *pump) send(b []byte) error {
	left, err := b, error(nil)
	if p.cut != nil {
		left, err = p.cut(b, p.headroom)
	}
	if t := p.relay.tap; t != nil && p == &p.relay.down && len(left) > p.headroom {
		if rerr := t.display(left[p.headroom:]); rerr != nil {
			return rerr
		}
	}
	switch limit := p.rate.Load(); {
	case len(left) <= p.headroom:
	case limit != nil:
		err = cmp.Or(p.sendSlowly(left, limit), err)
	default:
		if _, werr := p.write(left); werr != nil {
			return werr
		}
	}
	return err
}

// begin sets the first tick of a run. A direction that was woken rests again
// unless bytes of the stream come within a glance.
func (p *pump) begin() {
	p.ticked = p.moved.Load()
	after, can := p.canRest()
	if !can {
		p.setReadDeadline(time.Time{})
		return
	}
	p.quiet = after
	p.setReadDeadline(time.Now().Add(max(min(glance, after), leastTick)))
}

// piece is the part of the lent buffer to read with.
func (p *pump) piece() []byte {
	if b := *p.lent; len(b) < wideRead || p.relay.fair.alone() {
		return b
	}
	return (*p.lent)[:p.headroom+bulkRead]
}

// grow takes a larger buffer if a Read of n bytes had more to come.
func (p *pump) grow(n int) {
	switch {
	case p.lent == nil && n == smallRead:
		p.borrow()
	case p.lent != nil && n >= bulkRead && len(*p.lent) < wideRead && p.relay.fair.alone() && p.borrows(wideRead-bulkRead):
		bulkBuffers.Put(p.lent)
		p.lent = wideBuffers.Get().(*[]byte)
	}
}

// borrow takes a bulk buffer. From then on a read deadline ticks, if none did
// before: when a tick passes without a byte, the buffer goes back.
func (p *pump) borrow() {
	p.lender = p.relay.class.Load()
	if !p.borrows(bulkRead) {
		return
	}
	p.lent = bulkBuffers.Get().(*[]byte)
	if _, ticks := p.canRest(); !ticks {
		p.ticked = p.moved.Load()
		p.setReadDeadline(time.Now().Add(tickEvery))
	}
}

// borrows reports whether the class has room for a larger buffer.
func (p *pump) borrows(more int64) bool {
	if p.lender != nil && !p.lender.lend(more) {
		return false
	}
	p.loan += more
	return true
}

// tick looks whether something has moved since the last one. It returns err if
// the deadline that was missed is that of an end, and errResting when the
// direction should rest.
func (p *pump) tick(err error) error {
	if _, ending := p.relay.endsBy(); ending {
		return err
	}
	if p.relay.isPaused() {
		return errResting
	}
	after, rests := p.canRest()
	next := max(min(tickEvery, after), leastTick)
	if moved := p.moved.Load(); moved != p.ticked {
		p.ticked, p.quiet = moved, 0
	} else {
		p.disown()
		p.giveBack()
		p.quiet += next
	}
	switch {
	case rests && p.quiet >= after:
		return errResting
	case rests:
		p.setReadDeadline(time.Now().Add(next))
	case p.lent != nil:
		p.setReadDeadline(time.Now().Add(tickEvery))
	default:
		p.setReadDeadline(time.Time{})
	}
	return nil
}

// setReadDeadline undoes neither the deadline of an end nor that of a pause.
func (p *pump) setReadDeadline(t time.Time) {
	p.setDeadline(p.src.SetReadDeadline, t)
	if p.relay.isPaused() {
		_ = p.src.SetReadDeadline(past)
	}
}

// setDeadline never undoes the deadlines of an end that has begun: the end is
// recorded before its deadlines are set, so that one of the two sees the other.
func (p *pump) setDeadline(set func(time.Time) error, t time.Time) {
	_ = set(t)
	if over, ending := p.relay.endsBy(); ending {
		_ = set(over)
	}
}

func (p *pump) giveBack() {
	switch {
	case p.lent == nil:
		return
	case len(*p.lent) > wideRead:
		wideBuffers.Put(p.lent)
	default:
		bulkBuffers.Put(p.lent)
	}
	if p.lender != nil {
		p.lender.lent.Add(-p.loan)
	}
	p.lent, p.loan = nil, 0
}
