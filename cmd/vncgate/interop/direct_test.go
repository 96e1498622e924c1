package interop

import (
	"image"
	"slices"
	"sync"
	"testing"
)

// direct pictures are what each kind of viewer sees of each display without
// the gateway. They are taken once.
var direct struct {
	mu       sync.Mutex
	pictures map[[2]string]image.Image
}

// directPicture shows d in a viewer that connects to it itself. The viewer has
// to see what the display says it shows, unless its own format is lossy. Where
// it does not speak the display's security, the display's word is taken.
func directPicture(t *testing.T, kind viewerKind, d *display) image.Image {
	t.Helper()
	direct.mu.Lock()
	defer direct.mu.Unlock()
	key := [2]string{kind.label, d.label}
	if img, ok := direct.pictures[key]; ok {
		return img
	}
	img, err := d.picture()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(kind.cannot, d.at.security) {
		img = lookDirectly(t, kind, d, img)
	}
	if direct.pictures == nil {
		direct.pictures = map[[2]string]image.Image{}
	}
	direct.pictures[key] = img
	return img
}

// lookDirectly opens a viewer at the display, whose own picture truth is.
func lookDirectly(t *testing.T, kind viewerKind, d *display, truth image.Image) image.Image {
	t.Helper()
	s := testScope(t)
	defer s.close()
	v, err := kind.open(s, d.at)
	if err != nil {
		t.Fatalf("%s directly at %s: %v", kind.label, d.label, err)
	}
	if !kind.lossy {
		return sees(t, v, truth)
	}
	img, err := v.picture()
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestViewersDirectly(t *testing.T) {
	for _, tt := range []struct {
		kind viewerKind
		the  func(testing.TB) *display
	}{
		{vncViewer, theXvnc}, {vncViewer, theQEMU}, {vncViewer, theX11vnc},
		{gtkVNC, theQEMUX509Vnc}, {gtkVNC, theQEMUSASL},
		{gvncCapture, theQEMUX509Vnc}, {gvncCapture, theQEMUSASL},
		{libVNCClient, theXvnc}, {vncSnapshot, theXvnc},
		{noVNC, theXvnc}, {noVNC, theQEMU}, {noVNC, theX11vnc},
		{ownPage, theXvnc}, {ownPage, theQEMU}, {ownPage, theX11vnc},
	} {
		d := tt.the
		t.Run(tt.kind.label, func(t *testing.T) {
			tt.kind.needs(t)
			d := d(t)
			t.Log(d.label)
			directPicture(t, tt.kind, d)
		})
	}
}
