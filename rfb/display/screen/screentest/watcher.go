// Package screentest is a viewer for tests of what is shown by package screen,
// written from the specification alone.
package screentest

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

// Patience bounds what a test waits for; nothing is expected to take as long.
const Patience = 30 * time.Second

// A Watcher is a viewer for tests: it decodes what it is sent and keeps a note
// of everything else.
type Watcher struct {
	t    *testing.T
	Conn *rfb.Conn
	done chan error // what ServeConn returned
	Init rfb.ServerInit
	Decoder

	Bells    int
	Name     string
	Cuts     []string
	Clips    []rfb.Clipboard
	Xvp      []byte
	Layouts  []Layout
	Acks     []rfb.Encoding
	Cursors  [][]byte // bodies
	Colours  []byte   // of SetColourMapEntries
	Received int      // rectangles with pixels
}

// Layout is what an ExtendedDesktopSize said.
type Layout struct {
	Reason, Status, W, H int
	Screens              []rfb.Screen
}

// Watch connects a viewer to what serve serves, through a pipe without a buffer.
// Where a password is asked for, it is "secret". It hangs up with the test.
func Watch(t *testing.T, serve func(context.Context, net.Conn) error) *Watcher {
	t.Helper()
	near, far := net.Pipe()
	w := &Watcher{t: t, done: make(chan error, 1)}
	go func() { w.done <- serve(context.Background(), far) }()
	_ = near.SetDeadline(time.Now().Add(Patience))
	conn, err := rfb.Client(context.Background(), near, &rfb.ClientConfig{Security: []rfb.Security{
		rfb.None{}, rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return "secret", nil }},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.Conn, w.R = conn, bufio.NewReader(conn)
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.WriteClientInit(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	if w.Init, err = conn.ReadServerInit(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.Format = w.Init.Format
	w.Resize(image.Pt(int(w.Init.Width), int(w.Init.Height)))
	return w
}

// Send sends messages made by package rfb's append functions.
func (w *Watcher) Send(msgs ...[]byte) {
	w.t.Helper()
	if _, err := w.Conn.Write(slices.Concat(msgs...)); err != nil {
		w.t.Fatal(err)
	}
}

// Encodings lists what the viewer takes.
func (w *Watcher) Encodings(es ...rfb.Encoding) { w.Send(rfb.AppendSetEncodings(nil, es...)) }

// Request asks for everything, or for what changed.
func (w *Watcher) Request(incremental bool) {
	w.Send(rfb.AppendFramebufferUpdateRequest(nil, incremental, 0, 0, uint16(w.Size.X), uint16(w.Size.Y)))
}

// Picture asks for everything and waits for it.
func (w *Watcher) Picture() []uint32 {
	w.t.Helper()
	w.Request(false)
	w.Update()
	return slices.Clone(w.Pix)
}

// Update reads up to and including the next update.
func (w *Watcher) Update() {
	w.t.Helper()
	for w.Next() != rfb.MsgFramebufferUpdate {
	}
}

// Must reads n bytes.
func (w *Watcher) Must(n int) []byte {
	w.t.Helper()
	b, err := Read(w.R, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// Next reads one message and returns its type.
func (w *Watcher) Next() byte {
	w.t.Helper()
	kind := w.Must(1)[0]
	switch kind {
	case rfb.MsgFramebufferUpdate:
		for range u16(w.Must(3)[1:]) {
			w.rectangle()
		}
	case rfb.MsgSetColourMapEntries:
		w.Colours = w.Must(6 * u16(w.Must(5)[3:]))
	case rfb.MsgBell:
		w.Bells++
	case rfb.MsgServerCutText:
		head := w.Must(7)
		n := int32(binary.BigEndian.Uint32(head[3:]))
		msg := append(append([]byte{kind}, head...), w.Must(int(max(n, -n)))...)
		if c, ok := rfb.ParseClipboard(msg); ok {
			w.Clips = append(w.Clips, c)
		} else {
			text, _ := rfb.CutText(msg)
			w.Cuts = append(w.Cuts, text)
		}
	case rfb.MsgXvp:
		w.Xvp = w.Must(3)
	default:
		w.t.Fatalf("message of type %d", kind)
	}
	return kind
}

// rectangle reads one rectangle.
func (w *Watcher) rectangle() {
	w.t.Helper()
	h := w.Must(12)
	x, y, wd, ht := u16(h), u16(h[2:]), u16(h[4:]), u16(h[6:])
	switch e := rfb.Encoding(binary.BigEndian.Uint32(h[8:])); e {
	case rfb.EncodingExtendedDesktopSize:
		n := int(w.Must(4)[0])
		w.Layouts = append(w.Layouts, Layout{x, y, wd, ht, rfb.ParseScreens(w.Must(16 * n))})
		if y == rfb.ResizeOK && image.Pt(wd, ht) != w.Size {
			w.Resize(image.Pt(wd, ht))
		}
	case rfb.EncodingDesktopSize:
		w.Resize(image.Pt(wd, ht))
	case rfb.EncodingDesktopName:
		w.Name = string(w.Must(int(binary.BigEndian.Uint32(w.Must(4)))))
	case rfb.EncodingCursor:
		w.Cursors = append(w.Cursors, w.Must(wd*ht*int(w.Format.BitsPerPixel)/8+(wd+7)/8*ht))
	case rfb.EncodingCursorWithAlpha:
		w.Cursors = append(w.Cursors, w.Must(4+wd*ht*4))
	case rfb.EncodingExtendedKeyEvent, rfb.EncodingExtendedMouseButtons:
		w.Acks = append(w.Acks, e)
	default:
		w.Received++
		if err := w.Rect(image.Rect(x, y, x+wd, y+ht), e); err != nil {
			w.t.Fatalf("%v at %d,%d %d×%d: %v", e, x, y, wd, ht, err)
		}
	}
}

// Leave hangs up and returns what ServeConn made of it.
func (w *Watcher) Leave() error {
	_ = w.Conn.Close()
	return w.Ended()
}

// Ended waits for ServeConn to return.
func (w *Watcher) Ended() error {
	w.t.Helper()
	select {
	case err := <-w.done:
		return err
	case <-time.After(Patience):
		w.t.Fatal("ServeConn did not return")
		return nil
	}
}

// Differs returns the smallest rectangle in which two pictures differ.
func Differs(a, b []uint32, width int) image.Rectangle {
	var r image.Rectangle
	for i := range a {
		if a[i] != b[i] {
			at := image.Pt(i%width, i/width)
			r = r.Union(image.Rectangle{Min: at, Max: at.Add(image.Pt(1, 1))})
		}
	}
	return r
}

// String is for messages of tests.
func (n Layout) String() string {
	return fmt.Sprintf("reason %d status %d %d×%d %v", n.Reason, n.Status, n.W, n.H, n.Screens)
}
