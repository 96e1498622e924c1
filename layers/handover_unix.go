//go:build unix

package layers

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// duplicateSocket makes another descriptor of a listener's socket.
func duplicateSocket(ln net.Listener) (int, error) {
	c, ok := ln.(syscall.Conn)
	if !ok {
		return -1, errors.ErrUnsupported
	}
	return duplicate(c)
}

// CloseSockets closes descriptors of Sockets.
func CloseSockets(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
