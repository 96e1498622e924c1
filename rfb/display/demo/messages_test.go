package demo

import (
	"bytes"
	"errors"
	"image"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"vncgate/rfb"
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

// lone is a viewer without a connection, whose messages can be handled.
func lone() (*Display, *viewer) {
	d := New(Options{Width: MinWidth, Height: MinHeight})
	v := newViewer(d, nil)
	if _, err := d.join(v); err != nil {
		panic(err)
	}
	d.refresh()
	return d, v
}

func TestMessagesByteByByte(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with error": iotest.DataErrReader,
	} {
		d, v := lone()
		if err := v.readAll(rfb.NewClientReader(wrap(bytes.NewReader(session())))); err != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
		in := d.input
		if len(in.keys) != 2 || in.keys[0].down || !in.keys[1].down || in.keys[1].code != 0x1d {
			t.Errorf("%s: keys %+v", name, in.keys)
		}
		if p := in.pointers[0]; p.at != image.Pt(11, 21) || p.buttons != 1<<7 {
			t.Errorf("%s: pointer %+v", name, p)
		}
		if d.text != "echo: more text" || d.size != image.Pt(330, 210) {
			t.Errorf("%s: text %q, size %v", name, d.text, d.size)
		}
		d.leave(v)
		d.Close()
	}
}

func TestCutShort(t *testing.T) {
	d, first := lone()
	defer d.Close()
	defer d.leave(first)
	whole := session()
	for n := range whole {
		v := newViewer(d, nil)
		if _, err := d.join(v); err != nil {
			t.Fatal(err)
		}
		err := v.readAll(rfb.NewClientReader(bytes.NewReader(whole[:n])))
		if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v", n, err)
		}
		d.leave(v)
	}
}

func TestUnknownMessageEndsTheSession(t *testing.T) {
	w := watch(t, still(t, Options{Width: 320, Height: 200}))
	w.send([]byte{99})
	var unknown *rfb.UnknownMessage
	if err := w.ended(); !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
}

// Whatever a viewer sends, what is remembered of it stays within its bounds and
// what the writer makes of it is a whole update.
func FuzzMessages(f *testing.F) {
	whole := session()
	f.Add(whole)
	f.Add(whole[20:])
	f.Add([]byte{rfb.MsgSetDesktopSize, 0, 1, 64, 0, 200, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 64, 0, 200, 0, 0, 0, 0})
	f.Add([]byte{rfb.MsgQEMU, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, rfb.MsgPointerEvent, 255, 255, 255, 255, 255})
	d, v := lone()
	f.Cleanup(func() {
		d.leave(v)
		d.Close()
	})
	e := newEncoder(&d.fb)
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := v.readAll(rfb.NewClientReader(bytes.NewReader(b))); err == nil {
			t.Error("no end")
		}
		d.mu.Lock()
		in, size := d.input, d.size
		if len(in.keys) > maxKeys || len(in.pointers) > 1 || len([]rune(in.clip.text)) > maxShown || len(d.text) > 2*maxClipboard {
			t.Error("remembered without bound")
		}
		if p := in.pointers[0]; p != nil && (len(p.trail) > maxTrail || len(p.ripples) > maxRipples) {
			t.Error("pointer remembered without bound")
		}
		if size.X < MinWidth || size.Y < MinHeight || size.X > MaxWidth || size.Y > MaxHeight {
			t.Errorf("size %v", size)
		}
		d.mu.Unlock()
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
