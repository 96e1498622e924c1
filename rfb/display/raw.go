package display

import (
	"fmt"
	"io"

	"vncgate/rfb"
)

// decodeRaw draws w·h pixels (RFC 6143, 7.7.1), a row at a time.
func decodeRaw(d *Decoder, r rect) error { return d.rows(d.in, r, &r.px.raw) }

// peeker is a bufio.Reader.
type peeker interface {
	io.Reader
	Peek(n int) ([]byte, error)
	Discard(n int) (int, error)
	Size() int
}

// rows draws the pixels of r from in, in the layout of px.
func (d *Decoder) rows(in peeker, r rect, px *codec) error {
	n := r.w * px.size
	if n == 0 {
		return nil
	}
	for y := r.y; y < r.y+r.h; y++ {
		row, err := d.bytes(in, n)
		if err != nil {
			return err
		}
		px.row(r.to.line(r.x, y, r.w), row)
	}
	return nil
}

// bytes reads n bytes of in, at most a row of the framebuffer; they are good
// until the next read.
func (d *Decoder) bytes(in peeker, n int) ([]byte, error) {
	if n > in.Size() {
		row := d.scratch(n)
		_, err := io.ReadFull(in, row)
		return row, short(err)
	}
	row, err := in.Peek(n)
	if err != nil {
		return nil, short(err)
	}
	_, err = in.Discard(n)
	return row, err
}

// decodeZlib draws raw pixels that come through a stream of zlib: U32 n, n bytes
// (rfbproto, "ZLib Encoding").
func decodeZlib(d *Decoder, r rect) error {
	b, err := d.head(4, "length")
	if err != nil {
		return err
	}
	if n := be.Uint32(b); n > rfb.MaxRectLen {
		return fmt.Errorf("%d bytes, more than %d", n, rfb.MaxRectLen)
	} else if err := d.zlib.feed(d, int(n)); err != nil {
		return err
	}
	if r.w > 0 && r.h > 0 {
		if err := d.rows(d.zlib.reader(), r, &r.px.raw); err != nil {
			return err
		}
	}
	return d.zlib.done()
}
