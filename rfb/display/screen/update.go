package screen

import (
	"encoding/binary"
	"image"
	"time"

	"vncgate/rfb"
)

// flushSize is how many bytes gather before they are written while more is
// being encoded.
const flushSize = 64 << 10

// A job is what the writer does next: messages, then an update if one is owed.
type job struct {
	todo     pending
	can      features
	conv     *converter
	encoding rfb.Encoding
	size     image.Point
	screens  []rfb.Screen
	cursor   *Cursor
	name     string            // to be told, or ""
	update   bool              // an update is to be sent
	resize   bool              // it holds a new size and nothing else
	rects    []image.Rectangle // of pixels
}

// take returns what can be sent now, if anything, and regards it as sent.
// Updates answer requests (RFC 6143, 7.6.1): none is sent without one, and an
// incremental one waits until there is something to tell.
func (v *viewer) take() (job, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := &v.todo
	j := job{todo: *p, can: v.features, conv: v.conv, encoding: v.encoding, screens: v.screens, cursor: v.cursor}
	due := p.messages()
	p.clearMessages()
	if v.wanted.Empty() {
		return j, due
	}
	j.todo.cursor = p.cursor && v.cursor != nil && v.features.hasCursor()
	j.todo.layout = p.layout && v.features.extendedDesktopSize
	switch {
	case v.size != v.target && (v.features.extendedDesktopSize || v.features.desktopSize):
		v.adopt()
		j.update, j.resize = true, true
		p.layout = false
	default:
		if v.name != v.told && v.features.desktopName {
			j.name, v.told = v.name, v.name
		}
		j.rects = v.damage.take(v.wanted)
		j.update = len(j.rects) > 0 || j.rectangles() > 0
		p.clearRectangles()
	}
	j.size = v.size
	if j.update {
		v.wanted = image.Rectangle{}
	}
	return j, due || j.update
}

// adopt takes the display's size for the one the viewer knows, all of which is
// new to it. The caller holds the lock.
func (v *viewer) adopt() {
	v.size = v.target
	v.damage = NewRegion(v.size)
	v.damage.Add(image.Rectangle{Max: v.size})
}

// messages reports whether something other than an update is due.
func (p *pending) messages() bool {
	return p.colourMap || p.bell || p.xvp || p.cutText || p.clipCaps || p.clipRequest || p.clipNotify || p.clipProvide
}

func (p *pending) clearMessages() {
	p.colourMap, p.bell, p.xvp, p.cutText = false, false, false, false
	p.clipCaps, p.clipRequest, p.clipNotify, p.clipProvide = false, false, false, false
}

func (p *pending) clearRectangles() {
	p.cursor, p.keyEvents, p.mouseButtons, p.layout = false, false, false, false
}

// rectangles counts those of j that carry no pixels.
func (j *job) rectangles() int {
	n := 0
	for _, due := range []bool{j.todo.layout, j.todo.cursor, j.todo.keyEvents, j.todo.mouseButtons, j.name != ""} {
		if due {
			n++
		}
	}
	return n
}

// send does j.
func (v *viewer) send(e *encoder, j job) error {
	e.conv = j.conv
	v.appendMessages(e, j)
	if j.update {
		if err := v.appendUpdate(e, j); err != nil {
			return err
		}
	}
	return v.flush(e)
}

// flush writes what the encoder has.
func (v *viewer) flush(e *encoder) error {
	if len(e.out) == 0 {
		return nil
	}
	_ = v.conn.SetWriteDeadline(time.Now().Add(writeLimit))
	_, err := v.conn.Write(e.out)
	e.out = e.out[:0]
	return err
}

// appendMessages adds everything but the update.
func (v *viewer) appendMessages(e *encoder, j job) {
	if j.todo.colourMap {
		e.out = appendColourMap(e.out)
	}
	if j.todo.xvp {
		e.out = rfb.AppendXvp(e.out, rfb.XvpInit)
	}
	e.out = v.appendClipboard(e.out, j)
	if j.todo.bell {
		e.out = rfb.AppendBell(e.out)
	}
}

// appendUpdate adds a FramebufferUpdate and writes it as it grows.
func (v *viewer) appendUpdate(e *encoder, j job) error {
	count := len(j.rects) + j.rectangles()
	if j.resize {
		count = 1
	}
	e.out = rfb.AppendFramebufferUpdate(e.out, uint16(count))
	if j.resize {
		j.appendSize(e)
		return nil
	}
	j.appendRectangles(e)
	for _, r := range j.rects {
		e.rect(r, j.encoding)
		if len(e.out) >= flushSize {
			if err := v.flush(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// appendRectangles adds the rectangles without pixels.
func (j *job) appendRectangles(e *encoder) {
	if j.todo.layout {
		j.appendSize(e)
	}
	if j.todo.keyEvents {
		e.out = rfb.AppendExtendedKeyEventAck(e.out)
	}
	if j.todo.mouseButtons {
		e.out = rfb.AppendExtendedMouseButtonsAck(e.out)
	}
	if j.todo.cursor {
		e.cursor(j.cursor, j.can.cursorWithAlpha)
	}
	if j.name != "" {
		e.out = rfb.AppendDesktopName(e.out, j.name)
	}
}

// appendSize adds the desktop's size in the way the viewer understands.
func (j *job) appendSize(e *encoder) {
	w, h := uint16(j.size.X), uint16(j.size.Y)
	if !j.can.extendedDesktopSize {
		e.out = rfb.AppendDesktopSize(e.out, w, h)
		return
	}
	e.out = rfb.AppendExtendedDesktopSize(e.out, j.todo.reason, j.todo.status, w, h, j.screens...)
}

// appendColourMap adds a SetColourMapEntries with the colours of bgr233.
func appendColourMap(b []byte) []byte {
	b = append(b, rfb.MsgSetColourMapEntries, 0, 0, 0, 1, 0) // from 0, 256 of them
	for i := range 256 {
		for _, part := range [3]int{i & 7 * 0xffff / 7, i >> 3 & 7 * 0xffff / 7, i >> 6 * 0xffff / 3} {
			b = binary.BigEndian.AppendUint16(b, uint16(part))
		}
	}
	return b
}
