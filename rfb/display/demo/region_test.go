package demo

import (
	"image"
	"math/rand/v2"
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
		g, added := newRegion(size), []image.Rectangle{}
		for range rng.IntN(6) {
			x, y := rng.IntN(320)-10, rng.IntN(220)-10
			r := image.Rect(x, y, x+rng.IntN(90), y+rng.IntN(90))
			g.add(r)
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
		if !g.empty() {
			t.Fatal("something is left")
		}
	}
}

func TestRegionTakesOnlyWhatIsWanted(t *testing.T) {
	g := newRegion(image.Pt(320, 320))
	g.add(image.Rect(0, 0, 320, 320))
	wanted := image.Rect(40, 40, 100, 100)
	for _, r := range g.take(wanted) {
		if !r.In(wanted.Inset(-tileSize)) {
			t.Errorf("%v is far from %v", r, wanted)
		}
	}
	if g.empty() || g.has(1, 1) || !g.has(0, 0) || !g.has(4, 4) {
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
	size := image.Pt(MaxWidth, MaxHeight)
	g := newRegion(size)
	g.add(image.Rectangle{Max: size})
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
	small, large := newRegion(image.Pt(100, 100)), newRegion(image.Pt(400, 300))
	large.add(image.Rect(64, 64, 400, 300))
	small.addAll(&large)
	if small.has(0, 0) || !small.has(2, 2) || !small.has(3, 3) {
		t.Error("the wrong tiles arrived")
	}
	large.clear()
	large.addAll(&small)
	if !large.has(3, 3) || large.has(4, 4) {
		t.Error("the wrong tiles came back")
	}
}

func TestPublish(t *testing.T) {
	size := image.Pt(100, 70)
	c := newCanvas(size)
	var fb framebuffer
	if changed := fb.publish(c.img, &c.touched); !changed.has(0, 0) || !changed.has(3, 2) {
		t.Error("a first picture is not new everywhere")
	}
	c.disc(50, 50, 5, teal)
	c.touched.add(image.Rect(0, 0, 10, 10)) // touched, and left as it was
	changed := fb.publish(c.img, &c.touched)
	if !changed.has(1, 1) || changed.has(0, 0) {
		t.Error("the wrong tiles changed")
	}
	if again := fb.publish(c.img, &c.touched); !again.empty() {
		t.Error("changed without a change")
	}
	if fb.size() != size {
		t.Errorf("size %v", fb.size())
	}
}

func TestReadOutsideIsBlack(t *testing.T) {
	fb := framebuffer{img: image.NewRGBA(image.Rect(0, 0, 10, 10))}
	for i := range fb.img.Pix {
		fb.img.Pix[i] = 0xff
	}
	e := newEncoder(&fb)
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
