package demo

import (
	"image"
	"maps"
	"slices"
	"time"
)

// What is remembered of the viewers' doings: constants, whatever they send.
const (
	maxKeys    = 8                      // last keys shown
	maxTrail   = 24                     // places a pointer has been
	maxRipples = 6                      // clicks that still spread
	maxShown   = 160                    // runes of clipboard text shown
	trailLife  = 700 * time.Millisecond // until a place is forgotten
	rippleLife = 600 * time.Millisecond // until a click has spread
	noticeLife = 5 * time.Second        // until a notice gives way
)

// A keyPress is one key that went down, as often as it repeated.
type keyPress struct {
	sym, code uint32 // keysym; XT keycode, 0 where the viewer sends none
	count     int    // 1, more while the key repeats
	down      bool
	viewer    int
}

// A spot is a place that a pointer was at.
type spot struct {
	at   image.Point
	when time.Time
}

// A pointer is that of one viewer.
type pointer struct {
	viewer  int
	at      image.Point
	buttons uint16 // bit 0 is button 1
	trail   []spot // oldest first
	ripples []spot
}

// A clip is the last text that was pasted.
type clip struct {
	text  string // at most maxShown runes
	runes int    // how long it really was
}

// An input is what the viewers have done: the part of the picture that is
// theirs. The Display's lock guards it.
type input struct {
	keys     []keyPress // oldest first
	pointers map[int]*pointer
	moved    int // the viewer whose pointer moved last
	clip     clip
	notice   string
	noticeAt time.Time
}

func newInput() *input { return &input{pointers: map[int]*pointer{}} }

// key notes that a viewer pressed or released a key.
func (in *input) key(k keyPress) {
	for i := len(in.keys) - 1; i >= 0; i-- {
		old := &in.keys[i]
		if old.sym != k.sym || old.viewer != k.viewer || !old.down {
			continue
		}
		if k.down {
			old.count++
		}
		old.down = k.down
		return
	}
	if !k.down {
		return
	}
	k.count = 1
	if len(in.keys) == maxKeys {
		in.keys = slices.Delete(in.keys, 0, 1)
	}
	in.keys = append(in.keys, k)
}

// point notes where a viewer's pointer is and which buttons are held, and
// returns those that have just gone down.
func (in *input) point(viewer int, at image.Point, buttons uint16, now time.Time) uint16 {
	p := in.pointers[viewer]
	if p == nil {
		p = &pointer{viewer: viewer}
		in.pointers[viewer] = p
	}
	pressed := buttons &^ p.buttons
	p.at, p.buttons, in.moved = at, buttons, viewer
	p.trail = remember(p.trail, spot{at, now}, maxTrail)
	if pressed != 0 {
		p.ripples = remember(p.ripples, spot{at, now}, maxRipples)
	}
	return pressed
}

// remember appends s and forgets the oldest beyond limit.
func remember(spots []spot, s spot, limit int) []spot {
	if len(spots) == limit {
		spots = slices.Delete(spots, 0, 1)
	}
	return append(spots, s)
}

// leave forgets a viewer's pointer and lets go of its keys.
func (in *input) leave(viewer int) {
	delete(in.pointers, viewer)
	for i := range in.keys {
		if in.keys[i].viewer == viewer {
			in.keys[i].down = false
		}
	}
}

// paste notes a text that a viewer sent.
func (in *input) paste(text string) {
	runes := []rune(text)
	in.clip = clip{text: string(runes[:min(len(runes), maxShown)]), runes: len(runes)}
}

// tell shows a line of text for a while.
func (in *input) tell(notice string, now time.Time) {
	in.notice, in.noticeAt = notice, now
}

// copy returns what there is to paint at the time given, which the painter
// keeps while in goes on changing. What has faded by then is left out.
func (in *input) copy(now time.Time) *input {
	c := newInput()
	c.keys, c.clip, c.moved = slices.Clone(in.keys), in.clip, in.moved
	if now.Sub(in.noticeAt) < noticeLife {
		c.notice, c.noticeAt = in.notice, in.noticeAt
	}
	for id, p := range in.pointers {
		q := *p
		q.trail, q.ripples = alive(p.trail, now, trailLife), alive(p.ripples, now, rippleLife)
		c.pointers[id] = &q
	}
	return c
}

// alive copies those of spots that are younger than life.
func alive(spots []spot, now time.Time, life time.Duration) []spot {
	i := slices.IndexFunc(spots, func(s spot) bool { return now.Sub(s.when) < life })
	if i < 0 {
		return nil
	}
	return slices.Clone(spots[i:])
}

// byViewer returns the pointers in the order the viewers came.
func (in *input) byViewer() []*pointer {
	return slices.SortedFunc(maps.Values(in.pointers), func(a, b *pointer) int { return a.viewer - b.viewer })
}

// latest returns the pointer that moved last, or nil.
func (in *input) latest() *pointer {
	if p := in.pointers[in.moved]; p != nil {
		return p
	}
	for _, p := range in.byViewer() {
		return p
	}
	return nil
}

// holds reports whether a viewer holds a key down.
func (in *input) holds(viewer int, sym uint32) bool {
	return slices.ContainsFunc(in.keys, func(k keyPress) bool {
		return k.viewer == viewer && k.sym == sym && k.down
	})
}
