//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"syscall"
)

// streamOf is what a file is, in the form of JOURNAL_STREAM.
func streamOf(info fs.FileInfo) (at string, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", false
	}
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino), true
}
