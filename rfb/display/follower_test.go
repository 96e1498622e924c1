package display_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"math/rand/v2"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// shorter is a format of 16 bits.
func shorter() rfb.PixelFormat {
	return rfb.PixelFormat{BitsPerPixel: 16, Depth: 16, TrueColour: true, RedMax: 31, GreenMax: 63, BlueMax: 31, RedShift: 11, GreenShift: 5}
}

// follow is a Follower that the test closes.
func follow(t testing.TB, init rfb.ServerInit) *display.Follower {
	t.Helper()
	f, err := display.NewFollower(init)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// TestFollowerFormats has a viewer change its format at every place where it can
// be known what holds from where on.
func TestFollowerFormats(t *testing.T) {
	init := screenOf(2, 1, rfb.Format32())
	long := update(body(init, rfb.EncodingRaw, join(red, red)...))
	short := update(body(init, rfb.EncodingRaw, 0xe0, 0x07, 0x1f, 0))
	change := rfb.AppendSetPixelFormat(nil, shorter())
	on, off := rfb.AppendEnableContinuousUpdates(nil, true, 0, 0, 2, 1), rfb.AppendEnableContinuousUpdates(nil, false, 0, 0, 2, 1)
	fence := func(flags uint32) []byte { return rfb.AppendFence(nil, flags, []byte("here")) }
	type said struct {
		by byte
		b  []byte
	}
	for _, tt := range []struct {
		name string
		said []said
	}{
		{"before anything", []said{{'V', change}, {'D', short}}},
		{"between updates", []said{{'D', long}, {'V', change}, {'D', short}}},
		{"during an update", []said{{'D', long[:9]}, {'V', change}, {'D', long[9:]}, {'D', short}}},
		{"in the middle of its head", []said{{'D', long[:1]}, {'V', change}, {'D', long[1:]}, {'D', short}}},
		{"twice during an update", []said{{'D', long[:20]}, {'V', rfb.AppendSetPixelFormat(nil, rfb.PixelFormat{BitsPerPixel: 8, Depth: 8})}, {'V', change}, {'D', long[20:]}, {'D', short}}},
		{"with updates ended", []said{{'V', on}, {'D', long}, {'V', off}, {'V', change}, {'D', long}, {'D', []byte{rfb.MsgEndOfContinuousUpdates}}, {'D', short}}},
		{"behind a fence", []said{{'V', on}, {'D', long}, {'V', fence(rfb.FenceRequest | rfb.FenceSyncNext)}, {'V', change}, {'D', long}, {'D', fence(rfb.FenceSyncNext)}, {'D', short}}},
		{"behind a fence that nobody answers", []said{{'D', long[:9]}, {'V', fence(rfb.FenceRequest | rfb.FenceSyncNext)}, {'V', change}, {'D', long[9:]}, {'D', short}}},
		{"by the display itself", []said{{'D', update(shorter().Append(rfb.AppendRect(nil, 0, 0, 2, 1, rfb.EncodingWMVi)))}, {'D', short}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{1, 3, 1000} {
				f := follow(t, init)
				for _, s := range tt.said {
					for b := range chunks(s.b, piece) {
						var err error
						if s.by == 'V' {
							err = f.Viewer(b)
						} else {
							err = f.Display(b)
						}
						if err != nil {
							t.Fatal(err)
						}
					}
				}
				if got := [2]uint32{at(f.Image(), 0, 0), at(f.Image(), 1, 0)}; got != [2]uint32{0x00ff00, 0x0000ff} || f.Format() != shorter() {
					t.Errorf("in pieces of %d: %06x in %v", piece, got, f.Format())
				}
			}
		})
	}
}

// chunks are pieces of b of at most n bytes.
func chunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			piece := b[:min(n, len(b))]
			if !yield(piece) {
				return
			}
			b = b[len(piece):]
		}
	}
}

func TestFollowerFollowsThePointer(t *testing.T) {
	f := follow(t, screenOf(4, 4, rfb.Format32()))
	list := rfb.AppendSetEncodings(nil, rfb.EncodingExtendedMouseButtons, rfb.EncodingRaw)
	for b := range chunks(join(list, rfb.AppendClientCutText(nil, string(make([]byte, 9000))), rfb.AppendExtendedPointerEvent(nil, 0x101, 2, 3)), 7) {
		if err := f.Viewer(b); err != nil {
			t.Fatal(err)
		}
	}
	if c := f.Cursor(); !c.Told || c.At.X != 2 || c.At.Y != 3 || len(f.Encodings()) != 2 {
		t.Errorf("%+v, %v", c, f.Encodings())
	}
	if err := f.Viewer([]byte{99}); err == nil {
		t.Error("an unknown message is understood")
	}
	if err := f.Viewer(list); err == nil {
		t.Error("what follows it is")
	}
	if err := f.Display(update()); err != nil {
		t.Errorf("and the display is not: %v", err)
	}
}

// stream is a zlib stream that a display cuts into pieces.
type stream struct {
	out bytes.Buffer
	z   *zlib.Writer
}

func (s *stream) piece(b []byte) []byte {
	if s.z == nil {
		s.z = zlib.NewWriter(&s.out)
	}
	s.out.Reset()
	_, _ = s.z.Write(b)
	_ = s.z.Flush()
	return bytes.Clone(s.out.Bytes())
}

// talk is what a display of 64×48 pixels says for a while, in every kind of
// stream, each message on its own.
func talk(init rfb.ServerInit, n int) [][]byte {
	rnd := rand.New(rand.NewPCG(7, 8))
	var zip, zrle stream
	var tight [4]stream
	var said [][]byte
	for i := range n {
		w, h := 1+rnd.IntN(int(init.Width)), 1+rnd.IntN(int(init.Height))
		x, y := rnd.IntN(int(init.Width)-w+1), rnd.IntN(int(init.Height)-h+1)
		rect := func(e rfb.Encoding, b ...[]byte) []byte {
			return append(rfb.AppendRect(nil, uint16(x), uint16(y), uint16(w), uint16(h), e), join(b...)...)
		}
		pixels := make([]byte, 4*w*h)
		for j := range pixels {
			pixels[j] = byte(rnd.IntN(1 + i%7))
		}
		counted := func(b []byte) []byte {
			return append([]byte{0, byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}, b...)
		}
		switch i % 6 {
		case 0:
			said = append(said, update(rect(rfb.EncodingZlib, counted(zip.piece(pixels)))))
		case 1:
			w, h = min(w, 64), min(h, 64)
			said = append(said, update(rect(rfb.EncodingZRLE, counted(zrle.piece(append([]byte{0}, pixels[:3*w*h]...))))))
		case 2, 3:
			if 3*w*h < 12 {
				continue
			}
			k := rnd.IntN(4)
			control := byte(k << 4)
			if rnd.IntN(5) == 0 {
				control |= 1 << k
				tight[k] = stream{}
			}
			b := tight[k].piece(pixels[:3*w*h])
			said = append(said, update(rect(rfb.EncodingTight, []byte{control, 0x80 | byte(len(b)), 0x80 | byte(len(b)>>7), byte(len(b) >> 14)}, b)))
		case 4:
			said = append(said, update(append(rfb.AppendRect(nil, 1, 1, 2, 1, rfb.EncodingCursor), join(red, green, []byte{0xc0})...), rfb.AppendDesktopName(nil, string(rune('a'+i%26)))))
		case 5:
			said = append(said, rfb.AppendFence(nil, rfb.FenceRequest, []byte{byte(i)}), rfb.AppendBell(nil))
		}
	}
	return said
}

// sameFollower compares what two know.
func sameFollower(t *testing.T, what string, got, want *display.Follower) {
	t.Helper()
	if !bytes.Equal(got.Image().Pix, want.Image().Pix) || got.Image().Rect != want.Image().Rect {
		t.Errorf("%s: the picture is another", what)
	}
	if got.Name() != want.Name() || got.Format() != want.Format() {
		t.Errorf("%s: %q in %v, want %q in %v", what, got.Name(), got.Format(), want.Name(), want.Format())
	}
	a, b := got.Cursor(), want.Cursor()
	if (a.Shape == nil) != (b.Shape == nil) || a.Shape != nil && !bytes.Equal(a.Shape.Pix, b.Shape.Pix) || a.Hot != b.Hot || a.At != b.At || a.Told != b.Told {
		t.Errorf("%s: the pointer is %+v, want %+v", what, a, b)
	}
}

// TestResume resumes from the keyframe behind each message: what comes then makes
// the picture that it makes for one who has seen all.
func TestResume(t *testing.T) {
	init := screenOf(64, 48, rfb.Format32())
	said := talk(init, 120)
	all := follow(t, init)
	keyframes := make([][]byte, 0, len(said))
	var plain *display.Follower = follow(t, init)
	for i, b := range said {
		if err := all.Display(b); err != nil {
			t.Fatal(err)
		}
		if err := plain.Display(b); err != nil {
			t.Fatal(err)
		}
		k, err := all.Keyframe(nil)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		keyframes = append(keyframes, k)
	}
	sameFollower(t, "without keyframes", plain, all)
	for i, k := range keyframes {
		f, err := display.Resume(k)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := f.Keyframe(nil); err != nil || !bytes.Equal(again, k) {
			t.Errorf("keyframe %d changes when it is made again: %v", i, err)
		}
		for _, b := range said[i+1:] {
			if err := f.Display(b); err != nil {
				t.Fatalf("from %d: %v", i, err)
			}
		}
		sameFollower(t, "resumed", f, all)
		f.Close()
	}
}

// TestResumeInTheMiddle makes keyframes while a viewer's message has come in part
// and changes of format are on their way.
func TestResumeInTheMiddle(t *testing.T) {
	init := screenOf(2, 1, rfb.Format32())
	f := follow(t, init)
	on, off := rfb.AppendEnableContinuousUpdates(nil, true, 0, 0, 2, 1), rfb.AppendEnableContinuousUpdates(nil, false, 0, 0, 2, 1)
	cut := rfb.AppendClientCutText(nil, string(make([]byte, 5000)))
	said := join(rfb.AppendSetEncodings(nil, rfb.EncodingRaw, rfb.EncodingExtendedMouseButtons), on, off,
		rfb.AppendFence(nil, rfb.FenceRequest|rfb.FenceSyncNext, nil), rfb.AppendSetPixelFormat(nil, shorter()), cut)
	if err := f.Display(update(body(init, rfb.EncodingRaw, join(red, red)...))); err != nil {
		t.Fatal(err)
	}
	for i := range said {
		if err := f.Viewer(said[i : i+1]); err != nil {
			t.Fatal(err)
		}
		if i > 100 && i%97 != 0 {
			continue
		}
		k, err := f.Keyframe(nil)
		if err != nil {
			t.Fatal(err)
		}
		g, err := display.Resume(k)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Viewer(said[i+1:]); err != nil {
			t.Fatal(err)
		}
		if err := g.Display(join([]byte{rfb.MsgEndOfContinuousUpdates}, update(body(init, rfb.EncodingRaw, 0xe0, 0x07, 0x1f, 0)))); err != nil {
			t.Fatal(err)
		}
		if got := at(g.Image(), 0, 0); got != 0x00ff00 || len(g.Encodings()) != 2 {
			t.Fatalf("resumed at byte %d: %06x", i, got)
		}
		g.Close()
	}
}

// TestNotResumable has a rectangle leave something of its stream: nothing but a
// picture can be made of the keyframe, until the next.
func TestNotResumable(t *testing.T) {
	init := screenOf(4, 2, rfb.Format32())
	pixels := bytes.Repeat(red, 8)
	var zip stream
	f := follow(t, init)
	if err := f.Display(update(body(init, rfb.EncodingZlib, counted(zip.piece(bytes.Repeat(red, 9)))...))); err != nil {
		t.Fatal(err)
	}
	k, err := f.Keyframe(nil)
	if !errors.Is(err, display.ErrNotResumable) {
		t.Fatal(err)
	}
	if _, err := display.Resume(k); !errors.Is(err, display.ErrPictureOnly) {
		t.Error(err)
	}
	if img, _, err := display.KeyframePicture(k); err != nil || at(img, 3, 1) != 0xff0000 {
		t.Errorf("%v", err)
	}
	if err := f.Display(update(body(init, rfb.EncodingZlib, counted(zip.piece(bytes.Repeat(blue, 8)))...))); err != nil {
		t.Fatal(err)
	}
	if k, err = f.Keyframe(nil); err != nil {
		t.Fatal(err)
	}
	g, err := display.Resume(k)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Display(update(body(init, rfb.EncodingZlib, counted(zip.piece(pixels))...))); err != nil || at(g.Image(), 1, 1) != 0xff0000 {
		t.Errorf("%v", err)
	}
}

func TestFollowerEnds(t *testing.T) {
	if _, err := display.NewFollower(rfb.ServerInit{}); err == nil {
		t.Error("no screen has a picture")
	}
	f := follow(t, small)
	if err := f.Display([]byte{200}); err == nil {
		t.Error("an unknown message is understood")
	}
	if err := f.Display(update()); err == nil || f.Between() {
		t.Error("what follows it is")
	}
	g := follow(t, small)
	var ends []int64
	g.Each = func(display.Message) { ends = append(ends, g.Offset()) }
	if err := g.Display(join(update(), rfb.AppendBell(nil), []byte{rfb.MsgBell, rfb.MsgServerCutText})); err != nil {
		t.Fatal(err)
	}
	if len(ends) != 3 || ends[0] != 4 || ends[1] != 5 || ends[2] != 6 || g.Between() {
		t.Errorf("messages end at %v", ends)
	}
	g.Close()
	if err := g.Display(update()); err == nil {
		t.Error("a closed follower draws")
	}
}

// FuzzResume has a display say anything: whoever resumes from the keyframe behind
// a message knows in the end what he knows who made it.
func FuzzResume(f *testing.F) {
	init := screenOf(64, 48, rfb.Format32())
	f.Add(join(talk(init, 20)...), rfb.AppendSetEncodings(nil, rfb.EncodingZRLE), uint16(3))
	f.Add(join(talk(init, 7)...), rfb.AppendSetPixelFormat(nil, shorter()), uint16(0))
	f.Add(join(update(body(screenOf(4, 2, rfb.Format32()), rfb.EncodingZlib, counted([]byte{0x78, 0x9c, 3, 0, 1})...))), []byte{6, 0, 0, 0}, uint16(0))
	f.Fuzz(func(t *testing.T, said, viewer []byte, which uint16) {
		all := follow(t, init)
		_ = all.Viewer(viewer)
		var keyframe []byte
		var from int64
		n := 0
		all.Each = func(display.Message) {
			k, err := all.Keyframe(nil)
			if n++; err == nil && n == int(which%32)+1 {
				keyframe, from = k, all.Offset()
			}
		}
		wholeErr := all.Display(said)
		if keyframe == nil {
			return
		}
		g, err := display.Resume(keyframe)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		// Keyframes are taken at the same places, which they may not change.
		g.Each = func(display.Message) { _, _ = g.Keyframe(nil) }
		resumedErr := g.Display(said[from:])
		if (wholeErr == nil) != (resumedErr == nil) {
			t.Errorf("from the beginning: %v, resumed: %v", wholeErr, resumedErr)
		}
		sameFollower(t, "resumed", g, all)
	})
}

// FuzzKeyframe resumes from anything: what is taken for a keyframe is one, and
// says the same again.
func FuzzKeyframe(f *testing.F) {
	init := screenOf(8, 6, rfb.PixelFormat{BitsPerPixel: 8, Depth: 8})
	v, err := display.NewFollower(init)
	if err != nil {
		f.Fatal(err)
	}
	defer v.Close()
	_ = v.Viewer(join(rfb.AppendEnableContinuousUpdates(nil, true, 0, 0, 1, 1), rfb.AppendEnableContinuousUpdates(nil, false, 0, 0, 1, 1), rfb.AppendSetPixelFormat(nil, shorter()), []byte{6, 0}))
	_ = v.Display(join([]byte{rfb.MsgSetColourMapEntries, 0, 0, 1, 0, 2, 255, 255, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0}, update(rfb.AppendDesktopName(nil, "name"))))
	k, err := v.Keyframe(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k)
	f.Add(k[:len(k)-9])
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := display.Resume(b)
		if err != nil {
			return
		}
		defer g.Close()
		again, err := g.Keyframe(nil)
		if err != nil {
			t.Fatal(err)
		}
		h, err := display.Resume(again)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		sameFollower(t, "again", h, g)
	})
}
