package rfb_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"

	"vncgate/rfb"
)

// A painter makes up what a display sends, valid but random, for every encoding
// there is to follow. It knows where each message begins because it made it.
type painter struct {
	*rand.Rand
	raw, tight, compact int // bytes of a pixel
}

// newPainter returns a painter in the usual format, or in one of n bytes.
func newPainter(seed uint64, n int) *painter {
	p := &painter{Rand: rand.New(rand.NewPCG(seed, 0)), raw: n, tight: n, compact: n}
	if n == 4 {
		p.tight, p.compact = 3, 3
	}
	return p
}

func (p *painter) format() rfb.PixelFormat {
	switch p.raw {
	case 1:
		return rfb.PixelFormat{BitsPerPixel: 8, Depth: 8, TrueColour: true, RedMax: 7, GreenMax: 7, BlueMax: 3, GreenShift: 3, BlueShift: 6}
	case 2:
		return rfb.PixelFormat{BitsPerPixel: 16, Depth: 16, TrueColour: true, RedMax: 31, GreenMax: 63, BlueMax: 31, RedShift: 11, GreenShift: 5}
	}
	return rfb.Format32()
}

// noise is n bytes, some of which look like the start of a message.
func (p *painter) noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = []byte{0, 2, 3, 248, 255, byte(p.Uint32())}[p.IntN(6)]
	}
	return b
}

func (p *painter) counted(most int) []byte {
	n := p.IntN(most)
	return append(binary.BigEndian.AppendUint32(nil, uint32(n)), p.noise(n)...)
}

// painted are the encodings of pixels and what paints their bodies.
var painted = map[rfb.Encoding]func(p *painter, w, h int) []byte{
	rfb.EncodingRaw:      func(p *painter, w, h int) []byte { return p.noise(w * h * p.raw) },
	rfb.EncodingCopyRect: func(p *painter, _, _ int) []byte { return p.noise(4) },
	rfb.EncodingRRE:      func(p *painter, w, h int) []byte { return p.rre(w, h, 8) },
	rfb.EncodingCoRRE:    func(p *painter, w, h int) []byte { return p.rre(w, h, 4) },
	rfb.EncodingHextile:  func(p *painter, w, h int) []byte { return p.tiles(w, h, p.hextile) },
	rfb.EncodingZlibHex:  func(p *painter, w, h int) []byte { return p.tiles(w, h, p.zlibHex) },
	rfb.EncodingTRLE:     (*painter).trle,
	rfb.EncodingTight:    (*painter).basic,
	rfb.EncodingTightPNG: (*painter).png,
	rfb.EncodingJPEG:     func(p *painter, _, _ int) []byte { return p.jpeg() },
	rfb.EncodingH264: func(p *painter, _, _ int) []byte {
		b := p.counted(99)
		return append(append(bytes.Clone(b[:4]), p.noise(4)...), b[4:]...)
	},
	rfb.EncodingZlib: func(p *painter, _, _ int) []byte { return p.counted(99) },
	rfb.EncodingZRLE: func(p *painter, _, _ int) []byte { return p.counted(99) },
	17:               func(p *painter, _, _ int) []byte { return p.counted(99) },
	9:                func(p *painter, _, _ int) []byte { return p.counted(99) },
	10:               func(p *painter, _, _ int) []byte { return p.counted(99) },
}

func (p *painter) rre(w, h, each int) []byte {
	n := p.IntN(w*h + 1)
	b := binary.BigEndian.AppendUint32(nil, uint32(n))
	return append(b, p.noise(p.raw+n*(p.raw+each))...)
}

// tiles paints tiles of 16×16.
func (p *painter) tiles(w, h int, tile func(w, h int) []byte) (b []byte) {
	for y := 0; y < h; y += 16 {
		for x := 0; x < w; x += 16 {
			b = append(b, tile(min(16, w-x), min(16, h-y))...)
		}
	}
	return b
}

func (p *painter) hextile(w, h int) []byte {
	mask := byte(p.IntN(32))
	if mask&1 != 0 {
		return append([]byte{mask}, p.noise(w*h*p.raw)...)
	}
	b := []byte{mask}
	for _, bit := range []byte{2, 4} {
		if mask&bit != 0 {
			b = append(b, p.noise(p.raw)...)
		}
	}
	if mask&8 == 0 {
		return b
	}
	n := p.IntN(256)
	b = append(b, byte(n))
	if mask&16 != 0 {
		return append(b, p.noise(n*(2+p.raw))...)
	}
	return append(b, p.noise(n*2)...)
}

func (p *painter) zlibHex(w, h int) []byte {
	if p.IntN(2) == 0 {
		return p.hextile(w, h)
	}
	n := p.IntN(99)
	b := []byte{[]byte{32, 64, 32 | 6, 64 | 8}[p.IntN(4)], 0, byte(n)}
	return append(b, p.noise(n)...)
}

func (p *painter) trle(w, h int) []byte {
	last := 0 // the palette before
	return p.tiles(w, h, func(w, h int) []byte {
		kind := []int{0, 1, 2 + p.IntN(15), 127, 128, 129, 130 + p.IntN(126)}[p.IntN(7)]
		if (kind == 127 && (last < 2 || last > 16)) || kind == 129 && last < 2 {
			kind = 2
		}
		b := []byte{byte(kind)}
		switch {
		case kind == 0:
			return append(b, p.noise(w*h*p.compact)...)
		case kind == 1:
			return append(b, p.noise(p.compact)...)
		case kind <= 16:
			last = kind
			return append(append(b, p.noise(last*p.compact)...), p.rows(w, h, last)...)
		case kind == 127:
			return append(b, p.rows(w, h, last)...)
		case kind == 128:
			return append(b, p.runs(w*h, false)...)
		case kind == 129:
			return append(b, p.runs(w*h, true)...)
		}
		last = kind - 128
		return append(append(b, p.noise(last*p.compact)...), p.runs(w*h, true)...)
	})
}

// rows are w×h indices of a palette of n.
func (p *painter) rows(w, h, n int) []byte {
	perByte := 2
	if n == 2 {
		perByte = 8
	} else if n < 5 {
		perByte = 4
	}
	row := w / perByte
	if w%perByte != 0 {
		row++
	}
	return p.noise(row * h)
}

func (p *painter) runs(pixels int, indexed bool) (b []byte) {
	for pixels > 0 {
		run := 1 + p.IntN(pixels)
		pixels -= run
		if indexed && run == 1 && p.IntN(2) == 0 {
			b = append(b, byte(p.IntN(128)))
			continue
		}
		if indexed {
			b = append(b, 0x80|byte(p.IntN(128)))
		} else {
			b = append(b, p.noise(p.compact)...)
		}
		for run--; run >= 255; run -= 255 {
			b = append(b, 255)
		}
		b = append(b, byte(run))
	}
	return b
}

// compactLen is how Tight writes lengths.
func compactLen(n int) []byte {
	switch {
	case n < 1<<7:
		return []byte{byte(n)}
	case n < 1<<14:
		return []byte{byte(n) | 0x80, byte(n >> 7)}
	}
	return []byte{byte(n) | 0x80, byte(n>>7) | 0x80, byte(n >> 14)}
}

func (p *painter) compressed() []byte {
	n := []int{0, 5, 127, 128, 300, 16383, 16384, 17000}[p.IntN(8)]
	return append(compactLen(n), p.noise(n)...)
}

// png is a body of TightPNG.
func (p *painter) png(_, _ int) []byte {
	reset := byte(p.IntN(16))
	if p.IntN(3) == 0 {
		return append([]byte{0x80 | reset}, p.noise(p.tight)...)
	}
	return append([]byte{[]byte{0x90, 0xa0}[p.IntN(2)] | reset}, p.compressed()...)
}

// basic is a body of Tight, of any kind.
func (p *painter) basic(w, h int) []byte {
	reset := byte(p.IntN(16))
	stream := byte(p.IntN(4)) << 4
	data := func(size int) []byte {
		if size < 12 {
			return p.noise(size)
		}
		return p.compressed()
	}
	switch p.IntN(7) {
	case 6: // not compressed, with a filter that does nothing
		size := w * h * p.tight
		b := []byte{0xe0 | reset, 0}
		if size >= 12 {
			b = append(b, compactLen(size)...)
		}
		return append(b, p.noise(size)...)
	case 0:
		return append([]byte{0x80 | reset}, p.noise(p.tight)...)
	case 1:
		return append([]byte{0x90 | reset}, p.compressed()...)
	case 2:
		return append([]byte{stream | reset}, data(w*h*p.tight)...)
	case 3:
		return append([]byte{0x40 | stream | reset, []byte{0, 2}[p.IntN(2)]}, data(w*h*p.tight)...)
	case 4:
		n := 1 + p.IntN(2)
		b := append([]byte{0x40 | stream | reset, 1, byte(n - 1)}, p.noise(n*p.tight)...)
		return append(b, data(len(p.rows(w, h, 2)))...)
	}
	n := 3 + p.IntN(254)
	b := append([]byte{0x40 | stream | reset, 1, byte(n - 1)}, p.noise(n*p.tight)...)
	return append(b, data(w*h)...)
}

func (p *painter) jpeg() []byte {
	segment := func(kind byte) []byte {
		n := p.IntN(20)
		return append([]byte{0xff, kind, 0, byte(n + 2)}, p.noise(n)...)
	}
	b := []byte{0xff, 0xd8}
	for _, kind := range []byte{0xe0, 0xdb, 0xc0, 0xc4} {
		if p.IntN(4) > 0 { // tables may be those of before
			b = append(b, segment(kind)...)
		}
	}
	for range 1 + p.IntN(2) {
		b = append(b, segment(0xda)...)
		for range p.IntN(40) {
			switch c := byte(p.Uint32()); c {
			case 0xff:
				b = append(b, 0xff, []byte{0, 0xd0, 0xd7}[p.IntN(3)])
			default:
				b = append(b, c, 0xff, 0)
			}
		}
	}
	if p.IntN(2) == 0 {
		b = append(b, 0xff) // for filling
	}
	return append(b, 0xff, 0xd9)
}

// A told is a rectangle that is no pixels.
type told struct {
	e    rfb.Encoding
	w, h uint16
	body []byte
}

// others are rectangles that are no pixels.
func (p *painter) others() []told {
	mask := len(p.rows(13, 5, 2))
	screens := append([]byte{2, 0, 0, 0}, p.noise(32)...)
	alpha := func(inner rfb.Encoding) []byte {
		wide := &painter{Rand: p.Rand, raw: 4, tight: 4, compact: 4}
		return append(binary.BigEndian.AppendUint32(nil, uint32(inner)), painted[inner](wide, 13, 5)...)
	}
	return []told{
		{-223, 800, 600, nil}, {-232, 0, 0, nil}, {-257, 0, 0, nil}, {-258, 800, 600, nil}, {-259, 0, 0, nil}, {-316, 0, 0, nil},
		{-239, 13, 5, p.noise(13*5*p.raw + mask)}, {-239, 0, 0, nil},
		{-240, 13, 5, p.noise(6 + 2*mask)}, {-240, 0, 0, nil}, {-261, 0, 0, p.noise(1)},
		{-307, 0, 0, p.counted(30)}, {-308, 800, 600, screens}, {-308, 800, 600, []byte{0, 0, 0, 0}},
		{-314, 13, 5, alpha(0)}, {-314, 13, 5, alpha(7)}, {-314, 13, 5, alpha(16)}, {-314, 13, 5, alpha(5)},
		{-1000, 0, 0, p.noise(8)}, {-1001, 0, 0, nil},
		{0x574d5664, 13, 5, append([]byte{0, 0}, p.noise(2*13*5*p.raw)...)}, {0x574d5664, 13, 5, append([]byte{1, 0}, p.noise(13*5*4)...)},
		{0x574d5665, 0, 0, p.noise(2)}, {0x574d5666, 0, 0, nil}, {0x574d5667, 0, 0, p.noise(10)}, {0x574d5668, 0, 0, p.noise(4)},
		{0x574d566a, 0, 0, p.noise(2)}, {0x574d5669, 800, 600, p.format().Append(nil)},
		{-0x20000, 0, 0, nil}, {-0x1ffff, 64, 0, p.noise(64)}, {-0x1fffe, 12, 3, p.noise(12)}, {-0x1fffd, 7, 0, p.noise(7)},
	}
}

// update paints an update with the rectangles; counted or ended by a LastRect.
func update(counted bool, rects ...[]byte) []byte {
	n := uint16(len(rects))
	if !counted {
		n = rfb.UnknownRectCount
	}
	b := append(rfb.AppendFramebufferUpdate(nil, n), bytes.Join(rects, nil)...)
	if !counted {
		b = rfb.AppendLastRect(b)
	}
	return b
}

// rect paints a rectangle of pixels.
func (p *painter) rect(e rfb.Encoding) []byte {
	sizes := [][2]int{{1, 1}, {3, 1}, {4, 1}, {16, 16}, {17, 9}, {40, 35}, {9, 33}}
	size := sizes[p.IntN(len(sizes))]
	return append(rfb.AppendRect(nil, 1, 2, uint16(size[0]), uint16(size[1]), e), painted[e](p, size[0], size[1])...)
}

// other is a rectangle of t.
func (p *painter) other(t told) []byte {
	return append(rfb.AppendRect(nil, 0, 0, t.w, t.h, t.e), t.body...)
}

// A sent is a message of a display's, and what it takes for it to pass.
type sent struct {
	msg  []byte
	need func(rfb.Policy) bool // nil for nothing
}

// messages are all kinds of messages that are not updates.
func (p *painter) messages() []sent {
	bell := func(p rfb.Policy) bool { return p.Bell }
	audio := func(p rfb.Policy) bool { return p.Audio }
	out := func(p rfb.Policy) bool { return p.ClipboardOut }
	in := func(p rfb.Policy) bool { return p.ClipboardIn }
	either := func(p rfb.Policy) bool { return p.ClipboardIn || p.ClipboardOut }
	files := func(p rfb.Policy) bool { return p.FileTransfer }
	extended := func(flags uint32, body ...byte) []byte {
		return rfb.AppendServerClipboard(nil, rfb.Clipboard{Flags: flags, Body: body})
	}
	fixed := func(t byte, n int) []byte { return append([]byte{t}, p.noise(n-1)...) }
	return []sent{
		{append([]byte{1, 0, 0, 0, 0, 3}, p.noise(18)...), nil},
		{[]byte{2}, bell},
		{rfb.AppendServerCutText(nil, "a secret"), out}, {rfb.AppendServerCutText(nil, ""), out},
		{rfb.AppendServerClipboard(nil, rfb.ClipboardCapabilities(1000)), either},
		{rfb.AppendServerClipboard(nil, rfb.ProvideText("a secret")), out},
		{extended(rfb.ClipboardNotify | rfb.ClipboardText), out}, {extended(rfb.ClipboardRequest | rfb.ClipboardText), in},
		{extended(rfb.ClipboardPeek), in}, {extended(rfb.ClipboardText), func(rfb.Policy) bool { return false }},
		{extended(rfb.ClipboardRequest|rfb.ClipboardNotify|rfb.ClipboardText, 1, 2, 3), func(p rfb.Policy) bool { return p.ClipboardIn && p.ClipboardOut }},
		{fixed(4, 6), nil}, {append([]byte{11, 0, 0, 0, 0, 0, 0, 3}, p.noise(3)...), nil}, {[]byte{11, 0, 0, 0, 255, 255, 255, 254}, nil},
		{[]byte{13}, nil}, {fixed(15, 12), nil}, {[]byte{20}, nil}, {fixed(80, 4), nil},
		{append([]byte{130, 0, 0, 2, 0, 9, 0, 5}, p.noise(2*8+5)...), files},
		{append([]byte{131, 0, 0, 9, 0, 5}, p.noise(5)...), files}, {append([]byte{131, 0, 0, 0, 0, 0}, p.noise(4)...), files},
		{append([]byte{132, 0, 0, 5}, p.noise(5)...), files}, {[]byte{133, 0, 0, 0}, files},
		{[]byte{150}, nil}, {fixed(160, 20), nil}, {fixed(173, 12), nil},
		{rfb.AppendFence(nil, rfb.FenceRequest|rfb.FenceBlockBefore, p.noise(8)), nil}, {rfb.AppendFence(nil, 0, p.noise(64)), nil},
		{rfb.AppendXvp(nil, rfb.XvpInit), nil}, {fixed(252, 4), nil},
		{append([]byte{253, 0x81, 0, 4}, p.noise(4)...), nil}, {append([]byte{253, 0x01, 4, 0}, p.noise(4)...), nil},
		{[]byte{255, 1, 0, 0}, audio}, {[]byte{255, 1, 0, 1}, audio},
		{append([]byte{255, 1, 0, 2, 0, 0, 0, 7}, p.noise(7)...), audio},
	}
}

// everything paints every message and every rectangle once.
func (p *painter) everything() (all []sent) {
	all = p.messages()
	for _, e := range slices.Sorted(maps.Keys(painted)) {
		all = append(all, sent{msg: update(p.IntN(2) == 0, p.rect(e), p.rect(e))})
	}
	for _, t := range p.others() {
		all = append(all, sent{msg: update(p.IntN(2) == 0, p.other(t), p.rect(rfb.EncodingRaw))})
	}
	all = append(all, sent{msg: update(true)}, sent{msg: update(false)})
	p.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// under returns the bytes of all, and those that p leaves.
func under(p rfb.Policy, all []sent) (in, want []byte) {
	for _, m := range all {
		in = append(in, m.msg...)
		if m.need == nil || m.need(p) {
			want = append(want, m.msg...)
		}
	}
	return in, want
}
