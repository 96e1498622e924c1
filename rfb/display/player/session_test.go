package player

import (
	"image"
	"slices"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display/screen"
	"vncgate/rfb/display/screen/screentest"
)

// A session is a viewer at a screen, and whoever is handed what passes between
// them behind ServerInit.
type session struct {
	screen *screen.Screen
	viewer *screentest.Watcher
	tap    *screentest.Tap
}

// follower is whom it is handed to.
type follower = screentest.Follower

// join has a viewer look at s; what it says and is told goes to what follow
// returns, too.
func join(t *testing.T, s *screen.Screen, follow func(rfb.ServerInit) follower) *session {
	t.Helper()
	w, tap := screentest.Tapped(t, s.ServeConn, follow)
	return &session{screen: s, viewer: w, tap: tap}
}

// sees has w ask until it sees img.
func sees(t *testing.T, w *screentest.Watcher, img *image.RGBA) {
	t.Helper()
	want := screentest.Want(img, w.Format)
	for end := time.Now().Add(screentest.Patience); time.Now().Before(end); {
		if w.Picture(); w.Size == img.Rect.Max && slices.Equal(w.Pix, want) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("a viewer of %v never sees what it should", w.Size)
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(screentest.Patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// painted is a picture in which each n leaves other traces.
func painted(w, h, n int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		x, y := i%w, i/w
		copy(img.Pix[4*i:], []byte{byte(x * n), byte(y + 40*n), byte(n * 90), 255})
	}
	return img
}
