package demo

import (
	"fmt"
	"image"
	"strings"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display/screen"
)

// join has the painter paint, for one viewer more.
func (d *Display) join(int) {
	d.crowd(1)
	d.refresh()
}

// leave forgets a viewer. The last one to leave stops the painter.
func (d *Display) leave(viewer int) {
	d.mu.Lock()
	d.input.leave(viewer)
	d.mu.Unlock()
	d.crowd(-1)
	d.changed()
}

// crowd counts a viewer in or out, tells everyone the desktop's name, and has
// the painter work as long as there are any.
func (d *Display) crowd(more int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.viewers += more
	d.screen.Rename(d.name())
	switch {
	case d.viewers > 0 && d.stop == nil && !d.options.Still:
		d.stop = make(chan struct{})
		d.drawing.Add(1)
		go d.animate(d.stop)
	case d.viewers == 0 && d.stop != nil:
		close(d.stop)
		d.stop = nil
	}
}

// name is the desktop's name. The caller holds the lock.
func (d *Display) name() string {
	if d.viewers < 2 {
		return d.options.Name
	}
	return fmt.Sprintf("%s (%s)", d.options.Name, count(d.viewers, "viewer"))
}

// refresh paints a picture at once: the first one, or one with a new viewer.
func (d *Display) refresh() {
	d.painting.Lock()
	defer d.painting.Unlock()
	if d.scene == nil {
		d.scene = newScene(d.screen.Size(), d.fonts)
		d.mu.Lock()
		d.bell = d.scene.bell
		d.mu.Unlock()
	}
	d.paint()
}

// animate paints at the frame rate until stop is closed, as long as someone
// waits for a picture.
func (d *Display) animate(stop <-chan struct{}) {
	defer d.drawing.Done()
	tick := time.NewTicker(time.Second / time.Duration(d.options.FrameRate))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if d.screen.Watched() {
				d.refresh()
			}
		case <-stop:
			return
		}
	}
}

// changed brings what viewers have sent into the picture. A display that moves
// does so with its next frame.
func (d *Display) changed() {
	if d.options.Still {
		d.refresh()
	}
}

// paint shows the picture of this moment. The caller holds the painting lock.
func (d *Display) paint() { d.screen.Show(d.scene.img, d.scene.paint(d.moment())) }

// moment gathers what the next picture shows.
func (d *Display) moment() moment {
	now := d.options.Clock()
	d.mu.Lock()
	defer d.mu.Unlock()
	m := moment{now: now, viewers: d.viewers, input: d.input.copy(now)}
	if !d.options.Still {
		d.frame++
		m.frame, m.elapsed, m.rate = d.frame, now.Sub(d.began), d.options.FrameRate
	}
	return m
}

// do changes what is remembered of the viewers' doings and shows it.
func (d *Display) do(change func(*input)) {
	d.mu.Lock()
	change(d.input)
	d.mu.Unlock()
	d.changed()
}

// tell shows a notice for a while.
func (d *Display) tell(notice string) {
	now := d.options.Clock()
	d.do(func(in *input) { in.tell(notice, now) })
}

// Keysyms that the display itself acts on.
const (
	keysymG        = 0x67
	keysymControlL = 0xffe3
	keysymControlR = 0xffe4
)

// key acts on a key. Control and G, which is BEL in ASCII, rings the bell.
func (d *Display) key(viewer int, k screen.Key) {
	ring := false
	d.do(func(in *input) {
		in.key(keyPress{viewer: viewer, down: k.Down, sym: k.Sym, code: k.Code})
		ring = k.Down && k.Sym == keysymG &&
			(in.holds(viewer, keysymControlL) || in.holds(viewer, keysymControlR))
	})
	if ring {
		d.ring()
	}
}

// point acts on a pointer. A click on the button in the picture rings the bell.
func (d *Display) point(viewer int, at image.Point, buttons uint16) {
	now := d.options.Clock()
	ring := false
	d.do(func(in *input) {
		pressed := in.point(viewer, at, buttons, now)
		ring = pressed&1 != 0 && d.bell.contains(at)
	})
	if ring {
		d.ring()
	}
}

// ring rings the bell at every viewer.
func (d *Display) ring() {
	d.screen.Bell()
	d.mu.Lock()
	n := d.viewers
	d.mu.Unlock()
	d.tell("The bell rang at " + count(n, "viewer") + ".")
}

// echoPrefix is put before a text that is sent back. A text that has it already
// is not sent again: viewers that share a clipboard would pass it around for
// ever.
const echoPrefix = "echo: "

// cutText shows a text that a viewer sent and sends it back, to all of them.
func (d *Display) cutText(_ int, text string, length int, ok bool) {
	if !ok {
		d.tell(fmt.Sprintf("A text of %d bytes is more than the demo keeps.", length))
		return
	}
	d.do(func(in *input) { in.paste(text) })
	if text != "" && !strings.HasPrefix(text, echoPrefix) {
		d.screen.CutText(echoPrefix + text)
	}
}

// power shows that a viewer asked for the power to go (rfbproto, "xvp Client
// Message"). A demo has none to switch.
func (d *Display) power(_ int, code byte) {
	what := ""
	switch code {
	case rfb.XvpShutdown:
		what = "Shutdown"
	case rfb.XvpReboot:
		what = "Reboot"
	case rfb.XvpReset:
		what = "Reset"
	default:
		return
	}
	d.tell(what + " was asked for. A demo has no power switch, so it stays on.")
}
