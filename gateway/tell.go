package gateway

// told is who is told of notices by a call.
type told struct {
	f     func(Notice)
	run   func(func())
	queue []Notice
	busy  bool // a goroutine goes through the queue
}

// tell has f told of what is posted from now on.
func (b *board) tell(f func(Notice), run func(func())) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = &told{f: f, run: run}
}

// put queues n, and sees that somebody goes through the queue; b.mu is held.
func (b *board) put(n Notice) {
	t := b.told
	if len(t.queue) == noticeQueue {
		t.queue = t.queue[1:]
	}
	t.queue = append(t.queue, n)
	if !t.busy {
		t.busy = true
		t.run(b.goThrough)
	}
}

// goThrough tells until the queue is empty.
func (b *board) goThrough() {
	for {
		b.mu.Lock()
		t := b.told
		if len(t.queue) == 0 {
			t.queue, t.busy = nil, false
			b.mu.Unlock()
			return
		}
		n := t.queue[0]
		t.queue = t.queue[1:]
		b.mu.Unlock()
		t.f(n)
	}
}
