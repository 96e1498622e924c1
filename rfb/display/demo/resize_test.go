package demo

import (
	"fmt"
	"image"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display/screen/screentest"
)

func TestResize(t *testing.T) {
	d := still(t, Options{Width: 480, Height: 300})
	asks, other, old, rigid := watch(t, d), watch(t, d), watch(t, d), watch(t, d)
	for _, w := range []*screentest.Watcher{asks, other} {
		w.Encodings(rfb.EncodingZRLE, rfb.EncodingExtendedDesktopSize)
	}
	old.Encodings(rfb.EncodingHextile, rfb.EncodingDesktopSize)
	for _, w := range []*screentest.Watcher{asks, other, old, rigid} {
		w.Picture()
		w.Request(true)
	}
	if len(asks.Layouts) != 1 || asks.Layouts[0].Reason != rfb.ResizeByServer || len(asks.Layouts[0].Screens) != 1 {
		t.Fatalf("at first: %v", asks.Layouts)
	}
	screens := []rfb.Screen{{ID: 7, W: 200, H: 320, Flags: 1}, {ID: 9, X: 200, W: 160, H: 320}}
	asks.Send(rfb.AppendSetDesktopSize(nil, 360, 320, screens...))
	for w, reason := range map[*screentest.Watcher]int{asks: rfb.ResizeByClient, other: rfb.ResizeByOther} {
		w.Update()
		want := screentest.Layout{Reason: reason, Status: rfb.ResizeOK, W: 360, H: 320, Screens: screens}
		if got := w.Layouts[len(w.Layouts)-1]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("told %v, not %v", got, want)
		}
	}
	old.Update()
	rigid.Update()
	for _, w := range []*screentest.Watcher{asks, other, old} {
		if w.Size != image.Pt(360, 320) {
			t.Fatalf("size %v", w.Size)
		}
		// An incremental request is enough: all of it is new.
		w.Request(true)
		w.Update()
		if diff := screentest.Differs(w.Pix, screentest.Want(d.screen.Picture(), w.Format), 360); !diff.Empty() {
			t.Errorf("differs in %v", diff)
		}
	}
	// One that cannot be told keeps its size; what is gone is black.
	rigid.Picture()
	if at := func(x, y int) uint32 { return rigid.Pix[y*480+x] }; at(359, 299) == 0 || at(360, 0) != 0 {
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
			w.Encodings(rfb.EncodingRaw, rfb.EncodingExtendedDesktopSize)
			w.Picture()
			w.Request(true)
			w.Send(rfb.AppendSetDesktopSize(nil, c.w, c.h, c.screens...))
			w.Update()
			got := w.Layouts[len(w.Layouts)-1]
			if got.Reason != rfb.ResizeByClient || got.Status != c.status || got.W != MinWidth || got.H != MinHeight {
				t.Errorf("told %v", got)
			}
			if w.Picture(); w.Layouts[len(w.Layouts)-1].Status != rfb.ResizeOK {
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
	a.Encodings(rfb.EncodingZRLE, rfb.EncodingExtendedDesktopSize)
	a.Send(rfb.AppendSetDesktopSize(nil, 500, 400, rfb.Screen{W: 500, H: 400}))
	if a.Picture(); a.Size != image.Pt(500, 400) {
		t.Errorf("the first has %v", a.Size)
	}
	b.Picture()
	b.Encodings(rfb.EncodingZRLE, rfb.EncodingExtendedDesktopSize)
	if b.Picture(); b.Size != image.Pt(500, 400) {
		t.Errorf("the second has %v", b.Size)
	}
}
