package display

import (
	"bytes"
	"fmt"
	"image"
	"slices"

	"vncgate/rfb"
)

// Limits on what a keyframe may have.
const (
	maxColours    = 1 << 16
	maxJPEGTables = 16 << 20
)

// A keyframeReader takes a keyframe apart. Behind the first thing that cannot be
// is nothing but zeros.
type keyframeReader struct {
	b   []byte
	bad error
}

func (r *keyframeReader) fail(why string) {
	if r.bad == nil {
		r.bad = fmt.Errorf("display: keyframe: %s", why)
	}
	r.b = nil
}

// take returns the next n bytes.
func (r *keyframeReader) take(n int) []byte {
	if n > len(r.b) {
		r.fail("it breaks off")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *keyframeReader) u8() int {
	if b := r.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (r *keyframeReader) u16() int {
	if b := r.take(2); b != nil {
		return int(be.Uint16(b))
	}
	return 0
}

func (r *keyframeReader) u32(most uint32, what string) int {
	b := r.take(4)
	if b == nil {
		return 0
	}
	n := be.Uint32(b)
	if n > most {
		r.fail(fmt.Sprintf("%s: %d, more than %d", what, n, most))
		return 0
	}
	return int(n)
}

func (r *keyframeReader) flag() bool {
	n := r.u8()
	if n > 1 {
		r.fail("a flag that is none")
	}
	return n == 1
}

// counted returns a copy of U32 n bytes; nil if there are none.
func (r *keyframeReader) counted(most uint32, what string) []byte {
	if b := r.take(r.u32(most, what)); len(b) > 0 {
		return bytes.Clone(b)
	}
	return nil
}

func (r *keyframeReader) point() image.Point {
	x := r.u16()
	return image.Pt(x, r.u16())
}

func (r *keyframeReader) picture(most int) *image.RGBA {
	size := r.point()
	if size.X == 0 || size.Y == 0 {
		return nil
	}
	if size.X > most/size.Y {
		r.fail("a picture that is too large")
		return nil
	}
	pix := r.take(4 * size.X * size.Y)
	if pix == nil {
		return nil
	}
	return &image.RGBA{Pix: bytes.Clone(pix), Stride: 4 * size.X, Rect: image.Rectangle{Max: size}}
}

// head reads the part that is good for a picture.
func (r *keyframeReader) head(d *Decoder) (exact bool, err error) {
	if r.u8() != keyframeVersion {
		r.fail("of another version")
	}
	exact = r.flag()
	d.fb.RGBA = r.picture(MaxPixels)
	c := &d.cursor
	c.Shape = r.picture(maxCursor * maxCursor)
	c.Hot = r.point()
	c.Told = r.flag()
	c.At = r.point()
	if r.bad == nil && d.fb.RGBA == nil {
		r.fail("no picture")
	}
	return exact, r.bad
}

// decoder reads the rest of what a Decoder knows.
func (r *keyframeReader) decoder(d *Decoder) {
	d.name = string(r.counted(rfb.MaxNameLen, "name"))
	d.format = r.format()
	d.px = codecs{}
	d.colours = make([]uint32, min(r.u32(maxColours, "colours"), len(r.b)/4+1))
	for i := range d.colours {
		d.colours[i] = uint32(r.u32(1<<32-1, "colour"))
	}
	if d.level = r.u8(); d.level < 1 || d.level > 3 {
		r.fail("a level of ZYWRLE")
	}
	d.keep = true
	for _, z := range d.streams() {
		begun := r.flag()
		z.resume(begun, r.counted(windowLen, "window"))
	}
	d.jpeg.quantization = r.counted(maxJPEGTables, "tables")
	d.jpeg.huffman = r.counted(maxJPEGTables, "tables")
	d.answered = r.counted(rfb.MaxFenceLen, "fence")
}

// format reads a PIXEL_FORMAT that can be.
func (r *keyframeReader) format() rfb.PixelFormat {
	b := r.take(rfb.PixelFormatLen)
	if b == nil {
		return rfb.PixelFormat{}
	}
	f, err := rfb.ParsePixelFormat(b)
	if err != nil {
		r.fail(err.Error())
	}
	return f
}

// viewer reads what is known of the viewer.
func (r *keyframeReader) viewer() viewerSide {
	var v viewerSide
	for range r.u32(rfb.MaxEncodings, "encodings") {
		v.encodings = append(v.encodings, rfb.Encoding(r.u32(1<<32-1, "encoding")))
	}
	v.held = r.counted(maxHeld, "message")
	v.skip = r.u32(8+rfb.MaxClientCutText, "message")
	v.pushed = r.flag()
	v.disabled = r.u32(1<<31, "pauses")
	fenced := r.flag()
	if v.sync = r.counted(rfb.MaxFenceLen, "fence"); fenced && v.sync == nil {
		v.sync = []byte{}
	}
	for range r.u32(maxChanges, "changes") {
		c := change{when: changeAt(r.u8())}
		if c.when > changeAtFence {
			r.fail("a change of format at no place")
		}
		c.to = r.format()
		c.sync = r.counted(rfb.MaxFenceLen, "fence")
		v.changes = append(v.changes, c)
	}
	return v
}

// listed reports whether e is among those that a viewer has listed.
func listed(list []rfb.Encoding, e rfb.Encoding) bool { return slices.Contains(list, e) }
