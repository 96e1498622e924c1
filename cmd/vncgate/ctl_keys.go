package main

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"
)

// keyInterrupt is what Ctrl-C sends in a terminal that is told to hand over keys
// as they are.
const keyInterrupt = 0x03

// untilKey is ctx until q or Ctrl-C is pressed where in is a terminal. stop gives
// the terminal back.
func untilKey(ctx context.Context, in io.Reader) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	file, _ := in.(*os.File)
	if file == nil {
		return ctx, cancel
	}
	fd := int(file.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil { // it is none
		return ctx, cancel
	}
	go awaitQuit(file, cancel) // until the program ends: nothing else reads there
	return ctx, func() {
		cancel()
		_ = term.Restore(fd, before)
	}
}

// awaitQuit reads keys until one that ends, which it tells.
func awaitQuit(keys io.Reader, quit func()) {
	for key := make([]byte, 1); ; {
		n, err := keys.Read(key)
		if n == 1 && (key[0] == 'q' || key[0] == 'Q' || key[0] == keyInterrupt) {
			quit()
			return
		}
		if err != nil {
			return
		}
	}
}
