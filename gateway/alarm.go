package gateway

import (
	"container/heap"
	"sync"
	"time"
)

// alarms rings for all sessions of a class, with one timer of the runtime's and
// no goroutine: thousands of sessions at rest have a ping and an agenda each. The
// zero value is ready.
type alarms struct {
	mu    sync.Mutex
	heap  alarmHeap
	timer *time.Timer // for the first in the heap
	base  time.Time   // moments are counted from it
}

// alarm is one of them. Its owner sets ring before it is first set, and sees that
// set and stop are not called at once.
type alarm struct {
	ring  func() // must return at once
	of    *alarms
	at    time.Duration // since alarms.base
	index int           // in the heap, from 1; 0: not set
}

// set has a ring at the stated time, instead of when it was to before.
func (a *alarm) set(in *alarms, at time.Time) {
	if a.of != in {
		a.stop()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.base.IsZero() {
		in.base = time.Now()
	}
	a.of, a.at = in, at.Sub(in.base)
	if a.index > 0 {
		heap.Fix(&in.heap, a.index-1)
	} else {
		heap.Push(&in.heap, a)
	}
	in.arm()
}

// stop has a not ring, unless it does already.
func (a *alarm) stop() {
	in := a.of
	if in == nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if a.index > 0 {
		heap.Remove(&in.heap, a.index-1)
		in.arm()
	}
}

// arm sets the timer; in.mu is held.
func (in *alarms) arm() {
	switch {
	case len(in.heap) == 0 && in.timer == nil:
	case len(in.heap) == 0:
		in.timer.Stop()
	case in.timer == nil:
		in.timer = time.AfterFunc(in.first(), in.due)
	default:
		in.timer.Reset(in.first())
	}
}

func (in *alarms) first() time.Duration {
	return max(0, in.heap[0].at-time.Since(in.base))
}

// due rings for those whose time has come.
func (in *alarms) due() {
	in.mu.Lock()
	var due []*alarm
	for now := time.Since(in.base); len(in.heap) > 0 && in.heap[0].at <= now; {
		due = append(due, heap.Pop(&in.heap).(*alarm))
	}
	in.arm()
	in.mu.Unlock()
	for _, a := range due {
		a.ring()
	}
}

// alarmHeap has the next alarm first (container/heap).
type alarmHeap []*alarm

func (h alarmHeap) Len() int           { return len(h) }
func (h alarmHeap) Less(i, j int) bool { return h[i].at < h[j].at }

func (h alarmHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

// Push is for container/heap.
func (h *alarmHeap) Push(a any) {
	*h = append(*h, a.(*alarm))
	(*h)[len(*h)-1].index = len(*h)
}

// Pop is for container/heap.
func (h *alarmHeap) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h, a.index = (*h)[:last], 0
	return a
}
