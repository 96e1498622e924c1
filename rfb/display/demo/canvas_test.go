package demo

import (
	"image"
	"math"
	"slices"
	"testing"
)

// area is the sum of the coverage of all pixels of a canvas that was painted
// in white.
func area(c *canvas) float64 {
	sum := 0
	for i := 3; i < len(c.img.Pix); i += 4 {
		sum += int(c.img.Pix[i])
	}
	return float64(sum) / 255
}

// Shapes cover what geometry says they do.
func TestShapesCoverTheirArea(t *testing.T) {
	for name, c := range map[string]struct {
		paint func(*canvas)
		want  float64
	}{
		"disc":       {func(c *canvas) { c.disc(100.3, 99.6, 40, white) }, math.Pi * 40 * 40},
		"small disc": {func(c *canvas) { c.disc(10.5, 10.5, 2, white) }, math.Pi * 4},
		"ring":       {func(c *canvas) { c.ring(100, 100, 60, 30, 4, white) }, math.Pi * (62*32 - 58*28)},
		"full ring":  {func(c *canvas) { c.ring(100, 100, 5, 5, 20, white) }, math.Pi * 15 * 15},
		"panel":      {func(c *canvas) { c.panel(box{10, 20, 110, 80}, 12, white) }, 100*60 - (4-math.Pi)*12*12},
		"frame":      {func(c *canvas) { c.frame(box{10, 20, 110, 80}, 0, 3, white) }, 100*60 - 94*54},
		"stroke":     {func(c *canvas) { c.stroke(point{20, 20}, point{80, 100}, 6, white) }, 600},
		"no stroke":  {func(c *canvas) { c.stroke(point{20, 20}, point{20, 20}, 6, white) }, 0},
		"square":     {func(c *canvas) { c.polygon(100, 100, 50*math.Sqrt2, 4, 0.3, 5, white) }, 100*100 - 90*90},
		"half off":   {func(c *canvas) { c.disc(0, 100, 40, white) }, math.Pi * 800},
		"far off":    {func(c *canvas) { c.disc(5000, -5000, 40, white) }, 0},
		"arch":       {func(c *canvas) { c.fill(0, 0, 200, 200, white, arched) }, (math.Pi*50*50/2 + 100*50) - (math.Pi*40*40/2 + 80*50)},
	} {
		canvas := newCanvas(image.Pt(200, 200))
		c.paint(canvas)
		if got := area(canvas); math.Abs(got-c.want) > 0.02*c.want+1.5 {
			t.Errorf("%s covers %.1f pixels, not %.1f", name, got, c.want)
		}
		for i := 3; i < len(canvas.img.Pix); i += 4 {
			x, y := i/4%200, i/4/200
			if canvas.img.Pix[i] != 0 && !canvas.touched.Contains(image.Pt(x, y)) {
				t.Fatalf("%s: pixel %d,%d is painted but not touched", name, x, y)
			}
		}
	}
}

// arched is a gate 100 wide and 100 high, its walls 10 thick.
func arched(p pen) {
	p.arch(box{50, 50, 150, 150}, 0)
	p.arch(box{50, 50, 150, 150}, 10)
}

func TestFade(t *testing.T) {
	for opacity, want := range map[float64]uint8{-1: 0, 0: 0, 0.5: 128, 1: 255, 7: 255} {
		if c := fade(white, opacity); c.A != want || c.R != want {
			t.Errorf("opacity %v gives %v", opacity, c)
		}
	}
	if c := fade(teal, 0.5); c.R > c.A || c.G > c.A || c.B > c.A {
		t.Errorf("%v is not premultiplied", c)
	}
}

func TestBoxContains(t *testing.T) {
	b := box{10, 10, 20.4, 20.6}
	for p, want := range map[image.Point]bool{{X: 10, Y: 10}: true, {X: 19, Y: 20}: true, {X: 20, Y: 15}: false, {X: 9, Y: 15}: false, {X: 15, Y: 21}: false} {
		if b.contains(p) != want {
			t.Errorf("%v: %v", p, !want)
		}
	}
}

// A clock's digits stay where they are whatever they show.
func TestDigitsDoNotWobble(t *testing.T) {
	s := newScene(image.Pt(MinWidth, MinHeight), loadFonts())
	left := func(text string) []byte {
		copy(s.img.Pix, s.backdrop.Pix)
		s.digits(s.clock, 150, 100, text, bright)
		return slices.Clone(s.img.Pix[s.img.PixOffset(0, 60):s.img.PixOffset(0, 110)])
	}
	one, eight := left("10:11:11"), left("10:11:18")
	row := s.img.Stride
	for y := range len(one) / row {
		if from, to := y*row, y*row+4*130; !slices.Equal(one[from:to], eight[from:to]) {
			t.Fatal("the last digit moved the others")
		}
	}
}
