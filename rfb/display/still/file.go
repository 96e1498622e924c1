package still

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile has write fill a new file beside path, and puts it in the place of
// path when that is done. Whoever reads path meets the file of before or the new
// one, whole; after an error it is as it was. What is there already and is no
// file, such as a pipe or /dev/stdout, is written to as it is.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	if there, err := os.Stat(path); err == nil && !there.Mode().IsRegular() {
		return writeThrough(path, write)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link stays
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".vncgate-*")
	if bad, ok := errors.AsType[*fs.PathError](err); ok {
		err = &fs.PathError{Op: "create", Path: path, Err: bad.Err} // and not a name that nobody has given
	}
	if err != nil {
		return fmt.Errorf("still: %w", err)
	}
	defer func() {
		_ = f.Close()
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(modeOf(path)); err != nil {
		return fmt.Errorf("still: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("still: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("still: %w", err)
	}
	return nil
}

// modeOf is that of the file that is replaced. A new one shows a screen, which is
// nobody's business but its owner's.
func modeOf(path string) os.FileMode {
	if there, err := os.Stat(path); err == nil {
		return there.Mode().Perm()
	}
	return 0o600
}

func writeThrough(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("still: %w", err)
	}
	err = write(f)
	if e := f.Close(); err == nil && e != nil {
		err = fmt.Errorf("still: %w", e)
	}
	return err
}
