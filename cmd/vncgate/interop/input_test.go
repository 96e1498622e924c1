package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// operated lists the viewers that tests work, with a front for each.
func operated() []struct {
	kind  viewerKind
	front string
} {
	return []struct {
		kind  viewerKind
		front string
	}{
		{vncViewer, "x509-plain"}, {noVNC, "wss"}, {ownPage, "wss-plain"},
		{libVNCClient, "x509-plain"}, {gtkVNC, "x509-sasl"},
	}
}

// TestInputArrives works keyboard and pointer of every viewer and looks at the
// display for what came.
func TestInputArrives(t *testing.T) {
	xvnc, x11vnc, qemu := theXvnc(t), theX11vnc(t), newQEMU(t)
	g := startGate(t, patient, xvnc.back("vnc"), x11vnc.back("vnc"), qemu.back("vnc"))
	for _, d := range []*display{xvnc, x11vnc, qemu} {
		t.Run(d.label, func(t *testing.T) {
			t.Parallel()
			for _, tt := range operated() {
				t.Run(tt.kind.label, func(t *testing.T) { testInput(t, g, tt.kind, tt.front, d) })
			}
		})
	}
}

// testInput works one viewer before one display, which has no other meanwhile.
func testInput(t *testing.T, g *gate, kind viewerKind, front string, d *display) {
	kind.needs(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the display said:\n%s", d.log.tail(40))
		}
	})
	v := operate(t, g, kind, front, d)
	if d.x == nil {
		reachesQEMU(t, d, v)
	} else {
		reachesX(t, d.x, v)
	}
}

// newQEMU is a machine for this test alone, which runs on.
func newQEMU(t *testing.T) *display {
	needQEMU(t)
	d, err := startQEMU(testScope(t), qemuConfig{security: "vnc", password: secrets.qemu})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.control().do(`{"execute":"cont"}`); err != nil {
		t.Fatal(err)
	}
	return d
}

// operate opens a viewer that a test works, and waits for its first picture.
func operate(t *testing.T, g *gate, kind viewerKind, front string, d *display) operator {
	t.Helper()
	endpoint := g.front(front, d.back("vnc").name)
	if kind.choosesItself {
		endpoint = g.only(front, d.back("vnc").name)
	}
	v, err := kind.open(testScope(t), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if d.x == nil { // its text cursor blinks
		eventually(t, "a picture", func() error {
			img, err := v.picture()
			if err != nil {
				return err
			}
			return telling(img)
		})
		return v.(operator)
	}
	want, err := d.picture()
	if err != nil {
		t.Fatal(err)
	}
	sees(t, v, want)
	return v.(operator)
}

func reachesX(t *testing.T, x *xserver, v operator) {
	t.Helper()
	s := testScope(t)
	defer s.close() // presses of buttons are told to one client alone
	xev, err := x.watchInput(s)
	if err != nil {
		t.Fatal(err)
	}
	// First elsewhere: x11vnc does not move a pointer to where its last viewer
	// put it, even if the test has moved it away since.
	if err := errors.Join(v.click(at.X+40, at.Y+40), v.click(at.X, at.Y)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pointer arrives", func() error {
		p, err := x.pointer()
		if err == nil && p != at {
			err = fmt.Errorf("it is at %v, not %v", p, at)
		}
		return err
	})
	click := fmt.Sprintf("root:(%d,%d)", at.X, at.Y)
	for _, event := range []string{"ButtonPress", "ButtonRelease"} {
		eventually(t, event+" arrives", func() error { return sawEvent(xev, event, click, "button 1") })
	}
	for _, k := range []key{keyX, keyReturn} {
		if err := v.press(k); err != nil {
			t.Fatal(err)
		}
		for _, event := range []string{"KeyPress", "KeyRelease"} {
			eventually(t, event+" arrives", func() error { return sawEvent(xev, event, k.shown()) })
		}
	}
}

// sawEvent is an error while xev has not printed an event with all of words.
func sawEvent(xev *process, event string, words ...string) error {
	for block := range strings.SplitSeq(xev.log.String(), "\n\n") {
		found := strings.Contains(block, event+" event")
		for _, word := range words {
			found = found && strings.Contains(block, word)
		}
		if found {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("no %s with %q", event, words), xev.alive())
}

// reachesQEMU looks at QEMU's trace of its input layer. Its absolute pointer
// has no device in this machine, so buttons are what shows of it.
func reachesQEMU(t *testing.T, d *display, v operator) {
	t.Helper()
	said := d.log.len()
	if _, gtk := v.(*lineViewer); !gtk { // gtk-vnc sends no clicks of a script to a relative pointer
		if err := v.click(at.X, at.Y); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the button arrives", func() error { return d.log.has(said, "input_event_btn") })
	}
	for _, k := range []struct {
		key
		qcode string
	}{{keyX, "x"}, {keyReturn, "ret"}} {
		if err := v.press(k.key); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the key arrives", func() error { return d.log.has(said, "qcode "+k.qcode+", down 0") })
	}
}
