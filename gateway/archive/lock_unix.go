//go:build unix

package archive

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock marks a file as one that is written to, until it is closed: by whichever
// process. Where the file system has no locks, only this one knows.
func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.ENOTSUP || err == unix.ENOLCK || err == unix.ENOSYS {
		return nil
	}
	return err
}

// written reports whether somebody writes to the file.
func written(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return !os.IsNotExist(err)
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}
