// Package folder has files that several processes read and change: under a
// lock that no crash leaves behind, replaced as a whole, and owned by whoever
// owns the folder, so that root's commands and a service can share it.
package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// lockWait is how long a writer waits for others.
const lockWait = 10 * time.Second

// ErrLocked says that a lock is held by somebody else.
var ErrLocked = errors.New("locked")

// Lock takes the lock of the name path, waiting for its turn. The file stays:
// what counts is the lock on it, which ends with the process at the latest.
func Lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := ownedLike(f, filepath.Dir(path)); err != nil {
		f.Close()
		return nil, err
	}
	for end := time.Now().Add(lockWait); ; time.Sleep(2 * time.Millisecond) {
		release, err := TryLock(f)
		if err == nil {
			return func() { release(); f.Close() }, nil
		}
		if !errors.Is(err, ErrLocked) || time.Now().After(end) {
			f.Close()
			return nil, fmt.Errorf("%s: another process holds it: %w", path, err)
		}
	}
}

// WriteFile replaces a file, of mode 0600, to last through a crash. A reader
// sees the old text or the new.
func WriteFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), TempPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	like := path
	if !Exists(path) {
		like = filepath.Dir(path)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, ownedLike(f, like), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// MakeDir makes a directory for this program's own files.
func MakeDir(path string) error {
	if Exists(path) {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return ownedLike(d, filepath.Dir(path))
}

// TempPrefix begins the names of files that are being written. One that is old
// was left by a crash.
const TempPrefix = ".new-"

// syncDir makes a rename last through a crash, where directories can be synced.
// The rename is done by then, so a failure is nobody's error.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

// ReadFile reads a file of at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: larger than %d bytes", path, limit)
	}
	return text, err
}

// Exists reports whether there is something of that name, as far as one can
// see.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// GiveAway gives a file that root made to the owner of the folder it is in.
func GiveAway(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return ownedLike(f, filepath.Dir(path))
}
