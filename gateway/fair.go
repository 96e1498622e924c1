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
)

// fair counts the directions of all relays of a gateway that do not rest. A nil
// one knows of none, and takes others to be there.
type fair struct{ awake atomic.Int32 }

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
