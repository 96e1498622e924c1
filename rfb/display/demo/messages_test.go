package demo

import (
	"bytes"
	"context"
	"image"
	"io"
	"net"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display/screen"
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
		rfb.AppendFramebufferUpdateRequest(nil, true, 0, 0, 65535, 65535),
	)
}

// A said is a connection to a viewer that says all it has to say at once, and
// takes whatever it is sent.
type said struct {
	net.Conn
	r io.Reader
}

func (s *said) Read(b []byte) (int, error)         { return s.r.Read(b) }
func (s *said) Write(b []byte) (int, error)        { return len(b), nil }
func (s *said) Close() error                       { return nil }
func (s *said) SetDeadline(time.Time) error        { return nil }
func (s *said) SetWriteDeadline(t time.Time) error { return nil }
func (s *said) SetReadDeadline(t time.Time) error  { return nil }

// hello takes a viewer through the handshake of 3.3.
const hello = "RFB 003.003\n\x01"

// tell has d serve a viewer that says b and leaves.
func tell(d *Display, b []byte, wrap func(io.Reader) io.Reader) error {
	return d.ServeConn(context.Background(), &said{r: wrap(bytes.NewReader(append([]byte(hello), b...)))})
}

func TestMessagesByteByByte(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with error": iotest.DataErrReader,
	} {
		d := still(t, Options{Width: MinWidth, Height: MinHeight})
		if err := tell(d, session(), wrap); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		in := d.input
		// Its keys are let go of as it leaves.
		if len(in.keys) != 2 || in.keys[0].down || in.keys[1].down || in.keys[1].code != 0x1d {
			t.Errorf("%s: keys %+v", name, in.keys)
		}
		if len(in.pointers) != 0 {
			t.Errorf("%s: the pointer stays", name)
		}
		if d.screen.Text() != "echo: more text" || d.screen.Size() != image.Pt(330, 210) {
			t.Errorf("%s: text %q, size %v", name, d.screen.Text(), d.screen.Size())
		}
	}
}

// Whatever a viewer sends, what is remembered of it stays within its bounds.
func FuzzMessages(f *testing.F) {
	whole := session()
	f.Add(whole)
	f.Add(whole[20:])
	f.Add([]byte{rfb.MsgQEMU, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, rfb.MsgPointerEvent, 255, 255, 255, 255, 255})
	d := New(Options{Width: MinWidth, Height: MinHeight, Still: true})
	f.Cleanup(d.Close)
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = tell(d, b, func(r io.Reader) io.Reader { return r })
		in, size := d.input, d.screen.Size()
		if len(in.keys) > maxKeys || len(in.pointers) > 0 || len([]rune(in.clip.text)) > maxShown || len(d.screen.Text()) > 2*screen.MaxCutText {
			t.Error("remembered without bound")
		}
		if size.X < MinWidth || size.Y < MinHeight || size.X > MaxWidth || size.Y > MaxHeight {
			t.Errorf("size %v", size)
		}
	})
}
