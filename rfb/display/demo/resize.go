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
func (d *Display) setDesktopSize(viewer int, size image.Point, screens []rfb.Screen) {
	status := judge(size, screens)
	if status == rfb.ResizeOK {
		d.resize(viewer, size, screens)
		return
	}
	d.screen.RefuseResize(viewer, status)
	d.tell(fmt.Sprintf("A size of %d × %d was refused: from %d × %d to %d × %d will do.",
		size.X, size.Y, MinWidth, MinHeight, MaxWidth, MaxHeight))
}

// resize gives the display another size, which a viewer asked for.
func (d *Display) resize(viewer int, size image.Point, screens []rfb.Screen) {
	d.painting.Lock()
	defer d.painting.Unlock()
	if size != d.screen.Size() {
		d.scene = newScene(size, d.fonts)
		d.scene.paint(d.moment())
	}
	d.screen.Resize(d.scene.img, screens, viewer)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bell = d.scene.bell
}
