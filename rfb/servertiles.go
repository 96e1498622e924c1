package rfb

// tileSide is the side of a tile of Hextile and TRLE.
const tileSide = 16

// firstTile begins a rectangle that consists of tiles, which p is.
func (s *ServerFilter) firstTile(p part) error {
	r := &s.update.rect
	if r.w == 0 || r.h == 0 {
		return s.endRect(0)
	}
	return s.expect(p, 1)
}

// tile returns the number of pixels a row of the tile has, and of rows.
func (r *serverRect) tile() (w, h int) {
	return min(tileSide, r.w-r.x), min(tileSide, r.h-r.y)
}

// nextTile ends a tile n bytes from here, left to right and down.
func (s *ServerFilter) nextTile(n int64, p part) error {
	r := &s.update.rect
	s.skip = n
	if r.x += tileSide; r.x >= r.w {
		r.x = 0
		r.y += tileSide
	}
	if r.y >= r.h {
		return s.nextRect()
	}
	return s.expect(p, 1)
}

// The bits of a Hextile tile (RFC 6143, 7.7.4), and the two that ZlibHex adds.
const (
	hextileRaw        = 1 << 0
	hextileBackground = 1 << 1
	hextileForeground = 1 << 2
	hextileSubrects   = 1 << 3
	hextileColoured   = 1 << 4
	zlibHexRaw        = 1 << 5 // U16 n, n bytes for the whole tile
	zlibHexSubrects   = 1 << 6 // U16 n, n bytes
)

// hextile sees a tile up to the number of its subrectangles.
func (s *ServerFilter) hextile(head []byte) (more int, err error) {
	r := &s.update.rect
	mask, b := head[0], r.lens.raw
	if mask&hextileRaw != 0 {
		w, h := r.tile()
		return 0, s.nextTile(int64(w*h*b), partHextile)
	}
	if r.encoding == EncodingZlibHex && mask&(zlibHexRaw|zlibHexSubrects) != 0 {
		if len(head) < 3 {
			return 3, nil
		}
		return 0, s.nextTile(int64(be.Uint16(head[1:])), partHextile)
	}
	colours := 0
	if mask&hextileBackground != 0 {
		colours += b
	}
	if mask&hextileForeground != 0 {
		colours += b
	}
	if mask&hextileSubrects == 0 {
		return 0, s.nextTile(int64(colours), partHextile)
	}
	if len(head) < 1+colours+1 {
		return 1 + colours + 1, nil
	}
	each := 2
	if mask&hextileColoured != 0 {
		each += b
	}
	return 0, s.nextTile(int64(int(head[1+colours])*each), partHextile)
}

// Sub-encodings of a TRLE tile (RFC 6143, 7.7.5).
const (
	trleRaw         = 0
	trleSolid       = 1
	trlePackedMost  = 16  // from 2 on: a palette of so many
	trlePackedAgain = 127 // with the palette of the tile before
	trlePlainRuns   = 128
	trleRunsAgain   = 129 // with the palette of the tile before
	trlePaletteRuns = 128 // from 130 on: a palette of so many less this
)

// trle sees the sub-encoding of a tile.
func (s *ServerFilter) trle(head []byte) (more int, err error) {
	r := &s.update.rect
	w, h := r.tile()
	c := int64(r.lens.compact)
	switch sub := int(head[0]); {
	case sub == trleRaw:
		return 0, s.nextTile(int64(w*h)*c, partTRLE)
	case sub == trleSolid:
		return 0, s.nextTile(c, partTRLE)
	case sub <= trlePackedMost:
		r.palette = sub
		return 0, s.nextTile(int64(sub)*c+packedLen(w, h, sub), partTRLE)
	case sub == trlePackedAgain && r.palette >= 2 && r.palette <= trlePackedMost:
		return 0, s.nextTile(packedLen(w, h, r.palette), partTRLE)
	case sub == trlePlainRuns:
		return 0, s.runs(0, false)
	case sub == trleRunsAgain && r.palette >= 2:
		return 0, s.runs(0, true)
	case sub > trleRunsAgain:
		r.palette = sub - trlePaletteRuns
		return 0, s.runs(int64(r.palette)*c, true)
	}
	return 0, s.bad("no such tile")
}

// packedLen is the length of w×h pixels that index a palette of n.
func packedLen(w, h, n int) int64 {
	bits := 4
	switch {
	case n == 2:
		bits = 1
	case n <= 4:
		bits = 2
	}
	return int64((w*bits + 7) / 8 * h)
}

// runs begins the runs of a tile, which come n bytes from here.
func (s *ServerFilter) runs(n int64, indexed bool) error {
	r := &s.update.rect
	w, h := r.tile()
	s.skip = n
	r.left, r.indexed = w*h, indexed
	r.beginRun()
	return s.expect(partRuns, 0)
}

func (r *serverRect) beginRun() {
	r.run, r.pixel = 1, r.lens.compact
	if r.indexed {
		r.pixel = 1
	}
}

// scan goes on with what has no length in front.
func (s *ServerFilter) scan(b []byte) (n int, err error) {
	if s.part == partEntropy {
		return s.entropy(b)
	}
	r := &s.update.rect
	for n < len(b) && r.left > 0 {
		c := b[n]
		n++
		switch {
		case r.pixel > 1:
			r.pixel--
			continue
		case r.pixel == 1:
			r.pixel = 0
			if !r.indexed || c&0x80 != 0 {
				continue // a length follows
			}
		default:
			r.run += int(c)
			if c == 255 && r.run <= r.left {
				continue
			}
		}
		if r.left -= r.run; r.left < 0 {
			return 0, s.bad("more pixels than the tile has")
		}
		r.beginRun()
	}
	if r.left == 0 {
		err = s.nextTile(0, partTRLE)
	}
	return n, err
}
