//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package capability

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryLock takes the lock on f, or says errLocked. The system drops it when the
// process ends.
func tryLock(f *os.File) (release func(), err error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, errLocked
		case !errors.Is(err, unix.EINTR):
			return nil, err
		}
	}
}

// likeDir gives a file that root made the owner of its directory, so that a
// service that runs as another user can go on with it.
func likeDir(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	if dir, ok := info.Sys().(*syscall.Stat_t); ok && dir.Uid != 0 {
		return f.Chown(int(dir.Uid), int(dir.Gid))
	}
	return nil
}
