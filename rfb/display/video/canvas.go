package video

import (
	"image"
	"image/color"
	"image/draw"

	"vncgate/rfb/display/still"
)

// canvas is the picture of a video, which has one size from the beginning to the
// end.
type canvas struct {
	img    *image.RGBA
	screen *image.RGBA // with the pointer drawn in, where it must be made to fit
}

func newCanvas(size image.Point) *canvas {
	return &canvas{img: image.NewRGBA(image.Rectangle{Max: size})}
}

// sizeOf is the size of a video of a screen: within the box, and for codecs that
// have colours for blocks of four pixels alone, of even sides.
func sizeOf(screen, box image.Point, codec Codec) image.Point {
	if box.X == 0 || box.X > maxSide {
		box.X = maxSide
	}
	if box.Y == 0 || box.Y > maxSide {
		box.Y = maxSide
	}
	size := still.Within(screen, box)
	if codec != GIF {
		size.X, size.Y = even(size.X, box.X), even(size.Y, box.Y)
	}
	return size
}

// even adds a line of black rather than take one of the screen's away, where there
// is room.
func even(n, most int) int {
	n += n & 1
	if n > most && n > 2 {
		n -= 2
	}
	return n
}

// draw shows the screen of src: as it is where it fits to within a line, else in
// proportion, in the middle.
func (c *canvas) draw(src Source, pointer bool) {
	screen := src.Image()
	to := image.Rectangle{Max: still.Within(screen.Rect.Size(), c.img.Rect.Size())}
	exact := to.Size() == screen.Rect.Size()
	near := c.img.Rect.Dx()-to.Dx() <= 1 && c.img.Rect.Dy()-to.Dy() <= 1
	if !near {
		to = to.Add(c.img.Rect.Size().Sub(to.Size()).Div(2))
	}
	if to != c.img.Rect {
		draw.Draw(c.img, c.img.Rect, image.NewUniform(color.Black), image.Point{}, draw.Src)
	}
	if exact {
		c.paint(c.img, to, screen)
		if pointer {
			drawPointer(c.img, to, src)
		}
		return
	}
	if c.screen == nil || c.screen.Rect != screen.Rect {
		c.screen = image.NewRGBA(screen.Rect)
	}
	c.paint(c.screen, screen.Rect, screen)
	if pointer {
		drawPointer(c.screen, screen.Rect, src)
	}
	part, _ := c.img.SubImage(to).(*image.RGBA)
	still.Scale(part, c.screen)
}

// paint copies a screen; what is not known of it yet is black.
func (c *canvas) paint(to *image.RGBA, r image.Rectangle, screen *image.RGBA) {
	draw.Draw(to, r, screen, screen.Rect.Min, draw.Src)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		line := to.Pix[to.PixOffset(r.Min.X, y):][:4*r.Dx()]
		for i := 3; i < len(line); i += 4 {
			line[i] = 0xff // unknown pixels are all zero
		}
	}
}

// drawPointer draws the pointer where a viewer would.
func drawPointer(to *image.RGBA, screen image.Rectangle, src Source) {
	c := src.Cursor()
	if !c.Told || c.Shape == nil {
		return
	}
	at := screen.Min.Add(c.At).Sub(c.Hot)
	r := image.Rectangle{Min: at, Max: at.Add(c.Shape.Rect.Size())}
	clipped := r.Intersect(screen)
	draw.Draw(to, clipped, c.Shape, c.Shape.Rect.Min.Add(clipped.Min.Sub(r.Min)), draw.Over)
}
