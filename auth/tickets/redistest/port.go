package redistest

import (
	"fmt"
	"net"
)

// port is one of 127.0.0.1 that a server is to listen at.
type port struct {
	number int
	holder int // a socket that is bound and does not listen; -1: none
}

// freePort is one that nobody listens at, as far as can be seen now.
func freePort() (*port, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("redistest: port: %w", err)
	}
	defer ln.Close()
	return &port{number: ln.Addr().(*net.TCPAddr).Port, holder: -1}, nil
}
