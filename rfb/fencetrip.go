package rfb

import (
	"sync/atomic"
	"time"
)

// fenceTrip times how long one end takes to answer the fences that the other
// asks it with, one at a time: the clock is read twice for each round trip,
// however many messages there are. The zero value has seen none.
type fenceTrip struct {
	waiting bool
	missed  uint8  // fences that came meanwhile
	mark    uint64 // of the payload that is to come back
	since   time.Time
	last    atomic.Int64 // the last round trip in nanoseconds, for whoever asks
}

// maxMissed is after how many further fences an answer is not waited for any
// more: the end may answer none, or not all.
const maxMissed = 64

// asked takes note of a fence that asks for an answer.
func (t *fenceTrip) asked(payload []byte) {
	if t.waiting && t.missed < maxMissed {
		t.missed++
		return
	}
	t.waiting, t.missed, t.mark, t.since = true, 0, markOf(payload), time.Now()
}

// answered takes note of an answer.
func (t *fenceTrip) answered(payload []byte) {
	if !t.waiting || markOf(payload) != t.mark {
		return
	}
	t.waiting = false
	t.last.Store(max(int64(time.Since(t.since)), 1))
}

// markOf is the FNV-1a hash of a payload of at most MaxFenceLen bytes. Whoever
// makes two of the same spoils a figure about itself.
func markOf(payload []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range payload {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// RoundTrips returns how long the viewer took to answer the display's last fence
// that was timed, and the display to answer the viewer's or one of the filter's
// own (rfbproto, "ClientFence"). What waits in queues on the way is part of it.
// 0: no answer has been seen.
func (s *ServerFilter) RoundTrips() (viewer, display time.Duration) {
	return time.Duration(s.formats.viewerTrip.last.Load()), time.Duration(s.formats.displayTrip.last.Load())
}
