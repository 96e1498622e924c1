package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A dragger is an operator who can hold a key and a button.
type dragger interface {
	operator
	hold(k key, x, y int) error
	drag(x, y int) error
	letGo(key) error
}

func (v *tigerViewer) hold(k key, x, y int) error {
	return errors.Join(v.moveTo(x, y), v.do("mousedown", "1", "keydown", k.x))
}

func (v *tigerViewer) drag(x, y int) error { return v.moveTo(x, y) }

func (v *tigerViewer) letGo(k key) error { return v.do("mouseup", "1", "keyup", k.x) }

func (p *page) hold(k key, x, y int) error {
	return p.do(nil, "hold", map[string]any{"x": x, "y": y, "key": k.browser})
}

func (p *page) drag(x, y int) error { return p.do(nil, "move", map[string]any{"x": x, "y": y}) }

func (p *page) letGo(k key) error { return p.do(nil, "letGo", map[string]any{"key": k.browser}) }

// TestRightsGoInMidDrag takes rights away from viewers that hold a key and a
// button. The display sees both released, and nothing pressed afterwards.
func TestRightsGoInMidDrag(t *testing.T) {
	t.Parallel()
	displays := map[string]*display{"tigervnc": newDesk(t, "drag"), "novnc": newX11vnc(t), "ended": newX11vnc(t)}
	g := startRuled(t, displays, map[string]string{"tigervnc": most, "novnc": most, "ended": most})
	for name, kind := range map[string]viewerKind{"tigervnc": vncViewer, "novnc": noVNC} {
		t.Run(kind.label+" to "+displays[name].label, func(t *testing.T) {
			t.Parallel()
			d := displays[name]
			v := g.open(t, testScope(t), kind, name, d).(dragger)
			xev := holds(t, v, d)
			losesGrip(t, g, xev, name, "allow=view")
			w := g.watch(kind, name)
			if err := errors.Join(v.drag(at.X+90, at.Y+60), v.letGo(keyX), v.click(at.X, at.Y), v.press(keyReturn)); err != nil {
				t.Fatal(err)
			}
			w.judged(t, releases(keyReturn))
			g.regrant(t, name, most)
			last := key{"z", "z", 0x7a}
			if err := v.press(last); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a key arrives", func() error { return sawEvent(xev, "KeyRelease", last.shown()) })
			if err := pressed(xev); err != nil {
				t.Error(err)
			}
			if err := sawEvent(xev, "KeyPress", keyReturn.shown()); err == nil {
				t.Error("the display saw a key that the viewer pressed without the right to")
			}
			if n := strings.Count(xev.log.String(), "ButtonPress event"); n != 1 {
				t.Errorf("the display saw %d buttons", n)
			}
		})
	}
	t.Run("session ended", func(t *testing.T) {
		t.Parallel()
		v := g.open(t, testScope(t), vncViewer, "ended", displays["ended"]).(dragger)
		xev := holds(t, v, displays["ended"])
		losesGrip(t, g, xev, "ended", "deny=all")
		eventually(t, "the viewer is sent away", func() error {
			return g.log.has(0, `reason="access withdrawn"`)
		})
	})
}

// newX11vnc is x11vnc on an Xvfb for this test alone.
func newX11vnc(t *testing.T) *display { return newX11vncWith(t) }

func newX11vncWith(t *testing.T, more ...string) *display {
	t.Helper()
	needX(t)
	need(t, "x11vnc", "x11vnc")
	need(t, "tigervncpasswd", "tigervnc-tools")
	d, err := startX11vncWith(testScope(t), more...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// holds has a viewer press a key and a button, and drag.
func holds(t *testing.T, v dragger, d *display) *process {
	t.Helper()
	xev, err := d.x.watchInput(testScope(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(v.hold(keyX, at.X, at.Y), v.drag(at.X+30, at.Y+20)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key is down", func() error { return sawEvent(xev, "KeyPress", keyX.shown()) })
	eventually(t, "the button is down", func() error { return sawEvent(xev, "ButtonPress", "button 1") })
	dragged := fmt.Sprintf("root:(%d,%d)", at.X+30, at.Y+20)
	eventually(t, "it is dragged", func() error { return sawEvent(xev, "MotionNotify", dragged) })
	if pressed(xev) == nil {
		t.Fatal("nothing is down")
	}
	return xev
}

// losesGrip changes the policy for a target and waits until nothing is down on
// its display.
func losesGrip(t *testing.T, g *ruled, xev *process, target, rights string) {
	t.Helper()
	begun := time.Now()
	g.rule(t, target, rights)
	eventually(t, "all is released", func() error { return pressed(xev) })
	t.Logf("all is released %v after the policy says %s", time.Since(begun).Round(time.Millisecond), rights)
}

// pressed is an error while keys or buttons are down, as xev has seen it.
func pressed(xev *process) error {
	log := xev.log.String()
	keys := strings.Count(log, "KeyPress event") - strings.Count(log, "KeyRelease event")
	buttons := strings.Count(log, "ButtonPress event") - strings.Count(log, "ButtonRelease event")
	if keys != 0 || buttons != 0 {
		return errors.Join(fmt.Errorf("%d keys and %d buttons are down", keys, buttons), xev.alive())
	}
	return nil
}
