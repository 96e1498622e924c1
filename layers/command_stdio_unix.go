//go:build unix

package layers

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketStdio is one end of a socket pair.
type socketStdio struct{ *net.UnixConn }

// newStdio makes a socket pair; the command's end is its input and its output.
func newStdio() (ours stdio, stdin, stdout *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	near, far := os.NewFile(uintptr(fds[0]), "command"), os.NewFile(uintptr(fds[1]), "stdio")
	defer near.Close()
	c, err := net.FileConn(near)
	if err != nil {
		_ = far.Close()
		return nil, nil, nil, err
	}
	return socketStdio{c.(*net.UnixConn)}, far, far, nil
}

// Read takes it for an end that the command left without having read
// everything, as it is with pipes.
func (s socketStdio) Read(b []byte) (int, error) {
	n, err := s.UnixConn.Read(b)
	if errors.Is(err, syscall.ECONNRESET) {
		err = io.EOF
	}
	return n, err
}
