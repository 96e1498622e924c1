package gateway

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// launched is a display that is either up or not, and complains of what should
// not be.
type launched struct {
	t             *testing.T
	up            atomic.Bool
	starts, stops atomic.Int32
	busy          atomic.Int32
	hold          chan struct{} // Start waits for it, if set
	fail          atomic.Bool
}

func (d *launched) start(ctx context.Context) error {
	defer d.alone()()
	d.starts.Add(1)
	if d.hold != nil {
		select {
		case <-d.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if d.fail.Load() {
		return errors.New("no such unit")
	}
	d.up.Store(true)
	return nil
}

func (d *launched) stop(context.Context) error {
	defer d.alone()()
	d.stops.Add(1)
	d.up.Store(false)
	return nil
}

func (d *launched) alone() func() {
	if d.busy.Add(1) > 1 {
		d.t.Error("two of Start and Stop at once")
	}
	return func() { d.busy.Add(-1) }
}

func newLaunched(t *testing.T, idle time.Duration) (*Launcher, *launched) {
	d := &launched{t: t}
	l := &Launcher{Start: d.start, Stop: d.stop, Idle: idle}
	t.Cleanup(func() { l.shutdown(context.Background()) })
	return l, d
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func TestLauncherStartsOnceForAll(t *testing.T) {
	l, d := newLaunched(t, time.Hour)
	d.hold = make(chan struct{})
	var waiting sync.WaitGroup
	for range 10 {
		waiting.Go(func() {
			if n, err := l.acquire(context.Background()); n != 1 || err != nil {
				t.Error(n, err)
			}
		})
	}
	soon(t, "it is being started", func() bool { return d.starts.Load() > 0 })
	close(d.hold)
	waiting.Wait()
	if n := d.starts.Load(); n != 1 || !l.running() {
		t.Errorf("started %d times", n)
	}
}

func TestLauncherStopsWhenIdle(t *testing.T) {
	l, d := newLaunched(t, 10*time.Millisecond)
	for range 2 {
		if _, err := l.acquire(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	l.release()
	time.Sleep(50 * time.Millisecond)
	if d.stops.Load() > 0 {
		t.Error("stopped under a session")
	}
	l.release()
	soon(t, "it is stopped", func() bool { return !d.up.Load() })
	if n, err := l.acquire(context.Background()); n != 2 || err != nil || !d.up.Load() {
		t.Errorf("not started again: %d, %v", n, err)
	}
	l.release()
}

// Whoever has been told that the display is up finds it up, whenever the others
// come and go.
func TestLauncherRaces(t *testing.T) {
	l, d := newLaunched(t, time.Microsecond)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				if _, err := l.acquire(context.Background()); err != nil {
					t.Error(err)
					return
				}
				if !d.up.Load() {
					t.Error("it is not up")
				}
				l.release()
			}
		})
	}
	all.Wait()
	soon(t, "it is stopped", func() bool { return !d.up.Load() })
}

func TestLauncherThatFails(t *testing.T) {
	l, d := newLaunched(t, time.Hour)
	d.fail.Store(true)
	var reported atomic.Int32
	l.Report = func(what string, err error) {
		if what == "display started" && err != nil {
			reported.Add(1)
		}
	}
	if _, err := l.acquire(context.Background()); err == nil {
		t.Fatal("no error")
	}
	d.fail.Store(false)
	if _, err := l.acquire(context.Background()); err != nil {
		t.Fatal(err)
	}
	l.release()
	if l.users != 0 || reported.Load() != 1 {
		t.Errorf("%d users, %d reports", l.users, reported.Load())
	}
	if _, err := (&Launcher{}).acquire(context.Background()); err == nil {
		t.Error("started by nothing")
	}
}

// A session that gives up leaves the start to the others; nobody left, the
// display is stopped after its idle time.
func TestLauncherLeftWhileStarting(t *testing.T) {
	l, d := newLaunched(t, 10*time.Millisecond)
	d.hold = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() {
		_, err := l.acquire(ctx)
		left <- err
	}()
	soon(t, "it is being started", func() bool { return d.starts.Load() > 0 })
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(d.hold)
	soon(t, "it is stopped", func() bool { return d.stops.Load() == 1 })
}

func TestLauncherStartsAgain(t *testing.T) {
	l, d := newLaunched(t, time.Hour)
	n, err := l.acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if n, err = l.again(context.Background(), n); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err = l.again(context.Background(), 1); n != 2 || err != nil || d.starts.Load() != 2 {
		t.Errorf("started once more although somebody has: %d, %v", n, err)
	}
	l.release()
}

func TestLauncherShutdown(t *testing.T) {
	l, d := newLaunched(t, time.Hour)
	if _, err := l.acquire(context.Background()); err != nil {
		t.Fatal(err)
	}
	l.release()
	l.shutdown(context.Background())
	if d.up.Load() {
		t.Error("not stopped")
	}

	l, d = newLaunched(t, time.Hour)
	l.OnShutdown = func(context.Context) error { return nil }
	if _, err := l.acquire(context.Background()); err != nil {
		t.Fatal(err)
	}
	l.release()
	l.shutdown(context.Background())
	if !d.up.Load() || d.stops.Load() > 0 {
		t.Error("stopped although it is to be left")
	}

	l, d = newLaunched(t, time.Hour) // nothing started, nothing stopped
	l.shutdown(context.Background())
	if d.stops.Load() > 0 {
		t.Error("stopped what never ran")
	}
}
