package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"vncgate/gateway"
)

const (
	// settled is how long a command that starts a display is watched: one that
	// still runs then is taken for the display itself.
	settled = 250 * time.Millisecond
	// grandchildren is how long an ended command's children may hold its output.
	grandchildren = time.Second
	// maxLaunchOutput is how much of what a command printed is told.
	maxLaunchOutput = 512
	// stopPatience is how long a display may take to end when it is told to.
	stopPatience = 10 * time.Second
)

// launcher is nil for a target that is expected to run.
func (w *wiring) launcher(name string, s *startConfig) *gateway.Launcher {
	if s == nil {
		return nil
	}
	log := w.log.With("target", name)
	l := &launched{start: s.Command, stopCommand: s.StopCommand, log: log}
	if s.Unit != "" {
		l.start = []string{"systemctl", "start", s.Unit}
		l.stopCommand = []string{"systemctl", "stop", s.Unit}
	}
	g := &gateway.Launcher{Start: l.Start, Stop: l.Stop, Idle: s.Idle, Report: l.report}
	switch {
	case s.Keep:
		g.Stop = nil
		g.OnShutdown = func(context.Context) error { return nil }
	case s.Unit != "": // it is systemd's, and outlives a restart of ours
		g.OnShutdown = func(context.Context) error { return nil }
	}
	return g
}

// launched is a display that commands start and stop. A command that ends well
// has started something that lives elsewhere; one that goes on is the display,
// and is ended with its children when it is to stop.
type launched struct {
	start, stopCommand []string
	log                *slog.Logger

	mu      sync.Mutex
	running *exec.Cmd
	ended   chan struct{} // closed when running has ended
	err     error         // of running, then
	watched bool          // Start waits for what comes of running, or Stop does
}

// Start implements gateway.Launcher's.
func (l *launched) Start(ctx context.Context) error {
	ended, err := l.begin()
	if err != nil {
		return err
	}
	wait := time.NewTimer(settled)
	defer wait.Stop()
	select {
	case <-ended:
	case <-wait.C:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watched = false
	return l.err
}

// begin runs the command unless it does already.
func (l *launched) begin() (ended chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running != nil {
		return l.ended, nil
	}
	output := &tail{max: maxLaunchOutput}
	cmd := exec.Command(l.start[0], l.start[1:]...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = grandchildren
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	l.running, l.ended, l.err, l.watched = cmd, make(chan struct{}), nil, true
	go l.wait(cmd, output, l.ended)
	return l.ended, nil
}

// wait ends with the command.
func (l *launched) wait(cmd *exec.Cmd, output *tail, ended chan struct{}) {
	err := cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well, and what it has started goes on
	}
	if err != nil {
		err = fmt.Errorf("%s: %w%s", l.start[0], err, output.said())
	}
	l.mu.Lock()
	l.running, l.err = nil, err
	if err != nil && !l.watched {
		l.log.Warn("display ended", "error", err)
	}
	l.mu.Unlock()
	close(ended)
}

// Stop implements gateway.Launcher's.
func (l *launched) Stop(ctx context.Context) error {
	var err error
	if len(l.stopCommand) > 0 {
		output := &tail{max: maxLaunchOutput}
		cmd := exec.CommandContext(ctx, l.stopCommand[0], l.stopCommand[1:]...)
		cmd.Stdout, cmd.Stderr = output, output
		cmd.WaitDelay = grandchildren
		if err = cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
			err = fmt.Errorf("%s: %w%s", l.stopCommand[0], err, output.said())
		}
	}
	l.end(ctx)
	return err
}

// end ends the command if it still runs, kindly first.
func (l *launched) end(ctx context.Context) {
	l.mu.Lock()
	cmd, ended := l.running, l.ended
	l.watched = true
	l.mu.Unlock()
	if cmd == nil {
		return
	}
	terminateGroup(cmd)
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-ended:
		return
	case <-patience.C:
	case <-ctx.Done():
	}
	killGroup(cmd)
	<-ended
}

// report logs what came of starting and stopping.
func (l *launched) report(what string, err error) {
	if err != nil {
		l.log.Warn("display not "+what[len("display "):], "error", err)
		return
	}
	l.log.Info(what)
}

// tail keeps the last bytes of what a command prints.
type tail struct {
	max int

	mu    sync.Mutex
	bytes []byte
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = append(t.bytes, b...)
	if over := len(t.bytes) - t.max; over > 0 {
		t.bytes = append(t.bytes[:0], t.bytes[over:]...)
	}
	return len(b), nil
}

// said is what was printed, as part of an error.
func (t *tail) said() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.bytes) == 0 {
		return ""
	}
	return fmt.Sprintf(": %q", t.bytes)
}
