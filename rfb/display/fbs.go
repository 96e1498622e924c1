package display

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"vncgate/rfb"
)

// The format of recordings is that of rfbproxy, which players have read since
// 1999: a magic, then blocks of U32 length, data padded to a multiple of four
// and U32 milliseconds. The data is what the display says from its
// ProtocolVersion on, as 3.3 has it and without a password.
const (
	fbsMagic   = "FBS 001.000\n"
	fbsVersion = "RFB 003.003\n"
	// MaxFBSBlock is the longest block that is written or read, in bytes.
	MaxFBSBlock = 8 << 20
)

// ErrNotFBS is what NewFBSReader says of a file of another kind.
var ErrNotFBS = errors.New("display: not a recording in FBS 001.000")

// An FBSWriter writes a recording. Each Block is one Write, so that a recording
// that breaks off lacks its last block at most.
type FBSWriter struct {
	w   io.Writer
	buf []byte
}

// NewFBSWriter begins a recording of a display whose init the viewer had.
func NewFBSWriter(w io.Writer, init rfb.ServerInit) (*FBSWriter, error) {
	if _, err := io.WriteString(w, fbsMagic); err != nil {
		return nil, fmt.Errorf("display: write recording: %w", err)
	}
	f := &FBSWriter{w: w}
	hello := be.AppendUint32([]byte(fbsVersion), uint32(rfb.TypeNone))
	return f, f.Block(0, append(hello, init.Append(nil)...))
}

// Block appends what the display said at a time since the beginning, which goes
// up to 49 days.
func (f *FBSWriter) Block(at time.Duration, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), MaxFBSBlock)
		if err := f.block(at, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (f *FBSWriter) block(at time.Duration, b []byte) error {
	ms := min(max(at.Milliseconds(), 0), math.MaxUint32)
	f.buf = be.AppendUint32(f.buf[:0], uint32(len(b)))
	f.buf = append(append(f.buf, b...), make([]byte, -len(b)&3)...)
	f.buf = be.AppendUint32(f.buf, uint32(ms))
	if _, err := f.w.Write(f.buf); err != nil {
		return fmt.Errorf("display: write recording: %w", err)
	}
	return nil
}

// An FBSReader reads a recording, ours or another's. As an io.Reader it brings
// what the display said behind ServerInit, which is what a Decoder wants.
type FBSReader struct {
	in   *bufio.Reader
	buf  []byte // memory of blocks
	left []byte // of the block under way
	at   time.Duration
	err  error
}

// NewFBSReader reads a recording up to the end of its ServerInit.
func NewFBSReader(r io.Reader) (*FBSReader, rfb.ServerInit, error) {
	f := &FBSReader{in: bufio.NewReaderSize(r, 64<<10)}
	magic := make([]byte, len(fbsMagic))
	switch n, err := io.ReadFull(f.in, magic); {
	case errors.Is(err, io.EOF):
		return nil, rfb.ServerInit{}, fmt.Errorf("%w: it is empty", ErrNotFBS)
	case err != nil || string(magic) != fbsMagic:
		return nil, rfb.ServerInit{}, fmt.Errorf("%w: it begins with %q", ErrNotFBS, magic[:n])
	}
	hello := make([]byte, len(fbsVersion)+4)
	if _, err := io.ReadFull(f, hello); err != nil {
		return nil, rfb.ServerInit{}, fmt.Errorf("display: read recording: %w", short(err))
	}
	if t := be.Uint32(hello[len(fbsVersion):]); string(hello[:4]) != fbsVersion[:4] || t != uint32(rfb.TypeNone) {
		return nil, rfb.ServerInit{}, fmt.Errorf("%w: %q, security type %d", ErrNotFBS, hello[:len(fbsVersion)], t)
	}
	init, err := rfb.ReadServerInitFrom(f)
	if err != nil {
		return nil, rfb.ServerInit{}, fmt.Errorf("display: read recording: %w", err)
	}
	return f, init, nil
}

// ContinueFBS reads a recording on where a block of it begins, further in.
func ContinueFBS(r io.Reader) *FBSReader {
	return &FBSReader{in: bufio.NewReaderSize(r, 64<<10)}
}

// At is when the bytes that were read last had come, since the beginning.
func (f *FBSReader) At() time.Duration { return f.at }

// Read reads on, at most to the end of a block. What is there of a block that
// breaks off is read too, with the time of the one before; then the error is
// io.ErrUnexpectedEOF.
func (f *FBSReader) Read(p []byte) (int, error) {
	for len(f.left) == 0 {
		if f.err != nil {
			return 0, f.err
		}
		f.err = f.next()
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

// next reads a block, as much of it as there is.
func (f *FBSReader) next() error {
	var number [4]byte
	if _, err := io.ReadFull(f.in, number[:]); err != nil {
		return err
	}
	n := be.Uint32(number[:])
	if n > MaxFBSBlock {
		return fmt.Errorf("display: read recording: a block of %d bytes, more than %d", n, MaxFBSBlock)
	}
	var err error
	f.buf, err = appendFrom(f.in, f.buf[:0], int(n))
	f.left = f.buf
	if err != nil {
		return err
	}
	if _, err := f.in.Discard(int(-n & 3)); err != nil {
		return short(err)
	}
	if _, err := io.ReadFull(f.in, number[:]); err != nil {
		return short(err)
	}
	f.at = time.Duration(be.Uint32(number[:])) * time.Millisecond
	return nil
}
