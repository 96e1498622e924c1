package screen

import (
	"encoding/binary"
	"fmt"

	"vncgate/rfb"
)

// bgr233 is what a viewer without true colour gets, with a colour map to match
// (QEMU ui/vnc.c does the same).
func bgr233() rfb.PixelFormat {
	return rfb.PixelFormat{
		BitsPerPixel: 8, Depth: 8, TrueColour: true,
		RedMax: 7, GreenMax: 7, BlueMax: 3, GreenShift: 3, BlueShift: 6,
	}
}

// A converter turns our pixels into those of one viewer's format.
type converter struct {
	size             int // bytes of a pixel: 1, 2 or 4
	csize            int // bytes of a CPIXEL (RFC 6143, 7.7.5): 3 or size
	coffset          int // of the CPIXEL's bytes among the pixel's four
	bigEndian        bool
	red, green, blue [256]uint32
}

// newConverter prepares f. A format without true colour must have eight bits
// and becomes bgr233.
func newConverter(f rfb.PixelFormat) (*converter, error) {
	if err := f.Valid(); err != nil {
		return nil, fmt.Errorf("screen: %w", err)
	}
	if !f.TrueColour {
		if f.BitsPerPixel != 8 {
			return nil, fmt.Errorf("screen: colour map with %d bits per pixel", f.BitsPerPixel)
		}
		f = bgr233()
	}
	c := &converter{size: int(f.BitsPerPixel) / 8, bigEndian: f.BigEndian}
	for v := range 256 {
		c.red[v] = channel(v, f.RedMax, f.RedShift)
		c.green[v] = channel(v, f.GreenMax, f.GreenShift)
		c.blue[v] = channel(v, f.BlueMax, f.BlueShift)
	}
	c.csize, c.coffset = compact(f, c.red[255]|c.green[255]|c.blue[255])
	return c, nil
}

// channel scales v, of 255, to a channel's maximum and puts it in its place.
func channel(v int, most uint16, shift uint8) uint32 {
	return (uint32(v)*uint32(most) + 127) / 255 << shift
}

// compact finds the size of a CPIXEL and where its bytes lie in a pixel whose
// used bits are given: three bytes where four would waste one.
func compact(f rfb.PixelFormat, used uint32) (size, offset int) {
	low, high := used < 1<<24, used&0xff == 0
	if f.BitsPerPixel != 32 || f.Depth > 24 || !low && !high {
		return int(f.BitsPerPixel) / 8, 0
	}
	if low == f.BigEndian { // the byte to leave out comes first
		return 3, 1
	}
	return 3, 0
}

// row converts RGBA bytes to pixel values.
func (c *converter) row(dst []uint32, src []byte) {
	for i := 0; i+3 < len(src); i += 4 {
		dst[i/4] = c.red[src[i]] | c.green[src[i+1]] | c.blue[src[i+2]]
	}
}

// pixel appends one pixel to b.
func (c *converter) pixel(b []byte, p uint32) []byte {
	switch {
	case c.size == 1:
		return append(b, byte(p))
	case c.size == 2 && c.bigEndian:
		return binary.BigEndian.AppendUint16(b, uint16(p))
	case c.size == 2:
		return binary.LittleEndian.AppendUint16(b, uint16(p))
	case c.bigEndian:
		return binary.BigEndian.AppendUint32(b, p)
	}
	return binary.LittleEndian.AppendUint32(b, p)
}

// pixels appends all of ps to b.
func (c *converter) pixels(b []byte, ps []uint32) []byte {
	for _, p := range ps {
		b = c.pixel(b, p)
	}
	return b
}

// cpixel appends one CPIXEL to b (RFC 6143, 7.7.5).
func (c *converter) cpixel(b []byte, p uint32) []byte {
	if c.csize != 3 || c.size != 4 {
		return c.pixel(b, p)
	}
	if c.bigEndian {
		p <<= 8 * c.coffset
		return append(b, byte(p>>24), byte(p>>16), byte(p>>8))
	}
	p >>= 8 * c.coffset
	return append(b, byte(p), byte(p>>8), byte(p>>16))
}
