package display

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"

	"vncgate/rfb"
)

// An inflater is one of the zlib streams that run through a connection from its
// first rectangle to its last: each rectangle brings a piece of it, which ends
// at a flush.
type inflater struct {
	held []byte // what came of the stream and has not been used
	src  bytes.Reader
	z    io.ReadCloser // nil: before the first piece, or after a reset
	last io.ReadCloser // its memory, for the next
	out  *bufio.Reader
}

// maxUnused is how much of a rectangle's piece may be left when its pixels are
// there: a flush takes a few bytes.
const maxUnused = 64 << 10

// feed reads the next piece, of n bytes, from d.
func (f *inflater) feed(d *Decoder, n int) error {
	if n > rfb.MaxRectLen {
		return fmt.Errorf("%d bytes of zlib data, more than %d", n, rfb.MaxRectLen)
	}
	f.held = append(f.held[:0], f.held[len(f.held)-f.src.Len():]...)
	var err error
	f.held, err = d.appendBytes(f.held, n)
	f.src.Reset(f.held)
	return err
}

// Read inflates. The piece that was fed is all there is: at its end is an
// error.
func (f *inflater) Read(p []byte) (int, error) {
	if f.z == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.z.Read(p)
	return n, short(err)
}

func (f *inflater) open() (err error) {
	if f.last == nil {
		f.z, err = zlib.NewReader(&f.src)
	} else if err = f.last.(zlib.Resetter).Reset(&f.src, nil); err == nil {
		f.z = f.last
	}
	f.last = f.z
	return short(err)
}

// reader is f for reading a little at a time, during the rectangle under way.
func (f *inflater) reader() *bufio.Reader {
	if f.out == nil {
		f.out = bufio.NewReaderSize(f, 16<<10)
	} else {
		f.out.Reset(f)
	}
	return f.out
}

// done ends a rectangle.
func (f *inflater) done() error {
	if n := f.src.Len(); n > maxUnused {
		return fmt.Errorf("%d bytes of zlib data behind the last pixel", n)
	}
	return nil
}

// reset begins the stream anew, with the next piece.
func (f *inflater) reset() {
	f.z = nil
	f.held = f.held[:0]
	f.src.Reset(nil)
}
