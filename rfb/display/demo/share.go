package demo

import (
	"fmt"
	"image"
	"strings"
	"time"

	"vncgate/rfb"
)

// join makes v one of the viewers and returns what it is told of the desktop.
func (d *Display) join(v *viewer) (rfb.ServerInit, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return rfb.ServerInit{}, ErrClosed
	}
	if len(d.viewers) >= d.options.MaxViewers {
		return rfb.ServerInit{}, errFull // several were let in at once
	}
	for d.viewers[v.id] != nil {
		v.id++
	}
	d.viewers[v.id] = v
	name := d.name()
	v.start(d.size, d.screens, name)
	d.announce()
	if !d.options.Still && d.stop == nil {
		d.stop = make(chan struct{})
		d.serving.Add(1)
		go d.animate(d.stop)
	}
	return rfb.ServerInit{
		Width: uint16(d.size.X), Height: uint16(d.size.Y), Format: rfb.Format32(), Name: name,
	}, nil
}

// leave forgets v. The last one to leave stops the painter.
func (d *Display) leave(v *viewer) {
	d.mu.Lock()
	delete(d.viewers, v.id)
	d.input.leave(v.id)
	d.announce()
	if len(d.viewers) == 0 && d.stop != nil {
		close(d.stop)
		d.stop = nil
	}
	d.mu.Unlock()
	d.changed()
}

// name is the desktop's name. The caller holds the lock.
func (d *Display) name() string {
	if len(d.viewers) < 2 {
		return d.options.Name
	}
	return fmt.Sprintf("%s (%s)", d.options.Name, count(len(d.viewers), "viewer"))
}

// announce tells everyone the desktop's name. The caller holds the lock.
func (d *Display) announce() {
	for _, v := range d.viewers {
		v.renamed(d.name())
	}
}

// refresh paints a picture at once: the first one, or one with a new viewer.
func (d *Display) refresh() {
	d.painting.Lock()
	defer d.painting.Unlock()
	if d.scene == nil {
		d.mu.Lock()
		size := d.size
		d.mu.Unlock()
		d.scene = newScene(size, d.fonts)
		d.mu.Lock()
		d.bell = d.scene.bell
		d.mu.Unlock()
	}
	d.paint()
}

// animate paints at the frame rate until stop is closed, as long as someone
// waits for a picture.
func (d *Display) animate(stop <-chan struct{}) {
	defer d.serving.Done()
	tick := time.NewTicker(time.Second / time.Duration(d.options.FrameRate))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if d.watched() {
				d.refresh()
			}
		case <-stop:
			return
		}
	}
}

// watched reports whether any viewer waits for a picture.
func (d *Display) watched() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.viewers {
		if v.watches() {
			return true
		}
	}
	return false
}

// changed brings what viewers have sent into the picture. A display that moves
// does so with its next frame.
func (d *Display) changed() {
	if d.options.Still {
		d.refresh()
	}
}

// paint paints the picture of this moment and tells the viewers where it
// differs from the last one. The caller holds the painting lock.
func (d *Display) paint() {
	changed := d.fb.publish(d.scene.img, d.scene.paint(d.moment()))
	if changed.empty() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.viewers {
		v.damaged(&changed)
	}
}

// moment gathers what the next picture shows.
func (d *Display) moment() moment {
	now := d.options.Clock()
	d.mu.Lock()
	defer d.mu.Unlock()
	m := moment{now: now, viewers: len(d.viewers), input: d.input.copy(now)}
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
func (d *Display) key(k keyPress) {
	ring := false
	d.do(func(in *input) {
		in.key(k)
		ring = k.down && k.sym == keysymG &&
			(in.holds(k.viewer, keysymControlL) || in.holds(k.viewer, keysymControlR))
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
	d.mu.Lock()
	n := len(d.viewers)
	for _, v := range d.viewers {
		v.post(func(p *pending) { p.bell = true })
	}
	d.mu.Unlock()
	d.tell("The bell rang at " + count(n, "viewer") + ".")
}

// paste shows a text that a viewer sent and sends it back, to all of them.
func (d *Display) paste(text string) {
	d.do(func(in *input) {
		in.paste(text)
		if text == "" || strings.HasPrefix(text, echoPrefix) {
			return
		}
		d.text = echoPrefix + text
		for _, v := range d.viewers {
			v.post(func(p *pending) { p.cutText = true })
		}
	})
}

// clipboard is the text there is to send.
func (d *Display) clipboard() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text
}

// power shows that a viewer asked for the power to go (rfbproto, "xvp Client
// Message"). A demo has none to switch.
func (d *Display) power(code byte) {
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
