//go:build !unix

package layers

import (
	"errors"
	"os"
	"syscall"
)

func shareFD(int) (*os.File, error) { return nil, errors.ErrUnsupported }

func dropFD(int) {}

func keepFromChildren(int) {}

func listening(*os.File) bool { return false }

func closeToAll(syscall.RawConn) error { return nil }
