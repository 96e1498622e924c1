package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// createFile writes a file that must not be there yet; wrote is false when it
// is. A reader sees the whole text or no file.
func createFile(file string, data []byte, mode fs.FileMode) (wrote bool, err error) {
	temp, err := writeTemp(file, data, mode)
	if err != nil {
		return false, err
	}
	defer os.Remove(temp)
	err = os.Link(temp, file)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrExist):
		return false, nil
	}
	// A file system without links (FAT, some shared folders).
	if err := os.Rename(temp, file); err != nil {
		return false, fmt.Errorf("certs: write: %w", err)
	}
	return true, nil
}

// writeFile replaces a file. A reader sees the old text or the new.
func writeFile(file string, data []byte, mode fs.FileMode) error {
	temp, err := writeTemp(file, data, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, file); err != nil {
		os.Remove(temp)
		return fmt.Errorf("certs: write: %w", err)
	}
	return nil
}

// writeTemp writes data to a new file beside file, to last through a crash.
func writeTemp(file string, data []byte, mode fs.FileMode) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return "", fmt.Errorf("certs: write: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("certs: write %s: %w", file, err)
	}
	return f.Name(), nil
}
