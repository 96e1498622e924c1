package screen

import (
	"image"
	"iter"
	"math/bits"
)

// TileSize is the grain of damage in pixels. Half of ZRLE's tile: fine enough
// that a small moving shape costs little, coarse enough that the region of a
// 4K display is about a kilobyte.
const TileSize = 32

// maxRectArea bounds the pixels of one rectangle of an update, and so the
// memory that encoding it takes.
const maxRectArea = 1 << 18

// A Region is a set of tiles of a picture of fixed size: what a viewer has yet
// to be told. Its size does not depend on how it came about, so a viewer that
// does not read costs no more than one that does.
type Region struct {
	size image.Point // of the picture, in pixels
	cols int         // tiles in a row
	bits []uint64    // one bit a tile, row after row
}

// NewRegion returns an empty region of a picture of the given size.
func NewRegion(size image.Point) Region {
	cols, rows := tiles(size.X), tiles(size.Y)
	return Region{size: size, cols: cols, bits: make([]uint64, (cols*rows+63)/64)}
}

// tiles is the number of tiles that n pixels need.
func tiles(n int) int { return (n + TileSize - 1) / TileSize }

// Add puts every tile into g that r touches.
func (g *Region) Add(r image.Rectangle) {
	r = r.Intersect(image.Rectangle{Max: g.size})
	if r.Empty() {
		return
	}
	for y := r.Min.Y / TileSize; y < tiles(r.Max.Y); y++ {
		for x := r.Min.X / TileSize; x < tiles(r.Max.X); x++ {
			g.set(x, y)
		}
	}
}

// AddAll puts the tiles of o into g, which may be of another size.
func (g *Region) AddAll(o *Region) {
	if g.size == o.size {
		for i, b := range o.bits {
			g.bits[i] |= b
		}
		return
	}
	for r := range o.Tiles() {
		g.Add(r)
	}
}

func (g *Region) set(x, y int)      { n := y*g.cols + x; g.bits[n/64] |= 1 << (n % 64) }
func (g *Region) drop(x, y int)     { n := y*g.cols + x; g.bits[n/64] &^= 1 << (n % 64) }
func (g *Region) has(x, y int) bool { n := y*g.cols + x; return g.bits[n/64]&(1<<(n%64)) != 0 }

// Clear empties g.
func (g *Region) Clear() { clear(g.bits) }

// Empty reports whether no tile is in g.
func (g *Region) Empty() bool {
	for _, b := range g.bits {
		if b != 0 {
			return false
		}
	}
	return true
}

// Contains reports whether the tile at p is in g.
func (g *Region) Contains(p image.Point) bool {
	return p.In(image.Rectangle{Max: g.size}) && g.has(p.X/TileSize, p.Y/TileSize)
}

// Tiles are the tiles in g, row after row, as far as they are in the picture.
func (g *Region) Tiles() iter.Seq[image.Rectangle] {
	return func(yield func(image.Rectangle) bool) {
		for i, b := range g.bits {
			for ; b != 0; b &= b - 1 {
				n := i*64 + bits.TrailingZeros64(b)
				if !yield(tileRect(n%g.cols, n/g.cols).Intersect(image.Rectangle{Max: g.size})) {
					return
				}
			}
		}
	}
}

// take removes the tiles that wanted touches from g and returns them as
// rectangles of at most maxRectArea pixels that do not overlap. Tiles are taken
// whole, so a rectangle may reach out of wanted by less than a tile; what is
// cut off would otherwise have to be remembered pixel by pixel.
func (g *Region) take(wanted image.Rectangle) []image.Rectangle {
	wanted = wanted.Intersect(image.Rectangle{Max: g.size})
	if wanted.Empty() {
		return nil
	}
	area := image.Rect(wanted.Min.X/TileSize, wanted.Min.Y/TileSize, tiles(wanted.Max.X), tiles(wanted.Max.Y))
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
func (g *Region) grow(x, y int, area image.Rectangle) image.Rectangle {
	right := x + 1
	for right < area.Max.X && g.has(right, y) {
		right++
	}
	width := (right - x) * TileSize
	below := y + 1
	for below < area.Max.Y && (below+1-y)*TileSize*width <= maxRectArea && g.full(x, right, below) {
		below++
	}
	for ty := y; ty < below; ty++ {
		for tx := x; tx < right; tx++ {
			g.drop(tx, ty)
		}
	}
	r := image.Rect(x*TileSize, y*TileSize, right*TileSize, below*TileSize)
	return r.Intersect(image.Rectangle{Max: g.size})
}

// full reports whether every tile of row y from left up to right is in g.
func (g *Region) full(left, right, y int) bool {
	for x := left; x < right; x++ {
		if !g.has(x, y) {
			return false
		}
	}
	return true
}

// tileRect is the pixels of a tile, which may reach over the picture's edge.
func tileRect(x, y int) image.Rectangle {
	return image.Rect(x*TileSize, y*TileSize, (x+1)*TileSize, (y+1)*TileSize)
}
