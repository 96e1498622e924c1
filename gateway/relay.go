package gateway

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// linger is how long the other direction may go on after the first end.
const linger = time.Second

// relay moves bytes between a viewer and a display. There are no queues: a
// write that blocks is the back-pressure, so a slow viewer stops the reads from
// its display and touches nobody else.
type relay struct {
	viewer, display net.Conn
	up, down        pump
	filter          *rfb.Filter       // of up; nil in a Pipe
	server          *rfb.ServerFilter // of down, where something is withheld there; else nil
	tap             *tap              // nil: nobody records

	fair  *fair                 // who else there is; nil: nobody knows
	class atomic.Pointer[class] // says when its directions rest; nil: never
	spawn func(func())          // starts its goroutines; nil: go
	done  func(ending)          // is called when both directions have ended

	faulted func(*panicked) // is told of a fault in the program; nil: nobody

	mu     sync.Mutex
	left   int // directions that have not ended
	paused bool
	end    ending
	begun  chan struct{} // closed when an end has begun; nil until somebody waits for that
	over   time.Time     // when both directions must have ended; zero until an end has begun

	halves    bool        // one direction can end alone (a Pipe)
	rest      *time.Timer // set once one has: looks after the other
	restMoved int64
}

// newRelay joins the two connections within what grant allows. What the viewer
// sends always goes through a filter; what the display sends only where
// something of it is withheld. init is the display's. t is given what passes; nil:
// nobody is.
func newRelay(viewer, display net.Conn, grant *auth.Grant, init rfb.ServerInit, stall time.Duration, t *tap) *relay {
	p := filterPolicy(grant)
	r := &relay{viewer: viewer, display: display, tap: t}
	r.filter = rfb.NewFilter(t.join(r), p)
	r.up.join(r, viewer, display, stall)
	r.up.headroom, r.up.write = 0, r.filter.Write
	r.down.join(r, display, viewer, stall)
	if p.ParsesServer() {
		r.server = rfb.NewServerFilter(r.filter, init)
		r.down.cut = r.server.Cut
	}
	r.limit(&grant.Limits)
	return r
}

// start moves bytes both ways and calls done, once and in a goroutine of the
// relay's, when both directions have ended, with the reason of the first. The
// connections are left open for a last word.
func (r *relay) start(done func(ending)) {
	r.done, r.left = done, 2
	r.launch(r.up.carry)
	r.launch(r.down.carry)
}

// wait is start for callers that have nothing else to do.
func (r *relay) wait() ending {
	end := make(chan ending, 1)
	r.start(func(e ending) { end <- e })
	return <-end
}

// ended takes up the end of one direction.
func (r *relay) ended(p *pump, readErr, writeErr error) {
	if p == &r.up {
		r.letGo()
		r.finish(r.viewerEnd(readErr, writeErr), readErr, r.display)
	} else {
		r.finish(r.displayEnd(readErr, writeErr), readErr, r.viewer)
	}
	if last, end := r.leaves(p); last {
		r.done(end)
	}
}

// leaves counts a direction that has ended, once, and reports whether it was the
// last.
func (r *relay) leaves(p *pump) (last bool, end ending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.left {
		return false, r.end
	}
	p.left = true
	r.leave(p)
	r.left--
	last = r.left == 0
	if last && r.rest != nil {
		r.rest.Stop()
	}
	return last, r.end
}

// finish records the first end and gives the other direction a moment: the
// rest of what was sent still arrives, where the protocol can be ended in one
// direction alone.
func (r *relay) finish(end ending, readErr error, other net.Conn) {
	if end.reason == endTunnelLost.reason { // nothing more can come
		r.cut(end)
		return
	}
	if r.halfEnd(end, readErr, other) || !r.first(end, time.Now().Add(linger)) {
		return
	}
	if layers.CloseWrite(other) != nil {
		_ = other.SetReadDeadline(time.Now())
	}
}

// cut ends both directions at once; it never blocks.
func (r *relay) cut(end ending) {
	r.first(end, time.Now())
}

// first records an end unless there is one, and sets the deadlines that it
// brings.
func (r *relay) first(end ending, over time.Time) bool {
	r.mu.Lock()
	if !r.over.IsZero() {
		r.mu.Unlock()
		return false
	}
	if r.rest == nil { // else the end of the first half is what ended it
		r.end = end
	}
	r.over = over
	if r.begun != nil {
		close(r.begun)
	}
	woken := r.wakeAll()
	r.mu.Unlock()
	_ = r.viewer.SetDeadline(over)
	_ = r.display.SetDeadline(over)
	r.carry(woken)
	return true
}

// endsBy returns when everything must be over, once an end has begun.
func (r *relay) endsBy() (over time.Time, begun bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over, !r.over.IsZero()
}

// begins is closed when an end has begun.
func (r *relay) begins() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun == nil {
		r.begun = make(chan struct{})
		if !r.over.IsZero() {
			close(r.begun)
		}
	}
	return r.begun
}

// viewerEnd says what the end of the direction viewer → display means.
func (r *relay) viewerEnd(readErr, writeErr error) ending {
	if end, ok := filterEnd(writeErr); ok {
		return end
	}
	switch {
	case errors.Is(writeErr, layers.ErrMuxLost):
		return endTunnelLost.because(writeErr)
	case errors.Is(writeErr, os.ErrDeadlineExceeded):
		return ending{"display stalled", "The display stopped reading.", layers.CloseServerError, writeErr}
	case writeErr != nil:
		return ending{"display failed", "The connection to the display failed.", layers.CloseServerError, writeErr}
	case isGone(readErr):
		return endViewerLeft
	}
	return ending{"viewer failed", "The connection failed.", layers.CloseProtocol, readErr}
}

// displayEnd says what the end of the direction display → viewer means.
func (r *relay) displayEnd(readErr, writeErr error) ending {
	if end, ok := filterEnd(writeErr); ok {
		return end
	}
	switch {
	case errors.Is(writeErr, os.ErrDeadlineExceeded):
		return ending{"viewer stalled", "The viewer stopped reading.", layers.ClosePolicy, writeErr}
	case writeErr != nil && isGone(writeErr):
		return endViewerLeft
	case writeErr != nil:
		return ending{"viewer failed", "The connection failed.", layers.CloseProtocol, writeErr}
	case readErr == io.EOF:
		return endDisplayClosed
	case errors.Is(readErr, layers.ErrMuxLost):
		return endTunnelLost.because(readErr)
	}
	return ending{"display failed", "The connection to the display failed.", layers.CloseServerError, readErr}
}

// leave takes p off the loop that it has rested in; r.mu is held.
func (r *relay) leave(p *pump) { p.spot.leave() }
