package main

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// blockingConn reads and writes in system calls that block, so that what is
// measured is not how fast Go's scheduler wakes us.
type blockingConn struct {
	net.Conn
	file *os.File
	fd   int
}

// blocking takes the place of c. Deadlines become those of the socket.
func blocking(c net.Conn) net.Conn {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	f, err := t.File()
	if err != nil {
		return c
	}
	fd := int(f.Fd()) // which makes it block
	_ = t.Close()
	return &blockingConn{c, f, fd}
}

func (b *blockingConn) Read(p []byte) (int, error) {
	for {
		n, err := syscall.Read(b.fd, p)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (b *blockingConn) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := syscall.Write(b.fd, p[done:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// SetDeadline gives each read and write of its own the time that is left.
func (b *blockingConn) SetDeadline(t time.Time) error {
	var tv syscall.Timeval
	if !t.IsZero() {
		tv = syscall.NsecToTimeval(int64(time.Until(t)))
	}
	if err := syscall.SetsockoptTimeval(b.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv); err != nil {
		return err
	}
	return syscall.SetsockoptTimeval(b.fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &tv)
}

func (b *blockingConn) Close() error { return b.file.Close() }
