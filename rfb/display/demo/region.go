package demo

import (
	"image"
	"math/bits"
)

// tileSize is the grain of damage in pixels. Half of ZRLE's tile: fine enough
// that a small moving shape costs little, coarse enough that the region of a
// 4K display is about a kilobyte.
const tileSize = 32

// maxRectArea bounds the pixels of one rectangle of an update, and so the
// memory that encoding it takes.
const maxRectArea = 1 << 18

// A region is a set of tiles of a picture of fixed size: what a viewer has yet
// to be told. Its size does not depend on how it came about, so a viewer that
// does not read costs no more than one that does.
type region struct {
	size image.Point // of the picture, in pixels
	cols int         // tiles in a row
	bits []uint64    // one bit a tile, row after row
}

func newRegion(size image.Point) region {
	cols, rows := tiles(size.X), tiles(size.Y)
	return region{size: size, cols: cols, bits: make([]uint64, (cols*rows+63)/64)}
}

// tiles is the number of tiles that n pixels need.
func tiles(n int) int { return (n + tileSize - 1) / tileSize }

// add puts every tile into g that r touches.
func (g *region) add(r image.Rectangle) {
	r = r.Intersect(image.Rectangle{Max: g.size})
	if r.Empty() {
		return
	}
	for y := r.Min.Y / tileSize; y < tiles(r.Max.Y); y++ {
		for x := r.Min.X / tileSize; x < tiles(r.Max.X); x++ {
			g.set(x, y)
		}
	}
}

// addAll puts the tiles of o into g, which may be of another size.
func (g *region) addAll(o *region) {
	if g.size == o.size {
		for i, b := range o.bits {
			g.bits[i] |= b
		}
		return
	}
	for i, b := range o.bits {
		for ; b != 0; b &= b - 1 {
			n := i*64 + bits.TrailingZeros64(b)
			g.add(tileRect(n%o.cols, n/o.cols))
		}
	}
}

func (g *region) set(x, y int)      { n := y*g.cols + x; g.bits[n/64] |= 1 << (n % 64) }
func (g *region) drop(x, y int)     { n := y*g.cols + x; g.bits[n/64] &^= 1 << (n % 64) }
func (g *region) has(x, y int) bool { n := y*g.cols + x; return g.bits[n/64]&(1<<(n%64)) != 0 }

// clear empties g.
func (g *region) clear() { clear(g.bits) }

// empty reports whether no tile is in g.
func (g *region) empty() bool {
	for _, b := range g.bits {
		if b != 0 {
			return false
		}
	}
	return true
}

// take removes the tiles that wanted touches from g and returns them as
// rectangles of at most maxRectArea pixels that do not overlap. Tiles are taken
// whole, so a rectangle may reach out of wanted by less than a tile; what is
// cut off would otherwise have to be remembered pixel by pixel.
func (g *region) take(wanted image.Rectangle) []image.Rectangle {
	wanted = wanted.Intersect(image.Rectangle{Max: g.size})
	if wanted.Empty() {
		return nil
	}
	area := image.Rect(wanted.Min.X/tileSize, wanted.Min.Y/tileSize, tiles(wanted.Max.X), tiles(wanted.Max.Y))
	var rects []image.Rectangle
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			if g.has(x, y) {
				rects = append(rects, g.grow(x, y, area))
			}
		}
	}
	return rects
}

// grow removes the largest run of tiles to the right of x, y and below it, as
// far as maxRectArea allows, and returns its pixels.
func (g *region) grow(x, y int, area image.Rectangle) image.Rectangle {
	right := x + 1
	for right < area.Max.X && g.has(right, y) {
		right++
	}
	width := (right - x) * tileSize
	below := y + 1
	for below < area.Max.Y && (below+1-y)*tileSize*width <= maxRectArea && g.full(x, right, below) {
		below++
	}
	for ty := y; ty < below; ty++ {
		for tx := x; tx < right; tx++ {
			g.drop(tx, ty)
		}
	}
	r := image.Rect(x*tileSize, y*tileSize, right*tileSize, below*tileSize)
	return r.Intersect(image.Rectangle{Max: g.size})
}

// full reports whether every tile of row y from left up to right is in g.
func (g *region) full(left, right, y int) bool {
	for x := left; x < right; x++ {
		if !g.has(x, y) {
			return false
		}
	}
	return true
}

// tileRect is the pixels of a tile, which may reach over the picture's edge.
func tileRect(x, y int) image.Rectangle {
	return image.Rect(x*tileSize, y*tileSize, (x+1)*tileSize, (y+1)*tileSize)
}
