package gateway

import (
	"context"
	"time"
)

// clock is the time limit of one handshake. A deadline of a context cannot be
// moved, and this one must be when a display is waited for.
type clock struct {
	timer *time.Timer
	end   time.Time
	stop  func()
}

// startClock returns a context that ends after limit, with errHandshakeTimeout
// as its cause. The clock is stopped in any case, which ends the context too.
func startClock(ctx context.Context, limit time.Duration) (context.Context, *clock) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &clock{end: time.Now().Add(limit)}
	c.timer = time.AfterFunc(limit, func() { cancel(errHandshakeTimeout) })
	c.stop = func() {
		c.timer.Stop()
		cancel(nil)
	}
	return ctx, c
}

// left is what remains for work before a farewell.
func (c *clock) left() time.Duration { return time.Until(c.end) - farewell }

// extend sees that at least d is left from now on. It is not for a clock that
// has run out.
func (c *clock) extend(d time.Duration) {
	if end := time.Now().Add(d + farewell); end.After(c.end) {
		c.end = end
		c.timer.Reset(time.Until(end))
	}
}
