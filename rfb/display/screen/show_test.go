package screen

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"net"
	"slices"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display/screen/screentest"
)

// plain is a picture of one colour.
func plain(w, h int, c color.RGBA) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		copy(img.Pix[4*i:], []byte{c.R, c.G, c.B, 255})
	}
	return img
}

// shows fails unless w, asked for what is new, then sees img.
func shows(t *testing.T, w *screentest.Watcher, img *image.RGBA) {
	t.Helper()
	w.Request(true)
	w.Update()
	if got, want := w.Pix, screentest.Want(img, w.Format); w.Size != img.Rect.Max || !slices.Equal(got, want) {
		t.Errorf("a viewer of %v sees something else", w.Size)
	}
}

func TestShow(t *testing.T) {
	s := New(Options{Name: "first", Size: image.Pt(200, 100)})
	defer s.Close()
	w := screentest.Watch(t, s.ServeConn)
	if w.Init.Name != "first" || w.Init.Width != 200 || s.Viewers() != 1 {
		t.Errorf("%+v, %d viewers", w.Init, s.Viewers())
	}
	w.Encodings(rfb.EncodingZRLE, rfb.EncodingExtendedDesktopSize, rfb.EncodingDesktopName, rfb.EncodingCursor)
	if s.Picture() != nil {
		t.Error("there is a picture already")
	}
	shows(t, w, plain(200, 100, color.RGBA{})) // black, until there is one

	img := plain(200, 100, color.RGBA{R: 200})
	s.Show(img, nil)
	shows(t, w, img)
	img.SetRGBA(150, 50, color.RGBA{1, 2, 3, 255})
	touched := NewRegion(img.Rect.Max)
	touched.Add(image.Rect(150, 50, 151, 51))
	s.Show(img, &touched)
	shows(t, w, img)

	s.Rename("second")
	w.Request(true)
	if w.Update(); w.Name != "second" {
		t.Errorf("the name is %q", w.Name)
	}
	s.SetCursor(dot())
	w.Request(true)
	if w.Update(); len(w.Cursors) != 1 {
		t.Errorf("%d cursors", len(w.Cursors))
	}
	s.Bell()
	s.CutText("text")
	for w.Bells == 0 || len(w.Cuts) == 0 {
		w.Next()
	}
	if s.Text() != w.Cuts[0] {
		t.Errorf("the text is %q", w.Cuts)
	}
}

// A picture of another size resizes the desktop, of those who came before and
// after it.
func TestShowAnotherSize(t *testing.T) {
	s := New(Options{Size: image.Pt(64, 64)})
	defer s.Close()
	before := screentest.Watch(t, s.ServeConn)
	before.Encodings(rfb.EncodingHextile, rfb.EncodingDesktopSize)
	img := plain(300, 20, color.RGBA{G: 200})
	s.Show(img, nil)
	before.Request(true)
	before.Update() // the size alone
	shows(t, before, img)
	after := screentest.Watch(t, s.ServeConn)
	shows(t, after, img)
	if got := s.Picture(); !slices.Equal(got.Pix, img.Pix) || s.Size() != img.Rect.Max {
		t.Errorf("%v is shown", s.Size())
	}
}

// A viewer may ask for another size and is told no where nobody answers.
func TestSizesAreProhibited(t *testing.T) {
	s := New(Options{Size: image.Pt(64, 64)})
	defer s.Close()
	w := screentest.Watch(t, s.ServeConn)
	w.Encodings(rfb.EncodingRaw, rfb.EncodingExtendedDesktopSize)
	w.Picture()
	w.Request(true)
	w.Send(rfb.AppendSetDesktopSize(nil, 100, 100, rfb.Screen{W: 100, H: 100}))
	w.Update()
	if l := w.Layouts[len(w.Layouts)-1]; l.Status != rfb.ResizeProhibited || l.W != 64 {
		t.Errorf("%v", l)
	}
}

func TestSizesThatCannotBe(t *testing.T) {
	for _, c := range []struct{ give, want image.Point }{{image.Point{}, image.Pt(1, 1)}, {image.Pt(1<<20, -4), image.Pt(1<<16-1, 1)}} {
		if got := New(Options{Size: c.give}).Size(); got != c.want {
			t.Errorf("%v became %v", c.give, got)
		}
	}
}

func TestWatched(t *testing.T) {
	s := New(Options{Size: image.Pt(64, 64)})
	defer s.Close()
	w := screentest.Watch(t, s.ServeConn)
	w.Picture()
	if s.Watched() {
		t.Error("watched by one that asks for nothing")
	}
	w.Request(true)
	w.Send(rfb.AppendFence(nil, 0, nil)) // so that the request has been read,
	w.Send(rfb.AppendFence(nil, 0, nil)) // as a pipe has no buffer
	if !s.Watched() {
		t.Error("not watched by one that waits")
	}
}

func ExampleScreen_Show() {
	s := New(Options{Name: "lobby", Size: image.Pt(640, 400)})
	defer s.Close()
	s.Show(image.NewRGBA(image.Rect(0, 0, 800, 600)), nil)

	viewer, display := net.Pipe()
	go func() { _ = s.ServeConn(context.Background(), display) }()

	ctx := context.Background()
	conn, err := rfb.Client(ctx, viewer, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	_ = conn.WriteClientInit(ctx, true)
	init, err := conn.ReadServerInit(ctx)
	fmt.Println(init.Name, init.Width, init.Height, err)
	// Output: lobby 800 600 <nil>
}
