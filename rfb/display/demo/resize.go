package demo

import (
	"encoding/binary"
	"fmt"
	"image"
)

// The sizes that a viewer may ask for, in pixels.
const (
	MinWidth, MinHeight = 320, 200
	MaxWidth, MaxHeight = 3840, 2160
)

// maxScreens bounds the screens of a layout that is kept.
const maxScreens = 16

// Reasons and statuses of an ExtendedDesktopSize rectangle (rfbproto,
// "ExtendedDesktopSize Pseudo-Encoding"), which stand in place of x and y.
const (
	reasonDisplay = 0 // nobody asked for it
	reasonViewer  = 1 // this viewer asked
	reasonOther   = 2 // another viewer asked

	statusOK        = 0
	statusResources = 2 // more than there is room for
	statusInvalid   = 3 // the layout of screens makes no sense
)

// A screen is one of a desktop's monitors: SCREEN of rfbproto.
type screen struct {
	id    uint32
	area  image.Rectangle
	flags uint32
}

// screenLen is the length of a SCREEN on the wire.
const screenLen = 16

func parseScreen(b []byte) screen {
	at := func(i int) int { return int(binary.BigEndian.Uint16(b[i:])) }
	return screen{
		id:    binary.BigEndian.Uint32(b),
		area:  image.Rect(at(4), at(6), at(4)+at(8), at(6)+at(10)),
		flags: binary.BigEndian.Uint32(b[12:]),
	}
}

// append adds s as it is on the wire: U32 id, U16 x, y, w, h, U32 flags.
func (s screen) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, s.id)
	for _, n := range [4]int{s.area.Min.X, s.area.Min.Y, s.area.Dx(), s.area.Dy()} {
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	return binary.BigEndian.AppendUint32(b, s.flags)
}

// oneScreen is the layout of a desktop that is a single screen.
func oneScreen(size image.Point) []screen { return []screen{{area: image.Rectangle{Max: size}}} }

// judge returns the status that a SetDesktopSize deserves.
func judge(size image.Point, screens []screen) int {
	switch {
	case size.X > MaxWidth || size.Y > MaxHeight || len(screens) > maxScreens:
		return statusResources
	case size.X < MinWidth || size.Y < MinHeight || len(screens) == 0:
		return statusInvalid
	}
	for _, s := range screens {
		if s.area.Empty() || !s.area.In(image.Rectangle{Max: size}) {
			return statusInvalid
		}
	}
	return statusOK
}

// setDesktopSize answers a SetDesktopSize: everyone learns of a success, the
// viewer alone of a refusal.
func (d *Display) setDesktopSize(v *viewer, size image.Point, screens []screen) {
	status := judge(size, screens)
	if status == statusOK {
		d.resize(v, size, screens)
		return
	}
	v.post(func(p *pending) { p.layout, p.reason, p.status = true, reasonViewer, status })
	d.tell(fmt.Sprintf("A size of %d × %d was refused: from %d × %d to %d × %d will do.",
		size.X, size.Y, MinWidth, MinHeight, MaxWidth, MaxHeight))
}

// resize gives the display another size, which v asked for.
func (d *Display) resize(v *viewer, size image.Point, screens []screen) {
	d.painting.Lock()
	defer d.painting.Unlock()
	if size != d.scene.img.Rect.Max {
		d.scene = newScene(size, d.fonts)
		d.paint()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size, d.screens, d.bell = size, screens, d.scene.bell
	for _, w := range d.viewers {
		reason := reasonOther
		if w == v {
			reason = reasonViewer
		}
		w.resized(size, screens, reason)
	}
}
