//go:build !unix

package layers

import (
	"errors"
	"net"
)

func duplicateSocket(net.Listener) (int, error) { return -1, errors.ErrUnsupported }

// CloseSockets closes descriptors of Sockets; there are none here.
func CloseSockets([]int) {}
