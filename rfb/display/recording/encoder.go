package recording

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/draw"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// An encoder says anew, as a display would, what a Follower shows, but for regions
// that are black: DesktopSize, Cursor, DesktopName, and ZRLE of the tiles that are
// not what they were, in rfb.Format32.
type encoder struct {
	regions []image.Rectangle
	shown   *image.RGBA // what has been said
	out     []byte
	rects   int
	tile    []byte
	z       *zlib.Writer // of ZRLE
	zout    bytes.Buffer
}

// tileSide is that of the tiles of ZRLE (RFC 6143, 7.7.6).
const tileSide = 64

func newEncoder(regions []image.Rectangle) *encoder {
	return &encoder{regions: regions, shown: &image.RGBA{}}
}

// message returns what a message of the display's is to be; it is good until the
// next call.
func (e *encoder) message(f *display.Follower, m display.Message) []byte {
	e.out, e.rects = append(e.out[:0], rfb.MsgFramebufferUpdate, 0, 0, 0), 0
	screen := f.Image()
	if m.Resized || e.shown.Rect.Empty() {
		// Of the first there is a size already, which ServerInit had.
		if !e.shown.Rect.Empty() {
			e.out = rfb.AppendDesktopSize(e.out, uint16(screen.Rect.Dx()), uint16(screen.Rect.Dy()))
			e.rects++
		}
		e.shown = image.NewRGBA(screen.Rect)
	}
	if m.Named {
		e.out = rfb.AppendDesktopName(e.out, f.Name())
		e.rects++
	}
	if m.Pointer {
		e.pointer(f.Cursor())
	}
	e.tiles(screen, m.Drawn)
	if e.rects == 0 {
		return nil
	}
	binary.BigEndian.PutUint16(e.out[2:], uint16(e.rects))
	return e.out
}

// pointer says what the pointer looks like: of a shape with alpha, what is more
// than half there.
func (e *encoder) pointer(c display.Cursor) {
	var size image.Point
	if c.Shape != nil {
		size = c.Shape.Rect.Size()
	}
	e.out = rfb.AppendRect(e.out, uint16(c.Hot.X), uint16(c.Hot.Y), uint16(size.X), uint16(size.Y), rfb.EncodingCursor)
	e.rects++
	if c.Shape == nil {
		return
	}
	mask := make([]byte, (size.X+7)/8*size.Y)
	for y := range size.Y {
		for x := range size.X {
			p := c.Shape.Pix[c.Shape.PixOffset(x, y):]
			e.out = append(e.out, p[2], p[1], p[0], 0)
			if p[3] >= 0x80 {
				mask[y*((size.X+7)/8)+x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	e.out = append(e.out, mask...)
}

// tiles says what is new in a part of the screen, rows of tiles at a time.
func (e *encoder) tiles(screen *image.RGBA, drawn image.Rectangle) {
	for y := drawn.Min.Y / tileSide * tileSide; y < drawn.Max.Y; y += tileSide {
		var run image.Rectangle
		for x := drawn.Min.X / tileSide * tileSide; x < drawn.Max.X; x += tileSide {
			tile := image.Rect(x, y, x+tileSide, y+tileSide).Intersect(screen.Rect)
			if e.take(screen, tile) {
				run = run.Union(tile)
				continue
			}
			e.say(run)
			run = image.Rectangle{}
		}
		e.say(run)
	}
}

// take copies a tile of the screen, without what may not be seen, and reports
// whether it is another than before.
func (e *encoder) take(screen *image.RGBA, tile image.Rectangle) bool {
	width := 4 * tile.Dx()
	e.tile = e.tile[:0]
	for y := tile.Min.Y; y < tile.Max.Y; y++ {
		at := screen.PixOffset(tile.Min.X, y)
		e.tile = append(e.tile, screen.Pix[at:at+width]...)
	}
	picture := &image.RGBA{Pix: e.tile, Stride: width, Rect: tile}
	for _, r := range e.regions {
		draw.Draw(picture, r, image.Black, image.Point{}, draw.Src)
	}
	changed := false
	for y := tile.Min.Y; y < tile.Max.Y; y++ {
		at := e.shown.PixOffset(tile.Min.X, y)
		old, now := e.shown.Pix[at:at+width], e.tile[(y-tile.Min.Y)*width:][:width]
		if !bytes.Equal(old, now) {
			changed = true
			copy(old, now)
		}
	}
	return changed
}

// maxRects is how many rectangles an update has: of the largest screen, all tiles.
const maxRects = 1<<16 - 2

// say says tiles in ZRLE.
func (e *encoder) say(r image.Rectangle) {
	if r.Empty() || e.rects >= maxRects {
		return
	}
	e.rects++
	e.zout.Reset()
	if e.z == nil {
		e.z, _ = zlib.NewWriterLevel(&e.zout, zlib.BestSpeed)
	}
	for x := r.Min.X; x < r.Max.X; x += tileSide {
		e.sayTile(image.Rect(x, r.Min.Y, x+tileSide, r.Max.Y).Intersect(r))
	}
	_ = e.z.Flush() // into memory
	e.out = rfb.AppendRect(e.out, uint16(r.Min.X), uint16(r.Min.Y), uint16(r.Dx()), uint16(r.Dy()), rfb.EncodingZRLE)
	e.out = append(be.AppendUint32(e.out, uint32(e.zout.Len())), e.zout.Bytes()...)
}

// sayTile says a tile: its colour if it has one alone, else its pixels.
func (e *encoder) sayTile(r image.Rectangle) {
	b := append(e.tile[:0], 0)
	alone := true
	for y := r.Min.Y; y < r.Max.Y; y++ {
		at := e.shown.PixOffset(r.Min.X, y)
		for row := e.shown.Pix[at : at+4*r.Dx()]; len(row) > 0; row = row[4:] {
			b = append(b, row[2], row[1], row[0])
			alone = alone && row[2] == b[1] && row[1] == b[2] && row[0] == b[3]
		}
	}
	if alone {
		b = b[:4]
		b[0] = 1
	}
	_, _ = e.z.Write(b) // into memory
	e.tile = b
}
