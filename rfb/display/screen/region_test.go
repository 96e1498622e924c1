package screen

import (
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"testing"
)

// grid is a region the simple way: a flag for each pixel.
func grid(size image.Point, rects []image.Rectangle) map[image.Point]int {
	g := map[image.Point]int{}
	for _, r := range rects {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				g[image.Pt(x, y)]++
			}
		}
	}
	return g
}

func TestRegionTakesWhatWasAdded(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		size := image.Pt(1+rng.IntN(300), 1+rng.IntN(200))
		g, added := NewRegion(size), []image.Rectangle{}
		for range rng.IntN(6) {
			x, y := rng.IntN(320)-10, rng.IntN(220)-10
			r := image.Rect(x, y, x+rng.IntN(90), y+rng.IntN(90))
			g.Add(r)
			added = append(added, r.Intersect(image.Rectangle{Max: size}))
		}
		got := grid(size, g.take(image.Rectangle{Max: size}))
		for p, n := range got {
			if n != 1 || !p.In(image.Rectangle{Max: size}) {
				t.Fatalf("size %v: pixel %v taken %d times", size, p, n)
			}
		}
		for p := range grid(size, added) {
			if got[p] == 0 {
				t.Fatalf("size %v: pixel %v was added and not taken", size, p)
			}
		}
		if !g.Empty() {
			t.Fatal("something is left")
		}
	}
}

func TestRegionTakesOnlyWhatIsWanted(t *testing.T) {
	g := NewRegion(image.Pt(320, 320))
	g.Add(image.Rect(0, 0, 320, 320))
	wanted := image.Rect(40, 40, 100, 100)
	for _, r := range g.take(wanted) {
		if !r.In(wanted.Inset(-TileSize)) {
			t.Errorf("%v is far from %v", r, wanted)
		}
	}
	if g.Empty() || g.has(1, 1) || !g.has(0, 0) || !g.has(4, 4) {
		t.Error("the wrong tiles are left")
	}
	if rects := g.take(wanted); rects != nil {
		t.Errorf("taken twice: %v", rects)
	}
	if rects := g.take(image.Rect(500, 500, 600, 600)); rects != nil {
		t.Errorf("taken from outside: %v", rects)
	}
}

func TestRegionRectanglesAreBounded(t *testing.T) {
	size := image.Pt(3840, 2160)
	g := NewRegion(size)
	g.Add(image.Rectangle{Max: size})
	rects := g.take(image.Rectangle{Max: size})
	for _, r := range rects {
		if r.Dx()*r.Dy() > maxRectArea {
			t.Errorf("%v has %d pixels", r, r.Dx()*r.Dy())
		}
	}
	if len(rects) > 64 {
		t.Errorf("%d rectangles for the whole", len(rects))
	}
}

func TestRegionOfAnotherSize(t *testing.T) {
	small, large := NewRegion(image.Pt(100, 100)), NewRegion(image.Pt(400, 300))
	large.Add(image.Rect(64, 64, 400, 300))
	small.AddAll(&large)
	if small.has(0, 0) || !small.has(2, 2) || !small.has(3, 3) {
		t.Error("the wrong tiles arrived")
	}
	large.Clear()
	large.AddAll(&small)
	if !large.has(3, 3) || large.has(4, 4) {
		t.Error("the wrong tiles came back")
	}
}

func TestRegionKnowsItsTiles(t *testing.T) {
	g := NewRegion(image.Pt(100, 70))
	g.Add(image.Rect(90, 60, 95, 65))
	g.Add(image.Rect(5, 5, 6, 6))
	if got, want := slices.Collect(g.Tiles()), []image.Rectangle{image.Rect(0, 0, 32, 32), image.Rect(64, 32, 96, 64), image.Rect(64, 64, 96, 70)}; !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	for range g.Tiles() {
		break // which is all right
	}
	if !g.Contains(image.Pt(31, 0)) || g.Contains(image.Pt(32, 0)) || g.Contains(image.Pt(-1, 0)) || g.Contains(image.Pt(0, 70)) {
		t.Error("it contains other tiles")
	}
}

func TestPublish(t *testing.T) {
	size := image.Pt(100, 70)
	img, touched := image.NewRGBA(image.Rectangle{Max: size}), NewRegion(size)
	var fb framebuffer
	if fb.copy() != nil {
		t.Error("a picture before the first")
	}
	if changed := fb.publish(img, &touched); !changed.has(0, 0) || !changed.has(3, 2) {
		t.Error("a first picture is not new everywhere")
	}
	img.SetRGBA(50, 50, color.RGBA{1, 2, 3, 255})
	touched.Add(image.Rect(50, 50, 51, 51))
	touched.Add(image.Rect(0, 0, 10, 10)) // touched, and left as it was
	changed := fb.publish(img, &touched)
	if !changed.has(1, 1) || changed.has(0, 0) {
		t.Error("the wrong tiles changed")
	}
	if again := fb.publish(img, &touched); !again.Empty() {
		t.Error("changed without a change")
	}
	img.SetRGBA(99, 69, color.RGBA{1, 2, 3, 255})
	if changed := fb.publish(img, nil); !changed.has(3, 2) || changed.has(0, 0) {
		t.Error("the wrong tiles changed, where any might have")
	}
	if shown := fb.copy(); shown.Rect.Max != size || !slices.Equal(shown.Pix, img.Pix) {
		t.Error("something else is shown")
	}
}

func TestReadOutsideIsBlack(t *testing.T) {
	fb := framebuffer{img: image.NewRGBA(image.Rect(0, 0, 10, 10))}
	for i := range fb.img.Pix {
		fb.img.Pix[i] = 0xff
	}
	e := newEncoder(&fb)
	if newEncoder(&framebuffer{}).read(image.Rect(0, 0, 1, 1))[0] != 0 {
		t.Error("what was never shown is not black")
	}
	pix := e.read(image.Rect(8, 8, 12, 12))
	for i, v := range pix {
		inside := i%4 < 2 && i/4 < 2
		if (v != 0) != inside {
			t.Errorf("pixel %d is %#x", i, v)
		}
	}
	if e.read(image.Rect(20, 20, 22, 22))[0] != 0 {
		t.Error("far outside is not black")
	}
}
