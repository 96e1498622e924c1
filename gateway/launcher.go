package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Launcher starts a display when its first session comes and stops it when
// there has been none for a while. One Launcher serves all sessions of its
// display, across reloads of the configuration too; its fields are not changed
// after the first.
type Launcher struct {
	// Start starts the display and returns once that is under way: it need not
	// listen yet. It runs once for all sessions that wait for it. It is also
	// called when a display that was started cannot be reached, so it must do
	// nothing about one that runs.
	Start func(ctx context.Context) error
	// Stop stops the display; nil leaves it running.
	Stop func(ctx context.Context) error
	// Idle is how long after its last session the display is stopped (5 min).
	Idle time.Duration
	// Timeout bounds each Start and each Stop (60 s).
	Timeout time.Duration
	// OnShutdown is called for a display that runs when the Gateway has shut
	// down; nil calls Stop.
	OnShutdown func(ctx context.Context) error
	// Report is told what came of Start and Stop, for the log; nil is not.
	Report func(what string, err error)

	mu     sync.Mutex
	users  int
	state  launchState
	starts int         // how often Start has succeeded
	flight *flight     // of the Start or Stop that runs
	timer  *time.Timer // of Idle
	idles  int         // how often Idle has begun, so that an old timer knows that it is
}

type launchState int

const (
	launchDown launchState = iota
	launchStarting
	launchUp
	launchStopping
)

// flight is one Start or Stop that several wait for; err is set before done is
// closed.
type flight struct {
	done chan struct{}
	err  error
}

// acquire counts a session in and returns when the display has been started,
// with the number of the start. On error the session is not counted.
func (l *Launcher) acquire(ctx context.Context) (start int, err error) {
	l.mu.Lock()
	l.users++
	l.stopTimer()
	l.mu.Unlock()
	start, err = l.started(ctx)
	if err != nil {
		l.release()
	}
	return start, err
}

// started waits until the display is up, and starts it if nobody does. It is
// for sessions that are counted.
func (l *Launcher) started(ctx context.Context) (start int, err error) {
	for {
		l.mu.Lock()
		if l.state == launchUp {
			defer l.mu.Unlock()
			return l.starts, nil
		}
		starting := l.state != launchStopping
		if l.state == launchDown {
			l.begin(launchStarting, l.Start)
		}
		f := l.flight
		l.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		if starting && f.err != nil {
			return 0, f.err
		}
	}
}

// running reports whether the display has been started.
func (l *Launcher) running() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == launchUp
}

// again starts a display anew that start brought up and that cannot be
// reached, unless somebody has done so since.
func (l *Launcher) again(ctx context.Context, start int) (int, error) {
	l.mu.Lock()
	if l.state == launchUp && l.starts == start {
		l.state = launchDown
	}
	l.mu.Unlock()
	return l.started(ctx)
}

// release counts a session out.
func (l *Launcher) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users--
	l.checkIdle()
}

// checkIdle begins the idle time of a display that nobody uses; l.mu is held.
func (l *Launcher) checkIdle() {
	if l.users > 0 || l.state != launchUp || l.Stop == nil {
		return
	}
	l.stopTimer()
	idle := l.idles
	l.timer = time.AfterFunc(orDefault(l.Idle, 5*time.Minute), func() { l.stopIdle(idle) })
}

func (l *Launcher) stopTimer() {
	l.idles++
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

func (l *Launcher) stopIdle(idle int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if idle == l.idles && l.users == 0 && l.state == launchUp {
		l.begin(launchStopping, l.Stop)
	}
}

// begin runs f in a goroutine that ends within Timeout, if f minds its ctx;
// l.mu is held.
func (l *Launcher) begin(state launchState, f func(context.Context) error) {
	l.state = state
	l.flight = &flight{done: make(chan struct{})}
	go l.fly(l.flight, f)
}

func (l *Launcher) fly(f *flight, run func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout())
	defer cancel()
	err := errors.New("nothing to start it with")
	if run != nil {
		err = run(ctx)
	}
	l.mu.Lock()
	what := "display started"
	switch {
	case l.state == launchStopping:
		what = "display stopped"
		l.state = launchDown
	case err == nil:
		l.state = launchUp
		l.starts++
		l.checkIdle()
	default:
		l.state = launchDown
	}
	if err != nil {
		f.err = fmt.Errorf("gateway: launcher: %w", err)
	}
	l.mu.Unlock()
	if l.Report != nil {
		l.Report(what, err)
	}
	close(f.done)
}

func (l *Launcher) timeout() time.Duration { return orDefault(l.Timeout, 60*time.Second) }

// shutdown stops the display if it runs, and waits for what is under way.
// ctx bounds the wait.
func (l *Launcher) shutdown(ctx context.Context) {
	for {
		l.mu.Lock()
		l.stopTimer()
		if l.state == launchUp {
			stop := l.OnShutdown
			if stop == nil {
				stop = l.Stop
			}
			if stop == nil {
				l.mu.Unlock()
				return
			}
			l.begin(launchStopping, stop)
		}
		f, busy := l.flight, l.state != launchDown
		l.mu.Unlock()
		if !busy {
			return
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return
		}
	}
}
