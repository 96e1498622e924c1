package layers

import (
	"net"

	"golang.org/x/sys/unix"
)

// muxNotSent is what the kernel may hold of a tunnel that it has not sent yet:
// a small write waits behind that much at most. A millisecond at 1 Gbit/s.
const muxNotSent = 128 << 10

func setNotSent(c net.Conn) {
	if t, ok := As[*net.TCPConn](c); ok {
		setTCP(t, unix.TCP_NOTSENT_LOWAT, muxNotSent)
	}
}
