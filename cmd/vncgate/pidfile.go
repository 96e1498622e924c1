package main

import (
	"bytes"
	"fmt"
	"os"
)

// pidFile is a file with the number of the process that lets viewers in; "" is
// none.
type pidFile string

// write puts our number there, all of it at once: whoever reads the file meanwhile
// has the old number or the new one.
func (p pidFile) write() error {
	if p == "" {
		return nil
	}
	fresh := string(p) + ".new"
	if err := os.WriteFile(fresh, p.text(), 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, string(p))
}

// remove takes the file away, unless another process has taken over.
func (p pidFile) remove() {
	if p == "" {
		return
	}
	if b, err := os.ReadFile(string(p)); err == nil && bytes.Equal(b, p.text()) {
		_ = os.Remove(string(p))
	}
}

func (pidFile) text() []byte { return fmt.Appendf(nil, "%d\n", os.Getpid()) }
