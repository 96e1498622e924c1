package video

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

// maxColours is how many a picture of a GIF has.
const maxColours = 256

// quantizer finds colours for pictures that have too many. Screens have few, as a
// rule: then they stay as they are. Else the colours are put into boxes, of which
// the one with the widest range of colours that are seen is halved until there are
// enough (Heckbert, "Color Image Quantization for Frame Buffer Display", 1982). It
// is for one goroutine; the zero value is ready.
type quantizer struct {
	counts [1 << 15]uint32 // pixels by the five upper bits of red, green and blue
	index  [1 << 15]uint8
}

// paletted is img in at most maxColours colours.
func (q *quantizer) paletted(img *image.RGBA) *image.Paletted {
	if p := exactly(img); p != nil {
		return p
	}
	clear(q.counts[:])
	each(img, func(_ int, p []byte) { q.counts[key(p)]++ })
	out := &image.Paletted{Pix: make([]byte, img.Rect.Dx()*img.Rect.Dy()), Stride: img.Rect.Dx(), Rect: img.Rect, Palette: q.choose()}
	each(img, func(i int, p []byte) { out.Pix[i] = q.index[key(p)] })
	return out
}

// exactly is img with its own colours, if they are few enough.
func exactly(img *image.RGBA) *image.Paletted {
	seen := make(map[[3]byte]uint8, maxColours)
	out := &image.Paletted{Pix: make([]byte, img.Rect.Dx()*img.Rect.Dy()), Stride: img.Rect.Dx(), Rect: img.Rect}
	for y := range img.Rect.Dy() {
		line := img.Pix[y*img.Stride:][:4*img.Rect.Dx()]
		var last [3]byte
		var at uint8
		for x := range img.Rect.Dx() {
			c := [3]byte(line[4*x:])
			if x == 0 || c != last {
				known, ok := seen[c]
				if !ok {
					if len(seen) == maxColours {
						return nil
					}
					known = uint8(len(seen))
					seen[c] = known
					out.Palette = append(out.Palette, color.RGBA{c[0], c[1], c[2], 0xff})
				}
				last, at = c, known
			}
			out.Pix[y*out.Stride+x] = at
		}
	}
	return out
}

// corner is the palette of the first pixel of a screen alone.
func (q *quantizer) corner(img *image.RGBA) color.Palette {
	return color.Palette{color.RGBA{img.Pix[0], img.Pix[1], img.Pix[2], 0xff}}
}

func key(p []byte) uint16 { return uint16(p[0]>>3)<<10 | uint16(p[1]>>3)<<5 | uint16(p[2]>>3) }

// each goes through the pixels.
func each(img *image.RGBA, f func(i int, p []byte)) {
	i := 0
	for y := range img.Rect.Dy() {
		line := img.Pix[y*img.Stride:][:4*img.Rect.Dx()]
		for ; len(line) > 0; line = line[4:] {
			f(i, line)
			i++
		}
	}
}

// box is some of the colours.
type box struct {
	keys  []uint16
	count uint64 // pixels
	span  int    // of the widest channel …
	by    int    // … which is the one that many bits up
}

func (q *quantizer) box(keys []uint16) box {
	b := box{keys: keys, span: -1}
	for _, shift := range []int{10, 5, 0} {
		least, most := 31, 0
		for _, k := range keys {
			v := int(k>>shift) & 31
			least, most = min(least, v), max(most, v)
		}
		if most-least > b.span {
			b.span, b.by = most-least, shift
		}
	}
	for _, k := range keys {
		b.count += uint64(q.counts[k])
	}
	return b
}

// choose finds the palette of what was counted, and the index of each colour.
func (q *quantizer) choose() color.Palette {
	var keys []uint16
	for k, n := range q.counts {
		if n > 0 {
			keys = append(keys, uint16(k))
		}
	}
	boxes := []box{q.box(keys)}
	for len(boxes) < maxColours {
		worst := 0
		for i, b := range boxes {
			if uint64(b.span)*b.count > uint64(boxes[worst].span)*boxes[worst].count {
				worst = i
			}
		}
		if boxes[worst].span == 0 {
			break
		}
		low, high := q.split(boxes[worst])
		boxes[worst] = low
		boxes = append(boxes, high)
	}
	palette := make(color.Palette, len(boxes))
	for i, b := range boxes {
		palette[i] = q.mean(b)
		for _, k := range b.keys {
			q.index[k] = uint8(i)
		}
	}
	return palette
}

// split halves a box by its pixels, with colours on both sides.
func (q *quantizer) split(b box) (low, high box) {
	slices.SortFunc(b.keys, func(x, y uint16) int { return cmp.Compare(x>>b.by&31, y>>b.by&31) })
	var sum uint64
	at := 0
	for at < len(b.keys)-1 && 2*sum < b.count {
		sum += uint64(q.counts[b.keys[at]])
		at++
	}
	return q.box(b.keys[:at]), q.box(b.keys[at:])
}

// mean is the colour of a box.
func (q *quantizer) mean(b box) color.RGBA {
	var sum [3]uint64
	for _, k := range b.keys {
		n := uint64(q.counts[k])
		for i, shift := range []int{10, 5, 0} {
			v := uint64(k>>shift) & 31
			sum[i] += n * (v<<3 | v>>2)
		}
	}
	return color.RGBA{uint8(sum[0] / b.count), uint8(sum[1] / b.count), uint8(sum[2] / b.count), 0xff}
}
