package rfb_test

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"vncgate/rfb"
)

// A reading takes whole messages of a display's from a slice, the plain way:
// it reads what comes next and needs no memory of where it was. It stands
// against the ServerFilter, with which it shares no code.
type reading struct {
	b       []byte
	at      int
	painter // for the lengths of pixels
}

// What ends a reading: bytes that mean nothing, and no more bytes.
var (
	errNonsense = errors.New("nonsense")
	errShort    = errors.New("short")
)

func (r *reading) skip(n int) {
	if n < 0 || n > 64<<20 {
		panic(errNonsense)
	}
	if r.at+n > len(r.b) {
		panic(errShort)
	}
	r.at += n
}

func (r *reading) u8() int {
	r.skip(1)
	return int(r.b[r.at-1])
}

func (r *reading) u16() int {
	r.skip(2)
	return int(binary.BigEndian.Uint16(r.b[r.at-2:]))
}

func (r *reading) u32() int {
	r.skip(4)
	return int(binary.BigEndian.Uint32(r.b[r.at-4:]))
}

func must(ok bool) {
	if !ok {
		panic(errNonsense)
	}
}

// next reads a message.
func (r *reading) next() (msg []byte, err error) {
	from := r.at
	defer func() {
		if x := recover(); x != nil {
			err = x.(error)
		}
	}()
	r.message(r.u8())
	return r.b[from:r.at], nil
}

func (r *reading) message(t int) {
	fixed := map[int]int{2: 0, 4: 5, 13: 0, 15: 11, 20: 0, 80: 3, 150: 0, 160: 19, 173: 11, 250: 3, 252: 3}
	if n, ok := fixed[t]; ok {
		r.skip(n)
		return
	}
	switch t {
	case 0:
		r.update()
	case 1:
		r.skip(3)
		r.skip(6 * r.u16())
	case 3:
		r.skip(3)
		n := int(int32(r.u32()))
		must(n >= 0 || n <= -4)
		r.skip(max(n, -n))
	case 11:
		r.skip(3)
		if n := r.u32(); n < 0xfffffffd {
			must(n <= 4096)
			r.skip(n)
		}
	case 130:
		r.skip(1)
		files := r.u16()
		r.skip(2)
		r.skip(8*files + r.u16())
	case 131:
		r.skip(1)
		if real, packed := r.u16(), r.u16(); real|packed == 0 {
			r.skip(4)
		} else {
			r.skip(packed)
		}
	case 132, 133:
		r.skip(1)
		r.skip(r.u16())
	case 248:
		r.skip(7)
		n := r.u8()
		must(n <= 64)
		r.skip(n)
	case 253:
		big := r.u8()&0x80 != 0
		n := uint16(r.u16())
		if !big {
			n = bits.ReverseBytes16(n)
		}
		r.skip(int(n))
	case 255:
		sub, op := r.u8(), r.u16()
		must(sub == 1 && op <= 2)
		if op == 2 {
			n := r.u32()
			must(n <= 1<<20)
			r.skip(n)
		}
	default:
		panic(errNonsense)
	}
}

func (r *reading) update() {
	r.skip(1)
	for range r.u16() {
		r.skip(4)
		w, h := r.u16(), r.u16()
		e := int(int32(r.u32()))
		if e == -224 {
			return
		}
		r.rect(e, w, h)
	}
}

func (r *reading) rect(e, w, h int) {
	row := w / 8
	if w%8 > 0 {
		row++
	}
	bodies := map[int]int{
		-223: 0, -232: 0, -257: 0, -258: 0, -259: 0, -316: 0, -1001: 0, 0x574d5666: 0, -0x20000: 0,
		-261: 1, 0x574d5665: 2, 0x574d566a: 2, 0x574d5668: 4, -1000: 8, 0x574d5667: 10, -0x1ffff: 64,
		-0x1fffe: w, -0x1fffd: w, -239: w*h*r.raw + row*h,
	}
	if n, ok := bodies[e]; ok {
		for ; n > 64<<20; n -= 64 << 20 { // too long for any test, but not nonsense
			r.skip(64 << 20)
		}
		r.skip(n)
		return
	}
	switch e {
	case -240:
		if w*h > 0 {
			r.skip(6 + 2*row*h)
		}
	case -307:
		r.skip(r.u32())
	case -308:
		n := r.u8()
		r.skip(3 + 16*n)
	case -314:
		inner := int(int32(r.u32()))
		must(inner != 1)
		wide := &reading{b: r.b, at: r.at, painter: painter{raw: 4, tight: 4, compact: 4}}
		defer func() { r.at = wide.at }()
		wide.pixels(inner, w, h)
	case 0x574d5664:
		kind := r.u8()
		r.skip(1)
		must(kind < 2)
		if kind == 0 {
			r.skip(2 * w * h * r.raw)
		} else {
			r.skip(4 * w * h)
		}
	case 0x574d5669:
		r.skip(16)
		f, err := rfb.ParsePixelFormat(r.b[r.at-16:])
		must(err == nil)
		r.take(f)
	default:
		r.pixels(e, w, h)
	}
}

// take has the format hold.
func (r *reading) take(f rfb.PixelFormat) {
	n := int(f.BitsPerPixel) / 8
	r.raw, r.tight, r.compact = n, n, n
	if n != 4 || !f.TrueColour {
		return
	}
	if f.RedMax == 255 && f.GreenMax == 255 && f.BlueMax == 255 {
		r.tight = 3
		if f.Depth != 24 {
			r.tight = -1 // nobody knows
		}
	}
	var used [4]bool
	for shift, most := range map[int]uint16{int(f.RedShift): f.RedMax, int(f.GreenShift): f.GreenMax, int(f.BlueShift): f.BlueMax} {
		for i := range bits.Len16(most) {
			used[(shift+i)/8] = true
		}
	}
	if f.Depth <= 24 && (!used[0] || !used[3]) {
		r.compact = 3
	}
}

func (r *reading) pixels(e, w, h int) {
	switch e {
	case 0:
		for range h {
			r.skip(w * r.raw)
		}
	case 1:
		r.skip(4)
	case 2, 4:
		n := r.u32()
		must(n <= w*h)
		r.skip(r.raw)
		for range n {
			r.skip(r.raw + map[int]int{2: 8, 4: 4}[e])
		}
	case 5, 8:
		r.tiles(w, h, func(w, h int) { r.hextileTile(e == 8, w, h) })
	case 6, 9, 10, 16, 17:
		r.skip(r.u32())
	case 7, -260:
		r.tightRect(e == -260, w, h)
	case 15:
		last := 0
		r.tiles(w, h, func(w, h int) { r.trleTile(&last, w, h) })
	case 21:
		r.picture()
	case 50:
		n := r.u32()
		r.skip(4)
		r.skip(n)
	default:
		panic(errNonsense)
	}
}

func (r *reading) tiles(w, h int, tile func(w, h int)) {
	for y := 0; y < h; y += 16 {
		for x := 0; x < w; x += 16 {
			tile(min(16, w-x), min(16, h-y))
		}
	}
}

func (r *reading) hextileTile(packed bool, w, h int) {
	mask := r.u8()
	switch {
	case mask&1 != 0:
		r.skip(w * h * r.raw)
		return
	case packed && mask&0x60 != 0:
		r.skip(r.u16())
		return
	}
	r.skip((mask>>1&1 + mask>>2&1) * r.raw)
	if mask&8 != 0 {
		for range r.u8() {
			r.skip(2 + mask>>4&1*r.raw)
		}
	}
}

func (r *reading) trleTile(last *int, w, h int) {
	kind := r.u8()
	if kind == 127 || kind == 129 {
		must(*last > 1 && (kind == 129 || *last <= 16))
	} else if kind > 16 && kind < 127 {
		panic(errNonsense)
	}
	switch {
	case kind == 0:
		r.skip(w * h * r.compact)
	case kind == 1:
		r.skip(r.compact)
	case kind <= 16:
		*last = kind
		r.skip(kind * r.compact)
		r.packedRows(w, h, *last)
	case kind == 127:
		r.packedRows(w, h, *last)
	case kind >= 128:
		if kind > 129 {
			*last = kind - 128
			r.skip(*last * r.compact)
		}
		r.runLengths(w*h, kind > 128)
	}
}

func (r *reading) packedRows(w, h, colours int) {
	pixels := 2 // in a byte
	if colours <= 4 {
		pixels = 4
	}
	if colours <= 2 {
		pixels = 8
	}
	for range h {
		r.skip((w + pixels - 1) / pixels)
	}
}

func (r *reading) runLengths(pixels int, indexed bool) {
	for pixels > 0 {
		run := 1
		long := true
		if indexed {
			long = r.u8() > 127
		} else {
			r.skip(r.compact)
		}
		for long {
			n := r.u8()
			run += n
			long = n == 255 && run <= pixels
		}
		pixels -= run
	}
	must(pixels == 0)
}

func (r *reading) compactLength() { r.compactBody(func(int) {}) }

func (r *reading) compactBody(check func(n int)) {
	n, c := 0, r.u8()
	n = c & 127
	if c > 127 {
		c = r.u8()
		n |= c & 127 << 7
		if c > 127 {
			n |= r.u8() << 14
		}
	}
	check(n)
	r.skip(n)
}

func (r *reading) tightRect(png bool, w, h int) {
	mode := r.u8() >> 4
	if mode == 9 || png && mode == 10 {
		r.compactLength()
		return
	}
	stored := !png && (mode == 10 || mode == 14)
	must(mode <= 8 || stored)
	filter, size := 0, w*h*r.tight
	if mode != 8 && mode&4 != 0 {
		filter = r.u8()
	}
	colours := 0
	if filter == 1 {
		colours = r.u8() + 1
	}
	must(r.tight > 0)
	if mode == 8 {
		r.skip(r.tight)
		return
	}
	switch filter {
	case 0, 2:
	case 1:
		r.skip(colours * r.tight)
		size = w * h
		if colours <= 2 {
			size = (w + 7) / 8 * h
		}
	default:
		panic(errNonsense)
	}
	if size < 12 {
		r.skip(size)
		return
	}
	r.compactBody(func(n int) { must(!stored || n == size) })
}

func (r *reading) picture() {
	must(r.u8() == 0xff)
	must(r.u8() == 0xd8)
	for {
		must(r.u8() == 0xff)
		kind := r.u8()
		must(kind != 0)
		if kind == 0xff {
			kind = r.marker(0xff)
		}
		for {
			if kind == 0xd9 {
				return
			}
			if kind == 1 || kind >= 0xd0 && kind <= 0xd8 {
				break
			}
			n := r.u16()
			must(n >= 2)
			r.skip(n - 2)
			if kind != 0xda {
				break
			}
			kind = r.marker(0)
		}
	}
}

// marker passes over data to the next marker, where before was the last byte.
func (r *reading) marker(before int) int {
	for {
		c := r.u8()
		if before == 0xff && c != 0xff && c != 0 && (c < 0xd0 || c > 0xd7) {
			return c
		}
		before = c
	}
}
