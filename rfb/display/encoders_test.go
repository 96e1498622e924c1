package display_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"

	"vncgate/rfb"
)

// Encoders of this package's tests: straightforward, and after the same texts as
// the decoders. Each makes the rectangles of one update of a whole picture, in
// Format32.

// deskPicture is like a desk with windows: text on flat ground, a list in
// colours, and a photograph in a corner.
func deskPicture(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	rnd := rand.New(rand.NewPCG(3, 4))
	glyphs := make([][16]byte, 40)
	for i := range glyphs {
		for y := 2; y < 13; y++ {
			bits := rnd.Uint32() // of two, where both are set
			glyphs[i][y] = byte(bits) & byte(bits>>8) & 0x7e
		}
	}
	inks := [][2]uint32{{0xffffff, 0x202020}, {0x1e1e2e, 0xcdd6f4}, {0xf0f0e8, 0x0040a0}}
	words := [256]byte{}
	for i := range words {
		words[i] = byte(rnd.IntN(len(glyphs) * 4 / 3)) // some are blank
	}
	for y := range h {
		for x := range w {
			ink := inks[x*3/w]
			colour := ink[0]
			cell := words[(x/8*7+y/16*13)%256]
			switch {
			case y < h/20:
				colour = 0x3060a0
			case x > w*2/3 && y > h*2/3:
				colour = uint32(x*255/w)<<16 | uint32(y*255/h)<<8 | uint32(128+rnd.IntN(12))
			case x < w/3 && y > h*3/4: // a list
				colour = []uint32{0xd02020, 0x20d020, 0x2020d0, 0xd0d020, 0x808080}[y/9%5]
			case int(cell) < len(glyphs) && glyphs[cell][y%16]>>(7-x%8)&1 != 0:
				colour = ink[1]
			}
			copy(img.Pix[img.PixOffset(x, y):], []byte{byte(colour >> 16), byte(colour >> 8), byte(colour), 255})
		}
	}
	return img
}

// An encoder turns a part of a picture into rectangles.
type encoder struct {
	img *image.RGBA
	rgb bool // pixels as Tight has them
}

// pixel is that of Format32, of n bytes.
func (e encoder) pixel(b []byte, colour uint32, n int) []byte {
	if e.rgb {
		return append(b, byte(colour>>16), byte(colour>>8), byte(colour))
	}
	return append(b, []byte{byte(colour), byte(colour >> 8), byte(colour >> 16), 0}[:n]...)
}

func (e encoder) colours(r image.Rectangle) []uint32 {
	out := make([]uint32, 0, r.Dx()*r.Dy())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			p := e.img.Pix[e.img.PixOffset(x, y):]
			out = append(out, uint32(p[0])<<16|uint32(p[1])<<8|uint32(p[2]))
		}
	}
	return out
}

func (e encoder) raw(colours []uint32, n int) []byte {
	out := make([]byte, 0, len(colours)*n)
	for _, c := range colours {
		out = e.pixel(out, c, n)
	}
	return out
}

// pieces cuts the picture into rectangles that body fills.
func (e encoder) pieces(as rfb.Encoding, w, h int, body func(image.Rectangle) []byte) [][]byte {
	var out [][]byte
	tiles(e.img.Rect, w, h, func(r image.Rectangle) {
		head := rfb.AppendRect(nil, uint16(r.Min.X), uint16(r.Min.Y), uint16(r.Dx()), uint16(r.Dy()), as)
		out = append(out, append(head, body(r)...))
	})
	return out
}

func tiles(r image.Rectangle, w, h int, each func(image.Rectangle)) {
	for y := r.Min.Y; y < r.Max.Y; y += h {
		for x := r.Min.X; x < r.Max.X; x += w {
			each(image.Rect(x, y, x+w, y+h).Intersect(r))
		}
	}
}

// palette lists the colours there are, up to most+1, and the index of each.
func palette(colours []uint32, most int) (list []uint32, index map[uint32]int) {
	index = map[uint32]int{}
	for _, c := range colours {
		if _, seen := index[c]; !seen {
			if index[c] = len(list); len(list) == most+1 {
				break
			}
			list = append(list, c)
		}
	}
	return list, index
}

// A run is of pixels of one colour.
type run struct {
	colour uint32
	at, n  int
}

// runs are those of colours, cut at each multiple of width if that is not 0.
func runs(colours []uint32, width int) []run {
	var out []run
	for i, c := range colours {
		if last := len(out) - 1; last >= 0 && out[last].colour == c && (width == 0 || i%width != 0) {
			out[last].n++
			continue
		}
		out = append(out, run{c, i, 1})
	}
	return out
}

func (e encoder) rre(r image.Rectangle, small bool) []byte {
	colours := e.colours(r)
	list := runs(colours, r.Dx())
	n := 0
	var subs []byte
	for _, s := range list {
		if s.colour == colours[0] {
			continue
		}
		n++
		subs = e.pixel(subs, s.colour, 4)
		place := []uint16{uint16(s.at % r.Dx()), uint16(s.at / r.Dx()), uint16(s.n), 1}
		for _, v := range place {
			if small {
				subs = append(subs, byte(v))
			} else {
				subs = binary.BigEndian.AppendUint16(subs, v)
			}
		}
	}
	return append(e.pixel(binary.BigEndian.AppendUint32(nil, uint32(n)), colours[0], 4), subs...)
}

func (e encoder) hextile(r image.Rectangle) []byte {
	var out []byte
	tiles(r, 16, 16, func(tile image.Rectangle) {
		colours := e.colours(tile)
		list, _ := palette(colours, 2)
		parts := runs(colours, tile.Dx())
		mask, size := byte(2|8|16), 6
		switch {
		case len(list) == 1:
			out = e.pixel(append(out, 2), list[0], 4)
			return
		case len(list) == 2:
			mask, size = 2|4|8, 2
		}
		if len(parts) > 255 || len(parts)*size > 4*len(colours) {
			out = append(append(out, 1), e.raw(colours, 4)...)
			return
		}
		out = e.pixel(append(out, mask), list[0], 4)
		if size == 2 {
			out = e.pixel(out, list[1], 4)
		}
		at := len(out)
		out = append(out, 0)
		for _, s := range parts {
			if s.colour == list[0] {
				continue
			}
			if size == 6 {
				out = e.pixel(out, s.colour, 4)
			}
			out = append(out, byte(s.at%tile.Dx()<<4|s.at/tile.Dx()), byte((s.n-1)<<4))
			out[at]++
		}
	})
	return out
}

// tiled is TRLE, or what ZRLE has in its stream: each tile in the shortest of
// its forms.
func (e encoder) tiled(r image.Rectangle, side int, again bool) []byte {
	var out []byte
	var before []uint32
	tiles(r, side, side, func(tile image.Rectangle) {
		colours := e.colours(tile)
		list, index := palette(colours, 127)
		if len(list) == 1 {
			out, before = e.pixel(append(out, 1), list[0], 3), list
			return
		}
		best := append([]byte{0}, e.raw(colours, 3)...)
		kept := before
		better := func(b []byte, list []uint32) {
			if len(b) < len(best) {
				best, kept = b, list
			}
		}
		better(e.plainRuns(colours), before)
		if len(list) <= 127 {
			head := []byte{byte(len(list))}
			for _, c := range list {
				head = e.pixel(head, c, 3)
			}
			if len(list) <= 16 {
				better(append(bytes.Clone(head), packed(colours, index, len(list), tile.Dx())...), list)
			}
			head[0] |= 128
			better(append(head, indexedRuns(colours, index)...), list)
		}
		if again && len(before) > 1 {
			if index, ok := covers(before, list); ok && len(before) <= 127 {
				if len(before) <= 16 {
					better(append([]byte{127}, packed(colours, index, len(before), tile.Dx())...), before)
				}
				better(append([]byte{129}, indexedRuns(colours, index)...), before)
			}
		}
		out, before = append(out, best...), kept
	})
	return out
}

// covers is the index of a palette that has all the colours of list.
func covers(before, list []uint32) (map[uint32]int, bool) {
	_, index := palette(before, 127)
	for _, c := range list {
		if _, ok := index[c]; !ok {
			return nil, false
		}
	}
	return index, true
}

func packed(colours []uint32, index map[uint32]int, n, width int) []byte {
	bits := map[bool]int{true: 1, false: 4}[n <= 2]
	if n == 3 || n == 4 {
		bits = 2
	}
	var out []byte
	for at := 0; at < len(colours); at += width {
		row := make([]byte, (width*bits+7)/8)
		for x, c := range colours[at : at+width] {
			row[x*bits/8] |= byte(index[c] << (8 - bits - x*bits%8))
		}
		out = append(out, row...)
	}
	return out
}

func runLength(b []byte, n int) []byte {
	for n--; n >= 255; n -= 255 {
		b = append(b, 255)
	}
	return append(b, byte(n))
}

func (e encoder) plainRuns(colours []uint32) []byte {
	out := []byte{128}
	for _, s := range runs(colours, 0) {
		out = runLength(e.pixel(out, s.colour, 3), s.n)
	}
	return out
}

func indexedRuns(colours []uint32, index map[uint32]int) []byte {
	var out []byte
	for _, s := range runs(colours, 0) {
		if s.n == 1 {
			out = append(out, byte(index[s.colour]))
			continue
		}
		out = runLength(append(out, 0x80|byte(index[s.colour])), s.n)
	}
	return out
}

// tight is a rectangle in the form that its colours ask for. begun are the
// streams that have begun.
func (e encoder) tight(r image.Rectangle, begun *[4]bool) []byte {
	e.rgb = true
	colours := e.colours(r)
	list, index := palette(colours, 256)
	switch {
	case len(list) == 1:
		return e.pixel([]byte{0x80}, list[0], 3)
	case len(list) > 256:
		return tightStream([]byte{0}, &begun[0], e.raw(colours, 3))
	}
	head := append([]byte{0x50, 1, byte(len(list) - 1)}, e.raw(list, 3)...)
	if len(list) == 2 {
		return tightStream(head, &begun[1], packed(colours, index, 2, r.Dx()))
	}
	data := make([]byte, len(colours))
	for i, c := range colours {
		data[i] = byte(index[c])
	}
	return tightStream(head, &begun[1], data)
}

func tightStream(head []byte, begun *bool, data []byte) []byte {
	if len(data) < 12 {
		return append(head, data...)
	}
	piece := flateFlushed(data)
	if !*begun {
		piece, *begun = append([]byte{0x78, 0x9c}, piece...), true
	}
	return tightCounted(head, piece)
}

func tightCounted(head, data []byte) []byte {
	n := len(data)
	return append(append(head, byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)), data...)
}

// gradient is Tight's filter of that name, its stream begun anew.
func (e encoder) gradient(r image.Rectangle) []byte {
	at := func(x, y, i int) int {
		if x < r.Min.X || y < r.Min.Y {
			return 0
		}
		return int(e.img.Pix[e.img.PixOffset(x, y)+i])
	}
	var out []byte
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			for i := range 3 {
				guess := min(max(at(x-1, y, i)+at(x, y-1, i)-at(x-1, y-1, i), 0), 255)
				out = append(out, byte(at(x, y, i)-guess))
			}
		}
	}
	return tightStream([]byte{0x41, 2}, new(bool), out)
}

func (e encoder) jpeg(r image.Rectangle) []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, e.img.SubImage(r), &jpeg.Options{Quality: 90}) // to memory
	return b.Bytes()
}

func (e encoder) png(r image.Rectangle) []byte {
	var b bytes.Buffer
	_ = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, e.img.SubImage(r)) // to memory
	return b.Bytes()
}

// A frame is an update that can be sent again and again: first is what it begins
// with the first time, where that is another thing.
type frame struct{ first, again []byte }

// frames are the picture in every encoding there is.
func frames(img *image.RGBA) map[string]frame {
	e := encoder{img: img}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	same := func(rects [][]byte) frame {
		b := update(rects...)
		return frame{b, b}
	}
	stream := func(as rfb.Encoding, data []byte) frame {
		piece := flateFlushed(data)
		head := func(b []byte) []byte {
			return update(append(binary.BigEndian.AppendUint32(rfb.AppendRect(nil, 0, 0, uint16(w), uint16(h), as), uint32(len(b))), b...))
		}
		return frame{head(append([]byte{0x78, 0x9c}, piece...)), head(piece)}
	}
	stripe := max(1, 65536/w)
	var begun [4]bool
	tight := func(r image.Rectangle) []byte { return e.tight(r, &begun) }
	return map[string]frame{
		"raw":     same(e.pieces(rfb.EncodingRaw, w, h, func(r image.Rectangle) []byte { return e.raw(e.colours(r), 4) })),
		"rre":     same(e.pieces(rfb.EncodingRRE, w, stripe, func(r image.Rectangle) []byte { return e.rre(r, false) })),
		"corre":   same(e.pieces(rfb.EncodingCoRRE, 255, 255, func(r image.Rectangle) []byte { return e.rre(r, true) })),
		"hextile": same(e.pieces(rfb.EncodingHextile, w, h, e.hextile)),
		"trle":    same(e.pieces(rfb.EncodingTRLE, w, h, func(r image.Rectangle) []byte { return e.tiled(r, 16, true) })),
		"zlib":    stream(rfb.EncodingZlib, e.raw(e.colours(img.Rect), 4)),
		"zrle":    stream(rfb.EncodingZRLE, e.tiled(img.Rect, 64, false)),
		"tight": {
			update(e.pieces(rfb.EncodingTight, w, stripe, tight)...), update(e.pieces(rfb.EncodingTight, w, stripe, tight)...),
		},
		"tight-gradient": same(e.pieces(rfb.EncodingTight, w, stripe, e.gradient)),
		"tight-jpeg":     same(e.pieces(rfb.EncodingTight, w, stripe, func(r image.Rectangle) []byte { return tightCounted([]byte{0x90}, e.jpeg(r)) })),
		"tight-png":      same(e.pieces(rfb.EncodingTightPNG, w, stripe, func(r image.Rectangle) []byte { return tightCounted([]byte{0xa0}, e.png(r)) })),
		"jpeg":           same(e.pieces(rfb.EncodingJPEG, w, h, e.jpeg)),
	}
}

// flateFlushed is a piece of a stream of zlib that needs nothing before it.
func flateFlushed(data []byte) []byte {
	var b bytes.Buffer
	z, _ := flate.NewWriter(&b, flate.BestSpeed) // a level there is
	_, _ = z.Write(data)                         // to memory
	_ = z.Flush()
	return b.Bytes()
}
