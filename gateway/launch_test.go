package gateway_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/gateway"
)

func TestDisplayIsStartedOnConnectAndStoppedWhenIdle(t *testing.T) {
	t.Parallel()
	late := newLate(t)
	target := late.target()
	target.Launcher = &gateway.Launcher{
		Start: func(context.Context) error {
			time.AfterFunc(50*time.Millisecond, func() { late.on.Store(true) }) // it does not listen at once
			return nil
		},
		Stop: func(context.Context) error { late.on.Store(false); return nil },
		Idle: 20 * time.Millisecond,
	}
	g := newGateway(t, target, gateway.Front{})
	for range 2 {
		a, b := g.view(t), g.view(t)
		_ = a.Close()
		eventually(t, "one has left", func() bool { return g.Sessions() == 1 })
		time.Sleep(60 * time.Millisecond)
		if !late.on.Load() {
			t.Error("stopped under a session")
		}
		_ = b.Close()
		eventually(t, "it is stopped", func() bool { return !late.on.Load() })
	}
}

func TestWordsWhileADisplayIsStarted(t *testing.T) {
	late := newLate(t)
	target := late.target()
	hold := make(chan struct{})
	target.Launcher = &gateway.Launcher{Start: func(ctx context.Context) error {
		select {
		case <-hold:
			late.on.Store(true)
		case <-ctx.Done():
		}
		return ctx.Err()
	}}
	g := newGateway(t, target, gateway.Front{})
	c := g.dial(t)
	done := make(chan error, 1)
	go func() { _, err := viewOver(c); done <- err }()
	eventually(t, "those who ask are told", func() bool {
		words, _, ok := g.Waiting("display")
		return ok && words == "The display is being started."
	})
	close(hold)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDisplayThatCannotBeStarted(t *testing.T) {
	target := newLate(t).target()
	target.Retry = 10 * time.Millisecond
	target.Launcher = &gateway.Launcher{Start: func(context.Context) error { return errors.New("no such unit") }}
	g := newGateway(t, target, gateway.Front{})
	if _, err := viewOver(g.dial(t)); told(err) != "The display could not be started." {
		t.Error(err)
	}
}

// A display that was started and has ended by itself is started again.
func TestDisplayThatHasEndedIsStartedAgain(t *testing.T) {
	late := newLate(t)
	target := late.target()
	var starts atomic.Int32
	target.Launcher = &gateway.Launcher{
		Start: func(context.Context) error { starts.Add(1); late.on.Store(true); return nil },
		Stop:  func(context.Context) error { return nil },
	}
	g := newGateway(t, target, gateway.Front{})
	_ = g.view(t).Close()
	late.on.Store(false)
	g.view(t)
	if n := starts.Load(); n != 2 {
		t.Errorf("started %d times", n)
	}
}

func TestShutdownStopsWhatWasStarted(t *testing.T) {
	late := newLate(t)
	target := late.target()
	target.Launcher = &gateway.Launcher{
		Start: func(context.Context) error { late.on.Store(true); return nil },
		Stop:  func(ctx context.Context) error { late.on.Store(false); return ctx.Err() },
	}
	g := newGateway(t, target, gateway.Front{})
	g.view(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if late.on.Load() {
		t.Error("it runs on")
	}
}
