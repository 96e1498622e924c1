package demo

import "image"

// The picture is designed for two sizes and scaled to others: wide, and compact
// for phones and other displays that are not much wider than high.
const (
	designWidth, designHeight   = 1280, 800
	compactWidth, compactHeight = 640, 560
	minScale, maxScale          = 0.5, 3 // below, text could not be read: parts are left out instead
)

// A layout says where the parts of a picture of one size are.
type layout struct {
	unit   float32 // pixels to one unit of the design
	header box     // logo, title, time
	stage  box     // dial and shapes
	strip  box     // the line of hints, and the bell
	bell   box     // the button in it
	cards  [4]box  // keyboard, pointer, clipboard, display

	centre point   // of the dial
	dialR  float32 // its radius
	orbit  point   // half the width and height of the outermost orbit; 0 where there is no room

	title, clock, value, body, small, label, key *typeface
}

func newLayout(size image.Point, f fonts) layout {
	w, h := float32(size.X), float32(size.Y)
	scale := min(w/designWidth, h/designHeight)
	if w < 1.25*h {
		scale = min(w/compactWidth, h/compactHeight)
	}
	l := layout{unit: min(max(scale, minScale), maxScale)}
	l.setFaces(f)
	u := l.unit
	margin, gap := 36*u, 20*u
	compact := w < 900*u
	if compact {
		margin, gap = 18*u, 12*u
	}
	l.header = box{margin, margin, w - margin, margin + 52*u}
	top := l.placeCards(w, h, margin, gap, compact)
	l.strip = box{margin, top - gap - 38*u, w - margin, top - gap}
	l.stage = box{margin, l.header.bottom + gap, w - margin, l.strip.top - gap}
	wide := l.label.width(bellLabel) + 52*u
	l.bell = box{l.strip.right - wide, l.strip.top, l.strip.right, l.strip.bottom}
	l.placeOrbits()
	return l
}

// setFaces sizes the typefaces.
func (l *layout) setFaces(f fonts) {
	u := float64(l.unit)
	l.title = newTypeface(f.bold, 34*u)
	l.clock = newTypeface(f.medium, 32*u)
	l.value = newTypeface(f.medium, 27*u)
	l.body = newTypeface(f.regular, 17*u)
	l.label = newTypeface(f.medium, 15*u)
	l.small = newTypeface(f.regular, 14.5*u)
	l.key = newTypeface(f.medium, 17*u)
}

// placeCards puts the four cards at the bottom, in one row or in two, and
// returns where they begin.
func (l *layout) placeCards(w, h, margin, gap float32, compact bool) float32 {
	columns, height := 4, 148*l.unit
	if compact {
		columns, height = 2, 112*l.unit
	}
	rows := len(l.cards) / columns
	width := (w - 2*margin - gap*float32(columns-1)) / float32(columns)
	top := h - margin - float32(rows)*height - float32(rows-1)*gap
	for i := range l.cards {
		x := margin + float32(i%columns)*(width+gap)
		y := top + float32(i/columns)*(height+gap)
		l.cards[i] = box{x, y, x + width, y + height}
	}
	return top
}

// placeOrbits sizes dial and orbits to the stage.
func (l *layout) placeOrbits() {
	room := l.stage.height()
	if room < 150*l.unit {
		return
	}
	l.centre = point{(l.stage.left + l.stage.right) / 2, (l.stage.top + l.stage.bottom) / 2}
	l.orbit.y = min(room*0.46, l.stage.width()*0.2)
	l.orbit.x = min(l.orbit.y*2.45, l.stage.width()*0.46)
	l.dialR = l.orbit.y * 0.46
}
