//go:build unix

package main

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// inProcess is a connection within the process that is one to the system too:
// sessions over it rest like all others.
func inProcess() (ours, theirs net.Conn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		unix.CloseOnExec(fd)
		file := os.NewFile(uintptr(fd), "socketpair")
		c, failed := net.FileConn(file)
		_ = file.Close() // the connection has its own
		if failed != nil {
			err = failed
			continue
		}
		ends[i] = c
	}
	if err != nil {
		for _, c := range ends {
			if c != nil {
				_ = c.Close()
			}
		}
		return nil, nil, err
	}
	return ends[0], ends[1], nil
}
