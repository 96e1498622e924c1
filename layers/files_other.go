//go:build !unix

package layers

import (
	"errors"
	"net"
	"os"
)

func sendFiles(*net.UnixConn, []byte, []*os.File) error { return errors.ErrUnsupported }

func receiveFiles(*net.UnixConn, []byte) (int, []*os.File, error) {
	return 0, nil, errors.ErrUnsupported
}
