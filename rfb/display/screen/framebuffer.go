package screen

import (
	"bytes"
	"image"
	"sync"
)

// A framebuffer holds the picture that viewers are shown. The painter works on
// a canvas of its own and publishes what it finished; encoders read tile by
// tile, so none of them ever waits for a painting or for a slow viewer.
type framebuffer struct {
	mu  sync.RWMutex
	img *image.RGBA // opaque; nil before the first
}

// copy is the picture as it is now; nil before the first.
func (f *framebuffer) copy() *image.RGBA {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.img == nil {
		return nil
	}
	img := image.NewRGBA(f.img.Rect)
	copy(img.Pix, f.img.Pix)
	return img
}

// publish shows those tiles of canvas that touched names, nil for all of them,
// and that differ from what is shown, and returns them. A canvas of a new size replaces the picture
// and counts as different everywhere.
func (f *framebuffer) publish(canvas *image.RGBA, touched *Region) Region {
	changed := NewRegion(canvas.Rect.Max)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.img == nil || f.img.Rect != canvas.Rect {
		f.img = image.NewRGBA(canvas.Rect)
		copy(f.img.Pix, canvas.Pix)
		changed.Add(canvas.Rect)
		return changed
	}
	if touched == nil {
		all := NewRegion(canvas.Rect.Max)
		all.Add(canvas.Rect)
		touched = &all
	}
	for r := range touched.Tiles() {
		if r = r.Intersect(canvas.Rect); f.copyTile(canvas, r) {
			changed.Add(r)
		}
	}
	return changed
}

// copyTile copies r from canvas and reports whether that changed anything. The
// caller holds the lock.
func (f *framebuffer) copyTile(canvas *image.RGBA, r image.Rectangle) bool {
	changed := false
	for y := r.Min.Y; y < r.Max.Y; y++ {
		from, to := canvas.PixOffset(r.Min.X, y), canvas.PixOffset(r.Max.X, y)
		if old := f.img.Pix[from:to]; !bytes.Equal(old, canvas.Pix[from:to]) {
			copy(old, canvas.Pix[from:to])
			changed = true
		}
	}
	return changed
}

// read converts the pixels of r into dst, row after row. What lies outside of
// the picture is black: a viewer that has not heard of a smaller size yet may
// still be owed it.
func (f *framebuffer) read(r image.Rectangle, c *converter, dst []uint32) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var inside image.Rectangle
	if f.img != nil {
		inside = r.Intersect(f.img.Rect)
	}
	if inside != r {
		clear(dst[:r.Dx()*r.Dy()])
	}
	for y := inside.Min.Y; y < inside.Max.Y; y++ {
		src := f.img.Pix[f.img.PixOffset(inside.Min.X, y):f.img.PixOffset(inside.Max.X, y)]
		c.row(dst[(y-r.Min.Y)*r.Dx()+inside.Min.X-r.Min.X:], src)
	}
}
