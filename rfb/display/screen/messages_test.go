package screen

import (
	"bytes"
	"errors"
	"image"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"vncgate/rfb"
	"vncgate/rfb/display/screen/screentest"
)

// session is a bit of everything a viewer may say.
func session() []byte {
	return slices.Concat(
		rfb.AppendSetPixelFormat(nil, rfb.Format32()),
		rfb.AppendSetEncodings(nil, rfb.EncodingZRLE, rfb.EncodingExtendedMouseButtons, rfb.EncodingExtendedClipboard, rfb.EncodingCursor),
		rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 320, 200),
		rfb.AppendKeyEvent(nil, true, 'a'), rfb.AppendKeyEvent(nil, false, 'a'),
		rfb.AppendQEMUKeyEvent(nil, true, 0xffe3, 0x1d),
		rfb.AppendPointerEvent(nil, 1, 10, 20), rfb.AppendExtendedPointerEvent(nil, 1<<7, 11, 21),
		rfb.AppendClientCutText(nil, "text"), rfb.AppendClientClipboard(nil, rfb.ProvideText("more text")),
		rfb.AppendXvp(nil, rfb.XvpReboot),
		rfb.AppendSetDesktopSize(nil, 330, 210, rfb.Screen{W: 330, H: 210}),
		rfb.AppendFence(nil, rfb.FenceRequest, []byte("x")), // never announced
		rfb.AppendFramebufferUpdateRequest(nil, true, 0, 0, 65535, 65535),
	)
}

// A log is what a screen's viewers did.
type log struct {
	keys    []Key
	at      image.Point
	buttons uint16
	texts   []string
	tooLong int
	power   uint8
	sizes   []image.Point
}

// open is a screen whose viewers' doings are noted in l; nil notes nothing, and
// offers all the same.
func open(l *log) *Screen {
	if l == nil {
		l = &log{}
	}
	return New(Options{Size: image.Pt(320, 200), Input: Input{
		Key:     func(_ int, k Key) { l.keys = append(l.keys, k) },
		Pointer: func(_ int, at image.Point, buttons uint16) { l.at, l.buttons = at, buttons },
		CutText: func(_ int, text string, n int, ok bool) {
			if l.texts = append(l.texts, text); !ok {
				l.tooLong = n
			}
		},
		Power:  func(_ int, code uint8) { l.power = code },
		Resize: func(_ int, size image.Point, _ []rfb.Screen) { l.sizes = append(l.sizes, size) },
	}})
}

// dot is a cursor of a pixel.
func dot() *Cursor { return &Cursor{Shape: image.NewRGBA(image.Rect(0, 0, 1, 1))} }

// lone is a viewer without a connection, whose messages can be handled.
func lone(s *Screen) *viewer {
	v := newViewer(s, nil)
	if err := s.join(v); err != nil {
		panic(err)
	}
	s.start(v)
	return v
}

func TestMessagesByteByByte(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with error": iotest.DataErrReader,
	} {
		var l log
		s := open(&l)
		if err := lone(s).readAll(rfb.NewClientReader(wrap(bytes.NewReader(session())))); err != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
		if want := []Key{{true, 'a', 0}, {false, 'a', 0}, {true, 0xffe3, 0x1d}}; !slices.Equal(l.keys, want) {
			t.Errorf("%s: keys %+v", name, l.keys)
		}
		if l.at != image.Pt(11, 21) || l.buttons != 1<<7 || l.power != rfb.XvpReboot {
			t.Errorf("%s: pointer at %v with %#x, power %d", name, l.at, l.buttons, l.power)
		}
		if !slices.Equal(l.texts, []string{"text", "more text"}) || !slices.Equal(l.sizes, []image.Point{{X: 330, Y: 210}}) {
			t.Errorf("%s: texts %q, sizes %v", name, l.texts, l.sizes)
		}
		s.Close()
	}
}

// A screen without Input passes all of it over.
func TestMessagesForNobody(t *testing.T) {
	s := New(Options{Size: image.Pt(320, 200)})
	v := lone(s)
	if err := v.readAll(rfb.NewClientReader(bytes.NewReader(session()))); err != io.EOF {
		t.Error(err)
	}
	if p := v.todo; !p.layout || p.status != rfb.ResizeProhibited {
		t.Errorf("a size was not prohibited: %+v", p)
	}
}

func TestCutShort(t *testing.T) {
	s := open(nil)
	whole := session()
	for n := range whole {
		v := lone(s)
		err := v.readAll(rfb.NewClientReader(bytes.NewReader(whole[:n])))
		if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v", n, err)
		}
		s.leave(v)
	}
}

func TestUnknownMessageEndsTheSession(t *testing.T) {
	s := open(nil)
	defer s.Close()
	w := screentest.Watch(t, s.ServeConn)
	w.Send([]byte{99})
	var unknown *rfb.UnknownMessage
	if err := w.Ended(); !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
}

func TestLongTextIsOnlyCounted(t *testing.T) {
	var l log
	v := lone(open(&l))
	msg := rfb.AppendClientCutText(nil, strings.Repeat("x", MaxCutText+1))
	if err := v.handle(msg); err != nil || l.tooLong != MaxCutText+1 || l.texts[0] != "" {
		t.Errorf("%v, %d", err, l.tooLong)
	}
}

// Whatever a viewer sends, what the writer makes of it is a whole update.
func FuzzMessages(f *testing.F) {
	whole := session()
	f.Add(whole)
	f.Add(whole[20:])
	f.Add([]byte{rfb.MsgSetDesktopSize, 0, 1, 64, 0, 200, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 64, 0, 200, 0, 0, 0, 0})
	f.Add([]byte{rfb.MsgQEMU, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, rfb.MsgPointerEvent, 255, 255, 255, 255, 255})
	s := open(nil)
	v := lone(s)
	e := newEncoder(&s.fb)
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := v.readAll(rfb.NewClientReader(bytes.NewReader(b))); err == nil {
			t.Error("no end")
		}
		if j, ok := v.take(); ok {
			e.out, e.conv = e.out[:0], j.conv
			for _, r := range j.rects {
				if !r.In(image.Rectangle{Max: j.size}) {
					t.Errorf("rectangle %v outside of %v", r, j.size)
				}
			}
			e.out = v.appendClipboard(e.out, j)
		}
	})
}
