package gateway

import (
	"runtime/debug"
	"sync"
	"time"
)

// Handshakes leave much garbage, and the stacks of goroutines that have ended;
// Go gives neither back to the system before its next collection, which a gateway
// whose sessions all rest may not see for minutes, and even then keeps as much
// room as the heap once took. So after many have come or gone, memory is given
// back once it is quiet: one collection, a few milliseconds of processor time for
// every ten thousand sessions.
const (
	trimAfter = 256              // sessions that have come or gone
	trimPause = 4 * time.Second  // from the last of them
	trimEvery = 15 * time.Second // at most
)

// trimmer gives memory back. The zero value is ready.
type trimmer struct {
	mu    sync.Mutex
	count int       // of sessions that have come or gone since the last time
	moved time.Time // the last of them
	last  time.Time
	alarm alarm
}

// note takes note that a session has come or gone.
func (t *trimmer) note(in *alarms) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
	t.moved = time.Now()
	if t.count != trimAfter {
		return
	}
	t.alarm.ring = func() { t.look(in) }
	t.arm(in)
}

// arm sets the alarm; t.mu is held.
func (t *trimmer) arm(in *alarms) {
	at, least := t.moved.Add(trimPause), t.last.Add(trimEvery)
	if at.Before(least) {
		at = least
	}
	t.alarm.set(in, at)
}

// look gives memory back unless sessions still come and go.
func (t *trimmer) look(in *alarms) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.moved) < trimPause {
		t.arm(in)
		return
	}
	t.count, t.last = 0, time.Now()
	go debug.FreeOSMemory()
}
