package layers

import (
	"net"

	"golang.org/x/sys/unix"
)

// muxNotSent is what the kernel may hold of a tunnel that it has not sent yet:
// a small write waits behind that much at most, which on a way that loses one
// packet in a hundred is 50 ms. Less costs throughput at 100 Mbit/s, more none
// and brings nothing at 1 Gbit/s and 100 ms.
const muxNotSent = 32 << 10

func setNotSent(c net.Conn) {
	if t, ok := As[*net.TCPConn](c); ok {
		setTCP(t, unix.TCP_NOTSENT_LOWAT, muxNotSent)
	}
}
