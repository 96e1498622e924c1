package demo

import (
	"image"
	"image/color"
	"math"
	"time"

	"vncgate/rfb/display/screen"
)

// The colours of the picture.
var (
	skyTop    = color.RGBA{0x0a, 0x10, 0x20, 0xff}
	skyBottom = color.RGBA{0x16, 0x20, 0x38, 0xff}
	glow      = color.RGBA{0x2a, 0x4a, 0x7a, 0xff}
	white     = color.RGBA{0xff, 0xff, 0xff, 0xff}
	bright    = color.RGBA{0xf1, 0xf5, 0xf9, 0xff}
	ink       = color.RGBA{0xcb, 0xd5, 0xe1, 0xff}
	muted     = color.RGBA{0x8b, 0x9a, 0xb3, 0xff}
	dial      = color.RGBA{0x10, 0x19, 0x2e, 0xff}
	teal      = color.RGBA{0x2d, 0xd4, 0xbf, 0xff}
	indigo    = color.RGBA{0x81, 0x8c, 0xf8, 0xff}
	amber     = color.RGBA{0xfb, 0xbf, 0x24, 0xff}
	rose      = color.RGBA{0xfb, 0x71, 0x85, 0xff}
	azure     = color.RGBA{0x38, 0xbd, 0xf8, 0xff}
)

// viewerColour tells viewers apart; the first is teal.
func viewerColour(viewer int) color.RGBA {
	return [...]color.RGBA{teal, amber, rose, indigo, azure}[viewer%5]
}

// A moment is all that a picture depends on besides its size.
type moment struct {
	now     time.Time     // what the clock shows
	elapsed time.Duration // where the shapes are
	frame   int           // pictures painted before
	rate    int           // pictures a second, 0 when nothing moves
	viewers int
	input   *input
}

// A scene paints pictures of one size. What never moves is painted once, into
// the backdrop; a picture is the backdrop with the rest on top of it.
type scene struct {
	layout
	*canvas
	backdrop *image.RGBA
	dirty    screen.Region // what the last picture has painted over the backdrop
}

func newScene(size image.Point, f fonts) *scene {
	s := &scene{layout: newLayout(size, f), canvas: newCanvas(size), dirty: screen.NewRegion(size)}
	s.paintSky()
	s.paintFixtures()
	s.backdrop = image.NewRGBA(s.img.Rect)
	copy(s.backdrop.Pix, s.img.Pix)
	return s
}

// paint draws the picture of a moment; touched is where it may differ from the
// one before.
func (s *scene) paint(m moment) (touched *screen.Region) {
	s.restore()
	s.touched.Clear()
	s.paintShapes(m.elapsed.Seconds())
	s.paintOrbits(m.elapsed.Seconds(), false)
	s.paintDial(m.now)
	s.paintOrbits(m.elapsed.Seconds(), true)
	s.paintTime(m.now)
	s.paintCards(m)
	s.paintNotice(m)
	s.paintPointers(m)
	all := screen.NewRegion(s.img.Rect.Max)
	all.AddAll(&s.dirty)
	all.AddAll(&s.touched)
	s.dirty, s.touched = s.touched, s.dirty
	return &all
}

// restore brings back the backdrop where the last picture covered it.
func (s *scene) restore() {
	for r := range s.dirty.Tiles() {
		for line := r.Min.Y; line < r.Max.Y; line++ {
			from, to := s.img.PixOffset(r.Min.X, line), s.img.PixOffset(r.Max.X, line)
			copy(s.img.Pix[from:to], s.backdrop.Pix[from:to])
		}
	}
}

// paintSky fills the canvas with a gradient that is lighter around the dial.
func (s *scene) paintSky() {
	w, h := s.img.Rect.Dx(), s.img.Rect.Dy()
	reach := max(s.orbit.x*1.3, float32(w)/4)
	for y := range h {
		base := mix(skyTop, skyBottom, float32(y)/float32(h))
		dy := (float32(y) - s.centre.y) * 1.9 / reach
		row := s.img.Pix[s.img.PixOffset(0, y):]
		for x := range w {
			col := base
			dx := (float32(x) - s.centre.x) / reach
			if near := 1 - dx*dx - dy*dy; near > 0 {
				col = mix(base, glow, 0.4*near*near)
			}
			row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = col.R, col.G, col.B, 0xff
		}
	}
}

// mix returns the colour between a and b, at 0 a and at 1 b.
func mix(a, b color.RGBA, at float32) color.RGBA {
	part := func(x, y uint8) uint8 { return uint8(float32(x) + (float32(y)-float32(x))*at + 0.5) }
	return color.RGBA{part(a.R, b.R), part(a.G, b.G), part(a.B, b.B), 0xff}
}

// A drifter is a shape that floats across the background.
type drifter struct {
	corners int
	radius  float32
	turn    float64 // radians a second
	fx, fy  float64 // how fast it moves, relative to the others
	phase   float64
	col     color.RGBA
}

var drifters = [...]drifter{
	{3, 46, 0.11, 1.0, 1.3, 0.4, rose},
	{4, 40, -0.09, 0.7, 1.1, 2.1, indigo},
	{6, 58, 0.06, 1.2, 0.6, 3.6, teal},
	{5, 34, -0.13, 0.9, 0.8, 5.0, amber},
	{6, 26, 0.10, 1.1, 1.5, 1.2, azure},
}

// paintShapes draws the drifters t seconds into the show.
func (s *scene) paintShapes(t float64) {
	if s.orbit.x == 0 {
		return
	}
	for _, d := range drifters {
		x := s.stage.left + s.stage.width()*float32(0.5+0.46*math.Sin(0.05*d.fx*t+d.phase))
		y := s.stage.top + s.stage.height()*float32(0.5+0.42*math.Sin(0.07*d.fy*t+2*d.phase))
		s.polygon(x, y, d.radius*s.unit, d.corners, d.turn*t+d.phase, 2*s.unit, fade(d.col, 0.35))
	}
}

// A planet runs around the dial.
type planet struct {
	orbit  int
	speed  float64 // radians a second
	phase  float64
	radius float32
	col    color.RGBA
}

var planets = [...]planet{
	{0, 0.42, 0.6, 9, teal},
	{0, 0.42, 3.7, 6, azure},
	{1, 0.27, 2.2, 12, indigo},
	{1, 0.27, 5.1, 7, rose},
	{2, 0.18, 0.9, 10, amber},
	{2, 0.18, 3.9, 14, azure},
	{2, 0.18, 5.6, 6, teal},
}

// orbits are the sizes of the rings relative to the outermost.
var orbits = [...]float32{0.46, 0.73, 1}

// Tails of planets: how far they reach back, in pixels of the design, and in
// how many steps their outline follows the orbit.
const (
	tailReach = 95
	tailSteps = 10
)

// paintOrbits draws the planets that are in front of the dial, or those behind.
func (s *scene) paintOrbits(t float64, front bool) {
	if s.orbit.x == 0 {
		return
	}
	for _, p := range planets {
		angle := p.phase + p.speed*t
		if (math.Sin(angle) >= 0) != front {
			continue
		}
		at, size := s.onOrbit(p.orbit, angle)
		radius := p.radius * s.unit * size
		s.paintTail(p, angle, radius)
		s.disc(at.x, at.y, radius, p.col)
	}
}

// onOrbit is where a planet is, and how much larger it looks for being near.
func (s *scene) onOrbit(orbit int, angle float64) (at point, size float32) {
	sin, cos := math.Sincos(angle)
	rx, ry := s.orbit.x*orbits[orbit], s.orbit.y*orbits[orbit]
	return point{s.centre.x + rx*float32(cos), s.centre.y + ry*float32(sin)}, 1 + 0.3*float32(sin)
}

// paintTail draws what a planet trails: a blade along its orbit, as wide as the
// planet where it begins.
func (s *scene) paintTail(p planet, angle float64, radius float32) {
	step := float64(tailReach*s.unit/(s.orbit.x*orbits[p.orbit])) / tailSteps
	var outer, inner [tailSteps + 1]point
	low, high := point{math.MaxFloat32, math.MaxFloat32}, point{}
	for i := range outer {
		at, _ := s.onOrbit(p.orbit, angle-float64(i)*step)
		ahead, _ := s.onOrbit(p.orbit, angle-float64(i)*step+0.01)
		dx, dy := ahead.x-at.x, ahead.y-at.y
		wide := radius * (1 - float32(i)/tailSteps) / float32(math.Hypot(float64(dx), float64(dy)))
		outer[i] = point{at.x + dy*wide, at.y - dx*wide}
		inner[i] = point{at.x - dy*wide, at.y + dx*wide}
		low = point{min(low.x, outer[i].x, inner[i].x), min(low.y, outer[i].y, inner[i].y)}
		high = point{max(high.x, outer[i].x, inner[i].x), max(high.y, outer[i].y, inner[i].y)}
	}
	s.fill(low.x, low.y, high.x, high.y, fade(p.col, 0.22), func(pen pen) {
		pen.move(outer[0].x, outer[0].y)
		for _, at := range outer[1:] {
			pen.line(at.x, at.y)
		}
		for i := tailSteps; i >= 0; i-- {
			pen.line(inner[i].x, inner[i].y)
		}
	})
}

// paintDial draws the clock in the middle.
func (s *scene) paintDial(now time.Time) {
	if s.orbit.x == 0 {
		return
	}
	r, c, u := s.dialR, s.centre, s.unit
	s.disc(c.x, c.y, r, dial)
	s.ring(c.x, c.y, r, r, 2.5*u, fade(teal, 0.8))
	for i := range 12 {
		length := float32(0.07)
		if i%3 == 0 {
			length = 0.13
		}
		s.stroke(around(c, r*0.86, float64(i)/12), around(c, r*(0.86-length), float64(i)/12), 2*u, muted)
	}
	seconds := float64(now.Second()) + float64(now.Nanosecond())/1e9
	minutes := float64(now.Minute()) + seconds/60
	s.stroke(c, around(c, r*0.48, (float64(now.Hour()%12)+minutes/60)/12), 5*u, bright)
	s.stroke(c, around(c, r*0.70, minutes/60), 3.5*u, ink)
	s.stroke(around(c, -r*0.14, seconds/60), around(c, r*0.80, seconds/60), 1.8*u, teal)
	s.disc(c.x, c.y, 5*u, teal)
}

// around is the point at distance r from c, turned from the top by a part of a
// full circle.
func around(c point, r float32, turn float64) point {
	sin, cos := math.Sincos(2 * math.Pi * turn)
	return point{c.x + r*float32(sin), c.y - r*float32(cos)}
}

// paintPointers draws where the viewers' pointers are and have been.
func (s *scene) paintPointers(m moment) {
	for _, p := range m.input.byViewer() {
		col := viewerColour(p.viewer)
		for i, t := range p.trail {
			age := float64(m.now.Sub(t.when)) / float64(trailLife)
			share := float32(i+1) / float32(len(p.trail))
			s.disc(float32(t.at.X), float32(t.at.Y), (2+4*share)*s.unit, fade(col, 0.35*float64(share)*(1-age)))
		}
		for _, r := range p.ripples {
			age := float64(m.now.Sub(r.when)) / float64(rippleLife)
			radius := (14 + 34*float32(age)) * s.unit
			s.ring(float32(r.at.X), float32(r.at.Y), radius, radius, 2*s.unit, fade(col, 0.8*(1-age)))
		}
		x, y, r := float32(p.at.X), float32(p.at.Y), 12*s.unit
		if p.buttons != 0 {
			s.disc(x, y, r, fade(col, 0.45))
		}
		s.ring(x, y, r, r, 2*s.unit, fade(col, 0.9))
	}
}
