package redistest

import (
	"fmt"
	"syscall"
)

// takePort finds a port. To hold it, a socket is bound to it that does not
// listen: Linux gives such a port to nobody who asks for any, and lets one listen
// there who asks for it with SO_REUSEADDR, as servers do. So it is the server's
// while it is started, and while it is down.
func takePort(hold bool) (*port, error) {
	if !hold {
		return freePort()
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("redistest: port: %w", err)
	}
	p := &port{holder: fd}
	if p.number, err = bindAny(fd); err != nil {
		p.release()
		return nil, fmt.Errorf("redistest: port: %w", err)
	}
	return p, nil
}

func bindAny(fd int) (number int, err error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return at.(*syscall.SockaddrInet4).Port, nil
}

func (p *port) release() {
	if p.holder >= 0 {
		_ = syscall.Close(p.holder)
		p.holder = -1
	}
}
