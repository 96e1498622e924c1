package recording

import (
	"bufio"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// A Destination is where recordings are written to.
type Destination interface {
	// Create begins a file that does not exist yet. Its Close says whether all of
	// it has arrived.
	Create(name string) (io.WriteCloser, error)
}

// Directory is the Destination of files in a folder, which others may not read:
// they tell what was seen and typed.
type Directory string

// Create makes the folder if there is none.
func (d Directory) Create(name string) (io.WriteCloser, error) {
	if name != filepath.Base(name) {
		return nil, fmt.Errorf("recording: %q is no name of a file", name)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(string(d), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return f, nil
}

// Suffixes of the files' names, which say what was done with them.
const (
	suffixDisplay = ".fbs"
	suffixIndex   = ".index"
	suffixZstd    = ".zst"
	suffixAge     = ".age"
)

// A file is one of a recording's: zstd if wanted, over age if wanted.
type file struct {
	name   string
	below  io.WriteCloser
	buf    *bufio.Writer
	age    io.WriteCloser // nil: not encrypted
	zstd   *zstd.Encoder  // nil: not compressed
	inside bool           // of a frame of it
	plain  int64          // bytes that went to age
	open   int64          // of these, those in whole chunks
	since  time.Time      // since when there are others
	hash   hash.Hash      // of what went to age, since it was reset; nil: nobody wants it
}

const (
	// ageChunk is how much age encrypts at once: what is not whole is not written.
	ageChunk = 64 << 10
	// ageAfter is how long that may be: then it is filled up.
	ageAfter = 10 * time.Second
	// zstdWindow is how far a frame refers back.
	zstdWindow = 1 << 20
)

// create begins a file; compress is nothing the index has.
func create(to Destination, name string, compress bool, recipients []age.Recipient, written *atomic.Int64) (*file, error) {
	if compress {
		name += suffixZstd
	}
	if len(recipients) > 0 {
		name += suffixAge
	}
	below, err := to.Create(name)
	if err != nil {
		return nil, err
	}
	f := &file{name: name, below: below, buf: bufio.NewWriterSize(counted{below, written}, 256<<10)}
	if len(recipients) > 0 {
		if f.age, err = age.Encrypt(f.buf, recipients...); err != nil {
			below.Close()
			return nil, fmt.Errorf("recording: %w", err)
		}
	}
	if compress {
		f.zstd, err = zstd.NewWriter(bottom{f}, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(true))
		if err != nil {
			below.Close()
			return nil, fmt.Errorf("recording: %w", err)
		}
	}
	return f, nil
}

// counted counts what arrives.
type counted struct {
	w io.Writer
	n *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// bottom is a file below zstd.
type bottom struct{ f *file }

func (b bottom) Write(p []byte) (int, error) {
	f := b.f
	if f.hash != nil {
		f.hash.Write(p)
	}
	if f.age == nil {
		f.plain += int64(len(p))
		return f.buf.Write(p)
	}
	if f.since.IsZero() {
		f.since = time.Now()
	}
	n, err := f.age.Write(p)
	f.plain += int64(n)
	// age writes a chunk when more comes behind it.
	if whole := (f.plain - 1) / ageChunk * ageChunk; whole > f.open {
		f.open, f.since = whole, time.Now()
	}
	return n, err
}

// Write adds to the file.
func (f *file) Write(b []byte) (int, error) {
	if f.zstd != nil {
		f.inside = true
		return f.zstd.Write(b)
	}
	return bottom{f}.Write(b)
}

// frame ends a frame of zstd, if there is one; what comes is in another.
func (f *file) frame() error {
	if !f.inside {
		return nil
	}
	if err := f.zstd.Close(); err != nil {
		return err
	}
	f.zstd.Reset(bottom{f})
	f.inside = false
	return nil
}

// flush has all that was written arrive, but for what age holds back.
func (f *file) flush() error {
	if f.inside {
		if err := f.zstd.Flush(); err != nil {
			return err
		}
	}
	return f.buf.Flush()
}

// stale reports how long what age holds back may stay there; none: there is
// nothing.
func (f *file) stale() (left time.Duration, none bool) {
	if f.age == nil || f.since.IsZero() || f.plain == f.open+1 {
		return 0, true
	}
	return max(ageAfter-time.Since(f.since), 0), false
}

// missing is how much fills the chunk under way, and a byte behind it.
func (f *file) missing() int { return int(f.open+ageChunk-f.plain) + 1 }

// end ends the file.
func (f *file) end() error {
	err := f.finish()
	if s, ok := f.below.(interface{ Sync() error }); ok && err == nil {
		err = s.Sync()
	}
	if e := f.below.Close(); err == nil {
		err = e
	}
	return err
}

func (f *file) finish() error {
	if err := f.frame(); err != nil {
		return err
	}
	if f.age != nil {
		if err := f.age.Close(); err != nil {
			return err
		}
	}
	return f.buf.Flush()
}

// skippable is a frame of zstd that says nothing, n bytes long (RFC 8878, 3.1.2).
func skippable(n int) []byte {
	b := make([]byte, max(n, 8))
	copy(b, []byte{0x50, 0x2a, 0x4d, 0x18})
	for i, m := 0, len(b)-8; i < 4; i++ {
		b[4+i] = byte(m >> (8 * i))
	}
	return b
}
