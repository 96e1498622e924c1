package screen

// paletteSlots is the size of the hash table under a palette: a power of two,
// sparse enough that a look-up ends after a step or two.
const paletteSlots = 512

// A palette collects the colours of a tile in order of appearance, up to what
// ZRLE can index; one colour more makes it full.
type palette struct {
	colours []uint32
	full    bool
	slots   [paletteSlots]uint8 // 1 + index into colours, 0 is free
}

// reset forgets all colours.
func (p *palette) reset() {
	p.colours, p.full = p.colours[:0], false
	clear(p.slots[:])
}

// slot finds the place of colour c: its own, or the free one where it belongs.
func (p *palette) slot(c uint32) *uint8 {
	for i := c * 0x9e3779b1 >> 23; ; i = (i + 1) % paletteSlots {
		if s := &p.slots[i]; *s == 0 || p.colours[*s-1] == c {
			return s
		}
	}
}

// add notes colour c.
func (p *palette) add(c uint32) {
	if p.full {
		return
	}
	s := p.slot(c)
	if *s != 0 {
		return
	}
	if p.full = len(p.colours) == zrleMaxPalette; p.full {
		return
	}
	p.colours = append(p.colours, c)
	*s = uint8(len(p.colours))
}

// index is where c, which was added, stands in the palette.
func (p *palette) index(c uint32) int { return int(*p.slot(c)) - 1 }
