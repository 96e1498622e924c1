package screen

import (
	"errors"
	"image"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"vncgate/rfb"
)

// writeLimit ends the session of a viewer that takes nothing for so long. It is
// generous: a slow one has to get a quarter of a megabyte through in it.
const writeLimit = time.Minute

// A viewer is one connection: a goroutine reads its messages, another writes
// what they and the painter leave to do. What waits for the writer is a fixed
// set of marks and a region, so a viewer that does not read holds up nobody and
// costs no memory.
type viewer struct {
	screen  *Screen
	id      int  // the lowest that was free
	started bool // it has been told of the desktop; the screen's lock
	conn    net.Conn
	wake    chan struct{} // holds one token: look at the fields below
	gone    chan struct{} // closed when the reader ended

	mu       sync.Mutex
	conv     *converter
	encoding rfb.Encoding // of pixels
	features features
	size     image.Point  // that the viewer knows
	target   image.Point  // that the desktop has
	screens  []rfb.Screen // of the desktop
	damage   Region       // of size
	wanted   image.Rectangle
	name     string  // of the desktop
	told     string  // the name that the viewer knows
	cursor   *Cursor // nil: there is none to tell of
	todo     pending
}

// features are what a viewer's SetEncodings said it can take.
type features struct {
	desktopSize, extendedDesktopSize, desktopName bool
	cursor, cursorWithAlpha                       bool
	keyEvents, mouseButtons, xvp, clipboard       bool
}

func (f *features) hasCursor() bool { return f.cursor || f.cursorWithAlpha }

// pending are things to send that do not add up: each is due or not.
type pending struct {
	colourMap, bell, xvp                           bool
	cutText                                        bool // the display's clipboard has something new
	clipCaps, clipRequest, clipNotify, clipProvide bool
	noNotify                                       bool // state: texts are provided unasked

	cursor, keyEvents, mouseButtons bool   // rectangles of the next update
	layout                          bool   // the same: ExtendedDesktopSize,
	reason, status                  uint16 // with these in place of x and y
}

func newViewer(s *Screen, c net.Conn) *viewer {
	conv, err := newConverter(rfb.Format32())
	if err != nil {
		panic("screen: internal error: " + err.Error())
	}
	return &viewer{
		screen: s, conn: c, conv: conv, encoding: rfb.EncodingRaw,
		wake: make(chan struct{}, 1), gone: make(chan struct{}),
	}
}

// start says what the viewer is told in ServerInit: all of it is to be sent. The
// caller holds the screen's lock.
func (v *viewer) start(size image.Point, screens []rfb.Screen, name string, c *Cursor) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.started, v.cursor = true, c
	v.size, v.target, v.screens = size, size, screens
	v.name, v.told = name, name
	v.damage = NewRegion(size)
	v.damage.Add(image.Rectangle{Max: size})
}

// run serves the viewer until it leaves or breaks the rules, and closes its
// connection. A viewer that just left is no error.
func (v *viewer) run() error {
	written := make(chan error, 1)
	go v.writeAll(written)
	err := v.readAll(rfb.NewClientReader(v.conn))
	close(v.gone)
	_ = v.conn.Close()
	// The writer closes the connection when it fails, and then its error is
	// the reason for the reader's.
	if werr := <-written; werr != nil && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)) {
		err = werr
	}
	if left(err) {
		return nil
	}
	return err
}

// left reports whether err is what one gets when the other side has gone, with
// or without having read everything. Pipes in memory have an error of their
// own.
func left(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// writeAll sends what becomes due until the reader has ended.
func (v *viewer) writeAll(done chan<- error) {
	e := newEncoder(&v.screen.fb)
	for {
		if j, ok := v.take(); ok {
			if err := v.send(e, j); err != nil {
				_ = v.conn.Close()
				done <- err
				return
			}
			continue
		}
		select {
		case <-v.wake:
		case <-v.gone:
			done <- nil
			return
		}
	}
}

// post changes what is to be sent and wakes the writer.
func (v *viewer) post(change func(*pending)) {
	v.mu.Lock()
	change(&v.todo)
	v.mu.Unlock()
	v.rouse()
}

// rouse has the writer look for something to do.
func (v *viewer) rouse() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// input is what is told of the viewer's doings.
func (v *viewer) input() *Input { return &v.screen.options.Input }

// damaged notes that part of the picture changed.
func (v *viewer) damaged(changed *Region) {
	v.mu.Lock()
	v.damage.AddAll(changed)
	v.mu.Unlock()
	v.rouse()
}

// watches reports whether the viewer waits for a change.
func (v *viewer) watches() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.wanted.Empty()
}

// renamed notes the desktop's new name.
func (v *viewer) renamed(name string) {
	v.mu.Lock()
	v.name = name
	v.mu.Unlock()
	v.rouse()
}

// pointed notes another cursor.
func (v *viewer) pointed(c *Cursor) {
	v.mu.Lock()
	v.cursor = c
	v.todo.cursor = c != nil && v.features.hasCursor()
	v.mu.Unlock()
	v.rouse()
}

// resized notes the desktop's new size, for one of the reasons of rfbproto's
// "ExtendedDesktopSize Pseudo-Encoding".
func (v *viewer) resized(size image.Point, screens []rfb.Screen, reason uint16) {
	v.mu.Lock()
	v.target, v.screens = size, screens
	v.todo.layout, v.todo.reason, v.todo.status = true, reason, rfb.ResizeOK
	v.damage.Add(image.Rectangle{Max: v.size})
	v.mu.Unlock()
	v.rouse()
}

// request notes a FramebufferUpdateRequest.
func (v *viewer) request(r image.Rectangle, incremental bool) {
	v.mu.Lock()
	r = r.Intersect(image.Rectangle{Max: v.size})
	v.wanted = v.wanted.Union(r)
	if !incremental {
		v.damage.Add(r)
		if !v.todo.layout {
			v.todo.layout, v.todo.reason, v.todo.status = true, rfb.ResizeByServer, rfb.ResizeOK
		}
	}
	v.mu.Unlock()
	v.rouse()
}

// setFormat notes a SetPixelFormat.
func (v *viewer) setFormat(f rfb.PixelFormat) error {
	c, err := newConverter(f)
	if err != nil {
		return err
	}
	v.mu.Lock()
	v.conv = c
	v.todo.colourMap = !f.TrueColour
	v.todo.cursor = v.cursor != nil && v.features.hasCursor()
	v.damage.Add(image.Rectangle{Max: v.size})
	v.mu.Unlock()
	return nil
}

// setEncodings notes a SetEncodings, and that what the viewer has just said it
// understands is to be announced.
func (v *viewer) setEncodings(list []rfb.Encoding) {
	has, in := func(e rfb.Encoding) bool { return slices.Contains(list, e) }, v.input()
	now := features{
		desktopSize: has(rfb.EncodingDesktopSize), extendedDesktopSize: has(rfb.EncodingExtendedDesktopSize),
		desktopName: has(rfb.EncodingDesktopName),
		cursor:      has(rfb.EncodingCursor), cursorWithAlpha: has(rfb.EncodingCursorWithAlpha),
		keyEvents:    in.Key != nil && has(rfb.EncodingExtendedKeyEvent),
		mouseButtons: in.Pointer != nil && has(rfb.EncodingExtendedMouseButtons),
		xvp:          in.Power != nil && has(rfb.EncodingXvp),
		clipboard:    in.CutText != nil && has(rfb.EncodingExtendedClipboard),
	}
	v.mu.Lock()
	old, p := v.features, &v.todo
	v.encoding, v.features = bestEncoding(list), now
	p.cursor = v.cursor != nil && now.hasCursor()
	p.keyEvents = p.keyEvents || now.keyEvents && !old.keyEvents
	p.mouseButtons = p.mouseButtons || now.mouseButtons && !old.mouseButtons
	p.xvp = p.xvp || now.xvp && !old.xvp
	p.clipCaps = now.clipboard
	if now.extendedDesktopSize && !old.extendedDesktopSize && !p.layout {
		p.layout, p.reason, p.status = true, rfb.ResizeByServer, rfb.ResizeOK
	}
	v.mu.Unlock()
	v.rouse()
}
