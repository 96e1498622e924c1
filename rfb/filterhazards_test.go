package rfb_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"vncgate/rfb"
)

// TestFilterSmuggledFormat: where a display is looked at, the seventh byte of a
// PointerEvent goes to one that has said that it reads it. One that has not would
// take it for a SetPixelFormat that nobody has seen, and what it sends from there
// on would be taken for something else: a clipboard for pixels.
func TestFilterSmuggledFormat(t *testing.T) {
	p := rfb.Policy{Pointer: true} // little is enough: this display is looked at
	var display bytes.Buffer
	f := rfb.NewFilter(&display, p)
	s := rfb.NewServerFilter(f, rfb.ServerInit{Format: rfb.Format32()})
	if _, err := f.Write(rfb.AppendSetEncodings(nil, rfb.EncodingExtendedMouseButtons)); err != nil {
		t.Fatal(err)
	}
	display.Reset()
	event := []byte{5, 0x81, 0, 2, 0, 3, rfb.MsgSetPixelFormat}
	if _, err := f.Write(event); err != nil || !bytes.Equal(display.Bytes(), rfb.AppendPointerEvent(nil, 1, 2, 3)) {
		t.Errorf("a display that has not said so: %x, %v", display.Bytes(), err)
	}
	display.Reset()
	if _, err := s.Cut(rfb.AppendExtendedMouseButtonsAck(rfb.AppendFramebufferUpdate(nil, 1)), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(event); err != nil || !bytes.Equal(display.Bytes(), event) {
		t.Errorf("one that has: %x, %v", display.Bytes(), err)
	}
}

// limits are all the ways to withhold something.
var limits = map[string]func(*rfb.Policy){
	"keyboard":              func(p *rfb.Policy) { p.Keyboard = false },
	"pointer":               func(p *rfb.Policy) { p.Pointer = false },
	"clipboard in":          func(p *rfb.Policy) { p.ClipboardIn = false },
	"clipboard out":         func(p *rfb.Policy) { p.ClipboardOut = false },
	"resize":                func(p *rfb.Policy) { p.Resize = false },
	"power":                 func(p *rfb.Policy) { p.Power = false },
	"file transfer":         func(p *rfb.Policy) { p.FileTransfer = false },
	"bell":                  func(p *rfb.Policy) { p.Bell = false },
	"audio":                 func(p *rfb.Policy) { p.Audio = false },
	"length of clipboard":   func(p *rfb.Policy) { p.ClipboardMax = 100 },
	"length the other way":  func(p *rfb.Policy) { p.ClipboardOutMax = 100 },
	"formats of clipboards": func(p *rfb.Policy) { p.ClipboardFormats = rfb.ClipboardText },
	"encodings":             func(p *rfb.Policy) { p.Encodings = func(rfb.Encoding) bool { return true } },
	"quality":               func(p *rfb.Policy) { p.Quality = rfb.Levels{Max: 5, Bound: true} },
	"compression":           func(p *rfb.Policy) { p.Compression = rfb.Levels{Max: 5, Bound: true} },
	"key rate":              func(p *rfb.Policy) { p.KeyRate = 100 },
	"pointer rate":          func(p *rfb.Policy) { p.PointerRate = 100 },
}

// TestFilterSmuggling: a display that has never heard of ExtendedMouseButtons
// reads six bytes of a PointerEvent, and the seventh as a message's type. A
// viewer that is withheld anything must not be able to put there what it is
// withheld: the messages that such a display reads are those that the viewer
// has sent, as such a display reads them.
func TestFilterSmuggling(t *testing.T) {
	list := rfb.AppendSetEncodings(nil, rfb.EncodingRaw, rfb.EncodingExtendedMouseButtons)
	request := unhex(t, "82 00 0004 2f746d70") // for a list of files
	smuggled := append([]byte{5, 0x80, 0, 0, 0, 0}, request...)
	for name, limit := range limits {
		p := without(limit)
		if p.Encodings != nil { // as a limit of the gateway's, it leaves features alone
			p.Encodings = func(e rfb.Encoding) bool { return e < 0 || e == rfb.EncodingRaw }
		}
		for _, size := range []int{1, 7, len(list) + len(smuggled)} {
			got, err := inPieces(p, join(list, smuggled), piecesOf(size))
			want := rfb.AppendSetEncodings(nil, rfb.EncodingRaw)
			if p.Pointer {
				want = append(want, smuggled[:6]...)
			}
			if p.FileTransfer {
				want = append(want, request...)
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s withheld or limited: %x, want %x, %v", name, got, want, err)
			}
		}
		// Listed while nothing was withheld.
		var display safeBuffer
		f := rfb.NewFilter(&display, everything)
		if _, err := f.Write(list); err != nil {
			t.Fatal(err)
		}
		if err := f.SetPolicy(p); err != nil {
			t.Fatal(err)
		}
		display.take()
		if _, err := f.Write(smuggled[:7]); err != nil {
			t.Fatal(err)
		}
		if got := display.take(); p.Pointer && !bytes.Equal(got, move(0, 0, 0)) || !p.Pointer && len(got) > 0 {
			t.Errorf("%s withheld later: %x", name, got)
		}
	}
	if got, err := inPieces(everything, join(list, smuggled[:7]), piecesOf(7)); err != nil || !bytes.Equal(got, join(list, smuggled[:7])) {
		t.Errorf("nothing withheld: %x, %v", got, err)
	}
}

// TestOpaqueWithholdsNothing: a viewer that goes on unread could change what the
// display sends, or pass any limit.
func TestOpaqueWithholdsNothing(t *testing.T) {
	open := everything
	open.Opaque = true
	for name, limit := range limits {
		p := open
		limit(&p)
		var unknown *rfb.UnknownMessage
		if _, err := rfb.NewFilter(io.Discard, p).Write([]byte{7}); !errors.As(err, &unknown) {
			t.Errorf("%s withheld or limited: %v", name, err)
		}
	}
	if _, err := rfb.NewFilter(io.Discard, open).Write([]byte{7}); err != nil {
		t.Errorf("nothing withheld: %v", err)
	}
}

// TestReleaseBothForms: a key that was pressed by its code is down until its code
// is released, whatever is said of the symbol that came with it.
func TestReleaseBothForms(t *testing.T) {
	var display bytes.Buffer
	f := rfb.NewFilter(&display, everything)
	in := rfb.AppendKeyEvent(rfb.AppendQEMUKeyEvent(nil, true, 'x', 0x1e), false, 'x')
	if _, err := f.Write(in); err != nil {
		t.Fatal(err)
	}
	display.Reset()
	if err := f.Release(); err != nil || !bytes.Equal(display.Bytes(), rfb.AppendQEMUKeyEvent(nil, false, 'x', 0x1e)) {
		t.Errorf("%x, %v", display.Bytes(), err)
	}
}
