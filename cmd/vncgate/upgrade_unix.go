//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// upgradeSignal asks for an upgrade.
var upgradeSignal os.Signal = syscall.SIGUSR2

// startSuccessor starts the program at path with our arguments and these sockets,
// which stay the caller's. Not by os/exec: it would have our sockets block.
func startSuccessor(path string, sockets []handedSocket) (*successor, error) {
	ours, theirs, err := channel()
	if err != nil {
		return nil, err
	}
	defer unix.Close(theirs)
	files := []uintptr{0, 1, 2, uintptr(theirs)}
	told := handedOver{}
	for _, s := range sockets {
		there := handedSocket{Key: s.Key}
		for _, fd := range s.FDs {
			there.FDs = append(there.FDs, len(files))
			files = append(files, uintptr(fd))
		}
		told.Sockets = append(told.Sockets, there)
	}
	pid, err := syscall.ForkExec(path, os.Args, &syscall.ProcAttr{
		Env:   append(withoutActivation(os.Environ()), fmt.Sprintf("%s=%d %d", successorVariable, channelFD, os.Getpid())),
		Files: files,
	})
	if err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	exited := make(chan struct{})
	go reap(pid, exited)
	s := &successor{pid: pid, channel: ours, exited: exited}
	_ = ours.SetDeadline(time.Now().Add(successorTime))
	_ = json.NewEncoder(ours).Encode(told) // if that fails, ready says so
	return s, nil
}

// channel is a socket pair, of which one end is for a child.
func channel() (ours net.Conn, theirs int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, -1, os.NewSyscallError("socketpair", err)
	}
	unix.CloseOnExec(pair[0])
	unix.CloseOnExec(pair[1])
	f := os.NewFile(uintptr(pair[0]), "successor")
	defer f.Close()
	if ours, err = net.FileConn(f); err != nil {
		_ = unix.Close(pair[1])
		return nil, -1, err
	}
	return ours, pair[1], nil
}

// reap waits for a child that may outlive us.
func reap(pid int, exited chan<- struct{}) {
	defer close(exited)
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// kill ends a new process that will not serve.
func (s *successor) kill() {
	_ = unix.Kill(s.pid, unix.SIGKILL)
	<-s.exited
	_ = s.channel.Close()
}

func keepFromChildren(fds []int) {
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
}
