package screen

import (
	"image"

	"vncgate/rfb"
)

// Nobody is the number of no viewer.
const Nobody = -1

// OneScreen is the layout of a desktop that is a single screen.
func OneScreen(size image.Point) []rfb.Screen {
	return []rfb.Screen{{W: uint16(size.X), H: uint16(size.Y)}}
}

// Show shows img from now on, which is opaque and begins at 0, 0. touched is
// where it may differ from what is shown; nil is everywhere. It is copied as far
// as it differs, and may be painted on as soon as Show has returned. One of
// another size resizes the desktop.
func (s *Screen) Show(img *image.RGBA, touched *Region) {
	s.showing.Lock()
	defer s.showing.Unlock()
	if img.Rect.Max != s.Size() {
		s.resize(img, OneScreen(img.Rect.Max), Nobody)
		return
	}
	changed := s.fb.publish(img, touched)
	if changed.Empty() {
		return
	}
	s.each(func(v *viewer) { v.damaged(&changed) })
}

// Resize shows img, of another size or with other screens, because viewer by
// asked for it, or Nobody did. Viewers are told of the size before anything that
// is shown in it.
func (s *Screen) Resize(img *image.RGBA, screens []rfb.Screen, by int) {
	s.showing.Lock()
	defer s.showing.Unlock()
	s.resize(img, screens, by)
}

// resize is Resize for callers that hold showing.
func (s *Screen) resize(img *image.RGBA, screens []rfb.Screen, by int) {
	s.fb.publish(img, nil)
	size := img.Rect.Max
	s.mu.Lock()
	s.size, s.screens = size, screens
	s.mu.Unlock()
	s.each(func(v *viewer) {
		reason := uint16(rfb.ResizeByOther)
		switch by {
		case v.id:
			reason = rfb.ResizeByClient
		case Nobody:
			reason = rfb.ResizeByServer
		}
		v.resized(size, screens, reason)
	})
}

// RefuseResize tells a viewer, by its number, that it gets another status than rfb.ResizeOK for
// the size it asked for.
func (s *Screen) RefuseResize(id int, status uint16) {
	s.one(id, func(v *viewer) {
		v.post(func(p *pending) { p.layout, p.reason, p.status = true, rfb.ResizeByClient, status })
	})
}

// Rename gives the desktop another name.
func (s *Screen) Rename(name string) {
	s.mu.Lock()
	s.name = name
	s.mu.Unlock()
	s.each(func(v *viewer) { v.renamed(name) })
}

// SetCursor has viewers draw another cursor, which is not changed afterwards.
// nil leaves them the one they have.
func (s *Screen) SetCursor(c *Cursor) {
	s.mu.Lock()
	s.cursor = c
	s.mu.Unlock()
	s.each(func(v *viewer) { v.pointed(c) })
}

// Bell rings the bell at every viewer.
func (s *Screen) Bell() {
	s.each(func(v *viewer) { v.post(func(p *pending) { p.bell = true }) })
}

// CutText gives every viewer a text for its clipboard.
func (s *Screen) CutText(text string) {
	s.mu.Lock()
	s.text = text
	s.mu.Unlock()
	s.each(func(v *viewer) { v.post(func(p *pending) { p.cutText = true }) })
}

// Text is the one that CutText gave last.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text
}

// Size is that of the desktop in pixels.
func (s *Screen) Size() image.Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// Picture is a copy of what is shown; nil before the first picture.
func (s *Screen) Picture() *image.RGBA { return s.fb.copy() }

// Viewers is how many there are.
func (s *Screen) Viewers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.viewers)
}

// Watched reports whether a viewer waits for a picture: what is painted while
// none does, nobody may ever see.
func (s *Screen) Watched() bool {
	watched := false
	s.each(func(v *viewer) { watched = watched || v.watches() })
	return watched
}

// each calls f for every viewer that has been told of the desktop.
func (s *Screen) each(f func(*viewer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.viewers {
		if v.started {
			f(v)
		}
	}
}

// one calls f for a viewer, if it is there.
func (s *Screen) one(id int, f func(*viewer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.viewers[id]; v != nil && v.started {
		f(v)
	}
}
