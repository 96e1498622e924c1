package control

import (
	"os"
	"slices"
	"sync"
)

// maxFiles is how many descriptors one client may have passed and not used.
const maxFiles = 16

// Files are the descriptors that a client has passed (SCM_RIGHTS): first those
// that have just come, then, by getfd, those that have a name. The zero value is
// ready.
type Files struct {
	mu     sync.Mutex
	come   []*os.File
	named  map[string]*os.File
	closed bool
}

// Put takes descriptors that have come. Those that are too many are closed.
func (f *Files) Put(files ...*os.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range files {
		if f.closed || len(f.come)+len(f.named) >= maxFiles {
			_ = file.Close()
			continue
		}
		f.come = append(f.come, file)
	}
}

// name gives the oldest that has come a name; one that had it is closed.
func (f *Files) name(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.come) == 0 {
		return generic("No file descriptor supplied via SCM_RIGHTS")
	}
	if f.named == nil {
		f.named = map[string]*os.File{}
	}
	if old := f.named[name]; old != nil {
		_ = old.Close()
	}
	f.named[name] = f.come[0]
	f.come = slices.Delete(f.come, 0, 1)
	return nil
}

// take hands the one of a name over, or says that there is none.
func (f *Files) take(name string) (*os.File, error) {
	if f == nil {
		return nil, &Error{Class: ClassGeneric, Err: ErrUnavailable, Desc: "descriptors are passed over the control socket alone"}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	file := f.named[name]
	if file == nil {
		return nil, NotFound("File descriptor named '%s' not found: getfd gives one a name", name)
	}
	delete(f.named, name)
	return file, nil
}

// close closes all that nobody took.
func (f *Files) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, file := range f.come {
		_ = file.Close()
	}
	for _, file := range f.named {
		_ = file.Close()
	}
	f.come, f.named = nil, nil
}
