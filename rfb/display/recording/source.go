package recording

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// Files are where recordings are read from.
type Files interface {
	// Open opens a file; where there is none, the error is fs.ErrNotExist.
	Open(name string) (File, error)
}

// A File is one that can be read anywhere.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Open opens one of the files in the folder.
func (d Directory) Open(name string) (File, error) {
	f, err := os.Open(filepath.Join(string(d), name))
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	stat, err := f.Stat()
	if err != nil || !stat.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("recording: %s is not a file", name)
	}
	return osFile{f, stat.Size()}, nil
}

type osFile struct {
	*os.File
	size int64
}

func (f osFile) Size() int64 { return f.size }

// A source is one of a recording's files without age.
type source struct {
	file File
	size int64 // -1: not known, as the file is encrypted and cut
	open func() (io.Reader, error)
	at   io.ReaderAt // nil: it can only be read from its beginning
}

// openSource opens a file, with a key if its name says that it takes one.
func openSource(files Files, name string, keys []age.Identity) (*source, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	s := &source{file: f, size: f.Size(), at: f}
	if !strings.HasSuffix(name, suffixAge) {
		return s, nil
	}
	if err := s.decrypt(keys); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// decrypt reads through age. What is cut lacks the end that the whole of a file is
// known by, and can be read from its beginning alone.
func (s *source) decrypt(keys []age.Identity) error {
	if len(keys) == 0 {
		return ErrEncrypted
	}
	at, size, err := age.DecryptReaderAt(s.file, s.file.Size(), keys...)
	if err == nil {
		s.at, s.size = at, size
		return nil
	}
	open := func() (io.Reader, error) {
		return age.Decrypt(io.NewSectionReader(s.file, 0, s.file.Size()), keys...)
	}
	if _, err := open(); err != nil {
		if _, no := errors.AsType[*age.NoIdentityMatchError](err); no {
			return ErrEncrypted
		}
		return fmt.Errorf("recording: %w", err)
	}
	s.at, s.size, s.open = nil, -1, open
	return nil
}

// from reads from a place on.
func (s *source) from(place int64) (io.Reader, error) {
	if s.at != nil {
		return io.NewSectionReader(s.at, place, max(s.size-place, 0)), nil
	}
	r, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	if _, err := io.CopyN(io.Discard, r, place); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return r, nil
}

// frames reads from a frame of zstd on. Close it.
func frames(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
}

// names are what the name of any file of a recording says of both: that of the
// display's, and that of the index.
func names(files Files, name string) (screen, index string, err error) {
	base := name
	for _, s := range []string{suffixAge, suffixZstd, suffixDisplay, suffixIndex} {
		base = strings.TrimSuffix(base, s)
	}
	pick := func(names ...string) (string, error) {
		var first error
		for _, n := range names {
			f, err := files.Open(n)
			if err == nil {
				f.Close()
				return n, nil
			}
			if first == nil {
				first = err
			}
		}
		return "", first
	}
	if strings.HasSuffix(name, suffixIndex) || strings.HasSuffix(name, suffixIndex+suffixAge) || base == name {
		fbs := base + suffixDisplay
		screen, err = pick(fbs, fbs+suffixZstd, fbs+suffixZstd+suffixAge, fbs+suffixAge)
	} else {
		screen, err = pick(name)
	}
	if err != nil && base == name {
		screen, err = pick(name)
	}
	if err != nil {
		return "", "", err
	}
	index, _ = pick(base+suffixIndex, base+suffixIndex+suffixAge)
	return screen, index, nil
}
