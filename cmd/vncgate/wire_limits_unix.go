//go:build unix

package main

import "syscall"

// descriptors is how many this process may have. Go has raised it to what the
// system allows, when the process began.
func descriptors() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Cur) // signed on FreeBSD
}
