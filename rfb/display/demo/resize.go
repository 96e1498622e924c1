package demo

import (
	"fmt"
	"image"

	"vncgate/rfb"
)

// The sizes that a viewer may ask for, in pixels.
const (
	MinWidth, MinHeight = 320, 200
	MaxWidth, MaxHeight = 3840, 2160
)

// maxScreens bounds the screens of a layout that is kept.
const maxScreens = 16

// oneScreen is the layout of a desktop that is a single screen.
func oneScreen(size image.Point) []rfb.Screen {
	return []rfb.Screen{{W: uint16(size.X), H: uint16(size.Y)}}
}

// judge returns the status that a SetDesktopSize deserves (rfbproto,
// "ExtendedDesktopSize Pseudo-Encoding").
func judge(size image.Point, screens []rfb.Screen) uint16 {
	switch {
	case size.X > MaxWidth || size.Y > MaxHeight || len(screens) > maxScreens:
		return rfb.ResizeOutOfMemory
	case size.X < MinWidth || size.Y < MinHeight || len(screens) == 0:
		return rfb.ResizeInvalid
	}
	for _, s := range screens {
		if s.W == 0 || s.H == 0 || int(s.X)+int(s.W) > size.X || int(s.Y)+int(s.H) > size.Y {
			return rfb.ResizeInvalid
		}
	}
	return rfb.ResizeOK
}

// setDesktopSize answers a SetDesktopSize: everyone learns of a success, the
// viewer alone of a refusal.
func (d *Display) setDesktopSize(v *viewer, size image.Point, screens []rfb.Screen) {
	status := judge(size, screens)
	if status == rfb.ResizeOK {
		d.resize(v, size, screens)
		return
	}
	v.post(func(p *pending) { p.layout, p.reason, p.status = true, rfb.ResizeByClient, status })
	d.tell(fmt.Sprintf("A size of %d × %d was refused: from %d × %d to %d × %d will do.",
		size.X, size.Y, MinWidth, MinHeight, MaxWidth, MaxHeight))
}

// resize gives the display another size, which v asked for.
func (d *Display) resize(v *viewer, size image.Point, screens []rfb.Screen) {
	d.painting.Lock()
	defer d.painting.Unlock()
	if size != d.fb.size() {
		d.scene = newScene(size, d.fonts)
		// Not paint: viewers are told of the size before anything in it.
		d.fb.publish(d.scene.img, d.scene.paint(d.moment()))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size, d.screens, d.bell = size, screens, d.scene.bell
	for _, w := range d.viewers {
		reason := uint16(rfb.ResizeByOther)
		if w == v {
			reason = rfb.ResizeByClient
		}
		w.resized(size, screens, reason)
	}
}
