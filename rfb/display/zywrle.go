package display

import (
	"image"
)

// ZYWRLE is ZRLE whose raw tiles may be wavelets: the pixels of such a tile,
// which are in a sub-encoding of their own, are coefficients, and what does not
// divide by the transform's step lies behind them as it is (Hitachi's
// zywrletemplate.c, as libvncserver and UltraVNC have it).

// waves turns coefficients into pixels.
type waves struct {
	level int
	px    codec       // of coefficients
	tile  framebuffer // of those of a tile
	coef  [zrleSide][zrleSide]coefficient
	keep  [3]uint8  // the bits of red, green and blue that the format has
	most  [3]uint16 // of the format
}

// coefficient is one of V, Y and U, in the places of red, green and blue.
type coefficient [3]int8

// wavesOf returns waves for pixels of px at a level.
func (px *codecs) wavesOf(level int) *waves {
	if px.waves == nil {
		px.waves = newWaves(px)
	}
	px.waves.level = level
	return px.waves
}

// newWaves returns waves for pixels of px. Where a channel has less than eight
// bits, those of a coefficient are its highest.
func newWaves(px *codecs) *waves {
	w := &waves{px: px.compact, keep: [3]uint8{0xff, 0xff, 0xff}, most: [3]uint16{255, 255, 255}}
	w.tile.RGBA = image.NewRGBA(image.Rect(0, 0, zrleSide, zrleSide))
	f := px.raw.format
	if px.raw.layout != layoutShort || !f.TrueColour {
		return w
	}
	w.most = [3]uint16{f.RedMax, f.GreenMax, f.BlueMax}
	var up [3]uint
	for i, most := range w.most {
		for most<<up[i] < 128 {
			up[i]++
		}
		w.keep[i] = uint8(most << up[i])
	}
	w.px.table = make([]uint32, 1<<16)
	for v := range w.px.table {
		r, g, b := w.px.channels(uint32(v))
		w.px.table[v] = opaque | r<<up[0]&0xff | g<<up[1]&0xff<<8 | b<<up[2]&0xff<<16
	}
	return w
}

// wavelets draws a tile of coefficients.
func (t *tiles) wavelets(r rect) error {
	kind, err := t.in.ReadByte()
	if err != nil {
		return short(err)
	}
	w := t.waves
	inner := *t
	inner.px = &w.px
	tile := r
	tile.x, tile.y, tile.to = 0, 0, &w.tile
	if err := inner.pixels(tile, kind); err != nil {
		return err
	}
	t.used = inner.used
	w.draw(r)
	return nil
}

// draw turns the coefficients of w.tile into the pixels of r.
func (w *waves) draw(r rect) {
	step := 1 << w.level
	whole := image.Pt(r.w&^(step-1), r.h&^(step-1))
	if whole.X == 0 || whole.Y == 0 { // too small for the transform
		for y := range r.h {
			copy(r.to.line(r.x, r.y+y, r.w), w.tile.line(0, y, r.w))
		}
		return
	}
	next := w.inOrder(r.w)
	for l := range w.level {
		for part := 3; part > 0; part-- {
			w.unpack(whole, l, part, next)
		}
	}
	w.unpack(whole, w.level-1, 0, next)
	for l := w.level - 1; l >= 0; l-- {
		w.columns(whole, l)
		w.rows(whole, l)
	}
	w.colours(r, whole)
	rest := []image.Rectangle{
		image.Rect(whole.X, 0, r.w, whole.Y), image.Rect(0, whole.Y, whole.X, r.h), image.Rect(whole.X, whole.Y, r.w, r.h),
	}
	for _, part := range rest {
		for y := part.Min.Y; y < part.Max.Y; y++ {
			for x := part.Min.X; x < part.Max.X; x++ {
				copy(r.to.line(r.x+x, r.y+y, 1), next())
			}
		}
	}
}

// inOrder returns the pixels of w.tile one by one, row by row of width.
func (w *waves) inOrder(width int) func() []byte {
	at := 0
	return func() []byte {
		px := w.tile.line(at%width, at/width, 1)
		at++
		return px
	}
}

// unpack takes the coefficients of one quarter of a level: 3 are the differences
// both ways, 2 down, 1 across, 0 the means.
func (w *waves) unpack(size image.Point, level, part int, next func() []byte) {
	step := 2 << level
	x0, y0 := 0, 0
	if part&1 != 0 {
		x0 = step / 2
	}
	if part&2 != 0 {
		y0 = step / 2
	}
	for y := y0; y < size.Y; y += step {
		for x := x0; x < size.X; x += step {
			px := next()
			w.coef[y][x] = coefficient{int8(px[0]), int8(px[1]), int8(px[2])}
		}
	}
}

func (w *waves) columns(size image.Point, level int) {
	half := 1 << level
	for x := 0; x < size.X; x += half {
		for y := 0; y+half < size.Y; y += 2 * half {
			haar(&w.coef[y][x], &w.coef[y+half][x])
		}
	}
}

func (w *waves) rows(size image.Point, level int) {
	half := 1 << level
	for y := 0; y < size.Y; y += half {
		for x := 0; x+half < size.X; x += 2 * half {
			haar(&w.coef[y][x], &w.coef[y][x+half])
		}
	}
}

// haar undoes the piecewise linear Haar transform of a pair, which is its own
// inverse (Senecal et al., Pacific Graphics 2004).
func haar(low, high *coefficient) {
	for i := range low {
		a, b := int(low[i]), int(high[i])
		mean, difference := b, a
		if (a < 0) != (b < 0) {
			mean = a + b
			if (mean < 0) == (b < 0) {
				difference = a - mean
			}
		} else {
			difference = a - b
			if (difference < 0) == (a < 0) {
				mean = b + difference
			}
		}
		low[i], high[i] = int8(mean), int8(difference)
	}
}

// colours draws what the transform has left: V, Y and U of the reversible
// transform of JPEG 2000, with a bit less of V and U.
func (w *waves) colours(r rect, size image.Point) {
	for y := range size.Y {
		line := r.to.line(r.x, r.y+y, size.X)
		for x := range size.X {
			c := w.coef[y][x]
			v, u := int(c[0])<<1, int(c[2])<<1
			green := int(c[1]) + 128 - (u+v)>>2
			for i, value := range [3]int{v + green, green, u + green} {
				line[4*x+i] = w.eight(i, value)
			}
			line[4*x+3] = 0xff
		}
	}
}

// eight brings a channel into its bounds and to eight bits.
func (w *waves) eight(i, value int) uint8 {
	v := uint8(min(max(value, 0), 255)) & w.keep[i]
	if w.most[i] == 255 {
		return v
	}
	return uint8(int(v) * 255 / int(w.keep[i]))
}
