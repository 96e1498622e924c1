package interop

import (
	"image"
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
// to see what the display shows, unless its own format is lossy.
func directPicture(t *testing.T, kind viewerKind, d *display) image.Image {
	t.Helper()
	direct.mu.Lock()
	defer direct.mu.Unlock()
	key := [2]string{kind.label, d.label}
	if img, ok := direct.pictures[key]; ok {
		return img
	}
	s := testScope(t)
	v, err := kind.open(s, d.at)
	if err != nil {
		t.Fatalf("%s directly at %s: %v", kind.label, d.label, err)
	}
	truth, err := d.picture()
	if err != nil {
		t.Fatal(err)
	}
	var img image.Image
	if kind.label == vncSnapshot.label {
		img, err = v.picture()
		if err != nil {
			t.Fatal(err)
		}
	} else {
		img = sees(t, v, truth)
	}
	s.close()
	if direct.pictures == nil {
		direct.pictures = map[[2]string]image.Image{}
	}
	direct.pictures[key] = img
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
