package recording

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// OpenOptions say how a recording is opened.
type OpenOptions struct {
	// Identities are the keys for a recording that is encrypted.
	Identities []age.Identity
	// Files is where the recording is; nil: in the folder that its name says.
	Files Files
}

// A Recording is one that is played. It may be used by several goroutines.
type Recording struct {
	meta   Meta
	init   rfb.ServerInit
	name   string
	screen *source
	index  *source // nil: there is none
	zstd   bool

	refs      []ref
	parts     []part // where the display's file can be read from, by place
	keyframes []ref
	learned   learned
	duration  time.Duration
	closed    bool // it was ended properly
	reason    string
}

// A ref is where a record is.
type ref struct {
	kind       Type
	at         time.Duration
	place      int64
	start, end int64 // in the index
}

// A part is a place where the display's file can be read from.
type part struct {
	at         time.Duration
	place      int64
	fbs, disk  int64
	beginsFile bool
}

// Open opens a recording by the name of either of its files, or by what both have
// in common. One that is cut is played up to the cut; one without an index from
// its beginning. Close it.
func Open(path string, o OpenOptions) (*Recording, error) {
	o.Files, path = split(path, o.Files)
	screen, index, err := names(o.Files, path)
	if err != nil {
		return nil, err
	}
	r := &Recording{name: screen, zstd: strings.Contains(screen, suffixZstd)}
	if r.screen, err = openSource(o.Files, screen, o.Identities); err != nil {
		return nil, err
	}
	if index != "" {
		if r.index, err = openSource(o.Files, index, o.Identities); err != nil {
			r.Close()
			return nil, err
		}
	}
	if err := r.read(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// split takes a path apart, where no Files say where the recording is.
func split(path string, files Files) (Files, string) {
	if files != nil {
		return files, path
	}
	dir, file := filepath.Split(path)
	return Directory(filepath.Clean(dir)), file // "" is cleaned to "."
}

// read reads what there is to know of the recording before it is played.
func (r *Recording) read() error {
	r.parts = []part{{beginsFile: true}}
	if r.index != nil {
		if err := r.readIndex(); err != nil {
			return err
		}
	}
	in, end, err := r.from(r.parts[0])
	if err != nil {
		return err
	}
	end()
	if in.init != nil {
		r.init = *in.init
	} else {
		m := r.meta
		r.init = rfb.ServerInit{Width: uint16(m.Width), Height: uint16(m.Height), Name: m.Name, Format: rfb.Format32()}
	}
	if r.meta.Version == 0 {
		r.meta.Name, r.meta.Width, r.meta.Height = r.init.Name, int(r.init.Width), int(r.init.Height)
	}
	return r.readEnd()
}

// readIndex lists the records of the index, up to where it is cut.
func (r *Recording) readIndex() error {
	all, err := r.index.from(0)
	if err != nil {
		return err
	}
	in := &indexReader{in: newBuffered(all), light: true}
	for {
		rec, err := in.read()
		if err != nil {
			if !cut(err) {
				return err
			}
			return nil
		}
		if err := r.take(rec); err != nil {
			return err
		}
	}
}

// take takes note of a record.
func (r *Recording) take(rec record) error {
	r.duration = max(r.duration, rec.at)
	here := ref{rec.kind, rec.at, rec.place, rec.start, rec.end}
	switch rec.kind {
	case TypeMeta:
		m, err := parseMeta(rec.body)
		if err != nil {
			return err
		}
		r.meta = m
	case TypeSeal:
		s, err := parseSeal(rec.body)
		if err != nil {
			return err
		}
		if r.closed = s.last; !s.last {
			r.parts = append(r.parts, part{at: rec.at, place: rec.place, fbs: s.fbs, disk: s.disk, beginsFile: s.fbs == 0})
		}
	case TypeReason:
		r.reason = string(rec.body)
	case TypeKeyframe:
		if len(rec.body) > 0 && rec.body[0] == 1 {
			r.keyframes = append(r.keyframes, here)
		}
		r.refs = append(r.refs, here)
	case TypePad:
	default:
		r.refs = append(r.refs, here)
	}
	return nil
}

// readEnd finds the recording's end, where no index says it.
func (r *Recording) readEnd() error {
	slices.SortStableFunc(r.keyframes, func(a, b ref) int { return int(min(max(a.place-b.place, -1), 1)) })
	if r.closed {
		return nil
	}
	in, end, err := r.from(r.parts[len(r.parts)-1])
	if err != nil {
		return nil // what there is of it is in the index
	}
	defer end()
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			r.duration = max(r.duration, in.At())
		}
		if err != nil {
			return nil
		}
	}
}

// A screenReader reads what the display said, from a part on.
type screenReader struct {
	*display.FBSReader
	init *rfb.ServerInit // of the part that begins the file
}

// from reads from a part on. Call end.
func (r *Recording) from(p part) (in *screenReader, end func(), err error) {
	raw, err := r.screen.from(p.disk)
	if err != nil {
		return nil, nil, err
	}
	end = func() {}
	if r.zstd {
		z, err := frames(raw)
		if err != nil {
			return nil, nil, fmt.Errorf("recording: %w", err)
		}
		raw, end = z, z.Close
	}
	if !p.beginsFile {
		return &screenReader{FBSReader: display.ContinueFBS(raw)}, end, nil
	}
	head := bufio.NewReader(raw)
	magic, _ := head.Peek(len(fbsMagic))
	fbs, init, err := display.NewFBSReader(head)
	switch {
	case err == nil:
		return &screenReader{fbs, &init}, end, nil
	case r.meta.Version > 0 && (len(magic) < len(fbsMagic) && strings.HasPrefix(fbsMagic, string(magic)) || cut(err)):
		return &screenReader{FBSReader: display.ContinueFBS(bytes.NewReader(nil))}, end, nil // cut before it has begun
	}
	end()
	return nil, nil, err
}

// fbsMagic begins the display's file.
const fbsMagic = "FBS 001.000\n"

// body reads a record's body.
func (r *Recording) body(at ref) ([]byte, error) {
	in, err := r.index.from(at.start)
	if err != nil {
		return nil, err
	}
	one := &indexReader{in: in, at: at.start, begun: true, any: true}
	rec, err := one.read()
	if err != nil {
		return nil, err
	}
	return rec.body, nil
}

// keyframe reads a keyframe, and says whether others may resume from it.
func (r *Recording) keyframe(at ref) (b []byte, resumable bool, err error) {
	body, err := r.body(at)
	if err != nil {
		return nil, false, err
	}
	if len(body) < 1 {
		return nil, false, errors.New("recording: an empty keyframe")
	}
	b, err = unzip(body[1:])
	return b, body[0] == 1, err
}

// unzip is a keyframe out of zstd.
func unzip(b []byte) ([]byte, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRecord))
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	defer z.Close()
	if b, err = z.DecodeAll(b, nil); err != nil {
		return nil, fmt.Errorf("recording: keyframe: %w", err)
	}
	return b, nil
}

// Meta says whose session it was.
func (r *Recording) Meta() Meta { return r.meta }

// Init is what the viewer had of the display, with the format that it chose.
func (r *Recording) Init() rfb.ServerInit { return r.init }

// Name is that of the display's file.
func (r *Recording) Name() string { return r.name }

// Duration is how long the recording is.
func (r *Recording) Duration() time.Duration { return r.duration }

// Closed reports whether the recording was ended properly, and why the session
// ended.
func (r *Recording) Closed() (closed bool, reason string) { return r.closed, r.reason }

// Keyframes is how many there are.
func (r *Recording) Keyframes() int { return len(r.keyframes) }

// Close closes the files.
func (r *Recording) Close() {
	if r.screen != nil {
		r.screen.file.Close()
	}
	if r.index != nil {
		r.index.file.Close()
	}
}

// Size is how many bytes both files have.
func (r *Recording) Size() int64 {
	n := r.screen.file.Size()
	if r.index != nil {
		n += r.index.file.Size()
	}
	return n
}

// FBS reads the display's file as FBS 001.000, without zstd and age, as other
// players want it. Close it.
func (r *Recording) FBS() (io.ReadCloser, error) {
	raw, err := r.screen.from(0)
	if err != nil || !r.zstd {
		return io.NopCloser(raw), err
	}
	z, err := frames(raw)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return z.IOReadCloser(), nil
}
