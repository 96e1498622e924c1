package interop

import (
	"errors"
	"fmt"
	"image"
	"testing"
)

// TestResizeByDisplay changes the display's size under each viewer, which has
// to show the whole new picture.
func TestResizeByDisplay(t *testing.T) {
	d := newXvnc(t)
	g := startGate(t, patient, d.back("vnc"))
	sizes := []string{"800x600", "1024x768"}
	for i, tt := range operated() {
		t.Run(tt.kind.label, func(t *testing.T) {
			tt.kind.needs(t)
			v := operate(t, g, tt.kind, tt.front, d)
			if _, err := run(d.x.command("xrandr", "-s", sizes[i%2])); err != nil {
				t.Fatal(err)
			}
			want, err := d.picture()
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%dx%d", want.Bounds().Dx(), want.Bounds().Dy()); got != sizes[i%2] {
				t.Fatalf("the display is %s", got)
			}
			sees(t, v, want)
		})
	}
}

// TestResizeByViewer asks for another size from the viewer.
func TestResizeByViewer(t *testing.T) {
	t.Run("vncviewer", func(t *testing.T) {
		needVNCViewer(t)
		d := newXvnc(t)
		g := startGate(t, patient, d.back("vnc"))
		v, err := openVNCViewer(testScope(t), g.front("x509-plain", d.back("vnc").name), "-RemoteResize=1", "-DesktopSize=800x600")
		if err != nil {
			t.Fatal(err)
		}
		becomes(t, d, v, image.Pt(800, 600))
	})
	for _, kind := range []viewerKind{noVNC, ownPage} {
		t.Run(kind.label, func(t *testing.T) {
			kind.needs(t)
			d := newXvnc(t)
			g := startGate(t, patient, d.back("vnc"))
			endpoint := g.front("wss", d.back("vnc").name)
			base := foreignPages.value.URL
			if kind.label == ownPage.label {
				base = endpoint.page
			}
			p, err := openNoVNC(testScope(t), base, endpoint, "resize", "remote")
			if err != nil {
				t.Fatal(err)
			}
			followsWindow(t, d, p)
		})
	}
}

// followsWindow changes the size of the browser's window.
func followsWindow(t *testing.T, d *display, p *page) {
	t.Helper()
	for _, size := range []image.Point{{900, 700}, {700, 500}} {
		if err := p.do(nil, "resize", map[string]any{"width": size.X, "height": size.Y}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the display takes the window's size", func() error {
			got, err := d.x.size()
			if err == nil && (got.X > size.X || got.X < size.X-100 || got.Y > size.Y || got.Y < size.Y-100) {
				err = fmt.Errorf("it is %v in a window of %v", got, size)
			}
			return err
		})
		want, err := d.picture()
		if err != nil {
			t.Fatal(err)
		}
		sees(t, p, want)
	}
}

// becomes waits until the display has a size and the viewer shows it.
func becomes(t *testing.T, d *display, v viewer, size image.Point) {
	t.Helper()
	eventually(t, "the display takes the size asked for", func() error {
		got, err := d.x.size()
		if err == nil && got != size {
			err = fmt.Errorf("it is %v, not %v", got, size)
		}
		return err
	})
	want, err := d.picture()
	if err != nil {
		t.Fatal(err)
	}
	sees(t, v, want)
}

// newXvnc is an X server for this test alone.
func newXvnc(t *testing.T) *display {
	t.Helper()
	needX(t)
	need(t, "Xtigervnc", "tigervnc-standalone-server")
	need(t, "tigervncpasswd", "tigervnc-tools")
	d, err := startXvnc(testScope(t), thePKI(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestCursorArrives gives the display a cursor and compares what viewers make
// of it directly and through the gateway.
func TestCursorArrives(t *testing.T) {
	need(t, "xsetroot", "x11-xserver-utils")
	d := newXvnc(t)
	g := startGate(t, patient, d.back("vnc"))
	for _, tt := range []struct {
		kind   viewerKind
		front  string
		cursor func(viewer) (string, error)
	}{
		{noVNC, "wss", func(v viewer) (string, error) { return v.(*page).cursor() }},
		{ownPage, "wss", func(v viewer) (string, error) { return v.(*page).cursor() }},
		{libVNCClient, "x509-plain", func(v viewer) (string, error) { return v.(*lineViewer).lastEvent("cursor") }},
	} {
		t.Run(tt.kind.label, func(t *testing.T) {
			tt.kind.needs(t)
			cursor := func(at endpoint) string { return cursorSeen(t, tt.kind, at, d, tt.cursor) }
			directly, through := cursor(d.at), cursor(g.front(tt.front, d.back("vnc").name))
			if directly != through {
				t.Errorf("directly %s, through the gateway %s", directly, through)
			}
		})
	}
}

// cursorSeen changes the cursor under the pointer and returns what the viewer
// makes of the last one. The pointer is kept in motion: TigerVNC's server draws
// the cursor into the picture for viewers that have not moved it last.
func cursorSeen(t *testing.T, kind viewerKind, at endpoint, d *display, cursor func(viewer) (string, error)) string {
	t.Helper()
	s := testScope(t)
	defer s.close()
	v, err := kind.open(s, at)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a picture", func() error {
		img, err := v.picture()
		if err == nil && img.Bounds().Dx() != cardWidth {
			err = fmt.Errorf("of %v", img.Bounds())
		}
		return err
	})
	seen, clicks := "", 0
	for _, name := range []string{"cross", "gumby"} {
		before := seen
		if _, err := run(d.x.command("xsetroot", "-cursor_name", name)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the cursor arrives", func() error {
			clicks++
			if err := v.(operator).click(200+clicks%10, 100); err != nil {
				return err
			}
			now, err := cursor(v)
			if err == nil && now == before {
				err = errors.New("it is still the old one")
			}
			seen = now
			return err
		})
	}
	return seen
}
