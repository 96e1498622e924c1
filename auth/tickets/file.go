package tickets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of token files.
const (
	maxFileSize = 16 << 20 // bytes of one file
	maxFiles    = 4096     // files in a directory
	maxLine     = 4096     // bytes of a line
	maxReports  = 16       // lines of one file that are reported
)

// File is a source that reads lines `token: host:port` from a file, or from
// the regular files directly in a directory (websockify's TokenFile). The
// grammar is websockify's: a token ends at the first ": " (a colon and a space
// or tab) and is taken as it stands, blanks included; what follows is an
// address as ParseAddress takes it; lines that begin with "#" are comments; of
// lines with the same token the last counts, and in a directory that of the
// last file by name. Files whose names begin with "." or "#" or end with "~"
// are left by editors and not read.
//
// A look-up that begins after a file was replaced, changed, added or removed
// uses what is there now: each asks the file system, and reads again what
// differs in size, time or inode. A file that is changed in place can be seen
// half-written; replace it by renaming. While the file, or a file that cannot
// be read, might have known the token, the look-up fails.
//
// The fields are not changed once it is in use.
type File struct {
	// Path is of a file or a directory.
	Path string
	// Once keeps what the first look-up found for good (websockify's
	// ReadOnlyTokenFile).
	Once bool
	// Report is told, once for each change, of files and lines that cannot be
	// used; nil for nobody. It is called from within look-ups, one at a time.
	Report func(error)

	mu     sync.Mutex
	loaded bool
	files  map[string]*tokenFile
	order  []string          // names in files, sorted
	tokens map[string]string // of all files: token to address
	broken error             // why some file is missing in tokens
	said   string            // the last error of the path itself that was reported
}

// Lookup returns the address of the line whose token it is.
func (f *File) Lookup(_ context.Context, token string) (Ticket, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refresh(); err != nil {
		return Ticket{}, err
	}
	if address, ok := f.tokens[token]; ok {
		return Ticket{Address: address}, nil
	}
	if f.broken != nil {
		return Ticket{}, f.broken
	}
	return Ticket{}, ErrUnknown
}

// Names lists the tokens.
func (f *File) Names(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refresh(); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(f.tokens)), f.broken
}

// refresh brings tokens up to date with the files.
func (f *File) refresh() error {
	if f.Once && f.loaded {
		return nil
	}
	paths, err := f.paths()
	if err != nil {
		f.forget()
		if err.Error() != f.said {
			f.said = err.Error()
			f.report(err)
		}
		return err
	}
	f.said = ""
	if f.readAll(paths) {
		f.merge()
	}
	f.loaded = f.broken == nil
	return nil
}

// forget leaves nothing of what was read: what vanished is good for nothing.
func (f *File) forget() { f.files, f.order, f.tokens, f.broken = nil, nil, nil, nil }

// paths is what there is to read, sorted.
func (f *File) paths() ([]string, error) {
	info, err := os.Stat(f.Path)
	if err != nil {
		return nil, fmt.Errorf("tickets: token file: %w", err)
	}
	if !info.IsDir() {
		return []string{f.Path}, nil
	}
	dir, err := os.Open(f.Path)
	if err != nil {
		return nil, fmt.Errorf("tickets: token files: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("tickets: token files: %w", err)
	}
	names = slices.DeleteFunc(names, leftByEditor)
	if len(names) > maxFiles {
		return nil, fmt.Errorf("tickets: token files: %s holds more than %d files", f.Path, maxFiles)
	}
	slices.Sort(names)
	for i := range names {
		names[i] = filepath.Join(f.Path, names[i])
	}
	return names, nil
}

func leftByEditor(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~")
}

// readAll reads what is new or has changed, and says whether anything did.
func (f *File) readAll(paths []string) (changed bool) {
	single := len(paths) == 1 && paths[0] == f.Path
	files := make(map[string]*tokenFile, len(paths))
	order := make([]string, 0, len(paths))
	for _, path := range paths {
		t := f.files[path]
		fresh, keep := t.look(path, single)
		if !keep {
			continue
		}
		if fresh != t {
			changed = true
			f.reportFile(t, fresh)
		}
		files[path] = fresh
		order = append(order, path)
	}
	if !slices.Equal(order, f.order) {
		changed = true
	}
	f.files, f.order = files, order
	return changed
}

// merge joins the files; later ones count.
func (f *File) merge() {
	f.tokens, f.broken = map[string]string{}, nil
	for _, path := range f.order {
		file := f.files[path]
		if file.err != nil && f.broken == nil {
			f.broken = file.err
		}
		for token, address := range file.tokens {
			if address == "" {
				delete(f.tokens, token)
				continue
			}
			f.tokens[token] = address
		}
	}
}

// reportFile tells of what is wrong with a file, unless it was wrong in the
// same way before.
func (f *File) reportFile(before, now *tokenFile) {
	if now.err != nil {
		f.report(now.err)
		return
	}
	if before != nil && before.err == nil && before.hash == now.hash {
		return
	}
	for _, err := range now.wrong {
		f.report(err)
	}
}

func (f *File) report(err error) {
	if f.Report != nil {
		f.Report(err)
	}
}

// look returns the file as it is now, which is t itself if it has not changed.
// keep is false for what is not a file to read: directories, and in a
// directory also what is gone, sockets and devices.
func (t *tokenFile) look(path string, single bool) (now *tokenFile, keep bool) {
	info, err := os.Stat(path)
	if err != nil && !single && errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err == nil && !info.Mode().IsRegular() {
		if !single {
			return nil, false
		}
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return t.or(&tokenFile{err: fmt.Errorf("tickets: token file: %w", err)}), true
	}
	if t != nil && unchanged(t.info, info, t.at) {
		return t, true
	}
	return t.or(readTokens(path)), true
}

// or is now, unless that is broken in the same way as t.
func (t *tokenFile) or(now *tokenFile) *tokenFile {
	if t != nil && t.err != nil && now.err != nil && t.err.Error() == now.err.Error() {
		return t
	}
	return now
}

// unchanged compares what stat can see. A file written less than a moment
// before it was read may have been written again within the same tick of the
// file system's clock, so it is not trusted yet.
func unchanged(before, now fs.FileInfo, read time.Time) bool {
	const tick = 100 * time.Millisecond
	return before != nil && os.SameFile(before, now) && before.Size() == now.Size() &&
		before.ModTime().Equal(now.ModTime()) && read.Sub(now.ModTime()).Abs() > tick
}
