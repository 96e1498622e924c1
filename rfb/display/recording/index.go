package recording

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// indexMagic begins an index.
const indexMagic = "vncgate index 1\n"

// Type is what a record of the index is about.
type Type uint8

// The types of records, with what each holds.
const (
	TypeMeta     Type = 1 // Meta as JSON; the first record
	TypeInput    Type = 2 // the viewer's messages: uvarint microseconds and bytes of the display since the one before (the first: since the record), uvarint n, n bytes
	TypeKeyframe Type = 3 // U8 1: others may resume from it, 0: it is a picture; display.Keyframe in zstd: the state at the place
	TypeSeal     Type = 4 // a seal: see the package's words
	TypeMark     Type = 5 // U8 n, what kind, and words
	TypeActivity Type = 6 // U32 bytes of the display, keys, pointer events since the last
	TypeSize     Type = 7 // U16 width, height, from the place on
	TypePad      Type = 8 // zeros, which fill a chunk of age
	TypeReason   Type = 9 // why the session ended
)

const (
	recordHead = 4 + 1 + 4 + 8 + 8
	recordMin  = recordHead - 4 // what n is at least
	// maxRecord is the most a record may hold, in bytes: a keyframe.
	maxRecord = 192 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A record is one of the index, taken apart.
type record struct {
	kind   Type
	number uint32
	at     time.Duration
	place  int64
	body   []byte
	start  int64 // where it begins in the index
	end    int64
}

// append writes r as it is in an index.
func (r *record) append(b []byte) []byte {
	from := len(b)
	b = be.AppendUint32(b, uint32(recordMin+len(r.body)))
	b = append(b, byte(r.kind))
	b = be.AppendUint32(b, r.number)
	b = be.AppendUint64(b, uint64(max(r.at.Microseconds(), 0)))
	b = be.AppendUint64(b, uint64(r.place))
	b = append(b, r.body...)
	return be.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
}

// An indexError says where an index is not one.
type indexError struct {
	at  int64
	why string
}

func (e *indexError) Error() string {
	return fmt.Sprintf("recording: index, byte %d: %s", e.at, e.why)
}

// An indexReader reads an index record by record.
type indexReader struct {
	in    io.Reader
	at    int64
	next  uint32
	buf   []byte
	begun bool
	light bool // of keyframes read the first byte alone, and do not look whether they are as they were
	any   bool // whatever its number
}

// read returns the next record, which is good until the next call. The error is
// io.EOF at the end, io.ErrUnexpectedEOF where the index is cut, or an
// *indexError.
func (r *indexReader) read() (record, error) {
	if !r.begun {
		if err := r.magic(); err != nil {
			return record{}, err
		}
	}
	start := r.at
	var head [4]byte
	if n, err := io.ReadFull(r.in, head[:]); err != nil {
		r.at += int64(n)
		return record{}, err
	}
	n := int64(be.Uint32(head[:]))
	if n < recordMin || n > maxRecord {
		return record{}, &indexError{start, fmt.Sprintf("a record of %d bytes", n)}
	}
	r.buf = append(r.buf[:0], head[:]...)
	if r.light && n > recordMin {
		return r.glance(start, n)
	}
	if err := r.fill(n + 4); err != nil {
		return record{}, err
	}
	return r.whole(start, n)
}

// whole is the record in buf.
func (r *indexReader) whole(start, n int64) (record, error) {
	b := r.buf[:4+n]
	if crc32.Checksum(b, castagnoli) != be.Uint32(r.buf[4+n:]) {
		return record{}, &indexError{start, "a record that has been changed"}
	}
	return r.parse(start, n, b)
}

// raw is the record that was read last, as it is in the index.
func (r *indexReader) raw() []byte { return r.buf }

// glance reads a record, of a keyframe no more than says where it belongs.
func (r *indexReader) glance(start, n int64) (record, error) {
	const see = recordHead + 1
	if err := r.fill(see - 4); err != nil {
		return record{}, err
	}
	left := n + 8 - see
	if Type(r.buf[4]) != TypeKeyframe {
		if err := r.fill(left); err != nil {
			return record{}, err
		}
		return r.whole(start, n)
	}
	if got, err := skip(r.in, left); err != nil || got < left {
		return record{}, io.ErrUnexpectedEOF
	}
	return r.parse(start, n, r.buf)
}

// skip passes over n bytes.
func skip(in io.Reader, n int64) (int64, error) {
	if b, ok := in.(*buffered); ok {
		return b.skip(n)
	}
	return io.CopyN(io.Discard, in, n)
}

// parse takes the record of n bytes apart that begins with b.
func (r *indexReader) parse(start, n int64, b []byte) (record, error) {
	r.at = start + 4 + n + 4
	rec := record{
		kind: Type(b[4]), number: be.Uint32(b[5:]),
		at: time.Duration(be.Uint64(b[9:])) * time.Microsecond, place: int64(be.Uint64(b[17:])),
		body: b[recordHead:], start: start, end: r.at,
	}
	if rec.at < 0 || rec.place < 0 || be.Uint64(b[9:]) > 1<<53 {
		return record{}, &indexError{start, "a record at no time"}
	}
	if rec.number != r.next && !r.any {
		return record{}, &indexError{start, fmt.Sprintf("record %d, where %d comes", rec.number, r.next)}
	}
	r.next++
	return rec, nil
}

func (r *indexReader) magic() error {
	r.begun = true
	magic := make([]byte, len(indexMagic))
	n, err := io.ReadFull(r.in, magic)
	if err == nil && string(magic) != indexMagic || err != nil && n > 0 && !bytes.HasPrefix([]byte(indexMagic), magic[:n]) {
		return fmt.Errorf("%w: it begins with %q", ErrNoIndex, magic)
	}
	r.at = int64(n)
	return err
}

// fill reads n bytes behind those in buf, or as many as there are: what was
// announced and does not come takes no memory.
func (r *indexReader) fill(n int64) error {
	w := bytes.NewBuffer(r.buf)
	got, err := io.CopyN(w, r.in, n)
	r.buf = w.Bytes()
	if err == nil && got == n {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// buffered reads ahead, and passes over what is not wanted without reading it where
// that can be.
type buffered struct {
	*bufio.Reader
	below io.Reader
}

func newBuffered(r io.Reader) *buffered { return &buffered{bufio.NewReaderSize(r, 64<<10), r} }

func (b *buffered) skip(n int64) (int64, error) {
	s, ok := b.below.(io.Seeker)
	ahead := int64(b.Buffered())
	if !ok || n <= ahead {
		return io.CopyN(io.Discard, b.Reader, n)
	}
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	end, err := s.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	to := min(at-ahead+n, end)
	if _, err := s.Seek(to, io.SeekStart); err != nil {
		return 0, err
	}
	b.Reset(b.below)
	return to - (at - ahead), nil
}

// cut reports whether err is that an index breaks off, rather than that something
// of it is not as it was written.
func cut(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// parseMeta reads the body of a TypeMeta.
func parseMeta(body []byte) (Meta, error) {
	var m Meta
	if err := json.Unmarshal(body, &m); err != nil {
		return Meta{}, fmt.Errorf("recording: %w", err)
	}
	if m.Version != metaVersion {
		return Meta{}, fmt.Errorf("recording: version %d, which this program does not know", m.Version)
	}
	return m, nil
}
