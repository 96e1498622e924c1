package tickets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Bounds of directories whose entries are tokens.
const (
	maxFileName   = 255 // bytes of a token that names a file
	maxDirEntries = 16384
)

// NamedFiles is a source whose tokens are the names of files, each of which
// holds an address as ParseAddress takes it (websockify's TokenFileName). It
// looks into the directory at each look-up and keeps nothing. A token that is
// not the plain name of a regular file directly in the directory, or of a link
// that ends within it, is unknown; so is every name that begins with a dot.
type NamedFiles struct {
	Dir string
}

// Lookup reads the file.
func (n *NamedFiles) Lookup(_ context.Context, token string) (Ticket, error) {
	root, err := openDir(n.Dir, token, fs.FileMode.IsRegular)
	if err != nil {
		return Ticket{}, err
	}
	defer root.Close()
	text, _, err := readRegular(root.OpenFile(token, os.O_RDONLY|syscall.O_NONBLOCK, 0))
	if errors.Is(err, fs.ErrNotExist) {
		return Ticket{}, ErrUnknown
	}
	if err != nil {
		return Ticket{}, fmt.Errorf("tickets: a file in %s: %w", n.Dir, bare(err))
	}
	address, err := ParseAddress(strings.TrimSpace(string(text)))
	if err != nil {
		return Ticket{}, fmt.Errorf("tickets: a file in %s: %w", n.Dir, err)
	}
	return Ticket{Address: address}, nil
}

// Names lists the files.
func (n *NamedFiles) Names(context.Context) ([]string, error) {
	return listDir(n.Dir, fs.FileMode.IsRegular)
}

// openDir opens dir, which holds an entry of that name and kind. All that
// follows a link is done through the os.Root, which does not leave dir.
func openDir(dir, name string, kind func(fs.FileMode) bool) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("tickets: directory of tokens: %w", err)
	}
	if err := holds(root, name, kind); err != nil {
		root.Close()
		if errors.Is(err, ErrUnknown) {
			return nil, err
		}
		return nil, fmt.Errorf("tickets: something in %s: %w", dir, bare(err))
	}
	return root, nil
}

// holds is ErrUnknown where root has no such entry of its own.
func holds(root *os.Root, name string, kind func(fs.FileMode) bool) error {
	if !plainName(name) {
		return ErrUnknown
	}
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG):
		return ErrUnknown
	case err != nil:
		return err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		if info, err = root.Stat(name); err != nil { // it leads nowhere, or out of root
			return ErrUnknown
		}
	}
	if !kind(info.Mode()) {
		return ErrUnknown
	}
	return nil
}

// plainName holds for what can only be the name of an entry: nothing that
// parts a path on any system, no control characters, no dot in front.
func plainName(s string) bool {
	return s != "" && len(s) <= maxFileName && s[0] != '.' &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == '\\' })
}

// listDir lists the entries that holds would find.
func listDir(dir string, kind func(fs.FileMode) bool) ([]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("tickets: directory of tokens: %w", err)
	}
	defer root.Close()
	f, err := root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("tickets: directory of tokens: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("tickets: directory of tokens: %w", err)
	}
	if len(names) > maxDirEntries {
		return nil, fmt.Errorf("tickets: directory of tokens: %s has more than %d entries", dir, maxDirEntries)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return holds(root, name, kind) != nil })
	slices.Sort(names)
	return names, nil
}
