package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstSignals are those that process 1 passes on: all that mean something to an
// agent.
var firstSignals = []os.Signal{
	unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH,
}

// underFirst runs this program once more, as the child of this process, where this
// is process 1 of a container, and returns how that has ended. ours is false where
// there is no need for it, and the caller does what there is to do.
//
// The kernel gives process 1 all processes whose parents have ended, and those stay
// as zombies until it waits for them. But whoever waits for any child takes the
// status of those that os/exec and layers.DialCommand wait for, or a process group
// that a zombie keeps. So the one that waits has one child alone, and nothing to do.
func underFirst(log *slog.Logger) (ended error, ours bool) {
	if os.Getpid() != 1 {
		return nil, false
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, firstSignals...)
	defer signal.Stop(signals)
	child, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: inForeground(),
	})
	if err != nil {
		log.Warn("processes that lose their parents stay as zombies: is there no /proc?", "error", err)
		return nil, false
	}
	status := make(chan syscall.WaitStatus, 1)
	go func() { status <- bury(child) }()
	for {
		select {
		case s := <-signals:
			if s, ok := s.(syscall.Signal); ok {
				_ = syscall.Kill(child, s)
			}
		case s := <-status:
			return exitOf(s), true
		}
	}
}

// inForeground has the child take over our terminal, if there is one: what is
// typed there, such as ^C, is for it then and does not come twice. ^Z, which nobody
// could take back, stops it for no longer than a moment (bury).
func inForeground() *syscall.SysProcAttr {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	return &syscall.SysProcAttr{Foreground: err == nil && group == unix.Getpgrp(), Ctty: 0}
}

// bury waits for whatever ends, until that is child. If child is stopped from a
// terminal it goes on at once, with those of its process group: process 1 has no
// shell beside it that would have them do so.
func bury(child int) (status syscall.WaitStatus) {
	for {
		pid, err := syscall.Wait4(-1, &status, syscall.WUNTRACED, nil)
		switch {
		case pid == child && status.Stopped():
			if status.StopSignal() == syscall.SIGTSTP {
				_ = syscall.Kill(child, syscall.SIGCONT)
				_ = syscall.Kill(-child, syscall.SIGCONT) // none, where it has no terminal
			}
		case pid == child || err != nil && err != syscall.EINTR:
			return status
		}
	}
}

// exitOf is how a shell tells of a process's end.
func exitOf(status syscall.WaitStatus) error {
	switch {
	case status.Signaled():
		return &exitStatus{128 + int(status.Signal())}
	case status.ExitStatus() != 0:
		return &exitStatus{status.ExitStatus()}
	}
	return nil
}
