package display

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"

	"vncgate/rfb"
)

// An inflater is one of the zlib streams that run through a connection from its
// first rectangle to its last: each rectangle brings a piece of it, which ends
// at a flush.
type inflater struct {
	held  []byte // what came of the stream and has not been used
	src   bytes.Reader
	z     io.ReadCloser // a flate.Resetter; its memory stays for the next stream
	begun bool          // the stream's header has been read
	out   *bufio.Reader

	keep   bool   // window is wanted
	window []byte // what came out of the stream last: its end is what the next piece refers to
	fresh  bool   // nothing has come since resume
}

const (
	// maxUnused is how much of a rectangle's piece may be left when its pixels
	// are there: a flush takes a few bytes.
	maxUnused = 64 << 10
	// windowLen is how far a stream of zlib refers back (RFC 1951, 2).
	windowLen = 32 << 10
	// zlibHeaderLen is the length of what stands in front of a stream (RFC 1950,
	// 2.2).
	zlibHeaderLen = 2
)

// feed reads the next piece, of n bytes, from d.
func (f *inflater) feed(d *Decoder, n int) error {
	if n > rfb.MaxRectLen {
		return fmt.Errorf("%d bytes of zlib data, more than %d", n, rfb.MaxRectLen)
	}
	f.fresh = f.fresh && n == 0
	f.keep = d.keep
	f.held = append(f.held[:0], f.held[len(f.held)-f.src.Len():]...)
	var err error
	f.held, err = d.appendBytes(f.held, n)
	f.src.Reset(f.held)
	return err
}

// Read inflates. The piece that was fed is all there is: at its end is an
// error.
func (f *inflater) Read(p []byte) (int, error) {
	if !f.begun {
		if err := f.begin(); err != nil {
			return 0, err
		}
	}
	n, err := f.z.Read(p)
	if f.keep {
		f.remember(p[:n])
	}
	return n, short(err)
}

// begin reads the stream's header. The checksum at its end, which no display
// ever sends, is not looked at.
func (f *inflater) begin() error {
	if f.src.Len() < zlibHeaderLen {
		return io.ErrUnexpectedEOF
	}
	var head [zlibHeaderLen]byte
	_, _ = f.src.Read(head[:])
	switch n := be.Uint16(head[:]); {
	case head[0]&0xf != 8 || head[0]>>4 > 7 || n%31 != 0:
		return zlib.ErrHeader
	case head[1]&0x20 != 0:
		return zlib.ErrDictionary
	}
	f.open(nil)
	return nil
}

// open goes on at the beginning of a block, behind what is in window.
func (f *inflater) open(window []byte) {
	f.begun = true
	f.window = append(f.window[:0], window...)
	if f.z == nil {
		f.z = flate.NewReaderDict(&f.src, window)
		return
	}
	_ = f.z.(flate.Resetter).Reset(&f.src, window) // never fails
}

// remember keeps the end of what came out.
func (f *inflater) remember(b []byte) {
	if len(b) >= windowLen {
		f.window = append(f.window[:0], b[len(b)-windowLen:]...)
		return
	}
	if len(f.window)+len(b) > 4*windowLen {
		f.window = append(f.window[:0], f.window[len(f.window)-windowLen:]...)
	}
	f.window = append(f.window, b...)
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
	f.begun, f.fresh = false, false
	f.held, f.window = f.held[:0], f.window[:0]
	f.src.Reset(nil)
}

// flushed is how a piece ends: with the empty block of a Z_SYNC_FLUSH, behind
// which a byte begins (zlib.h).
var flushed = []byte{0, 0, 0xff, 0xff}

// maxFlush is how much of a piece may not have been read when all that came out
// of it has been used: the end of a block, and the flush.
const maxFlush = 8

// resumable reports whether the stream can be taken up between this piece and
// the next with nothing but its window.
func (f *inflater) resumable() bool {
	switch {
	case !f.begun:
		return f.src.Len() == 0
	case f.fresh:
		return true
	}
	return f.src.Len() <= maxFlush && bytes.HasSuffix(f.held, flushed) && (f.out == nil || f.out.Buffered() == 0)
}

// resume takes the stream up behind window, where it has begun. That a resumable
// stream is taken up so makes no difference to what comes out of it.
func (f *inflater) resume(begun bool, window []byte) {
	window = slices.Clone(window)
	f.reset()
	if begun {
		f.open(window)
		f.fresh = true
	}
}

// past is the window of the stream.
func (f *inflater) past() []byte { return f.window[max(len(f.window)-windowLen, 0):] }
