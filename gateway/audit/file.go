package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// FileConfig is a log in a file.
type FileConfig struct {
	// Path is where the file that is written to is. Those that are finished lie
	// beside it, with the time of their end behind the name.
	Path string
	// Mode is the permission of new files (0600).
	Mode fs.FileMode
	// MaxSize and MaxAge end a file: bytes (64 MiB), and since its first record
	// (0: never).
	MaxSize int64
	MaxAge  time.Duration
	// Keep is how many finished files stay (0: all).
	Keep int
	// NoSync leaves it to the system when what was written reaches the disk.
	// Otherwise it does before the next batch is written.
	NoSync bool
}

const defaultMaxSize = 64 << 20

// file is the one that is written to. Several processes may share it, as while a
// gateway is exchanged for another: each takes the lock for a batch, and looks
// where the others have left off.
type file struct {
	cfg   FileConfig
	f     *os.File
	size  int64 // up to which at holds
	at    chain
	begun time.Time // of the first record
	torn  *Record   // to be told of first
}

// lock opens the file and finds its end, so that a batch can be written.
func (l *file) lock() error {
	for {
		if err := l.open(); err != nil {
			return err
		}
		if err := syscall.Flock(int(l.f.Fd()), syscall.LOCK_EX); err != nil {
			return err
		}
		if l.current() {
			break
		}
		l.close() // another process has begun a new one
	}
	err := l.catchUp()
	if err != nil {
		l.unlock()
	}
	return err
}

func (l *file) unlock() { _ = syscall.Flock(int(l.f.Fd()), syscall.LOCK_UN) }

func (l *file) open() error {
	if l.f != nil {
		return nil
	}
	f, err := os.OpenFile(l.cfg.Path, os.O_RDWR|os.O_CREATE, l.cfg.Mode)
	if err != nil {
		return err
	}
	l.f, l.size, l.begun = f, -1, time.Time{}
	return nil
}

func (l *file) close() {
	if l.f != nil {
		_ = l.f.Close()
		l.f = nil
	}
}

// current reports whether the path still names the file that is open.
func (l *file) current() bool {
	there, err := os.Stat(l.cfg.Path)
	if err != nil {
		return false
	}
	ours, err := l.f.Stat()
	return err == nil && os.SameFile(there, ours)
}

// catchUp finds the end of the chain, if somebody else has written since.
func (l *file) catchUp() error {
	info, err := l.f.Stat()
	if err != nil || info.Size() == l.size {
		return err
	}
	last, err := lastLine(l.f, info.Size())
	if err != nil {
		return err
	}
	if len(last.torn) > 0 {
		sum := sha256.Sum256(last.torn)
		l.torn = &Record{Event: Torn, Time: time.Now(), Details: map[string]string{
			"bytes": strconv.Itoa(len(last.torn)), "sha256": hex.EncodeToString(sum[:]),
		}}
		if err := l.f.Truncate(last.end); err != nil {
			return err
		}
	}
	l.size = last.end
	if last.end == 0 {
		return l.fromBefore()
	}
	if err := l.takeUp(last.line); err != nil {
		return l.setAside(err)
	}
	return nil
}

// fromBefore goes on behind the newest of the finished files.
func (l *file) fromBefore() error {
	list, err := Files(l.cfg.Path)
	if err != nil || len(list) < 2 { // the last is the new one
		return err
	}
	f, err := os.Open(list[len(list)-2])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	last, err := lastLine(f, info.Size())
	if err == nil {
		err = l.takeUp(last.line)
	}
	l.begun = time.Time{}
	if err != nil { // Verify says where; here it only matters that something is written
		l.at = chain{}
	}
	return nil
}

// takeUp goes on behind a line.
func (l *file) takeUp(line []byte) error {
	body, hash, err := split(line)
	if err != nil {
		return err
	}
	var r Record
	if err := json.Unmarshal(body, &r); err != nil {
		return err
	}
	l.at = chain{r.Seq, hash}
	if l.begun.IsZero() {
		l.begun = l.firstTime()
	}
	return nil
}

// firstTime is when the file was begun, as its first line says.
func (l *file) firstTime() time.Time {
	var r Record
	head := make([]byte, 64<<10)
	n, _ := l.f.ReadAt(head, 0)
	line, _, _ := bytes.Cut(head[:n], []byte("\n"))
	if body, _, err := split(line); err == nil && json.Unmarshal(body, &r) == nil {
		return r.Time
	}
	return time.Now()
}

// setAside leaves a file that is no audit log, or whose end was changed, for
// people to look at, and goes on in a new one.
func (l *file) setAside(why error) error {
	to := l.cfg.Path + ".broken-" + stampOf(time.Now())
	if err := os.Rename(l.cfg.Path, to); err != nil {
		return err
	}
	l.close()
	if err := l.open(); err != nil {
		return err
	}
	if err := syscall.Flock(int(l.f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	l.size, l.at = 0, chain{}
	l.torn = &Record{Event: Torn, Time: time.Now(), Error: clip(why.Error()), Details: map[string]string{"set_aside": filepath.Base(to)}}
	return nil
}

// tail is the end of a file.
type tail struct {
	line []byte // the last that is whole
	end  int64  // of it
	torn []byte // what comes behind
}

var errNoLine = errors.New("no line ends within what the longest line takes")

// lastLine looks for it from the end.
func lastLine(r io.ReaderAt, size int64) (tail, error) {
	from := max(0, size-2*maxLine)
	b := make([]byte, size-from)
	if _, err := r.ReadAt(b, from); err != nil && err != io.EOF {
		return tail{}, err
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	if end == 0 && from > 0 {
		return tail{}, errNoLine
	}
	t := tail{end: from + int64(end), torn: b[end:]}
	if end > 0 {
		t.line = b[bytes.LastIndexByte(b[:end-1], '\n')+1 : end-1]
	}
	return t, nil
}

// append writes lines behind the last one, and takes them back if not all of it
// could be written: half a line is worse than none. The lock is held.
func (l *file) append(lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := l.f.WriteAt(lines, l.size)
	if err == nil && !l.cfg.NoSync {
		err = l.f.Sync()
	}
	if err != nil {
		return errors.Join(err, l.f.Truncate(l.size))
	}
	l.size += int64(len(lines))
	return nil
}

// due reports whether the file has come to its end.
func (l *file) due(now time.Time) bool {
	old := l.cfg.MaxAge > 0 && !l.begun.IsZero() && now.Sub(l.begun) >= l.cfg.MaxAge
	return l.size > 0 && (l.size >= l.cfg.MaxSize || old)
}

// finish gives the file its name for good; the next lock begins a new one. The
// lock is held.
func (l *file) finish(now time.Time) error {
	to := l.cfg.Path + "-" + stampOf(now)
	for n := 1; exists(to); n++ {
		to = l.cfg.Path + "-" + stampOf(now) + "." + strconv.Itoa(n)
	}
	if err := os.Rename(l.cfg.Path, to); err != nil {
		return err
	}
	l.close()
	if l.cfg.Keep > 0 {
		l.prune()
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// stampOf sorts as times do.
func stampOf(t time.Time) string { return t.UTC().Format("20060102T150405.000000Z") }

// Files returns the files of the log at path, oldest first, the one that is
// written to last.
func Files(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	var list []string
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+"-"); ok && strings.Contains(rest, "Z") {
			list = append(list, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.Sort(list)
	if exists(path) {
		list = append(list, path)
	}
	return list, nil
}

// prune removes the oldest files. What cannot be removed stays.
func (l *file) prune() {
	list, err := Files(l.cfg.Path)
	if err != nil {
		return
	}
	list = slices.DeleteFunc(list, func(path string) bool { return path == l.cfg.Path })
	for _, path := range list[:max(0, len(list)-l.cfg.Keep)] {
		_ = os.Remove(path)
	}
}
