package demo

import (
	"fmt"
	"image/color"
	"math/bits"
	"strings"
	"time"
)

// What is written in the picture and never changes.
const (
	titleLabel = "vncgate"
	bellLabel  = "Ring the bell"
	hintLabel  = "Type, move, click, paste, resize: everything that reaches the display shows here."
	shortHint  = "Type, move, click, paste, resize"
)

// cardLabels are titles and hints of the cards, in their order.
var cardLabels = [4]struct {
	title, hint string
	col         color.RGBA
}{
	{"Keyboard", "Type something", amber},
	{"Pointer", "Move, click, scroll", teal},
	{"Clipboard", "Paste text: it comes back", rose},
	{"Display", "Resize the window", indigo},
}

// paintFixtures draws what belongs to the backdrop: logo, title, orbits, the
// cards' panels and the bell.
func (s *scene) paintFixtures() {
	u := s.unit
	s.paintLogo(s.header.left, s.header.top, 52*u)
	s.text(s.title, s.header.left+68*u, s.header.top+29*u, titleLabel, bright)
	s.text(s.small, s.header.left+69*u, s.header.top+49*u, "demo display", muted)
	if s.orbit.x > 0 {
		for _, o := range orbits {
			s.ring(s.centre.x, s.centre.y, s.orbit.x*o, s.orbit.y*o, 1.4*u, fade(white, 0.13))
		}
	}
	for i, b := range s.cards {
		s.panel(b, 14*u, fade(white, 0.055))
		s.frame(b, 14*u, max(u, 1), fade(white, 0.09))
		s.disc(b.left+22*u, b.top+25*u, 4.5*u, cardLabels[i].col)
		s.text(s.label, b.left+36*u, b.top+30*u, cardLabels[i].title, muted)
	}
	s.panel(s.bell, s.bell.height()/2, fade(amber, 0.14))
	s.frame(s.bell, s.bell.height()/2, max(1.2*u, 1), fade(amber, 0.55))
	s.disc(s.bell.left+21*u, s.bell.top+s.bell.height()/2, 5*u, amber)
	s.text(s.label, s.bell.left+36*u, s.bell.top+s.bell.height()/2+5.5*u, bellLabel, bright)
}

// paintLogo draws the gate in a rounded square.
func (s *scene) paintLogo(x, y, side float32) {
	s.panel(box{x, y, x + side, y + side}, side*0.26, teal)
	gate := box{x + side*0.24, y + side*0.22, x + side*0.76, y + side*0.78}
	s.fill(gate.left, gate.top, gate.right, gate.bottom, skyTop, func(p pen) {
		p.arch(gate, 0)
		p.arch(gate, side*0.11)
	})
	s.disc(x+side/2, y+side*0.62, side*0.095, skyTop)
}

// arch adds a gate with a round top that fills b to an outline or, at a
// distance inside of b, the opening in it.
func (p pen) arch(b box, in float32) {
	left, right, top, r := b.left+in, b.right-in, b.top+in, b.width()/2-in
	rise, middle, shoulder := r*(1-arcs), (b.left+b.right)/2, top+r
	k := rise
	if in > 0 { // the other way round makes a hole
		left, right, k = right, left, -k
	}
	p.move(left, b.bottom)
	p.line(left, shoulder)
	p.cube(left, top+rise, left+k, top, middle, top)
	p.cube(right-k, top, right, top+rise, right, shoulder)
	p.line(right, b.bottom)
	p.line(left, b.bottom)
}

// paintTime writes time and date at the right of the header.
func (s *scene) paintTime(now time.Time) {
	u := s.unit
	s.digits(s.clock, s.header.right, s.header.top+29*u, now.Format("15:04:05"), bright)
	s.textRight(s.small, s.header.right, s.header.top+50*u, now.Format("Monday, 2 January 2006"), muted)
}

// digits writes s up to x with all digits equally wide, so that a clock does
// not wobble.
func (s *scene) digits(t *typeface, x, y float32, text string, col color.RGBA) {
	wide := t.width("0")
	for i := len(text) - 1; i >= 0; i-- {
		one := text[i : i+1]
		cell := wide
		if one == ":" {
			cell = t.width(":")
		}
		x -= cell
		s.textCentre(t, x+cell/2, y, one, col)
	}
}

// paintCards writes what the cards show at the moment.
func (s *scene) paintCards(m moment) {
	s.paintKeys(s.cards[0], m.input.keys)
	s.paintPointer(s.cards[1], m.input)
	s.paintClip(s.cards[2], m)
	s.paintDisplay(s.cards[3], m)
}

// hint writes the line a card shows as long as nothing has happened.
func (s *scene) hint(card int) {
	b := s.cards[card]
	s.text(s.body, b.left+22*s.unit, b.top+b.height()*0.6, cardLabels[card].hint, fade(ink, 0.75))
}

// paintKeys draws as many of the last keys as there is room for, as caps, and
// names the last one.
func (s *scene) paintKeys(b box, keys []keyPress) {
	u := s.unit
	if len(keys) == 0 {
		s.hint(0)
		return
	}
	const side, gap = 38, 7
	wide := func(k keyPress) float32 { return max(side*u, s.key.width(keyLabel(k.sym))+18*u) }
	first, room := len(keys), b.width()-44*u
	for first > 0 && room >= wide(keys[first-1]) {
		first--
		room -= wide(keys[first]) + gap*u
	}
	x, top := b.left+22*u, b.top+b.height()*0.34
	for _, k := range keys[first:] {
		s.paintKey(box{x, top, x + wide(k), top + side*u}, k)
		x += wide(k) + gap*u
	}
	last := keys[len(keys)-1]
	line := fmt.Sprintf("%s  0x%04x", keyName(last.sym), last.sym)
	if last.code != 0 {
		line += fmt.Sprintf("  keycode 0x%02x", last.code)
	}
	if last.count > 1 {
		line += fmt.Sprintf("  ×%d", last.count)
	}
	s.foot(b, line)
}

// paintKey draws one cap, lit while the key is held.
func (s *scene) paintKey(b box, k keyPress) {
	col := viewerColour(k.viewer)
	face, edge, letter := fade(white, 0.08), fade(white, 0.16), ink
	if k.down {
		face, edge, letter = fade(col, 0.85), col, skyTop
	}
	s.panel(b, 8*s.unit, face)
	s.frame(b, 8*s.unit, max(s.unit, 1), edge)
	s.textCentre(s.key, (b.left+b.right)/2, b.top+b.height()/2+6*s.unit, keyLabel(k.sym), letter)
}

// foot writes a card's last line.
func (s *scene) foot(b box, line string) {
	room := b.width() - 44*s.unit
	s.text(s.small, b.left+22*s.unit, b.bottom-18*s.unit, s.small.fit(line, room), muted)
}

// lead writes a card's main line.
func (s *scene) lead(b box, line string) {
	room := b.width() - 44*s.unit
	s.text(s.value, b.left+22*s.unit, b.top+b.height()*0.56, s.value.fit(line, room), bright)
}

// paintPointer draws position and buttons of the pointer that moved last.
func (s *scene) paintPointer(b box, in *input) {
	p := in.latest()
	if p == nil {
		s.hint(1)
		return
	}
	u := s.unit
	s.lead(b, fmt.Sprintf("%d, %d", p.at.X, p.at.Y))
	x, side := b.left+22*u, 22*u
	for i := range max(5, bits.Len16(p.buttons)) {
		if x+side > b.right-18*u {
			break
		}
		cell := box{x, b.bottom - 16*u - side, x + side, b.bottom - 16*u}
		face, letter := fade(white, 0.08), muted
		if p.buttons&(1<<i) != 0 {
			face, letter = viewerColour(p.viewer), skyTop
		}
		s.panel(cell, 6*u, face)
		s.textCentre(s.small, x+side/2, cell.bottom-6*u, fmt.Sprint(i+1), letter)
		x += side + 6*u
	}
}

// paintClip writes the text that was pasted last.
func (s *scene) paintClip(b box, m moment) {
	c := m.input.clip
	if c.runes == 0 {
		s.hint(2)
		return
	}
	room := b.width() - 44*s.unit
	first, rest := s.body.wrap(strings.Join(strings.Fields(c.text), " "), room)
	x, y := b.left+22*s.unit, b.top+max(b.height()*0.44, 53*s.unit)
	s.text(s.body, x, y, first, bright)
	s.text(s.body, x, y+22*s.unit, s.body.fit(rest, room), bright)
	s.foot(b, count(c.runes, "character")+", sent back")
}

// paintDisplay writes size, frames and viewers.
func (s *scene) paintDisplay(b box, m moment) {
	s.lead(b, fmt.Sprintf("%d × %d", s.img.Rect.Dx(), s.img.Rect.Dy()))
	line := count(m.viewers, "viewer")
	if m.rate > 0 {
		line += fmt.Sprintf(", frame %d", m.frame)
	}
	s.foot(b, line)
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// paintNotice writes the notice of the moment, or the hint that has its place.
func (s *scene) paintNotice(m moment) {
	y, x := s.strip.top+s.strip.height()/2+6*s.unit, s.strip.left+2*s.unit
	room := s.bell.left - x - 20*s.unit
	if m.input.notice == "" {
		hint := hintLabel
		if s.body.width(hint) > room {
			hint = shortHint
		}
		s.text(s.body, x, y, s.body.fit(hint, room), muted)
		return
	}
	s.disc(x+5*s.unit, y-6*s.unit, 5*s.unit, amber)
	s.text(s.body, x+20*s.unit, y, s.body.fit(m.input.notice, room-20*s.unit), bright)
}
