package demo

import (
	"image"
	"image/color"
	"math"

	"golang.org/x/image/vector"

	"vncgate/rfb/display/screen"
)

// A canvas is what the painter draws on, and remembers where it did. Its
// coordinates are pixels, with fractions that anti-aliasing shows.
type canvas struct {
	img     *image.RGBA
	touched screen.Region
	rast    vector.Rasterizer
}

func newCanvas(size image.Point) *canvas {
	return &canvas{img: image.NewRGBA(image.Rectangle{Max: size}), touched: screen.NewRegion(size)}
}

// A point is a place on a canvas.
type point struct{ x, y float32 }

// A pen builds the outline of a shape. It shifts what it is told to the
// corner of the shape's box.
type pen struct {
	z      *vector.Rasterizer
	corner point
}

func (p pen) move(x, y float32) { p.z.MoveTo(x-p.corner.x, y-p.corner.y) }
func (p pen) line(x, y float32) { p.z.LineTo(x-p.corner.x, y-p.corner.y) }
func (p pen) cube(ax, ay, bx, by, x, y float32) {
	cx, cy := p.corner.x, p.corner.y
	p.z.CubeTo(ax-cx, ay-cy, bx-cx, by-cy, x-cx, y-cy)
}

// fill paints a shape that lies between the two corners given.
func (c *canvas) fill(left, top, right, bottom float32, col color.RGBA, outline func(pen)) {
	box := image.Rect(floor(left), floor(top), ceil(right), ceil(bottom)).Intersect(c.img.Rect)
	if box.Empty() {
		return
	}
	c.rast.Reset(box.Dx(), box.Dy())
	outline(pen{&c.rast, point{float32(box.Min.X), float32(box.Min.Y)}})
	c.rast.ClosePath()
	c.rast.Draw(c.img, box, image.NewUniform(col), image.Point{})
	c.touched.Add(box)
}

// arcs is the distance of a Bézier curve's control points that makes a quarter
// of a circle of radius 1.
const arcs = 0.5522847

// ellipse adds an ellipse to an outline; clockwise or, for a hole, against it.
func (p pen) ellipse(x, y, rx, ry float32, hole bool) {
	kx, ky := rx*arcs, ry*arcs
	if hole {
		ry, ky = -ry, -ky
	}
	p.move(x+rx, y)
	p.cube(x+rx, y+ky, x+kx, y+ry, x, y+ry)
	p.cube(x-kx, y+ry, x-rx, y+ky, x-rx, y)
	p.cube(x-rx, y-ky, x-kx, y-ry, x, y-ry)
	p.cube(x+kx, y-ry, x+rx, y-ky, x+rx, y)
}

// box adds a rectangle with round corners to an outline.
func (p pen) box(left, top, right, bottom, r float32, hole bool) {
	k := r * (1 - arcs)
	if hole {
		top, bottom = bottom, top
		p.corners(left, top, right, bottom, r, -r, k, -k)
		return
	}
	p.corners(left, top, right, bottom, r, r, k, k)
}

func (p pen) corners(left, top, right, bottom, rx, ry, kx, ky float32) {
	p.move(left+rx, top)
	p.line(right-rx, top)
	p.cube(right-kx, top, right, top+ky, right, top+ry)
	p.line(right, bottom-ry)
	p.cube(right, bottom-ky, right-kx, bottom, right-rx, bottom)
	p.line(left+rx, bottom)
	p.cube(left+kx, bottom, left, bottom-ky, left, bottom-ry)
	p.line(left, top+ry)
	p.cube(left, top+ky, left+kx, top, left+rx, top)
}

// disc paints a filled circle.
func (c *canvas) disc(x, y, r float32, col color.RGBA) {
	c.fill(x-r, y-r, x+r, y+r, col, func(p pen) { p.ellipse(x, y, r, r, false) })
}

// ring paints an ellipse's line of the given width.
func (c *canvas) ring(x, y, rx, ry, width float32, col color.RGBA) {
	h := width / 2
	c.fill(x-rx-h, y-ry-h, x+rx+h, y+ry+h, col, func(p pen) {
		p.ellipse(x, y, rx+h, ry+h, false)
		p.ellipse(x, y, max(rx-h, 0), max(ry-h, 0), true)
	})
}

// panel paints a rectangle with round corners.
func (c *canvas) panel(b box, r float32, col color.RGBA) {
	c.fill(b.left, b.top, b.right, b.bottom, col, func(p pen) {
		p.box(b.left, b.top, b.right, b.bottom, r, false)
	})
}

// frame paints the line around a panel, inside of it.
func (c *canvas) frame(b box, r, width float32, col color.RGBA) {
	c.fill(b.left, b.top, b.right, b.bottom, col, func(p pen) {
		p.box(b.left, b.top, b.right, b.bottom, r, false)
		p.box(b.left+width, b.top+width, b.right-width, b.bottom-width, max(r-width, 0), true)
	})
}

// stroke paints a straight line of the given width.
func (c *canvas) stroke(a, b point, width float32, col color.RGBA) {
	dx, dy := b.x-a.x, b.y-a.y
	n := float32(math.Hypot(float64(dx), float64(dy)))
	if n == 0 {
		return
	}
	h := width / 2
	nx, ny := -dy/n*h, dx/n*h
	c.fill(min(a.x, b.x)-h, min(a.y, b.y)-h, max(a.x, b.x)+h, max(a.y, b.y)+h, col, func(p pen) {
		p.move(a.x+nx, a.y+ny)
		p.line(b.x+nx, b.y+ny)
		p.line(b.x-nx, b.y-ny)
		p.line(a.x-nx, a.y-ny)
	})
}

// polygon paints the line around a regular polygon with n corners.
func (c *canvas) polygon(x, y, r float32, n int, turn float64, width float32, col color.RGBA) {
	corner := func(p pen, i int, r float32, step func(x, y float32)) {
		sin, cos := math.Sincos(turn + 2*math.Pi*float64(i)/float64(n))
		step(x+r*float32(cos), y+r*float32(sin))
	}
	c.fill(x-r, y-r, x+r, y+r, col, func(p pen) {
		corner(p, 0, r, p.move)
		for i := 1; i <= n; i++ {
			corner(p, i, r, p.line)
		}
		inner := r - width/float32(math.Cos(math.Pi/float64(n)))
		corner(p, 0, inner, p.move)
		for i := n - 1; i >= 0; i-- {
			corner(p, i, inner, p.line)
		}
	})
}

// A box is a rectangle on a canvas.
type box struct{ left, top, right, bottom float32 }

func (b box) width() float32  { return b.right - b.left }
func (b box) height() float32 { return b.bottom - b.top }

// contains reports whether the pixel at p lies in b.
func (b box) contains(p image.Point) bool {
	x, y := float32(p.X)+0.5, float32(p.Y)+0.5
	return x >= b.left && x < b.right && y >= b.top && y < b.bottom
}

func floor(v float32) int { return int(math.Floor(float64(v))) }
func ceil(v float32) int  { return int(math.Ceil(float64(v))) }

// fade returns col, an opaque colour, with the given opacity (0 to 1) in the
// premultiplied form that image/color wants.
func fade(col color.RGBA, opacity float64) color.RGBA {
	a := uint32(255*min(max(opacity, 0), 1) + 0.5)
	part := func(v uint8) uint8 { return uint8((uint32(v)*a + 127) / 255) }
	return color.RGBA{part(col.R), part(col.G), part(col.B), uint8(a)}
}
