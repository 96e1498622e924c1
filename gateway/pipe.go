package gateway

import (
	"context"
	"io"
	"net"
	"strings"
	"time"

	"vncgate/layers"
)

// PipeResult is how a Pipe ended.
type PipeResult struct {
	// Reason is one of a few words for the log: "viewer left", "viewer
	// failed", "viewer stalled", "target closed", "target failed", "target
	// stalled", "cancelled".
	Reason string
	// ViewerFirst says that the viewer's end of it came first, and not the
	// other's or that of ctx.
	ViewerFirst bool
	// Up and Down are the bytes that went from the viewer and to it.
	Up, Down int64
	// Err is the cause, nil where an end just left.
	Err error
}

// Pipe relays between viewer and other, whatever they speak, until the first
// of the two ends or ctx does. It returns when both directions have, and leaves
// the connections open for a last word: their deadlines have passed by then,
// and closing them is the caller's.
//
// Where both can end one direction alone, the end of the one is passed on and
// the other goes on, as long as it moves bytes now and then. stall ends a pipe
// one end of which takes no bytes for so long; 0 is the default of
// Limits.Stall.
func Pipe(ctx context.Context, viewer, other net.Conn, stall time.Duration) PipeResult {
	r := newPipe(viewer, other, orDefault(stall, Limits{}.WithDefaults().Stall))
	unhook := context.AfterFunc(ctx, func() {
		r.cut(ending{reason: "cancelled", err: context.Cause(ctx)})
	})
	end := r.wait()
	unhook()
	return PipeResult{
		Reason:      strings.Replace(end.reason, "display", "target", 1),
		ViewerFirst: strings.HasPrefix(end.reason, "viewer"),
		Up:          r.up.moved.Load(),
		Down:        r.down.moved.Load(),
		Err:         end.err,
	}
}

// newPipe joins two connections without a filter.
func newPipe(viewer, other net.Conn, stall time.Duration) *relay {
	r := &relay{viewer: viewer, display: other}
	r.halves = halfCloses(viewer) && halfCloses(other)
	r.up.join(r, viewer, other, stall)
	r.down.join(r, other, viewer, stall)
	return r
}

// halfCloses reports whether c can end one direction and still be used in the
// other. A layer that hands CloseWrite down can be above one that cannot.
func halfCloses(c net.Conn) bool {
	_, ws := layers.As[*layers.WebSocketConn](c)
	_, can := c.(interface{ CloseWrite() error })
	return can && !ws
}

// halfEnd records an end of one direction that leaves the other be. Whatever
// still moves is watched from then on.
func (r *relay) halfEnd(end ending, readErr error, other net.Conn) bool {
	if !r.halves || readErr != io.EOF {
		return false
	}
	r.mu.Lock()
	first := r.over.IsZero() && r.rest == nil
	if first {
		r.end = end
		r.rest = time.AfterFunc(r.up.stall, r.checkRest)
	}
	r.mu.Unlock()
	return first && layers.CloseWrite(other) == nil
}

// checkRest ends the other half of a pipe when it has moved nothing for a
// stall.
func (r *relay) checkRest() {
	moved := r.up.moved.Load() + r.down.moved.Load()
	r.mu.Lock()
	idle := moved == r.restMoved
	r.restMoved = moved
	if !idle && r.over.IsZero() {
		r.rest.Reset(r.up.stall)
	}
	r.mu.Unlock()
	if idle {
		r.cut(r.end)
	}
}
