package screentest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"math"

	"vncgate/rfb"
)

// A Decoder is a viewer's half of the encodings, written from the
// specification alone: pixels stay the numbers that the format makes of them.
type Decoder struct {
	R      io.Reader // of what is decoded
	Format rfb.PixelFormat
	Size   image.Point
	Pix    []uint32
	zipped bytes.Buffer
	stream io.ReadCloser
}

// Resize gives the picture another size.
func (d *Decoder) Resize(size image.Point) {
	d.Size, d.Pix = size, make([]uint32, size.X*size.Y)
}

// Read reads n bytes of r.
func Read(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

func u16(b []byte) int { return int(binary.BigEndian.Uint16(b)) }

// value assembles a pixel from its bytes, of which a CPIXEL has three.
func (d *Decoder) value(b []byte, high bool) uint32 {
	var v uint32
	for i := range b {
		if d.Format.BigEndian {
			v = v<<8 | uint32(b[i])
		} else {
			v |= uint32(b[i]) << (8 * i)
		}
	}
	if high {
		v <<= 8
	}
	return v
}

func (d *Decoder) pixel(r io.Reader) (uint32, error) {
	b, err := Read(r, int(d.Format.BitsPerPixel)/8)
	return d.value(b, false), err
}

// cpixel reads a pixel as ZRLE has it: RFC 6143, 7.7.5.
func (d *Decoder) cpixel(r io.Reader) (uint32, error) {
	f := d.Format
	all := uint64(f.RedMax)<<f.RedShift | uint64(f.GreenMax)<<f.GreenShift | uint64(f.BlueMax)<<f.BlueShift
	if f.BitsPerPixel == 32 && f.Depth <= 24 {
		if low := all < 1<<24; low || all&0xff == 0 {
			b, err := Read(r, 3)
			return d.value(b, !low), err
		}
	}
	return d.pixel(r)
}

func (d *Decoder) set(x, y int, v uint32) { d.Pix[y*d.Size.X+x] = v }

func (d *Decoder) fill(r image.Rectangle, v uint32) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			d.set(x, y, v)
		}
	}
}

// Rect decodes the body of a rectangle with pixels.
func (d *Decoder) Rect(r image.Rectangle, e rfb.Encoding) error {
	if !r.In(image.Rectangle{Max: d.Size}) {
		return fmt.Errorf("rectangle %v outside of %v", r, d.Size)
	}
	switch e {
	case rfb.EncodingRaw:
		return d.raw(d.R, r, d.pixel)
	case rfb.EncodingHextile:
		return d.hextile(r)
	case rfb.EncodingZRLE:
		return d.zrle(r)
	}
	return fmt.Errorf("encoding %v", e)
}

func (d *Decoder) raw(r io.Reader, area image.Rectangle, pixel func(io.Reader) (uint32, error)) error {
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			v, err := pixel(r)
			if err != nil {
				return err
			}
			d.set(x, y, v)
		}
	}
	return nil
}

// tilesOf cuts r as hextile and ZRLE do.
func tilesOf(r image.Rectangle, side int) []image.Rectangle {
	var ts []image.Rectangle
	for y := r.Min.Y; y < r.Max.Y; y += side {
		for x := r.Min.X; x < r.Max.X; x += side {
			ts = append(ts, image.Rect(x, y, x+side, y+side).Intersect(r))
		}
	}
	return ts
}

func (d *Decoder) hextile(r image.Rectangle) error {
	var back, fore uint32
	for _, t := range tilesOf(r, 16) {
		mask, err := Read(d.R, 1)
		if err != nil {
			return err
		}
		m := mask[0]
		if m&1 != 0 {
			if err := d.raw(d.R, t, d.pixel); err != nil {
				return err
			}
			continue
		}
		if m&2 != 0 {
			back, _ = d.pixel(d.R)
		}
		if m&4 != 0 {
			fore, _ = d.pixel(d.R)
		}
		d.fill(t, back)
		if m&8 == 0 {
			continue
		}
		n, err := Read(d.R, 1)
		if err != nil {
			return err
		}
		for range n[0] {
			v := fore
			if m&16 != 0 {
				v, _ = d.pixel(d.R)
			}
			b, err := Read(d.R, 2)
			if err != nil {
				return err
			}
			at := t.Min.Add(image.Pt(int(b[0]>>4), int(b[0]&15)))
			sub := image.Rectangle{Min: at, Max: at.Add(image.Pt(int(b[1]>>4)+1, int(b[1]&15)+1))}
			if !sub.In(t) {
				return fmt.Errorf("subrectangle %v outside of tile %v", sub, t)
			}
			d.fill(sub, v)
		}
	}
	return nil
}

func (d *Decoder) zrle(r image.Rectangle) error {
	head, err := Read(d.R, 4)
	if err != nil {
		return err
	}
	body, err := Read(d.R, int(binary.BigEndian.Uint32(head)))
	if err != nil {
		return err
	}
	d.zipped.Write(body)
	if d.stream == nil {
		if d.stream, err = zlib.NewReader(&d.zipped); err != nil {
			return err
		}
	}
	for _, t := range tilesOf(r, 64) {
		if err := d.zrleTile(d.stream, t); err != nil {
			return fmt.Errorf("tile %v: %w", t, err)
		}
	}
	return nil
}

func (d *Decoder) zrleTile(r io.Reader, t image.Rectangle) error {
	b, err := Read(r, 1)
	if err != nil {
		return err
	}
	sub := int(b[0])
	var colours []uint32
	n := sub
	if sub >= 130 {
		n = sub - 128
	} else if sub > 16 {
		n = 0
	}
	for range n {
		v, err := d.cpixel(r)
		if err != nil {
			return err
		}
		colours = append(colours, v)
	}
	switch {
	case sub == 0:
		return d.raw(r, t, d.cpixel)
	case sub == 1:
		d.fill(t, colours[0])
		return nil
	case sub <= 16:
		return d.zrlePacked(r, t, colours)
	case sub == 128 || sub >= 130:
		return d.zrleRuns(r, t, colours)
	}
	return fmt.Errorf("subencoding %d", sub)
}

func (d *Decoder) zrlePacked(r io.Reader, t image.Rectangle, colours []uint32) error {
	bits := map[bool]int{true: 1}[len(colours) == 2]
	if bits == 0 {
		bits = 2
		if len(colours) > 4 {
			bits = 4
		}
	}
	for y := t.Min.Y; y < t.Max.Y; y++ {
		row, err := Read(r, (t.Dx()*bits+7)/8)
		if err != nil {
			return err
		}
		for x := range t.Dx() {
			at := x * bits
			i := int(row[at/8]>>(8-bits-at%8)) & (1<<bits - 1)
			if i >= len(colours) {
				return errors.New("index beyond palette")
			}
			d.set(t.Min.X+x, y, colours[i])
		}
	}
	return nil
}

func (d *Decoder) zrleRuns(r io.Reader, t image.Rectangle, colours []uint32) error {
	for i, n := 0, t.Dx()*t.Dy(); i < n; {
		var v uint32
		long := colours == nil
		if colours == nil {
			v, _ = d.cpixel(r)
		} else {
			b, err := Read(r, 1)
			if err != nil {
				return err
			}
			v, long = colours[b[0]&127], b[0]&128 != 0
		}
		run := 1
		for more := long; more; {
			b, err := Read(r, 1)
			if err != nil {
				return err
			}
			run += int(b[0])
			more = b[0] == 255
		}
		if i+run > n {
			return fmt.Errorf("run of %d at %d of %d", run, i, n)
		}
		for ; run > 0; run-- {
			d.set(t.Min.X+i%t.Dx(), t.Min.Y+i/t.Dx(), v)
			i++
		}
	}
	return nil
}

// Want is img as pixels of a format; without true colour, of eight bits with
// blue in the high ones.
func Want(img *image.RGBA, f rfb.PixelFormat) []uint32 {
	if !f.TrueColour {
		f = rfb.PixelFormat{RedMax: 7, GreenMax: 7, BlueMax: 3, GreenShift: 3, BlueShift: 6}
	}
	part := func(v uint8, most uint16, shift uint8) uint32 {
		return uint32(math.Round(float64(v)*float64(most)/255)) << shift
	}
	pix := make([]uint32, len(img.Pix)/4)
	for i := range pix {
		p := img.Pix[4*i:]
		pix[i] = part(p[0], f.RedMax, f.RedShift) | part(p[1], f.GreenMax, f.GreenShift) | part(p[2], f.BlueMax, f.BlueShift)
	}
	return pix
}

// Formats are what viewers are known to ask for, and what they might.
func Formats() map[string]rfb.PixelFormat {
	return map[string]rfb.PixelFormat{
		"rgb888":    rfb.Format32(),
		"bgr888":    {BitsPerPixel: 32, Depth: 24, TrueColour: true, RedMax: 255, GreenMax: 255, BlueMax: 255, GreenShift: 8, BlueShift: 16},
		"rgb888 be": {BitsPerPixel: 32, Depth: 24, BigEndian: true, TrueColour: true, RedMax: 255, GreenMax: 255, BlueMax: 255, RedShift: 16, GreenShift: 8},
		"high":      {BitsPerPixel: 32, Depth: 24, TrueColour: true, RedMax: 255, GreenMax: 255, BlueMax: 255, RedShift: 24, GreenShift: 16, BlueShift: 8},
		"high be":   {BitsPerPixel: 32, Depth: 24, BigEndian: true, TrueColour: true, RedMax: 255, GreenMax: 255, BlueMax: 255, RedShift: 24, GreenShift: 16, BlueShift: 8},
		"deep":      {BitsPerPixel: 32, Depth: 30, TrueColour: true, RedMax: 1023, GreenMax: 1023, BlueMax: 1023, RedShift: 20, GreenShift: 10},
		"rgb565":    {BitsPerPixel: 16, Depth: 16, TrueColour: true, RedMax: 31, GreenMax: 63, BlueMax: 31, RedShift: 11, GreenShift: 5},
		"rgb565 be": {BitsPerPixel: 16, Depth: 16, BigEndian: true, TrueColour: true, RedMax: 31, GreenMax: 63, BlueMax: 31, RedShift: 11, GreenShift: 5},
		"rgb332":    {BitsPerPixel: 8, Depth: 8, TrueColour: true, RedMax: 7, GreenMax: 7, BlueMax: 3, RedShift: 5, GreenShift: 2},
		"rgb111":    {BitsPerPixel: 8, Depth: 3, TrueColour: true, RedMax: 1, GreenMax: 1, BlueMax: 1, RedShift: 2, GreenShift: 1},
	}
}
