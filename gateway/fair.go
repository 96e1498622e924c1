package gateway

import (
	"runtime"
	"sync/atomic"
)

const (
	// yieldAfter is how much a direction moves before others get their turn,
	// where there are others, and yieldAlone where nobody is known to wait:
	// somebody may come.
	yieldAfter = 128 << 10
	yieldAlone = 2 << 20
	// maxOwners is how many directions of a gateway may have a thread of their
	// own: where there are more that move much, each is one of many as it is, and
	// going from thread to thread costs a third of the processor.
	maxOwners = 2
)

// fair counts the directions of all relays of a gateway that do not rest. A nil
// one knows of none, and takes others to be there.
type fair struct {
	awake  atomic.Int32
	owners atomic.Int32 // of threads
}

func (f *fair) enter() {
	if f != nil {
		f.awake.Add(1)
	}
}

func (f *fair) leave() {
	if f != nil {
		f.awake.Add(-1)
	}
}

// alone reports whether nobody but the two directions of the relay that asks
// can be waiting.
func (f *fair) alone() bool { return f != nil && f.awake.Load() <= 2 }

// yield gives others a turn after n more bytes. A direction whose Reads and
// Writes never have to wait keeps its thread to itself, and as long as one
// thread is busy so, Go asks its poller every 10 milliseconds only: that is how
// late others would learn of what has come for them. Gosched has another thread
// look.
func (p *pump) yield(n int) {
	after := yieldAfter
	if p.relay.fair.alone() {
		after = yieldAlone
	}
	if p.since += n; p.since >= after {
		p.since = 0
		runtime.Gosched()
	}
}

// own gives a direction in which much moves a thread of its own while there are
// others, and takes it back when there are none. The system's scheduler prefers
// threads that have done little: with the flood on one thread, all the others
// are such, while otherwise the flood soon has been on each of them.
func (p *pump) own() {
	f := p.relay.fair
	switch others := f != nil && !f.alone(); {
	case others == p.owns:
	case !others:
		p.disown()
	case f.owners.Add(1) > maxOwners:
		f.owners.Add(-1)
	default:
		p.owns = true
		runtime.LockOSThread()
	}
}

// disown gives the thread up.
func (p *pump) disown() {
	if p.owns {
		p.owns = false
		p.relay.fair.owners.Add(-1)
		runtime.UnlockOSThread()
	}
}
