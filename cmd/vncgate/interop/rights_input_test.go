package interop

import (
	"errors"
	"fmt"
	"image"
	"strings"
	"testing"
)

// watchers are the viewers whose users try what they may not, by names of
// targets.
func watchers() map[string]viewerKind {
	return map[string]viewerKind{"novnc": noVNC, "tigervnc": vncViewer, "gtkvnc": gtkVNC, "libvnc": libVNCClient}
}

// most is what a session may do to which less is left later: without the bell,
// so that what the display says is looked at from the first moment on.
const most = "allow=all deny=bell"

// TestViewOnlyOnX has each viewer work a display, then try to while it may only
// look, and work it again. The display sees the first and the last.
func TestViewOnlyOnX(t *testing.T) {
	t.Parallel()
	displays, rights := map[string]*display{}, map[string]string{}
	for name := range watchers() {
		displays[name], rights[name] = newDesk(t, name), most
	}
	g := startRuled(t, displays, rights)
	for name, kind := range watchers() {
		t.Run(kind.label, func(t *testing.T) {
			t.Parallel()
			d := displays[name]
			v := g.open(t, testScope(t), kind, name, d)
			reachesX(t, d.x, v)
			carries(t, d, v, "up to "+name, "down to "+name)
			seen := triesOnX(t, g, kind, name, d, v)
			if len(seen) > 0 {
				t.Errorf("the display saw:\n%s", strings.Join(seen, "\n"))
			}
		})
	}
}

// newDesk is an X server without a password for this test alone.
func newDesk(t *testing.T, name string) *display {
	t.Helper()
	needX(t)
	need(t, "Xtigervnc", "tigervnc-standalone-server")
	d, err := startDesk(testScope(t), name, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.clipboard = "clipboard"
	return d
}

// triesOnX has a viewer that may only look type, click and paste. Then it gets
// its rights back and presses Return. What triesOnX returns has the display seen
// before that Return, which the viewer has sent behind everything else.
func triesOnX(t *testing.T, g *ruled, kind viewerKind, target string, d *display, v operator) (seen []string) {
	t.Helper()
	s := testScope(t)
	xev, err := d.x.watchInput(s)
	if err != nil {
		t.Fatal(err)
	}
	last := at.Add(image.Pt(50, 0))
	if err := v.click(last.X, last.Y); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all before has arrived", func() error {
		return sawEvent(xev, "ButtonRelease", fmt.Sprintf("root:(%d,%d)", last.X, last.Y))
	})
	g.regrant(t, target, "allow=view")
	said, w := xev.log.len(), g.watch(kind, target)
	const own = "the display's own"
	if err := d.x.copyText(s, own, d.clipboard); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the display has a text", func() error { return d.x.pastes(own, d.clipboard) })
	tries(t, v)
	w.judged(t, isCutText, releases(keyX))
	if v.pastes(own) == nil {
		seen = append(seen, "its own text, in the viewer")
	}
	if is, err := d.x.pointer(); err != nil || is != last {
		seen = append(seen, fmt.Sprintf("its pointer at %v, not at %v (%v)", is, last, err))
	}
	g.regrant(t, target, most)
	if err := v.press(keyReturn); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a key arrives", func() error { return sawEvent(xev, "KeyRelease", keyReturn.shown()) })
	seen = append(seen, inputSeen(xev.log.String()[said:], keyReturn)...)
	if err := d.x.pastes(own, d.clipboard); err != nil {
		seen = append(seen, err.Error())
	}
	return seen
}

// tries has a viewer click, copy, which it tells of when it is used, and type x.
func tries(t *testing.T, v operator) {
	t.Helper()
	err := errors.Join(v.click(at.X+70, at.Y), v.copyText(testScope(t), "not for the display"), v.click(at.X+90, at.Y), v.press(keyX))
	if err != nil {
		t.Fatal(err)
	}
}

// inputSeen is each key and button among what xev has printed, but for one key.
func inputSeen(printed string, but key) (seen []string) {
	for block := range strings.SplitSeq(printed, "\n\n") {
		for _, event := range []string{"KeyPress", "KeyRelease", "ButtonPress", "ButtonRelease"} {
			if strings.Contains(block, event+" event") && !strings.Contains(block, but.shown()) {
				seen = append(seen, block)
			}
		}
	}
	return seen
}

// TestViewOnlyOnQEMU is the same with a machine, whose trace of its input layer
// tells what it sees.
func TestViewOnlyOnQEMU(t *testing.T) {
	t.Parallel()
	d := newQEMU(t)
	displays, rights := map[string]*display{}, map[string]string{}
	for name := range watchers() {
		displays[name], rights[name] = d, most
	}
	g := startRuled(t, displays, rights)
	for name, kind := range watchers() {
		t.Run(kind.label, func(t *testing.T) {
			s := testScope(t)
			v := g.open(t, s, kind, name, d)
			reachesQEMU(t, d, v)
			g.regrant(t, name, "allow=view")
			said, w := d.log.len(), g.watch(kind, name)
			tries(t, v)
			w.judged(t, isCutText, releases(keyX))
			g.regrant(t, name, most)
			if err := v.press(keyReturn); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a key arrives", func() error { return d.log.has(said, "qcode ret, down 0") })
			for line := range strings.Lines(d.log.String()[said:]) {
				if strings.Contains(line, "input_event") && !strings.Contains(line, "qcode ret,") && !strings.Contains(line, "input_event_sync") {
					t.Errorf("the machine saw %s", line)
				}
			}
		})
	}
}
