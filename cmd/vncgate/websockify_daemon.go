package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Going into the background. Go cannot fork, so the program starts itself
// again in a session of its own. The second one does everything, reports what
// is wrong on the terminal still, and says on a pipe when it listens; then it
// lets go of the terminal, and the first one ends.

// backgroundPipe is the environment variable by which the second one knows
// what it is: the number of the pipe's file descriptor.
const (
	backgroundPipe = "VNCGATE_BACKGROUND"
	readyFD        = "3"
)

// inBackground reports whether we are the second one.
func inBackground() bool { return os.Getenv(backgroundPipe) == readyFD }

// startInBackground runs the second one and returns when it listens, or with
// an exitStatus when it has ended before.
func startInBackground() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("--daemon: %w", err)
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("--daemon: %w", err)
	}
	defer func() { _ = ours.Close() }()
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Args[0] = os.Args[0] // the name decides what we are
	cmd.Env = append(os.Environ(), backgroundPipe+"="+readyFD)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return fmt.Errorf("--daemon: %w", err)
	}
	if n, _ := ours.Read(make([]byte, 1)); n == 1 {
		return cmd.Process.Release()
	}
	err = cmd.Wait()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok && ended.ExitCode() > 0 {
		return &exitStatus{ended.ExitCode()}
	}
	return fmt.Errorf("--daemon: it ended before it listened (%v)", err)
}

// takeReadyPipe is for the second one to call first, so that what it starts
// inherits neither the pipe nor the word of it. It is nil where there is nobody
// to tell.
func takeReadyPipe() (*os.File, error) {
	if !inBackground() {
		return nil, nil
	}
	if err := os.Unsetenv(backgroundPipe); err != nil {
		return nil, fmt.Errorf("--daemon: %w", err)
	}
	const fd = 3 // readyFD
	syscall.CloseOnExec(fd)
	return os.NewFile(fd, "pipe to whoever started us"), nil
}

// tellReady is the second one's word that it listens; then it has no terminal
// any more.
func tellReady(pipe *os.File) error {
	if pipe == nil {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("--daemon: %w", err)
	}
	defer func() { _ = null.Close() }()
	for fd := range 3 {
		if err := replaceFD(int(null.Fd()), fd); err != nil {
			return fmt.Errorf("--daemon: %w", err)
		}
	}
	_, err = pipe.Write([]byte{'.'})
	return errors.Join(err, pipe.Close())
}

// exitStatus is an error that has been told already.
type exitStatus struct{ code int }

func (e *exitStatus) Error() string { return fmt.Sprintf("exit status %d", e.code) }
