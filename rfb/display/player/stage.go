package player

import (
	"image"
	"image/draw"

	"vncgate/rfb/display"
	"vncgate/rfb/display/screen"
)

// A stage shows what a Follower draws on a screen. The pointer of the session is
// drawn into the picture where its place and shape are known: viewers that look
// on have one of their own. All but the screen is for one goroutine at a time.
type stage struct {
	screen *screen.Screen
	size   image.Point
	dirty  screen.Region   // drawn since the last show
	under  image.Rectangle // where the pointer was shown last
	name   string          // of the desktop, as shown last
	label  func(name string) string
	state  string // is added to the name
}

// newStage makes a stage for what f has drawn so far. label makes the desktop's
// name of the one in the session; the rest of its screen is o's.
func newStage(f *display.Follower, o screen.Options, label func(string) string) *stage {
	st := &stage{label: label, name: label(f.Name())}
	o.Name, o.Size = st.name, f.Image().Rect.Max
	st.screen = screen.New(o)
	st.turn(f)
	return st
}

// turn has the next show look at all of f, which may be another one.
func (st *stage) turn(f *display.Follower) {
	st.size = f.Image().Rect.Max
	st.dirty = screen.NewRegion(st.size)
	st.dirty.Add(image.Rectangle{Max: st.size})
}

// saw notes what a message of the session has drawn.
func (st *stage) saw(f *display.Follower, m display.Message) {
	if f.Image().Rect.Max != st.size {
		st.turn(f)
		return
	}
	st.dirty.Add(m.Drawn)
}

// show shows what has changed.
func (st *stage) show(f *display.Follower) {
	img := f.Image()
	if img.Rect.Max != st.size {
		st.turn(f)
	}
	at, restore := drawPointer(img, f.Cursor())
	st.dirty.Add(st.under)
	st.dirty.Add(at)
	if !st.dirty.Empty() {
		st.screen.Show(img, &st.dirty)
	}
	restore()
	st.under = at
	st.dirty.Clear()
	st.rename(f)
}

// rename has viewers know the desktop's name, if it is another one.
func (st *stage) rename(f *display.Follower) {
	if name := st.label(f.Name()) + st.state; name != st.name {
		st.name = name
		st.screen.Rename(name)
	}
}

// last shows what is known, and says why no more will come.
func (st *stage) last(f *display.Follower, words string) {
	img := image.NewRGBA(f.Image().Rect)
	copy(img.Pix, f.Image().Pix)
	drawBanner(img, words)
	st.screen.Show(img, nil)
}

// drawPointer draws the pointer into img and returns where, and how to take it
// away again. It draws nothing where its shape or its place is not known: the
// display has it in its picture then, or there is none.
func drawPointer(img *image.RGBA, c display.Cursor) (at image.Rectangle, restore func()) {
	if c.Shape == nil || !c.Told {
		return image.Rectangle{}, func() {}
	}
	whole := c.Shape.Rect.Add(c.At.Sub(c.Hot))
	at = whole.Intersect(img.Rect)
	if at.Empty() {
		return image.Rectangle{}, func() {}
	}
	before := image.NewRGBA(at)
	draw.Draw(before, at, img, at.Min, draw.Src)
	draw.Draw(img, at, c.Shape, c.Shape.Rect.Min.Add(at.Min.Sub(whole.Min)), draw.Over)
	return at, func() { draw.Draw(img, at, before, at.Min, draw.Src) }
}
