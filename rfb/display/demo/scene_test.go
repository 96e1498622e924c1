package demo

import (
	"image"
	"slices"
	"strings"
	"testing"
	"time"

	"vncgate/rfb/display/screen"
)

// busy is a moment with something in every corner.
func busy(size image.Point) moment {
	in, now := newInput(), time.Unix(1e9, 0)
	for _, r := range "Type… Ж漢\x00" {
		in.key(keyPress{sym: uint32(r), code: 7, down: true})
	}
	in.key(keyPress{sym: 0xffe1, down: true})
	for i := range 30 {
		in.point(i%3, image.Pt(i*size.X/29, i*size.Y/29), 0x3ff*uint16(i%2), now)
	}
	in.point(9, image.Pt(65535, 65535), 1, now)
	in.paste(strings.Repeat("ünïcödé 漢字 ", 20))
	in.tell(strings.Repeat("A long notice. ", 30), now)
	return moment{now: now, elapsed: time.Hour, frame: 1 << 40, rate: 30, viewers: 32, input: in}
}

// Any size can be painted, and painting touches what it says it does.
func TestPaintAnySize(t *testing.T) {
	f := loadFonts()
	for _, size := range []image.Point{
		{MinWidth, MinHeight}, {1001, 603}, {390, 844}, {MaxWidth, MinHeight}, {MinWidth, 1600},
	} {
		s := newScene(size, f)
		s.paint(moment{input: newInput()})
		before := slices.Clone(s.img.Pix)
		touched := s.paint(busy(size))
		for y := range size.Y {
			for x := 0; x < size.X; x += screen.TileSize {
				from, to := s.img.PixOffset(x, y), s.img.PixOffset(min(x+screen.TileSize, size.X), y)
				if !touched.Contains(image.Pt(x, y)) && !slices.Equal(before[from:to], s.img.Pix[from:to]) {
					t.Fatalf("%v: tile at %d,%d changed untouched", size, x, y)
				}
			}
		}
		s.paint(moment{input: newInput()})
		if !slices.Equal(before, s.img.Pix) {
			t.Errorf("%v: something is left over", size)
		}
	}
}

// The parts of the picture lie inside of it and beside each other.
func TestLayout(t *testing.T) {
	f := loadFonts()
	for w := MinWidth; w <= MaxWidth; w += 160 {
		for h := MinHeight; h <= MaxHeight; h += 140 {
			l := newLayout(image.Pt(w, h), f)
			parts := append([]box{l.header, l.bell}, l.cards[:]...)
			for i, p := range parts {
				if p.left < 0 || p.top < 0 || p.right > float32(w) || p.bottom > float32(h) || p.width() <= 0 || p.height() <= 0 {
					t.Fatalf("%d×%d: part %d at %v", w, h, i, p)
				}
				for k, q := range parts[:i] {
					if p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom {
						t.Fatalf("%d×%d: parts %d and %d overlap: %v %v", w, h, k, i, q, p)
					}
				}
			}
			if l.orbit.x > 0 && (l.centre.y+l.orbit.y > l.strip.top || l.centre.y-l.orbit.y < l.header.bottom) {
				t.Fatalf("%d×%d: the orbits reach over the stage", w, h)
			}
		}
	}
}

func TestText(t *testing.T) {
	face := newTypeface(loadFonts().regular, 16)
	if whole := "short"; face.fit(whole, 500) != whole {
		t.Error("shortened for nothing")
	}
	if s := face.fit("a rather long line of text", 80); !strings.HasSuffix(s, "…") || face.width(s) > 80 {
		t.Errorf("%q is %v wide", s, face.width(s))
	}
	if s := face.fit("text", 1); s != "…" {
		t.Errorf("no room: %q", s)
	}
	for _, c := range [][3]string{
		{"one two three four", "one two", "three four"},
		{"onetwothreefour", "onetwot", "hreefour"},
		{"one", "one", ""},
	} {
		if line, rest := face.wrap(c[0], 65); line != c[1] || rest != c[2] {
			t.Errorf("%q: %q and %q", c[0], line, rest)
		}
	}
	for r := range rune(3000) {
		face.glyph(r)
	}
	if len(face.glyphs) > maxGlyphs {
		t.Errorf("%d glyphs kept", len(face.glyphs))
	}
}

func BenchmarkPaint(b *testing.B) {
	size := image.Pt(designWidth, designHeight)
	for name, m := range map[string]moment{"calm": {input: newInput(), rate: 30}, "busy": busy(size)} {
		b.Run(name, func(b *testing.B) {
			s := newScene(size, loadFonts())
			shown := screen.New(screen.Options{Size: size})
			all := m.input
			for b.Loop() {
				m.input = all.copy(m.now)
				m.elapsed += time.Second / 30
				m.now = m.now.Add(time.Second / 30)
				m.frame++
				shown.Show(s.img, s.paint(m))
			}
		})
	}
}
