package display

import (
	"encoding/binary"
	"math/bits"

	"vncgate/rfb"
)

// A layout is how the pixels of a codec lie on the wire.
type layout uint8

const (
	layoutBGRX  layout = iota // four bytes, as nearly every display has them
	layoutBGR                 // the same without the one that means nothing
	layoutRGB                 // Tight's three bytes
	layoutRGBA                // a cursor's, with alpha
	layoutByte                // an index of table
	layoutShort               // two bytes that are one
	layoutOther               // whatever else true colour can be
)

// A codec turns pixels as they are on the wire into those of a framebuffer.
type codec struct {
	layout layout
	size   int // bytes of a pixel on the wire
	format rfb.PixelFormat
	up     uint     // bits to move what was read by: a CPIXEL in the high bytes
	table  []uint32 // of layoutByte and layoutShort
}

// codecs are those of one pixel format (RFC 6143, 7.7.5 CPIXEL; rfbproto, "Tight
// Encoding" TPIXEL).
type codecs struct {
	raw, compact, tight codec
	waves               *waves // of ZYWRLE; nil until it is needed
}

// newCodecs returns the codecs of a valid format. colours is the colour map of
// formats that have one.
func newCodecs(f rfb.PixelFormat, colours []uint32) codecs {
	raw := codec{size: int(f.BitsPerPixel) / 8, format: f}
	switch {
	case f == rfb.Format32():
		raw.layout = layoutBGRX
	case raw.size == 1:
		raw.layout, raw.table = layoutByte, raw.tabulate(256, colours)
	case raw.size == 2:
		raw.layout, raw.table = layoutShort, raw.tabulate(1<<16, colours)
	default:
		raw.layout = layoutOther
	}
	return codecs{raw: raw, compact: raw.compacted(), tight: raw.tightened()}
}

// compacted is the codec of CPIXELs: three of four bytes, where all the channels
// lie in these.
func (c codec) compacted() codec {
	f := c.format
	if c.size != 4 || !f.TrueColour || f.Depth > 24 {
		return c
	}
	used := uint32(f.RedMax)<<f.RedShift | uint32(f.GreenMax)<<f.GreenShift | uint32(f.BlueMax)<<f.BlueShift
	switch {
	case c.layout == layoutBGRX:
		c.layout = layoutBGR
	case bits.Len32(used) <= 24:
	case bits.TrailingZeros32(used) >= 8:
		c.up = 8
	default:
		return c
	}
	c.size = 3
	return c
}

// tightened is the codec of TPIXELs: red, green and blue where each has a byte.
func (c codec) tightened() codec {
	f := c.format
	if c.size == 4 && f.TrueColour && f.Depth == 24 && f.RedMax == 255 && f.GreenMax == 255 && f.BlueMax == 255 {
		return codec{layout: layoutRGB, size: 3, format: f}
	}
	return c
}

// alphaCodecs are those of a cursor with alpha, whose pixels are never compacted.
func alphaCodecs() codecs {
	c := codec{layout: layoutRGBA, size: 4}
	return codecs{raw: c, compact: c, tight: c}
}

// tabulate lists the colour of each pixel there can be.
func (c *codec) tabulate(n int, colours []uint32) []uint32 {
	table := make([]uint32, n)
	for v := range table {
		switch {
		case c.format.TrueColour:
			table[v] = c.colour(uint32(v))
		case v < len(colours):
			table[v] = colours[v]
		default:
			table[v] = opaque
		}
	}
	return table
}

// opaque is black, as a framebuffer has it: red lowest, alpha highest.
const opaque = 0xff << 24

// colour takes a pixel of true colour apart.
func (c *codec) colour(v uint32) uint32 {
	r, g, b := c.channels(v)
	f := &c.format
	return opaque | scale(r, f.RedMax) | scale(g, f.GreenMax)<<8 | scale(b, f.BlueMax)<<16
}

// channels are those of a pixel, each up to the format's maximum.
func (c *codec) channels(v uint32) (r, g, b uint32) {
	f := &c.format
	return v >> f.RedShift & uint32(f.RedMax), v >> f.GreenShift & uint32(f.GreenMax), v >> f.BlueShift & uint32(f.BlueMax)
}

// scale brings a channel to 8 bits, rounding down as TigerVNC does
// (rfb/PixelFormat.cxx).
func scale(v uint32, most uint16) uint32 { return v * 255 / uint32(most) }

// one returns the colour of the pixel at the beginning of b.
func (c *codec) one(b []byte) uint32 {
	switch c.layout {
	case layoutBGRX, layoutBGR:
		return opaque | uint32(b[2]) | uint32(b[1])<<8 | uint32(b[0])<<16
	case layoutRGB:
		return opaque | uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	case layoutRGBA:
		return binary.LittleEndian.Uint32(b)
	case layoutByte:
		return c.table[b[0]]
	case layoutShort:
		return c.table[c.value(b)]
	}
	if !c.format.TrueColour { // no display maps the colours of 32 bits
		return opaque
	}
	return c.colour(c.value(b))
}

// value is the pixel at the beginning of b as a number.
func (c *codec) value(b []byte) uint32 {
	var v uint32
	for i := range c.size {
		if c.format.BigEndian {
			v = v<<8 | uint32(b[i])
		} else {
			v |= uint32(b[i]) << (8 * i)
		}
	}
	return v << c.up
}

// row turns the pixels in src, whole ones, into those of a framebuffer in dst,
// which has room for them.
func (c *codec) row(dst, src []byte) {
	switch c.layout {
	case layoutBGRX:
		rowBGRX(dst, src)
	case layoutRGBA:
		copy(dst, src)
	default:
		for ; len(src) >= c.size && len(dst) >= 4; dst, src = dst[4:], src[c.size:] {
			binary.LittleEndian.PutUint32(dst, c.one(src))
		}
	}
}

// rowBGRX exchanges red and blue, two pixels at a time.
func rowBGRX(dst, src []byte) {
	const even = 0x00ff00ff00ff00ff
	for ; len(src) >= 8 && len(dst) >= 8; dst, src = dst[8:], src[8:] {
		v := binary.LittleEndian.Uint64(src)
		rb := v & even
		rb = rb>>16&0x000000ff000000ff | rb<<16&0x00ff000000ff0000
		binary.LittleEndian.PutUint64(dst, v&0x0000ff000000ff00|rb|0xff000000ff000000)
	}
	if len(src) >= 4 && len(dst) >= 4 {
		binary.LittleEndian.PutUint32(dst, opaque|uint32(src[2])|uint32(src[1])<<8|uint32(src[0])<<16)
	}
}
