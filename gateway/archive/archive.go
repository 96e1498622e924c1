// Package archive keeps recordings: in a folder with a bound on its bytes, for as
// long as they are to live, and on from there to a server that speaks S3.
//
//	f, err := archive.Open(archive.Config{Path: "/var/lib/vncgate/recordings", Room: 20 << 30, Remove: true, Keep: 30 * 24 * time.Hour})
//	w, err := f.Begin("20260501-120000-office-alice-b0c1d2e3", 0)
//	file, err := w.Create("20260501-120000-office-alice-b0c1d2e3.fbs")
//	…
//	w.End()
//	f.Sweep(ctx) // now and then
//
// A recording is all files whose names begin with its own and go on with a point.
// While it is written to, by this process or by another, its files are locked
// (flock), and nobody removes or uploads them.
package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of Begin and of writing that callers branch on.
var (
	// ErrNoRoom is that all the room for recordings is taken (Config.Room).
	ErrNoRoom = errors.New("archive: the room for recordings is used up")
	// ErrName is that a name is none for a recording.
	ErrName = errors.New("archive: not a name for a recording")
)

// suffixKeep is that of the file that says until when a recording lives, where
// that is not as long as all others do.
const suffixKeep = ".keep"

// leastRoom is what a recording needs to begin, or a sixteenth of all room.
const leastRoom = 64 << 10

// Config says how recordings are kept.
type Config struct {
	// Path is the folder, which is made if there is none.
	Path string
	// Room is the most bytes of all recordings together; 0: as many as fit the
	// disk. The one that is being written is told ErrNoRoom where no other can make
	// way.
	Room int64
	// Remove has the oldest recordings that have ended make room.
	Remove bool
	// Keep is how long a recording lives from its end on; 0: until somebody
	// removes it.
	Keep time.Duration
	// Removed is told of each recording that was removed, and has to return at once
	// without a look at the Folder; nil: nobody is.
	Removed func(Removed)
	// Failed is told what keeps recordings from being removed; nil: nobody is.
	Failed func(error)
}

// Removed is a recording that is no longer there.
type Removed struct {
	Name string
	// Reason is "age" or "room".
	Reason string
	// Bytes is how large it was, Ended when it was written to last.
	Bytes int64
	Ended time.Time
}

// Folder is a folder of recordings. It is for any number of goroutines.
type Folder struct {
	path  string
	cfg   atomic.Pointer[Config]
	clock func() (wall time.Time, up time.Duration)

	mu      sync.Mutex
	used    int64 // bytes, as far as is known
	open    map[string]*Writing
	aged    []kept // that have ended, oldest first, as the last look has found them
	looked  time.Duration
	settles clockWatch
}

// Open looks at what there is.
func Open(cfg Config) (*Folder, error) {
	if err := os.MkdirAll(cfg.Path, 0o700); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	began := time.Now()
	f := &Folder{path: cfg.Path, open: map[string]*Writing{}}
	f.cfg.Store(&cfg)
	f.clock = func() (time.Time, time.Duration) { return time.Now().Round(0), time.Since(began) }
	f.mu.Lock()
	defer f.mu.Unlock()
	return f, f.look()
}

// Set changes how recordings are kept; the folder stays.
func (f *Folder) Set(cfg Config) { f.cfg.Store(&cfg) }

// Used is how many bytes there are, as far as is known.
func (f *Folder) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used
}

// Path is the folder's.
func (f *Folder) Path() string { return f.path }

// Writing is one recording that is being written: a destination for its files.
type Writing struct {
	f    *Folder
	name string

	mu    sync.Mutex
	files []*file
	ended bool
}

// Begin begins a recording. It lives as long as all do where keep is 0. The error
// matches ErrNoRoom, fs.ErrExist where there is one of that name, or is the disk's.
func (f *Folder) Begin(name string, keep time.Duration) (*Writing, error) {
	if !goodName(name) {
		return nil, fmt.Errorf("%w: %q", ErrName, name)
	}
	w := &Writing{f: f, name: name}
	f.mu.Lock()
	_, twice := f.open[name]
	if !twice {
		f.open[name] = w
	}
	f.mu.Unlock()
	if twice {
		return nil, fmt.Errorf("archive: %s: %w", name, fs.ErrExist)
	}
	least := max(min(leastRoom, f.cfg.Load().Room/16), 1)
	err := f.take(least) // there is no sense in beginning one that has no room
	if err == nil {
		f.give(least)
		err = w.writeKeep(keep)
	}
	if err != nil {
		w.End()
		return nil, err
	}
	return w, nil
}

// goodName keeps names within the folder, and one recording apart from another.
func goodName(name string) bool {
	return name != "" && len(name) <= 200 && !strings.ContainsFunc(name, func(r rune) bool { return !safe(r) })
}

func safe(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' || r == '+' || r == '=' || r == '@' || r == ','
}

// writeKeep notes how long the recording lives once it has ended.
func (w *Writing) writeKeep(keep time.Duration) error {
	if keep <= 0 {
		return nil
	}
	file, err := w.Create(w.name + suffixKeep)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, keep.String()+"\n")
	return errors.Join(err, file.Close())
}

// Create begins a file of the recording, whose name begins with the recording's
// and goes on with a point.
func (w *Writing) Create(name string) (io.WriteCloser, error) {
	if rest, ok := strings.CutPrefix(name, w.name+"."); !ok || rest == "" || strings.ContainsAny(rest, `/\`) {
		return nil, fmt.Errorf("%w: %q is no file of %s", ErrName, name, w.name)
	}
	under, err := os.OpenFile(filepath.Join(w.f.path, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := lock(under); err != nil {
		_ = under.Close()
		return nil, fmt.Errorf("archive: lock %s: %w", name, err)
	}
	file := &file{File: under, f: w.f}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files = append(w.files, file)
	return file, nil
}

// End says that nothing more will be written. Files that are open yet are closed,
// and removed if there was no room for the first byte of any.
func (w *Writing) End() {
	w.mu.Lock()
	files, ended := w.files, w.ended
	w.ended = true
	w.mu.Unlock()
	if ended {
		return
	}
	nothing := slices.ContainsFunc(files, (*file).refused) && !slices.ContainsFunc(files, (*file).holds)
	for _, file := range files {
		if nothing {
			_ = os.Remove(file.Name())
		}
		_ = file.release()
	}
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	delete(w.f.open, w.name)
	w.f.looked = -lookEvery // there is one more that can make way
}

// file is one that is written to. It stays open, and locked, until the recording
// ends: no part of one goes before another.
type file struct {
	*os.File
	f    *Folder
	full atomic.Bool // a Write has failed

	mu     sync.Mutex
	closed bool
}

// Write takes room for b.
func (o *file) Write(b []byte) (int, error) {
	if err := o.f.take(int64(len(b))); err != nil {
		o.full.Store(true)
		return 0, err
	}
	n, err := o.File.Write(b)
	o.f.give(int64(len(b) - n))
	if err != nil {
		o.full.Store(true)
		return n, fmt.Errorf("archive: %w", err)
	}
	return n, nil
}

// Close has all of it on the disk. The lock is held on.
func (o *file) Close() error {
	if err := o.Sync(); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

func (o *file) refused() bool { return o.full.Load() }

// holds reports whether something of a recording is in it.
func (o *file) holds() bool {
	info, err := o.Stat()
	return err != nil || info.Size() > 0 && !strings.HasSuffix(o.Name(), suffixKeep)
}

func (o *file) release() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	return o.File.Close()
}

// take takes room for n bytes, others being removed for it where they may be.
func (f *Folder) take(n int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	room := f.cfg.Load().Room
	if over := f.used + n - room; room > 0 && over > 0 && !f.makeRoom(over) {
		return fmt.Errorf("%w: %d bytes of %d", ErrNoRoom, f.used, room)
	}
	f.used += n
	return nil
}

// give gives back what was not needed.
func (f *Folder) give(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used -= n
}
