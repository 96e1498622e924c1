package player

import (
	"image"
	"image/color"
	"image/draw"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// The strip of a banner, and what is written on it.
var (
	bannerStrip = image.NewUniform(color.RGBA{0x10, 0x19, 0x2e, 0xff})
	bannerInk   = image.NewUniform(color.RGBA{0xfb, 0xbf, 0x24, 0xff})
)

// bannerMargin is around its lines, in pixels.
const bannerMargin = 8

// drawBanner writes words on a strip at the lower edge of img, as many lines of
// them as there is room for.
func drawBanner(img *image.RGBA, words string) {
	face := basicfont.Face7x13
	lines := wrap(words, max((img.Rect.Dx()-2*bannerMargin)/face.Advance, 1))
	strip := img.Rect
	strip.Min.Y = max(strip.Max.Y-len(lines)*face.Height-2*bannerMargin, 0)
	draw.Draw(img, strip, bannerStrip, image.Point{}, draw.Src)
	pen := font.Drawer{Dst: img, Src: bannerInk, Face: face}
	for i, line := range lines {
		pen.Dot = fixed.P(bannerMargin, strip.Min.Y+bannerMargin+i*face.Height+face.Ascent)
		pen.DrawString(line)
	}
}

// wrap breaks words into lines of at most width letters, where there are spaces
// to break them at.
func wrap(words string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(words) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}
