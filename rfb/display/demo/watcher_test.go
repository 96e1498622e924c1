package demo

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"net"
	"slices"
	"testing"
	"time"

	"vncgate/rfb"
)

// patience bounds what a test waits for; nothing is expected to take as long.
const patience = 30 * time.Second

// A watcher is a viewer for tests: it decodes what it is sent and keeps a note
// of everything else.
type watcher struct {
	t    *testing.T
	conn *rfb.Conn
	done chan error // what ServeConn returned
	init rfb.ServerInit
	decoder

	bells    int
	name     string
	cuts     []string
	clips    []rfb.Clipboard
	xvp      []byte
	layouts  []layoutNote
	acks     []rfb.Encoding
	cursors  [][]byte // bodies
	colours  []byte   // of SetColourMapEntries
	received int      // rectangles with pixels
}

type layoutNote struct {
	reason, status, w, h int
	screens              []rfb.Screen
}

// watch connects a viewer to d through a pipe without a buffer.
func watch(t *testing.T, d *Display) *watcher {
	t.Helper()
	near, far := net.Pipe()
	w := &watcher{t: t, done: make(chan error, 1)}
	go func() { w.done <- d.ServeConn(context.Background(), far) }()
	_ = near.SetDeadline(time.Now().Add(patience))
	conn, err := rfb.Client(context.Background(), near, &rfb.ClientConfig{Security: []rfb.Security{
		rfb.None{}, rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return "secret", nil }},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.conn, w.r = conn, bufio.NewReader(conn)
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.WriteClientInit(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	if w.init, err = conn.ReadServerInit(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.format = w.init.Format
	w.resize(image.Pt(int(w.init.Width), int(w.init.Height)))
	return w
}

// send sends messages made by package rfb's append functions.
func (w *watcher) send(msgs ...[]byte) {
	w.t.Helper()
	if _, err := w.conn.Write(slices.Concat(msgs...)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watcher) encodings(es ...rfb.Encoding) { w.send(rfb.AppendSetEncodings(nil, es...)) }

// request asks for everything, or for what changed.
func (w *watcher) request(incremental bool) {
	w.send(rfb.AppendFramebufferUpdateRequest(nil, incremental, 0, 0, uint16(w.size.X), uint16(w.size.Y)))
}

// picture asks for everything and waits for it.
func (w *watcher) picture() []uint32 {
	w.t.Helper()
	w.request(false)
	w.update()
	return slices.Clone(w.pix)
}

// update reads up to and including the next update.
func (w *watcher) update() {
	w.t.Helper()
	for w.next() != rfb.MsgFramebufferUpdate {
	}
}

func (w *watcher) must(n int) []byte {
	w.t.Helper()
	b, err := read(w.r, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// next reads one message and returns its type.
func (w *watcher) next() byte {
	w.t.Helper()
	kind := w.must(1)[0]
	switch kind {
	case rfb.MsgFramebufferUpdate:
		for range u16(w.must(3)[1:]) {
			w.rectangle()
		}
	case rfb.MsgSetColourMapEntries:
		w.colours = w.must(6 * u16(w.must(5)[3:]))
	case rfb.MsgBell:
		w.bells++
	case rfb.MsgServerCutText:
		head := w.must(7)
		n := int32(binary.BigEndian.Uint32(head[3:]))
		msg := append(append([]byte{kind}, head...), w.must(int(max(n, -n)))...)
		if c, ok := rfb.ParseClipboard(msg); ok {
			w.clips = append(w.clips, c)
		} else {
			text, _ := rfb.CutText(msg)
			w.cuts = append(w.cuts, text)
		}
	case rfb.MsgXvp:
		w.xvp = w.must(3)
	default:
		w.t.Fatalf("message of type %d", kind)
	}
	return kind
}

// rectangle reads one rectangle.
func (w *watcher) rectangle() {
	w.t.Helper()
	h := w.must(12)
	x, y, wd, ht := u16(h), u16(h[2:]), u16(h[4:]), u16(h[6:])
	switch e := rfb.Encoding(binary.BigEndian.Uint32(h[8:])); e {
	case rfb.EncodingExtendedDesktopSize:
		n := int(w.must(4)[0])
		w.layouts = append(w.layouts, layoutNote{x, y, wd, ht, rfb.ParseScreens(w.must(16 * n))})
		if y == rfb.ResizeOK && image.Pt(wd, ht) != w.size {
			w.resize(image.Pt(wd, ht))
		}
	case rfb.EncodingDesktopSize:
		w.resize(image.Pt(wd, ht))
	case rfb.EncodingDesktopName:
		w.name = string(w.must(int(binary.BigEndian.Uint32(w.must(4)))))
	case rfb.EncodingCursor:
		w.cursors = append(w.cursors, w.must(wd*ht*int(w.format.BitsPerPixel)/8+(wd+7)/8*ht))
	case rfb.EncodingCursorWithAlpha:
		w.cursors = append(w.cursors, w.must(4+wd*ht*4))
	case rfb.EncodingExtendedKeyEvent, rfb.EncodingExtendedMouseButtons:
		w.acks = append(w.acks, e)
	default:
		w.received++
		if err := w.rect(image.Rect(x, y, x+wd, y+ht), e); err != nil {
			w.t.Fatalf("%v at %d,%d %d×%d: %v", e, x, y, wd, ht, err)
		}
	}
}

// leave hangs up and returns what ServeConn made of it.
func (w *watcher) leave() error {
	_ = w.conn.Close()
	return w.ended()
}

// ended waits for ServeConn to return.
func (w *watcher) ended() error {
	w.t.Helper()
	select {
	case err := <-w.done:
		return err
	case <-time.After(patience):
		w.t.Fatal("ServeConn did not return")
		return nil
	}
}

// differs returns the smallest rectangle in which two pictures differ.
func differs(a, b []uint32, width int) image.Rectangle {
	var r image.Rectangle
	for i := range a {
		if a[i] != b[i] {
			at := image.Pt(i%width, i/width)
			r = r.Union(image.Rectangle{Min: at, Max: at.Add(image.Pt(1, 1))})
		}
	}
	return r
}

// still is a display that does not move, closed with the test. It is small
// unless it is told not to be: pictures take their time under the race detector.
func still(t *testing.T, o Options) *Display {
	o.Still = true
	if o.Width == 0 {
		o.Width, o.Height = 480, 300
	}
	d := New(o)
	t.Cleanup(d.Close)
	return d
}

func (n layoutNote) String() string {
	return fmt.Sprintf("reason %d status %d %d×%d %v", n.reason, n.status, n.w, n.h, n.screens)
}
