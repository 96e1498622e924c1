package gateway

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the kernel had told before a pause began says nothing of the peer's
// leaving in it.
func TestReadinessOfBeforeAPause(t *testing.T) {
	r := newParkedRelay(t, newClass(Class{Park: time.Microsecond}), nil, nil)
	eventuallyTrue(t, "both directions rest", r.bothRest)
	r.pause()
	eventuallyTrue(t, "both directions stand still", func() bool { return r.stopped(&r.up) && r.stopped(&r.down) })
	for _, p := range []*pump{&r.up, &r.down} {
		r.mu.Lock()
		l, id := p.spot.loop, p.spot.id
		r.mu.Unlock()
		l.wake(&unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))})
	}
	if !r.stopped(&r.up) || !r.stopped(&r.down) {
		t.Fatal("something moves in a pause")
	}
	select {
	case end := <-r.ended:
		r.ended <- end // for the cleanup
		t.Fatalf("ended as %q", end.reason)
	case <-time.After(20 * time.Millisecond):
	}
	r.resume()
	message := pointers(1)
	mustSend(t, r.viewer, r.display, message, message)
}
