package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vncgate/auth/folder"
)

// Folder is a Store in files, one for each text, for all processes of one
// machine: the gateway, the command line, and gateways that share the folder.
type Folder struct{ dir string }

const (
	folderPoll = 200 * time.Millisecond // between looks at a file that is watched
	folderTick = 100 * time.Millisecond // in which a file may be written twice and look the same
	textSuffix = ".json"
)

// OpenFolder opens the store in dir, which it makes if there is none.
func OpenFolder(dir string) (*Folder, error) {
	err := folder.MakeDir(dir)
	if err == nil {
		_, err = os.ReadDir(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("tunnel: registry: %w", err)
	}
	return &Folder{dir}, nil
}

// Close is there for Store: a folder runs nothing.
func (f *Folder) Close() error { return nil }

func (f *Folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// file is where the text of a name is.
func (f *Folder) file(name string) (string, error) {
	kind, last, ok := strings.Cut(name, "/")
	if !ok {
		kind, last = "", name
	}
	for _, part := range []string{kind, last} {
		if strings.HasPrefix(part, ".") || strings.ContainsAny(part, `/\`) || part == "" && part == last {
			return "", fmt.Errorf("tunnel: registry: %.80q is no name of a text", name)
		}
	}
	return f.path(name) + textSuffix, nil
}

// Read is for Store.
func (f *Folder) Read(_ context.Context, name string) ([]byte, error) {
	file, err := f.file(name)
	if err != nil {
		return nil, err
	}
	return readText(file)
}

// readText returns nil where there is no file.
func readText(file string) ([]byte, error) {
	text, err := folder.ReadFile(file, MaxText)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// List is for Store.
func (f *Folder) List(_ context.Context, prefix string) (map[string][]byte, error) {
	kind, start := "", prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		kind, start = prefix[:i+1], prefix[i+1:]
	}
	entries, err := os.ReadDir(f.path(kind))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	texts := map[string][]byte{}
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), textSuffix)
		if !ok || e.IsDir() || strings.HasPrefix(base, ".") || !strings.HasPrefix(base, start) {
			continue
		}
		text, err := readText(filepath.Join(f.path(kind), e.Name()))
		if err != nil {
			return nil, err
		}
		if text != nil { // it was not removed meanwhile
			texts[kind+base] = text
		}
	}
	return texts, nil
}

// Change is for Store.
func (f *Folder) Change(_ context.Context, name string, change func([]byte) ([]byte, error)) error {
	file, err := f.file(name)
	if err != nil {
		return err
	}
	unlock, err := folder.Lock(f.path("lock"))
	if err != nil {
		return err
	}
	defer unlock()
	old, err := readText(file)
	if err != nil {
		return err
	}
	text, err := change(old)
	switch {
	case err != nil:
		return err
	case text == nil && old == nil:
		return nil
	case text == nil:
		return os.Remove(file)
	case len(text) > MaxText:
		return fmt.Errorf("%s would be larger than %d bytes", file, MaxText)
	}
	if err := folder.MakeDir(filepath.Dir(file)); err != nil {
		return err
	}
	return folder.WriteFile(file, text)
}

// Watch is for Store.
func (f *Folder) Watch(ctx context.Context, name string, changed func()) {
	file, err := f.file(name)
	if err != nil {
		return
	}
	tick := time.NewTicker(folderPoll)
	defer tick.Stop()
	var before os.FileInfo
	at := time.Time{} // of the look before
	for first := true; ; first = false {
		now, looked := stat(file), time.Now()
		if first || !sameFile(before, now, at) {
			changed()
		}
		before, at = now, looked
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stat is nil where there is no file.
func stat(file string) os.FileInfo {
	info, err := os.Stat(file)
	if err != nil {
		return nil
	}
	return info
}

// sameFile compares what can be seen without reading. A file that had just been
// written when it was looked at may have been written again since.
func sameFile(before, now os.FileInfo, at time.Time) bool {
	if before == nil || now == nil {
		return before == nil && now == nil
	}
	return os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime()) && at.Sub(now.ModTime()) > folderTick
}
