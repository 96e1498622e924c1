//go:build !linux

package layers

import (
	"errors"
	"net"
	"time"
)

func setCork(*net.TCPConn, bool) {}

func setUserTimeout(*net.TCPConn, time.Duration) {}

func peerCredentials(*net.UnixConn) (Credentials, error) {
	return Credentials{}, errors.ErrUnsupported
}
