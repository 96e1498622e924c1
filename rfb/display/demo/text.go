package demo

import (
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// maxGlyphs bounds the glyphs a typeface keeps. Viewers choose what is shown,
// so it is emptied when full rather than left to grow.
const maxGlyphs = 512

// fonts are the outlines everything is written with.
type fonts struct{ regular, medium, bold, mono *opentype.Font }

// loadFonts parses the fonts that are part of the program.
func loadFonts() fonts {
	var f fonts
	for _, l := range []struct {
		font **opentype.Font
		ttf  []byte
	}{{&f.regular, goregular.TTF}, {&f.medium, gomedium.TTF}, {&f.bold, gobold.TTF}, {&f.mono, gomono.TTF}} {
		var err error
		if *l.font, err = opentype.Parse(l.ttf); err != nil {
			panic("demo: internal error: " + err.Error())
		}
	}
	return f
}

// A typeface is a font at one size whose glyphs, once drawn, are kept: an
// animation writes the same few over and over.
type typeface struct {
	face   font.Face
	glyphs map[rune]glyph
}

// A glyph is a drawn character.
type glyph struct {
	mask    *image.Alpha // placed relative to the dot
	advance fixed.Int26_6
}

// newTypeface sizes f, in pixels.
func newTypeface(f *opentype.Font, size float64) *typeface {
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		panic("demo: internal error: " + err.Error()) // NewFace has no way to fail
	}
	return &typeface{face: face, glyphs: map[rune]glyph{}}
}

// glyph returns r's drawing, or that of the replacement the font has for it.
func (t *typeface) glyph(r rune) glyph {
	if g, ok := t.glyphs[r]; ok {
		return g
	}
	bounds, mask, at, advance, ok := t.face.Glyph(fixed.Point26_6{}, r)
	g := glyph{advance: advance}
	if ok && !bounds.Empty() {
		g.mask = image.NewAlpha(bounds)
		draw.Draw(g.mask, bounds, mask, at, draw.Src)
	}
	if len(t.glyphs) >= maxGlyphs {
		clear(t.glyphs)
	}
	t.glyphs[r] = g
	return g
}

// width is the length of s in pixels.
func (t *typeface) width(s string) float32 {
	var sum fixed.Int26_6
	for _, r := range s {
		sum += t.glyph(r).advance
	}
	return float32(sum) / 64
}

// fit shortens s to at most width pixels, with an ellipsis where it was cut.
func (t *typeface) fit(s string, width float32) string {
	if t.width(s) <= width {
		return s
	}
	limit := fixed.Int26_6(width*64) - t.glyph('…').advance
	var sum fixed.Int26_6
	for i, r := range s {
		if sum += t.glyph(r).advance; sum > limit {
			return s[:i] + "…"
		}
	}
	return s
}

// wrap splits s into what fits into a line of width pixels, at a space if there
// is one, and the rest.
func (t *typeface) wrap(s string, width float32) (line, rest string) {
	limit := fixed.Int26_6(width * 64)
	var sum fixed.Int26_6
	space := -1
	for i, r := range s {
		if r == ' ' {
			space = i
		}
		if sum += t.glyph(r).advance; sum <= limit {
			continue
		}
		if space > 0 {
			return s[:space], s[space+1:]
		}
		return s[:i], s[i:]
	}
	return s, ""
}

// text writes s with its base line starting at x, y and returns where it ends.
func (c *canvas) text(t *typeface, x, y float32, s string, col color.RGBA) float32 {
	ink := image.NewUniform(col)
	dot, base := fixed.Int26_6(x*64), int(y+0.5)
	for _, r := range s {
		g := t.glyph(r)
		if g.mask != nil {
			at := g.mask.Rect.Add(image.Pt((dot + 32).Floor(), base))
			draw.DrawMask(c.img, at, ink, image.Point{}, g.mask, g.mask.Rect.Min, draw.Over)
			c.touched.Add(at)
		}
		dot += g.advance
	}
	return float32(dot) / 64
}

// textRight writes s so that it ends at x.
func (c *canvas) textRight(t *typeface, x, y float32, s string, col color.RGBA) {
	c.text(t, x-t.width(s), y, s, col)
}

// textCentre writes s with its middle at x.
func (c *canvas) textCentre(t *typeface, x, y float32, s string, col color.RGBA) {
	c.text(t, x-t.width(s)/2, y, s, col)
}
