package auth

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Watched is what a file says, read again when the file has changed. It is safe
// for concurrent use.
type Watched[T any] struct{ file watched[T] }

// Watch reads a file of at most limit bytes, which what names in errors ("jwe
// keys"). Errors of parse must hold nothing of a secret.
func Watch[T any](what, path string, limit int64, parse func(text []byte) (T, error)) (*Watched[T], error) {
	w := &Watched[T]{watched[T]{what: what, path: path, limit: limit, parse: parse}}
	return w, w.file.open()
}

// Current looks at the file and returns the value in force: a changed file that
// cannot be read or parsed leaves it as it was. fresh is the error of such a
// change, once.
func (w *Watched[T]) Current() (value T, fresh error) { return w.file.current() }

// watched is what a file says, read again when the file has changed. A changed
// file that cannot be read or parsed leaves the value as it was. It is safe for
// concurrent use once open has been called.
type watched[T any] struct {
	what  string // "users file"
	path  string
	limit int64 // bytes
	parse func(text []byte) (T, error)

	mu    sync.Mutex
	value T           // never changed in place
	seen  os.FileInfo // the file as last looked at; nil: it was not there
	at    time.Time   // when that was
	err   error
}

// open reads the file for the first time.
func (w *watched[T]) open() error {
	w.load()
	return w.err
}

// current looks at the file and returns the value in force. fresh is the error
// of a change that is seen for the first time.
func (w *watched[T]) current() (value T, fresh error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh = w.refresh()
	return w.value, fresh
}

// broken is why the file as last looked at is not the one in use.
func (w *watched[T]) broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *watched[T]) refresh() error {
	info, err := os.Stat(w.path)
	if err != nil {
		info = nil
	}
	if unchanged(w.seen, info, w.at) {
		return nil
	}
	before := w.err
	w.load()
	if w.err == nil || before != nil && before.Error() == w.err.Error() {
		return nil
	}
	return w.err
}

// unchanged compares what stat can see. A file written less than a moment
// before it was looked at may have been written again within the same tick of
// the file system's clock, so it is not trusted yet.
func unchanged(before, now os.FileInfo, at time.Time) bool {
	if before == nil || now == nil {
		return before == nil && now == nil
	}
	const tick = 100 * time.Millisecond
	return os.SameFile(before, now) && before.Size() == now.Size() &&
		before.ModTime().Equal(now.ModTime()) && at.Sub(now.ModTime()).Abs() > tick
}

// load reads the file; a failure leaves the value as it was.
func (w *watched[T]) load() {
	w.at = time.Now()
	text, info, err := readFile(w.path, w.limit)
	w.seen = info
	if err != nil {
		w.err = fmt.Errorf("auth: %s: %w", w.what, err)
		return
	}
	value, err := w.parse(text)
	if err != nil {
		w.err = fmt.Errorf("auth: %s %s: %w", w.what, w.path, err)
		return
	}
	w.value, w.err = value, nil
}

// readFile returns the text of a file of at most limit bytes, and what the file
// was when read.
func readFile(path string, limit int64) ([]byte, os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, info, err
	}
	if int64(len(text)) > limit {
		return nil, info, fmt.Errorf("%s: larger than %d bytes", path, limit)
	}
	return text, info, nil
}
