package interop

import (
	"image"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDecoderBesideViewers has real viewers and our decoder, in every encoding,
// look on while a display is busy. Then it stands still, and all of them show
// what it shows: pixel by pixel, but for encodings with loss.
func TestDecoderBesideViewers(t *testing.T) {
	needX(t)
	for _, tt := range []struct {
		name    string
		start   func(*testing.T, *scope) *busyDisplay
		viewers []viewerKind
	}{
		{"Xvnc", busyXvnc, []viewerKind{vncViewer, gtkVNC, noVNC, ownPage, libVNCClient}},
		{"x11vnc", busyX11vnc, []viewerKind{vncViewer, noVNC}},
		{"QEMU", bootingQEMU, []viewerKind{vncViewer, noVNC}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range tt.viewers {
				kind.needs(t)
			}
			s := testScope(t)
			d := tt.start(t, s)
			all := followAll(t, s, d.at)
			for _, kind := range tt.viewers {
				v, err := kind.open(s, d.at)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, watcher{name: kind.label, viewer: v})
			}
			allSee(t, all, d.picture)
			if err := d.stir(); err != nil {
				t.Fatal(err)
			}
			allSee(t, all, d.picture)
		})
	}
}

// A watcher is a viewer beside others.
type watcher struct {
	name string
	viewer
	loss bool
}

// allSee waits until each of them shows what the display does. They share one
// deadline: a dozen that each wait in vain would outlast the whole package.
func allSee(t *testing.T, all []watcher, picture func() (image.Image, error)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for _, w := range all {
		var got, want image.Image
		err := pollUntil(deadline, w.name+" shows the picture", func() (err error) {
			if want, err = picture(); err != nil {
				return err
			}
			if got, err = w.picture(); err != nil {
				return err
			}
			if w.loss {
				return near(got, want)
			}
			return differ(got, want)
		})
		if err != nil {
			keepPictures(t, got, want)
			t.Error(err)
		}
		if ours, ok := w.viewer.(*follower); ok {
			t.Logf("%s: %v, %.1f dB", w.name, ours.used(), psnr(got, want))
		}
	}
}

// A busyDisplay is one that moves when it is told to, and stands still
// otherwise.
type busyDisplay struct {
	*display
	stir func() error
}

// busyXvnc is an X server without a pointer that it could draw for some.
func busyXvnc(t *testing.T, s *scope) *busyDisplay {
	need(t, "Xtigervnc", "tigervnc-standalone-server")
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	x, err := startX(s, "Xtigervnc", append(deskArgs("busy"), "-rfbport", strconv.Itoa(port), "-localhost", "-nocursor")...)
	if err != nil {
		t.Fatal(err)
	}
	d := &display{process: x.process, label: "Xvnc", x: x, picture: x.picture, at: endpoint{host: "127.0.0.1", port: port, security: "none"}}
	return busyWindows(t, s, d)
}

// busyX11vnc shows the screen of another X server.
func busyX11vnc(t *testing.T, s *scope) *busyDisplay {
	need(t, "x11vnc", "x11vnc")
	d, err := startX11vncWith(s, "-nocursor")
	if err != nil {
		t.Fatal(err)
	}
	return busyWindows(t, s, d)
}

// busyWindows has a text and a calculator on a display's screen.
func busyWindows(t *testing.T, s *scope, d *display) *busyDisplay {
	need(t, "xedit", "x11-apps")
	need(t, "xcalc", "x11-apps")
	if err := d.ready(s); err != nil {
		t.Fatal(err)
	}
	dir, err := s.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	text, err := plainFile(s, "text", strings.Repeat("The quick brown fox jumps over the lazy dog.\n0123456789 {}[]()<>\n\n", 60))
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []*exec.Cmd{
		d.x.command("xedit", "-geometry", "360x300+40+60", text), d.x.command("xcalc", "-geometry", "200x260+400+20"),
	} {
		cmd.Dir = dir
		cmd.Env = append(cmd.Env, "HOME="+dir)
		if _, err := start(s, cmd.Args[0], cmd); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"xedit", "xcalc"} {
		if _, err := run(d.x.command("xdotool", "search", "--sync", "--onlyvisible", "--class", name)); err != nil {
			t.Fatal(err)
		}
	}
	return &busyDisplay{d, func() error { return moveWindows(d.x) }}
}

// moveWindows moves the calculator over the text, and scrolls that. It lies on
// top: of a window that another hides in part, and that it moves as several
// rectangles, Xvnc 1.12 at times tells all viewers wrongly, its own as well.
func moveWindows(x *xserver) error {
	if _, err := run(x.command("xdotool", "search", "--onlyvisible", "--class", "xcalc", "windowraise")); err != nil {
		return err
	}
	for i := range 12 {
		steps := [][]string{
			{"search", "--onlyvisible", "--class", "xcalc", "windowmove", strconv.Itoa(400 - 25*i), strconv.Itoa(20 + 13*i)},
			{"search", "--onlyvisible", "--class", "xedit", "windowfocus", "key", "ctrl+v"},
		}
		for _, step := range steps {
			if _, err := run(x.command("xdotool", step...)); err != nil {
				return err
			}
		}
	}
	return nil
}

// bootingQEMU is a machine that starts anew when it is told to: its screen takes
// other sizes, and text comes.
func bootingQEMU(t *testing.T, s *scope) *busyDisplay {
	needQEMU(t)
	d, err := startQEMU(s, qemuConfig{security: "vnc", password: secrets.qemu})
	if err != nil {
		t.Fatal(err)
	}
	return &busyDisplay{d, func() error {
		if err := d.control().do(`{"execute":"system_reset"}`, `{"execute":"cont"}`); err != nil {
			return err
		}
		return d.control().freeze(d)
	}}
}
