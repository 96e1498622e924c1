package demo

import (
	"fmt"
	"image"
	"testing"

	"vncgate/rfb"
)

func TestResize(t *testing.T) {
	d := still(t, Options{Width: 480, Height: 300})
	asks, other, old, rigid := watch(t, d), watch(t, d), watch(t, d), watch(t, d)
	for _, w := range []*watcher{asks, other} {
		w.encodings(rfb.EncodingZRLE, rfb.EncodingExtendedDesktopSize)
	}
	old.encodings(rfb.EncodingHextile, rfb.EncodingDesktopSize)
	for _, w := range []*watcher{asks, other, old, rigid} {
		w.picture()
		w.request(true)
	}
	if len(asks.layouts) != 1 || asks.layouts[0].reason != rfb.ResizeByServer || len(asks.layouts[0].screens) != 1 {
		t.Fatalf("at first: %v", asks.layouts)
	}
	screens := []rfb.Screen{{ID: 7, W: 200, H: 320, Flags: 1}, {ID: 9, X: 200, W: 160, H: 320}}
	asks.send(rfb.AppendSetDesktopSize(nil, 360, 320, screens...))
	for w, reason := range map[*watcher]int{asks: rfb.ResizeByClient, other: rfb.ResizeByOther} {
		w.update()
		want := layoutNote{reason, rfb.ResizeOK, 360, 320, screens}
		if got := w.layouts[len(w.layouts)-1]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("told %v, not %v", got, want)
		}
	}
	old.update()
	rigid.update()
	for _, w := range []*watcher{asks, other, old} {
		if w.size != image.Pt(360, 320) {
			t.Fatalf("size %v", w.size)
		}
		// An incremental request is enough: all of it is new.
		w.request(true)
		w.update()
		if diff := differs(w.pix, want(d.fb.img, newEncoder(&d.fb).conv), 360); !diff.Empty() {
			t.Errorf("differs in %v", diff)
		}
	}
	// One that cannot be told keeps its size; what is gone is black.
	rigid.picture()
	if at := func(x, y int) uint32 { return rigid.pix[y*480+x] }; at(359, 299) == 0 || at(360, 0) != 0 {
		t.Error("the picture of a viewer that knows no sizes is wrong")
	}
}

func TestResizeRefused(t *testing.T) {
	screen := func(w, h uint16) []rfb.Screen { return []rfb.Screen{{W: w, H: h}} }
	for name, c := range map[string]struct {
		w, h    uint16
		screens []rfb.Screen
		status  int
	}{
		"too wide":       {MaxWidth + 1, 600, screen(600, 600), rfb.ResizeOutOfMemory},
		"too high":       {600, 65535, screen(600, 600), rfb.ResizeOutOfMemory},
		"too many":       {640, 480, make([]rfb.Screen, maxScreens+1), rfb.ResizeOutOfMemory},
		"too small":      {MinWidth - 1, 600, screen(319, 600), rfb.ResizeInvalid},
		"nothing":        {0, 0, screen(0, 0), rfb.ResizeInvalid},
		"no screen":      {640, 480, nil, rfb.ResizeInvalid},
		"screen beyond":  {640, 480, []rfb.Screen{{X: 1, W: 640, H: 480}}, rfb.ResizeInvalid},
		"screen of none": {640, 480, screen(640, 0), rfb.ResizeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			d := still(t, Options{Width: MinWidth, Height: MinHeight})
			w := watch(t, d)
			w.encodings(rfb.EncodingRaw, rfb.EncodingExtendedDesktopSize)
			w.picture()
			w.request(true)
			w.send(rfb.AppendSetDesktopSize(nil, c.w, c.h, c.screens...))
			w.update()
			got := w.layouts[len(w.layouts)-1]
			if got.reason != rfb.ResizeByClient || got.status != c.status || got.w != MinWidth || got.h != MinHeight {
				t.Errorf("told %v", got)
			}
			if w.picture(); w.layouts[len(w.layouts)-1].status != rfb.ResizeOK {
				t.Error("the refusal was repeated")
			}
		})
	}
}

// A resize between SetEncodings and the first request is not lost, nor is one
// that came before the viewer said it could be told.
func TestResizeBeforeAnnouncement(t *testing.T) {
	d := still(t, Options{})
	a, b := watch(t, d), watch(t, d)
	a.encodings(rfb.EncodingZRLE, rfb.EncodingExtendedDesktopSize)
	a.send(rfb.AppendSetDesktopSize(nil, 500, 400, rfb.Screen{W: 500, H: 400}))
	if a.picture(); a.size != image.Pt(500, 400) {
		t.Errorf("the first has %v", a.size)
	}
	b.picture()
	b.encodings(rfb.EncodingZRLE, rfb.EncodingExtendedDesktopSize)
	if b.picture(); b.size != image.Pt(500, 400) {
		t.Errorf("the second has %v", b.size)
	}
}
