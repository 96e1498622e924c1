package recording

import "sync"

// Workers make the keyframes of any number of recordings, off everybody's way.
// What waits for them has a bound: a recording that would go beyond has no more
// keyframes from there on, and is played from the last that it has.
type Workers struct {
	most   int   // goroutines
	memory int64 // bytes that may wait

	mu      sync.Mutex
	running int
	ready   []*track // those that have something to do, and nobody who does it
	held    int64    // bytes that wait
}

// NewWorkers returns Workers of as many goroutines, which run while there is
// something to do, and of so many bytes that may wait for them. What they draw
// into comes on top: of each recording four bytes for each pixel of its screen.
func NewWorkers(goroutines int, memory int64) *Workers {
	return &Workers{most: max(goroutines, 1), memory: memory}
}

// hold takes n bytes of the room; none: there are not so many.
func (w *Workers) hold(n int64) (ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held+n > w.memory {
		return false
	}
	w.held += n
	return true
}

func (w *Workers) release(n int64) {
	w.mu.Lock()
	w.held -= n
	w.mu.Unlock()
}

// schedule has somebody work on t.
func (w *Workers) schedule(t *track) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = append(w.ready, t)
	if w.running < w.most {
		w.running++
		go w.work()
	}
}

// work is a goroutine's.
func (w *Workers) work() {
	for {
		w.mu.Lock()
		if len(w.ready) == 0 {
			w.running--
			w.mu.Unlock()
			return
		}
		t := w.ready[0]
		w.ready[0] = nil
		w.ready = w.ready[1:]
		w.mu.Unlock()
		t.work()
	}
}
