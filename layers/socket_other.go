//go:build !linux

package layers

import (
	"errors"
	"net"
)

func setCork(*net.TCPConn, bool) {}

func peerCredentials(*net.UnixConn) (Credentials, error) {
	return Credentials{}, errors.ErrUnsupported
}
