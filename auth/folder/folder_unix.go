//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package folder

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// TryLock takes the lock on f, or says ErrLocked. The system drops it when the
// process ends.
func TryLock(f *os.File) (release func(), err error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, ErrLocked
		case !errors.Is(err, unix.EINTR):
			return nil, err
		}
	}
}

// ownedLike gives a file that root made the owner of what is at path, so that a
// service that runs as another user can go on with it.
func ownedLike(f *os.File, path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
		return f.Chown(int(stat.Uid), int(stat.Gid))
	}
	return nil
}
