package display

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"vncgate/rfb"
)

// Sub-encodings of a tile of TRLE and ZRLE (RFC 6143, 7.7.5 and 7.7.6).
const (
	tileRaw         = 0
	tileSolid       = 1
	tilePackedMost  = 16 // from 2 on: a palette of so many colours, indices of a few bits
	tilePackedAgain = 127
	tileRuns        = 128
	tileRunsAgain   = 129 // and from 130 on: a palette of so many less 128, indices with lengths
)

// Sides of tiles, in pixels; at the right and at the bottom they are cut off.
const (
	trleSide = 16
	zrleSide = 64
)

// decodeTRLE draws tiles of 16 by 16 pixels (RFC 6143, 7.7.5). A palette can be
// used again by the tiles behind it.
func decodeTRLE(d *Decoder, r rect) error {
	t := tiles{d: d, in: d.in, px: &r.px.compact, again: true}
	return t.all(r, trleSide)
}

// decodeZRLE draws tiles of 64 by 64 pixels out of a stream of zlib: U32 n, n
// bytes (RFC 6143, 7.7.6). In ZYWRLE tiles may be the coefficients of wavelets.
func decodeZRLE(d *Decoder, r rect) error {
	b, err := d.head(4, "length")
	if err != nil {
		return err
	}
	if n := be.Uint32(b); n > rfb.MaxRectLen {
		return fmt.Errorf("%d bytes, more than %d", n, rfb.MaxRectLen)
	} else if err := d.zrle.feed(d, int(n)); err != nil {
		return err
	}
	t := tiles{d: d, in: d.zrle.reader(), px: &r.px.compact}
	if r.encoding == rfb.EncodingZYWRLE && r.px.raw.size > 1 {
		t.waves = r.px.wavesOf(d.level)
	}
	if err := t.all(r, zrleSide); err != nil {
		return err
	}
	return d.zrle.done()
}

// tiles reads the tiles of a rectangle.
type tiles struct {
	d     *Decoder
	in    *bufio.Reader
	px    *codec
	again bool   // a palette may be used again
	used  int    // colours of the last palette, in d.palette
	waves *waves // of ZYWRLE; nil: the pixels are what they are
}

func (t *tiles) all(r rect, side int) error {
	for y := r.y; y < r.y+r.h; y += side {
		for x := r.x; x < r.x+r.w; x += side {
			bounds := image.Rect(x, y, x+side, y+side).Intersect(r.bounds())
			if err := t.tile(within(r, bounds)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tiles) tile(r rect) error {
	kind, err := t.in.ReadByte()
	if err != nil {
		return short(err)
	}
	if kind == tileRaw && t.waves != nil {
		return t.wavelets(r)
	}
	return t.pixels(r, kind)
}

// pixels draws a tile whose sub-encoding has been read.
func (t *tiles) pixels(r rect, kind byte) error {
	switch {
	case kind == tileRaw:
		return t.d.rows(t.in, r, t.px)
	case kind == tileSolid:
		colour, err := t.pixel()
		if err != nil {
			return err
		}
		r.to.fill(r.bounds(), colour)
		return nil
	case kind == tileRuns:
		return t.runs(r, t.pixel)
	case kind == tilePackedAgain || kind == tileRunsAgain:
		if !t.again || t.used == 0 {
			return errors.New("a tile uses the palette of another")
		}
	case kind <= tilePackedMost:
		if err := t.readPalette(int(kind)); err != nil {
			return err
		}
	case kind > tileRunsAgain:
		if err := t.readPalette(int(kind) - tileRuns); err != nil {
			return err
		}
	default:
		return fmt.Errorf("a tile in sub-encoding %d", kind)
	}
	if kind >= tileRuns {
		return t.indexedRuns(r)
	}
	return t.packed(r)
}

func (t *tiles) readPalette(n int) error {
	b, err := t.d.bytes(t.in, n*t.px.size)
	if err != nil {
		return err
	}
	for i := range n {
		t.d.palette[i] = t.px.one(b[i*t.px.size:])
	}
	t.used = n
	return nil
}

// packed draws rows of whole bytes of indices, most significant bits left.
func (t *tiles) packed(r rect) error {
	bits := 4
	if t.used <= 2 {
		bits = 1
	} else if t.used <= 4 {
		bits = 2
	}
	for y := r.y; y < r.y+r.h; y++ {
		b, err := t.d.bytes(t.in, (r.w*bits+7)/8)
		if err != nil {
			return err
		}
		line := r.to.line(r.x, y, r.w)
		for x := range r.w {
			at := x * bits
			i := int(b[at/8]>>(8-bits-at%8)) & (1<<bits - 1)
			if i >= t.used {
				return errIndex
			}
			binary.LittleEndian.PutUint32(line[4*x:], t.d.palette[i])
		}
	}
	return nil
}

var errIndex = errors.New("an index beyond the palette")

// pixel reads one.
func (t *tiles) pixel() (uint32, error) {
	b, err := t.d.bytes(t.in, t.px.size)
	if err != nil {
		return 0, err
	}
	return t.px.one(b), nil
}

// runs fills a tile with runs, each of what pixel reads and a length.
func (t *tiles) runs(r rect, pixel func() (uint32, error)) error {
	for at, all := 0, r.w*r.h; at < all; {
		colour, err := pixel()
		if err != nil {
			return err
		}
		n, err := t.runLen(all - at)
		if err != nil {
			return err
		}
		fillRun(r, at, n, colour)
		at += n
	}
	return nil
}

// runLen reads the length of a run, of at most most pixels: 1 and the sum of
// bytes up to one that is not 255.
func (t *tiles) runLen(most int) (int, error) {
	n := 1
	for {
		b, err := t.in.ReadByte()
		if err != nil {
			return 0, short(err)
		}
		if n += int(b); n > most {
			return 0, errors.New("a run goes beyond its tile")
		}
		if b != 255 {
			return n, nil
		}
	}
}

// indexedRuns fills a tile with runs of colours of the palette; an index without
// its high bit is one pixel.
func (t *tiles) indexedRuns(r rect) error {
	for at, all := 0, r.w*r.h; at < all; {
		b, err := t.in.ReadByte()
		if err != nil {
			return short(err)
		}
		n := 1
		if b&0x80 != 0 {
			if n, err = t.runLen(all - at); err != nil {
				return err
			}
		}
		if int(b&0x7f) >= t.used {
			return errIndex
		}
		fillRun(r, at, n, t.d.palette[b&0x7f])
		at += n
	}
	return nil
}

// fillRun gives n pixels of r, from the one numbered at on, a colour.
func fillRun(r rect, at, n int, colour uint32) {
	for n > 0 {
		x, y := at%r.w, at/r.w
		piece := min(n, r.w-x)
		line := r.to.line(r.x+x, r.y+y, piece)
		for i := 0; i < len(line); i += 4 {
			binary.LittleEndian.PutUint32(line[i:], colour)
		}
		at, n = at+piece, n-piece
	}
}
