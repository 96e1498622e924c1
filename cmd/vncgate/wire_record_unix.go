//go:build unix

package main

import (
	"errors"
	"syscall"
)

// noSpace reports whether a disk, a quota or a limit of files' sizes is full.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
