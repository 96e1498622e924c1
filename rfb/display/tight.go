package display

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"

	"vncgate/rfb"
)

// What the high nibble of a Tight control byte says (rfbproto, "Tight
// Encoding"); below tightFill its low two bits name the stream of zlib, and
// tightFiltered is the bit that a filter follows.
const (
	tightFiltered = 0x4
	tightFill     = 0x8
	tightJPEG     = 0x9
	tightStored   = 0xa // without zlib, or a PNG in TightPNG
)

// Filters of Tight.
const (
	filterCopy = iota
	filterPalette
	filterGradient
)

// tightMin is the least that is compressed, in bytes.
const tightMin = 12

// decodeTight draws a rectangle of Tight or TightPNG.
func decodeTight(d *Decoder, r rect) error {
	b, err := d.head(1, "control")
	if err != nil {
		return err
	}
	for i := range d.tight {
		if b[0]>>i&1 != 0 {
			d.tight[i].reset()
		}
	}
	control := b[0] >> 4
	png := r.encoding == rfb.EncodingTightPNG
	switch {
	case control == tightFill:
		px := &r.px.tight
		b, err := d.head(px.size, "colour")
		if err != nil {
			return err
		}
		r.to.fill(r.bounds(), px.one(b))
		return nil
	case control == tightJPEG:
		return d.tightPicture(r, drawJPEG)
	case control == tightStored && png:
		return d.tightPicture(r, drawPNG)
	case control < tightFill: // which QEMU sends in TightPNG too, where a pixel is a byte
		return d.tightBasic(r, control)
	case !png && (control == tightStored || control == tightStored|tightFiltered):
		return d.tightBasic(r, control)
	}
	return fmt.Errorf("control byte %#x", b[0])
}

func drawPNG(r rect, b []byte) error { return drawPicture(r, b, png.DecodeConfig, png.Decode) }

// tightLen reads a length of one to three bytes of seven, seven and eight bits.
func (d *Decoder) tightLen() (int, error) {
	n := 0
	for shift := 0; ; shift += 7 {
		b, err := d.in.ReadByte()
		if err != nil {
			return 0, short(err)
		}
		if shift == 14 {
			return n | int(b)<<14, nil
		}
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
	}
}

// tightPicture draws a picture in the form of another standard.
func (d *Decoder) tightPicture(r rect, draw func(rect, []byte) error) error {
	n, err := d.tightLen()
	if err != nil {
		return err
	}
	b, err := d.chunk(n)
	if err != nil {
		return err
	}
	return draw(r, b)
}

// drawPicture draws a compressed picture, of which size is looked at first: a
// rectangle has no room for a larger one.
func drawPicture(r rect, b []byte, size func(io.Reader) (image.Config, error), decode func(io.Reader) (image.Image, error)) error {
	cfg, err := size(bytes.NewReader(b))
	if err != nil {
		return err
	}
	if cfg.Width != r.w || cfg.Height != r.h {
		return fmt.Errorf("a picture of %d×%d pixels", cfg.Width, cfg.Height)
	}
	picture, err := decode(bytes.NewReader(b))
	if err != nil {
		return err
	}
	if _, ok := picture.(*image.CMYK); ok || cfg.ColorModel == color.CMYKModel {
		return fmt.Errorf("a picture in the colours of print")
	}
	draw.Draw(r.to.RGBA, r.bounds(), picture, picture.Bounds().Min, draw.Src)
	return nil
}

// tightBasic draws pixels behind a filter, most often compressed.
func (d *Decoder) tightBasic(r rect, control byte) error {
	filter := byte(filterCopy)
	if control&tightFiltered != 0 {
		b, err := d.head(1, "filter")
		if err != nil {
			return err
		}
		filter = b[0]
	}
	stream := &d.tight[control&3]
	if control&tightFill != 0 {
		stream = nil
	}
	px := &r.px.tight
	switch filter {
	case filterCopy:
		return d.tightData(stream, r.w*r.h*px.size, func(in peeker) error { return d.rows(in, r, px) })
	case filterPalette:
		return d.tightPalette(stream, r)
	case filterGradient:
		return d.tightData(stream, r.w*r.h*px.size, func(in peeker) error { return d.gradient(in, r) })
	}
	return fmt.Errorf("filter %d", filter)
}

// tightData has draw read size bytes: out of stream, or as they are where they
// are few or stream is nil.
func (d *Decoder) tightData(stream *inflater, size int, draw func(in peeker) error) error {
	if size < tightMin || stream == nil {
		return draw(d.in)
	}
	n, err := d.tightLen()
	if err != nil {
		return err
	}
	if err := stream.feed(d, n); err != nil {
		return err
	}
	if err := draw(stream.reader()); err != nil {
		return err
	}
	return stream.done()
}

// tightPalette draws indices of a palette, of a bit where there are two colours:
// U8 n-1, n colours, indices.
func (d *Decoder) tightPalette(stream *inflater, r rect) error {
	px := &r.px.tight
	b, err := d.head(1, "palette")
	if err != nil {
		return err
	}
	n := int(b[0]) + 1
	if b, err = d.head(n*px.size, "palette"); err != nil {
		return err
	}
	for i := range n {
		d.palette[i] = px.one(b[i*px.size:])
	}
	row := r.w
	if n <= 2 {
		row = (r.w + 7) / 8
	}
	return d.tightData(stream, row*r.h, func(in peeker) error {
		for y := r.y; y < r.y+r.h && row > 0; y++ {
			b, err := d.bytes(in, row)
			if err != nil {
				return err
			}
			if err := d.indices(r.to.line(r.x, y, r.w), b, n); err != nil {
				return err
			}
		}
		return nil
	})
}
