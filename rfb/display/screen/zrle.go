package screen

import (
	"compress/zlib"
	"encoding/binary"
	"image"
)

// Subencodings of a ZRLE tile (RFC 6143, 7.7.6). Counts of palette colours are
// added to zrlePaletteRLE, or stand for themselves in a packed palette.
const (
	zrleRaw        = 0
	zrleSolid      = 1
	zrlePlainRLE   = 128
	zrlePaletteRLE = 128 // + 2..127 colours
	zrleMaxPacked  = 16
	zrleMaxPalette = 127
)

// zrle appends r: tiles of 64 pixels through the connection's zlib stream,
// which is flushed at the end of the rectangle and never reset.
func (e *encoder) zrle(r image.Rectangle) {
	e.plain = e.plain[:0]
	split(r, chunkSide, func(t image.Rectangle) {
		e.zrleTile(e.read(t), t.Dx())
	})
	if e.stream == nil {
		// The level is a constant that zlib knows, so there is no error. The
		// fastest one: tiles are already short, and frames come often.
		e.stream, _ = zlib.NewWriterLevel(&e.zipped, zlib.BestSpeed)
	}
	e.zipped.Reset()
	_, _ = e.stream.Write(e.plain) // into memory: cannot fail
	_ = e.stream.Flush()
	e.out = binary.BigEndian.AppendUint32(e.out, uint32(e.zipped.Len()))
	e.out = append(e.out, e.zipped.Bytes()...)
}

// zrleTile appends one tile to e.plain in the subencoding that is shortest
// before compression.
func (e *encoder) zrleTile(pix []uint32, w int) {
	p := &e.palette
	p.reset()
	runs, ones, overlong := 0, 0, 0 // runs, those of one pixel, extra length bytes
	for i := 0; i < len(pix); {
		n := runLength(pix[i:], len(pix))
		p.add(pix[i])
		runs++
		if n == 1 {
			ones++
		}
		overlong += (n - 1) / 255
		i += n
	}
	colours, cp := len(p.colours), e.conv.csize
	if colours == 1 {
		e.plain = e.conv.cpixel(append(e.plain, zrleSolid), pix[0])
		return
	}
	best, method := len(pix)*cp, zrleRaw
	if n := runs*(cp+1) + overlong; n < best {
		best, method = n, zrlePlainRLE
	}
	if !p.full {
		if n := colours*cp + 2*runs - ones + overlong; n < best {
			best, method = n, zrlePaletteRLE+colours
		}
		if n := colours*cp + (w*packedBits(colours)+7)/8*(len(pix)/w); colours <= zrleMaxPacked && n < best {
			method = colours
		}
	}
	e.zrleWrite(pix, w, method)
}

// zrleWrite appends the tile in the subencoding that was chosen.
func (e *encoder) zrleWrite(pix []uint32, w, method int) {
	e.plain = append(e.plain, byte(method))
	if method != zrleRaw && method != zrlePlainRLE {
		for _, c := range e.palette.colours {
			e.plain = e.conv.cpixel(e.plain, c)
		}
	}
	switch {
	case method == zrleRaw:
		for _, p := range pix {
			e.plain = e.conv.cpixel(e.plain, p)
		}
	case method <= zrleMaxPacked:
		e.zrlePacked(pix, w, packedBits(method))
	default:
		e.zrleRuns(pix, method != zrlePlainRLE)
	}
}

// packedBits is how many bits an index into a packed palette has.
func packedBits(colours int) int {
	switch {
	case colours <= 2:
		return 1
	case colours <= 4:
		return 2
	}
	return 4
}

// zrlePacked appends rows of palette indices, high bits first, each row padded
// to a byte.
func (e *encoder) zrlePacked(pix []uint32, w, bits int) {
	for ; len(pix) > 0; pix = pix[w:] {
		var b byte
		filled := 0
		for _, p := range pix[:w] {
			b = b<<bits | byte(e.palette.index(p))
			if filled += bits; filled == 8 {
				e.plain = append(e.plain, b)
				b, filled = 0, 0
			}
		}
		if filled > 0 {
			e.plain = append(e.plain, b<<(8-filled))
		}
	}
}

// zrleRuns appends runs of pixels, or of palette indices whose high bit says
// that a length follows.
func (e *encoder) zrleRuns(pix []uint32, indexed bool) {
	for i := 0; i < len(pix); {
		n := runLength(pix[i:], len(pix))
		if !indexed {
			e.plain = e.conv.cpixel(e.plain, pix[i])
		} else if n == 1 {
			e.plain = append(e.plain, byte(e.palette.index(pix[i])))
		} else {
			e.plain = append(e.plain, 0x80|byte(e.palette.index(pix[i])))
		}
		if !indexed || n > 1 {
			e.plain = appendRun(e.plain, n)
		}
		i += n
	}
}

// appendRun appends a run's length: bytes that add up to n-1, all 255 but the
// last.
func appendRun(b []byte, n int) []byte {
	for n--; n >= 255; n -= 255 {
		b = append(b, 255)
	}
	return append(b, byte(n))
}
