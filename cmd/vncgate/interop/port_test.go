package interop

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// Ports for programs that cannot be given port 0. They lie below those that
// the kernel picks for outgoing connections, so that nobody takes one between
// our look and the program's.
const firstPort, lastPort = 20000, 32000

// nextPort counts them up from a random one: several runs may go on at once.
var nextPort = randomStart()

func randomStart() *atomic.Int64 {
	n := new(atomic.Int64)
	n.Store(rand.Int64N(lastPort - firstPort))
	return n
}

// freePort is a TCP port of 127.0.0.1 that nothing listens on. None is handed
// out twice.
func freePort() (int, error) {
	for range lastPort - firstPort {
		port := firstPort + int(nextPort.Add(1)%(lastPort-firstPort))
		ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			return port, ln.Close()
		}
	}
	return 0, errors.New("no port is free")
}
