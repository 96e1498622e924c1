package screen

import (
	"bytes"
	"compress/zlib"
	"image"

	"vncgate/rfb"
)

// chunkSide is the side of what encoders read at a time: ZRLE's tile.
const chunkSide = 64

// An encoder writes the rectangles of one viewer. Its zlib stream lasts as long
// as the connection; its memory is one tile, the stream, and out.
type encoder struct {
	fb   *framebuffer
	conv *converter
	out  []byte // what is ready for the wire

	pix     []uint32 // the tile at hand
	palette palette
	plain   []byte       // ZRLE's tiles before compression
	zipped  bytes.Buffer // what the stream made of them
	stream  *zlib.Writer
}

func newEncoder(fb *framebuffer) *encoder {
	c, err := newConverter(rfb.Format32())
	if err != nil {
		panic("screen: internal error: " + err.Error())
	}
	return &encoder{fb: fb, conv: c, pix: make([]uint32, chunkSide*chunkSide)}
}

// rect appends one rectangle of the picture in the given encoding.
func (e *encoder) rect(r image.Rectangle, encoding rfb.Encoding) {
	e.header(r, encoding)
	switch encoding {
	case rfb.EncodingZRLE:
		e.zrle(r)
	case rfb.EncodingHextile:
		e.hextile(r)
	default:
		e.raw(r)
	}
}

// header appends the twelve bytes every rectangle begins with.
func (e *encoder) header(r image.Rectangle, encoding rfb.Encoding) {
	e.out = rfb.AppendRect(e.out, uint16(r.Min.X), uint16(r.Min.Y), uint16(r.Dx()), uint16(r.Dy()), encoding)
}

// read returns the pixels of r, at most chunkSide wide and high.
func (e *encoder) read(r image.Rectangle) []uint32 {
	pix := e.pix[:r.Dx()*r.Dy()]
	e.fb.read(r, e.conv, pix)
	return pix
}

// raw appends the pixels as they are (RFC 6143, 7.7.1).
func (e *encoder) raw(r image.Rectangle) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x += len(e.pix) {
			right := min(x+len(e.pix), r.Max.X)
			e.out = e.conv.pixels(e.out, e.read(image.Rect(x, y, right, y+1)))
		}
	}
}

// split calls f for the tiles of r of the given side, left to right, then down.
func split(r image.Rectangle, side int, f func(image.Rectangle)) {
	for y := r.Min.Y; y < r.Max.Y; y += side {
		for x := r.Min.X; x < r.Max.X; x += side {
			f(image.Rect(x, y, min(x+side, r.Max.X), min(y+side, r.Max.Y)))
		}
	}
}

// bestEncoding is the first of the viewer's encodings that can be had here.
// Raw is what every viewer understands, listed or not.
func bestEncoding(list []rfb.Encoding) rfb.Encoding {
	for _, e := range list {
		if e == rfb.EncodingRaw || e == rfb.EncodingHextile || e == rfb.EncodingZRLE {
			return e
		}
	}
	return rfb.EncodingRaw
}
