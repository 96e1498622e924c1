//go:build !linux

package layers

import "net"

// setNotSent has an effect on Linux only.
func setNotSent(net.Conn) {}
