//go:build !linux

package main

import (
	"errors"
	"log/slog"
)

// rebindCommand exists on Linux alone.
const rebindCommand = "under-rebind"

func findPortMover(log *slog.Logger, quiet bool) (portMover, error) {
	if library := findRebindLibrary(rebindFolders()); library != "" {
		warnOfLibrary(log, errors.ErrUnsupported)
		return preloader{library, quiet}, nil
	}
	return nil, errors.New("a command behind -- needs its port moved by websockify's rebind.so, which is not there; start the server yourself and give its HOST:PORT instead")
}

func canCopySockets() error { return errors.ErrUnsupported }

func becomeRebound([]string) error { return errors.ErrUnsupported }

func replaceFD(int, int) error { return errors.ErrUnsupported }
