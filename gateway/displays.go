package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxDown bounds how many displays that do not answer are remembered, and how many
// that do: names that viewers make up, where targets are free, must not fill the
// memory. Of one more that does not answer nothing is reported, and one more that
// does takes the place of another.
const maxDown = 1024

// DownTarget is a display that did not let the gateway in when it was last
// tried.
type DownTarget struct {
	Target string
	// Since is when the first try failed, Last when the last one did.
	Since, Last time.Time
	// Reason is one of "display unreachable", "display refused us", "not a VNC
	// server", "display not started", "agent not connected"; Err is the last error.
	Reason string
	Err    error
}

// displays remembers which targets are down, as the sessions find them: nobody
// knocks at a display without need. The zero value is ready.
type displays struct {
	mu   sync.Mutex
	down map[string]DownTarget
	up   map[string]time.Time // since when those work that did at the last try
}

// Down returns the targets that were down when they were last tried, by name.
// The others were up (Up), or nobody has tried them.
func (g *Gateway) Down() []DownTarget {
	g.displays.mu.Lock()
	defer g.displays.mu.Unlock()
	list := make([]DownTarget, 0, len(g.displays.down))
	for _, d := range g.displays.down {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b DownTarget) int { return strings.Compare(a.Target, b.Target) })
	return list
}

// Up says since when a target has let the gateway in each time that it was tried; not
// ok: it did not at the last try, or nobody has tried it.
func (g *Gateway) Up(target string) (since time.Time, ok bool) {
	g.displays.mu.Lock()
	defer g.displays.mu.Unlock()
	since, ok = g.displays.up[target]
	return since, ok
}

// tried takes up how a try to reach a display ended, and reports a change. One
// that was broken off says nothing.
func (g *Gateway) tried(ctx context.Context, t *Target, err error) {
	var gone *Unreachable
	switch {
	case err == nil:
		if was, ok := g.displays.rose(t.Name, time.Now()); ok {
			g.log().Info("display up again", "target", t.Name, "after", time.Since(was.Since).Round(time.Millisecond).String())
			g.Emit(Event{Kind: TargetUp, Target: t.Name, Duration: time.Since(was.Since)})
		}
	case errors.As(err, &gone) && !brokenOff(ctx):
		reason := gone.reason()
		if g.displays.fell(DownTarget{Target: t.Name, Reason: reason, Err: err}, time.Now()) {
			g.log().Warn("display down", "target", t.Name, "reason", reason, "error", err.Error())
			g.Emit(Event{Kind: TargetDown, Target: t.Name, Reason: reason, Err: err})
		}
	}
}

// brokenOff reports whether ctx ended for a reason that is not the display's:
// the viewer left, or was sent away.
func brokenOff(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause != nil && !errors.Is(cause, context.DeadlineExceeded) && !errors.Is(cause, errHandshakeTimeout)
}

// fell notes a failure, and reports whether it is the first.
func (d *displays) fell(now DownTarget, at time.Time) (first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was, known := d.down[now.Target]
	delete(d.up, now.Target)
	if !known && len(d.down) >= maxDown {
		return false
	}
	now.Since, now.Last = at, at
	if known {
		now.Since = was.Since
	}
	if d.down == nil {
		d.down = map[string]DownTarget{}
	}
	d.down[now.Target] = now
	return !known
}

// rose notes a success; ok reports whether there had been a failure before.
func (d *displays) rose(target string, at time.Time) (was DownTarget, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was, ok = d.down[target]
	delete(d.down, target)
	if _, known := d.up[target]; known {
		return was, ok
	}
	for other := range d.up {
		if len(d.up) < maxDown {
			break
		}
		delete(d.up, other)
	}
	if d.up == nil {
		d.up = map[string]time.Time{}
	}
	d.up[target] = at
	return was, ok
}
