//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package folder

import (
	"errors"
	"io/fs"
	"os"
)

// TryLock makes a second file that must not be there yet, or says ErrLocked. A
// process that crashes leaves it behind: who finds nobody at work removes it.
func TryLock(f *os.File) (release func(), err error) {
	name := f.Name() + ".held"
	held, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, ErrLocked
	case err != nil:
		return nil, err
	}
	held.Close()
	return func() { os.Remove(name) }, nil
}

// ownedLike does nothing where files have no numeric owners.
func ownedLike(*os.File, string) error { return nil }
