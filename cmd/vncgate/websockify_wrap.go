package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A wrapped command is a server that believes to listen on the port that we
// listen on: it is moved to another one, where only this machine reaches it.

// Limits of a wrapped command.
const (
	respawnStarts = 3                // so many starts
	respawnAge    = 10 * time.Second // younger than this on average end the restarts
	wrapFarewell  = 5 * time.Second  // from SIGTERM to SIGKILL
)

// wrapped is the command behind "--"; a nil one does nothing.
type wrapped struct {
	command  []string
	mode     string
	from, to int // ports
	log      *slog.Logger
	ended    func(why string)
	mover    portMover

	mu      sync.Mutex
	process *os.Process // nil when it does not run
	stopped bool
	starts  []time.Time // the last ones
	done    sync.WaitGroup
}

// A portMover runs a command whose bind(2) to one port goes to another.
type portMover interface {
	// start starts it; the command's Wait is the caller's.
	start(command []string, from, to int) (*exec.Cmd, error)
}

// wrapCommand chooses the port that the command gets, which becomes the
// target. ended is called when its end is to be ours.
func (o *websockifyOptions) wrapCommand(log *slog.Logger, ended func(string)) (*wrapped, error) {
	if o.command == nil {
		return nil, nil
	}
	mover, err := findPortMover(log, o.daemon)
	if err != nil {
		return nil, err
	}
	port, err := spareLoopbackPort()
	if err != nil {
		return nil, err
	}
	o.target = address{"localhost", port}
	return &wrapped{command: o.command, mode: o.wrapMode, from: o.listen.port, to: port, log: log, ended: ended, mover: mover}, nil
}

// spareLoopbackPort is one that nobody listens on, for either family.
func spareLoopbackPort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("a port for the command: %w", err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	return port, ln.Close()
}

// start runs the command, and again when the mode says so.
func (w *wrapped) start() error {
	if w == nil {
		return nil
	}
	cmd, err := w.spawn()
	if err != nil {
		return fmt.Errorf("%s: %w", w.command[0], err)
	}
	w.done.Go(func() { w.watch(cmd) })
	return nil
}

func (w *wrapped) spawn() (*exec.Cmd, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return nil, errors.New("we are ending")
	}
	cmd, err := w.mover.start(w.command, w.from, w.to)
	if err != nil {
		return nil, err
	}
	w.process = cmd.Process
	w.starts = append(w.starts, time.Now())
	w.starts = w.starts[max(0, len(w.starts)-respawnStarts):]
	w.log.Info("command started", "command", w.command[0], "port", w.from, "moved_to", w.to)
	return cmd, nil
}

// watch does what the mode says whenever the command ends.
func (w *wrapped) watch(cmd *exec.Cmd) {
	for {
		err := cmd.Wait()
		w.mu.Lock()
		w.process = nil
		stopped := w.stopped
		w.mu.Unlock()
		if stopped {
			return
		}
		w.log.Info("command ended", "command", w.command[0], "status", exitWords(err), "mode", w.mode)
		switch {
		case w.mode == wrapExit:
			w.ended("the command has ended")
			return
		case w.mode == wrapIgnore:
			return
		case tooOften(w.starts, time.Now()):
			w.log.Error("the command ends again and again and is not started any more", "command", w.command[0])
			return
		}
		if cmd, err = w.spawn(); err != nil {
			w.log.Error("the command cannot be started again", "command", w.command[0], "error", err)
			return
		}
	}
}

// tooOften reports whether the last starts are all there may be in so short a
// time.
func tooOften(starts []time.Time, now time.Time) bool {
	var sum time.Duration
	for _, s := range starts {
		sum += now.Sub(s)
	}
	return len(starts) >= respawnStarts && sum < time.Duration(len(starts))*respawnAge
}

// stop ends the command with us: nobody would reach it any more.
func (w *wrapped) stop() {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.stopped = true
	process := w.process
	w.mu.Unlock()
	if process != nil {
		_ = process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(wrapFarewell, func() { _ = process.Kill() })
		defer kill.Stop()
	}
	w.done.Wait()
}

func exitWords(err error) string {
	if err == nil {
		return "0"
	}
	return err.Error()
}
