package rfb_test

import (
	"bytes"
	"errors"
	"testing"

	"vncgate/rfb"
)

// talk is a session of which both directions are filtered.
type talk struct {
	t       *testing.T
	display safeBuffer
	up      *rfb.Filter
	down    *rfb.ServerFilter
}

func newTalk(t *testing.T, format rfb.PixelFormat) *talk {
	c := &talk{t: t}
	c.up = rfb.NewFilter(&c.display, rfb.Policy{})
	c.down = rfb.NewServerFilter(c.up, rfb.ServerInit{Format: format})
	return c
}

// say has the viewer say something, and returns what the display hears.
func (c *talk) say(messages ...[]byte) []byte {
	c.t.Helper()
	if _, err := c.up.Write(join(messages...)); err != nil {
		c.t.Fatal(err)
	}
	return c.display.take()
}

// hear has the display say something, which has to pass unchanged.
func (c *talk) hear(messages ...[]byte) {
	c.t.Helper()
	in := join(messages...)
	if got, err := c.down.Cut(bytes.Clone(in), 0); err != nil || !bytes.Equal(got, in) {
		c.t.Fatalf("%d bytes of %d, %v", len(got), len(in), err)
	}
}

func (c *talk) refuses(b []byte) {
	c.t.Helper()
	var hazard *rfb.PixelFormatError
	if _, err := c.up.Write(b); !errors.As(err, &hazard) {
		c.t.Errorf("no *PixelFormatError: %v", err)
	}
	if got := c.display.take(); len(got) != 0 {
		c.t.Errorf("the display hears %x", got)
	}
}

var (
	wide   = newPainter(1, 4)
	middle = newPainter(2, 2)
	narrow = newPainter(3, 1)
	ask    = rfb.AppendFramebufferUpdateRequest(nil, true, 0, 0, 64, 48)
)

func to(p *painter) []byte { return rfb.AppendSetPixelFormat(nil, p.format()) }

// picture is an update of raw pixels in the format of p, which would be taken
// for something else in another.
func picture(p *painter) []byte {
	return update(true, p.rect(rfb.EncodingRaw), p.rect(rfb.EncodingRaw))
}

func TestFormatBeforeFirstRequest(t *testing.T) {
	c := newTalk(t, wide.format())
	c.say(to(narrow), to(middle), ask)
	c.hear(picture(middle))
}

func TestFormatBetweenUpdates(t *testing.T) {
	c := newTalk(t, wide.format())
	c.say(ask)
	c.hear(picture(wide))
	c.say(to(narrow), ask)
	c.hear(picture(narrow))
	c.say(to(wide), ask)
	c.hear(picture(wide))
}

// TestFormatDuringUpdate: as TigerVNC's viewer, once an update has begun.
func TestFormatDuringUpdate(t *testing.T) {
	for i := range 14 {
		at := 1 + 7*i
		c := newTalk(t, wide.format())
		c.say(ask)
		p := update(true, wide.rect(rfb.EncodingHextile), wide.rect(rfb.EncodingRaw))
		at = min(at, len(p)-1)
		c.hear(p[:at])
		c.say(to(narrow), ask)
		c.hear(p[at:])
		c.hear(picture(narrow))
	}
}

// TestFormatDuringNews: the update under way has no pixels, so that those that
// were asked for are still to come.
func TestFormatDuringNews(t *testing.T) {
	c := newTalk(t, wide.format())
	c.say(ask)
	news := rfb.AppendDesktopSize(rfb.AppendFramebufferUpdate(nil, 1), 1, 1)
	c.hear(news[:4])
	c.say(to(narrow))
	var hazard *rfb.PixelFormatError
	if _, err := c.down.Cut(news[4:], 0); !errors.As(err, &hazard) {
		t.Errorf("%v", err)
	}
}

func TestFormatWithRequestOutstanding(t *testing.T) {
	c := newTalk(t, wide.format())
	c.say(ask)
	c.say(rfb.AppendSetPixelFormat(nil, rfb.PixelFormat{ // as long, so no matter
		BitsPerPixel: 32, Depth: 24, TrueColour: true, BigEndian: true, RedMax: 255, GreenMax: 255, BlueMax: 255, GreenShift: 8, BlueShift: 16,
	}))
	c.refuses(to(narrow))
}

func TestFormatAfterContinuousUpdates(t *testing.T) {
	c := newTalk(t, wide.format())
	c.say(rfb.AppendEnableContinuousUpdates(nil, true, 0, 0, 1, 1))
	c.hear(picture(wide))
	c.refuses(to(narrow))
}

// TestFormatOfOtherKinds: what displays do with these is their own affair.
func TestFormatOfOtherKinds(t *testing.T) {
	for _, f := range []rfb.PixelFormat{{BitsPerPixel: 32, Depth: 8}, {BitsPerPixel: 24, Depth: 24}, {BitsPerPixel: 16, Depth: 16}} {
		newTalk(t, wide.format()).refuses(rfb.AppendSetPixelFormat(nil, f))
	}
	c := newTalk(t, wide.format())
	c.say(rfb.AppendSetPixelFormat(nil, rfb.PixelFormat{BitsPerPixel: 8, Depth: 8}))
	c.hear(picture(narrow))
}

// TestFormatMarked: a display that answers fences is asked for one.
func TestFormatMarked(t *testing.T) {
	c := newTalk(t, wide.format())
	theirs := rfb.AppendFence(nil, rfb.FenceRequest, nil)
	c.hear(theirs)
	c.say(ask, ask, rfb.AppendEnableContinuousUpdates(nil, true, 0, 0, 1, 1))
	var marks [][]byte
	for _, p := range []*painter{narrow, middle} {
		heard := c.say(to(p), ask)
		mark, rest := heard[:9+16], heard[9+16:]
		if mark[0] != rfb.MsgFence || mark[8] != 16 || !bytes.Equal(rest, join(to(p), ask)) {
			t.Fatalf("the display hears %x", heard)
		}
		marks = append(marks, rfb.AppendFence(nil, rfb.FenceSyncNext|rfb.FenceBlockBefore, mark[9:]))
	}
	in := join(picture(wide), marks[0], picture(narrow), theirs, rfb.AppendFence(nil, 0, []byte("viewer's")), picture(narrow), marks[1], picture(middle))
	want := bytes.Replace(bytes.Replace(in, marks[0], nil, 1), marks[1], nil, 1)
	got, err := cutPieces(c.down, in, piecesOf(3))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d, %v", len(got), len(want), err)
	}
	if c.down.Dropped() != 0 {
		t.Errorf("%d messages dropped", c.down.Dropped())
	}
}

func TestFormatMarkedBadly(t *testing.T) {
	fences := rfb.AppendFence(nil, rfb.FenceRequest, nil)
	c := newTalk(t, wide.format())
	c.hear(fences)
	c.say(ask)
	mark := c.say(to(narrow))[9:25]
	var hazard *rfb.PixelFormatError
	if _, err := c.down.Cut(rfb.AppendFence(nil, 0, mark), 0); !errors.As(err, &hazard) {
		t.Errorf("an answer without SyncNext: %v", err)
	}

	c = newTalk(t, wide.format())
	c.hear(fences)
	c.say(ask)
	// The viewer's own fence is about the next message, which must not be ours.
	sync := rfb.AppendFence(nil, rfb.FenceRequest|rfb.FenceSyncNext, nil)
	c.say(sync)
	c.refuses(to(narrow))

	c = newTalk(t, wide.format())
	c.hear(fences)
	for i := range 8 {
		c.say([][]byte{to(narrow), to(wide)}[i%2])
	}
	c.refuses(to(narrow))
}

// TestFormatAndCursor: QEMU sends a cursor as soon as there is one, asked or
// not, and nothing tells in which format.
func TestFormatAndCursor(t *testing.T) {
	cursor := func(p *painter) []byte {
		return rfb.AppendCursor(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, 3, 1, p.noise(3*p.raw), []byte{0})
	}
	c := newTalk(t, wide.format())
	c.say(to(narrow), rfb.AppendSetEncodings(nil, rfb.EncodingCursor))
	c.hear(cursor(narrow))

	c = newTalk(t, wide.format())
	c.say(rfb.AppendSetEncodings(nil, rfb.EncodingCursor), to(narrow), ask)
	var hazard *rfb.PixelFormatError
	if _, err := c.down.Cut(cursor(wide), 0); !errors.As(err, &hazard) {
		t.Errorf("a cursor in either format: %v", err)
	}

	c = newTalk(t, wide.format())
	c.say(rfb.AppendSetEncodings(nil, rfb.EncodingCursor), to(narrow), ask)
	c.hear(picture(narrow), cursor(narrow))
}

// TestFormatOfDisplay: WMVi changes the format where it stands.
func TestFormatOfDisplay(t *testing.T) {
	c := newTalk(t, wide.format())
	c.say(ask)
	mode := append(rfb.AppendRect(nil, 0, 0, 1, 1, rfb.EncodingWMVi), narrow.format().Append(nil)...)
	c.hear(update(true, wide.rect(rfb.EncodingRaw), mode, narrow.rect(rfb.EncodingRaw)), picture(narrow))
	c.say(to(narrow)) // nothing changes
	c.hear(picture(narrow))
}

// TestFormatOfTight: TPIXEL and CPIXEL go by more than the size of a pixel.
func TestFormatOfTight(t *testing.T) {
	fill := func(n int) []byte {
		return update(true, append(rfb.AppendRect(nil, 0, 0, 9, 9, rfb.EncodingTight), append([]byte{0x80}, make([]byte, n)...)...))
	}
	solid := func(n int) []byte {
		return update(true, append(rfb.AppendRect(nil, 0, 0, 9, 9, rfb.EncodingTRLE), append([]byte{1}, make([]byte, n)...)...))
	}
	deep := wide.format()
	deep.Depth = 32
	ten := rfb.PixelFormat{BitsPerPixel: 32, Depth: 30, TrueColour: true, RedMax: 1023, GreenMax: 1023, BlueMax: 1023, RedShift: 20, GreenShift: 10}
	high := wide.format()
	high.RedShift, high.GreenShift, high.BlueShift = 24, 16, 8
	spread := wide.format()
	spread.RedShift = 24
	for _, tt := range []struct {
		name           string
		f              rfb.PixelFormat
		tight, compact int
	}{
		{"usual", wide.format(), 3, 3}, {"depth 30", ten, 4, 4}, {"high bytes", high, 3, 3}, {"spread", spread, 3, 4},
		{"16", middle.format(), 2, 2}, {"8", narrow.format(), 1, 1}, {"depth 32", deep, 0, 4},
	} {
		bell := []byte{2}
		_, s := newCutter(rfb.Policy{}, tt.f)
		in := append(fill(tt.tight), bell...)
		got, err := s.Cut(bytes.Clone(in), 0)
		if wantErr := tt.tight == 0; (err != nil) != wantErr || err == nil && !bytes.Equal(got, in[:len(in)-1]) {
			t.Errorf("%s, Tight: %x, %v", tt.name, got, err)
		}
		_, s = newCutter(rfb.Policy{}, tt.f)
		in = append(solid(tt.compact), bell...)
		if got, err := s.Cut(bytes.Clone(in), 0); err != nil || !bytes.Equal(got, in[:len(in)-1]) {
			t.Errorf("%s, TRLE: %x, %v", tt.name, got, err)
		}
	}
}

// TestEncodingsWhenParsed: nothing is asked for that cannot be followed.
func TestEncodingsWhenParsed(t *testing.T) {
	c := newTalk(t, wide.format())
	in := rfb.AppendSetEncodings(nil, 7, 18, 25, -317, -305, 99, rfb.EncodingExtendedClipboard, -239, 0x574d5664, -259, -32, -412, -763)
	want := rfb.AppendSetEncodings(nil, 7, -305, -239, 0x574d5664, -32, -412, -763)
	if got := c.say(in); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestParsesServer(t *testing.T) {
	for _, tt := range []struct {
		p    rfb.Policy
		want bool
	}{
		{everything, false}, {noInput, false}, {rfb.Policy{}, true},
		{without(func(p *rfb.Policy) { p.ClipboardOut = false }), true}, {without(func(p *rfb.Policy) { p.Bell = false }), true},
		{without(func(p *rfb.Policy) { p.Audio = false }), true}, {without(func(p *rfb.Policy) { p.ClipboardOutMax = 1 }), true},
		{without(func(p *rfb.Policy) { p.ClipboardFormats = 1 }), true},
	} {
		if got := tt.p.ParsesServer(); got != tt.want {
			t.Errorf("%+v: %v", tt.p, got)
		}
	}
}

// TestServerClipboard applies caps and formats to what a display hands out.
func TestServerClipboard(t *testing.T) {
	extended := func(flags uint32, body ...byte) []byte {
		return rfb.AppendServerClipboard(nil, rfb.Clipboard{Flags: flags, Body: body})
	}
	const text, html = rfb.ClipboardText, rfb.ClipboardHTML
	plain := rfb.AppendServerCutText(nil, "hello")
	provide := rfb.AppendServerClipboard(nil, rfb.ProvideText("hello"))
	most := func(n int) rfb.Policy { return without(func(p *rfb.Policy) { p.ClipboardOutMax = n }) }
	formats := func(f uint32) rfb.Policy { return without(func(p *rfb.Policy) { p.ClipboardFormats = f }) }
	for _, tt := range []struct {
		name     string
		p        rfb.Policy
		in, want []byte
	}{
		{"plain", most(5), plain, plain}, {"plain, too long", most(4), plain, nil}, {"plain, no text", formats(html), plain, nil},
		{"provide", most(6), provide, provide}, {"provide, too long", most(5), provide, nil},
		{"provide, a bomb", most(1 << 20), rfb.AppendServerClipboard(nil, rfb.ProvideText(string(make([]byte, 2<<20)))), nil},
		{"provide, long as it is", most(5), extended(rfb.ClipboardProvide|text, make([]byte, 9000)...), nil},
		{"provide, nothing", most(5), extended(rfb.ClipboardProvide | text), nil},
		{"provide, not text alone", formats(text), extended(rfb.ClipboardProvide|text|html, 1), nil},
		{"notify, one of two", formats(text), extended(rfb.ClipboardNotify | text | html), extended(rfb.ClipboardNotify | text)},
		{"request, one of two", formats(text), extended(rfb.ClipboardRequest | text | html), extended(rfb.ClipboardRequest | text)},
	} {
		bell := []byte{2}
		for _, size := range []int{1, 5, len(tt.in) + 2} {
			_, s := newCutter(tt.p, rfb.Format32())
			got, err := cutPieces(s, join(bell, tt.in, bell), piecesOf(size))
			if err != nil || !bytes.Equal(got, join(bell, tt.want, bell)) {
				t.Errorf("%s, pieces of %d: %x, %v", tt.name, size, got, err)
			}
		}
	}
}

// TestServerFilterSetPolicy: what has begun goes on as it began.
func TestServerFilterSetPolicy(t *testing.T) {
	f, s := newCutter(everything, rfb.Format32())
	in := join([]byte{2}, rfb.AppendServerCutText(nil, "first"), rfb.AppendServerCutText(nil, "second"), []byte{2})
	got, err := s.Cut(bytes.Clone(in[:12]), 0)
	if err != nil || !bytes.Equal(got, in[:12]) {
		t.Fatalf("%x, %v", got, err)
	}
	if err := f.SetPolicy(rfb.Policy{}); err != nil {
		t.Fatal(err)
	}
	if got, err = s.Cut(bytes.Clone(in[12:]), 0); err != nil || !bytes.Equal(got, in[12:14]) {
		t.Errorf("%x, %v", got, err)
	}
	if err := f.SetPolicy(everything); err != nil {
		t.Fatal(err)
	}
	if got, err = s.Cut(bytes.Clone(in), 0); err != nil || !bytes.Equal(got, in) {
		t.Errorf("%x, %v", got, err)
	}
}

// TestReleaseMovesNothing: QEMU without a tablet takes places for movements.
func TestReleaseMovesNothing(t *testing.T) {
	var display safeBuffer
	f := rfb.NewFilter(&display, everything)
	s := rfb.NewServerFilter(f, rfb.ServerInit{Format: rfb.Format32()})
	for _, absolute := range []uint16{0, 1} {
		motion := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), absolute, 0, 0, 0, rfb.EncodingPointerMotion)
		if _, err := s.Cut(motion, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(move(1, 0x8005, 0x8005)); err != nil {
			t.Fatal(err)
		}
		display.take()
		if err := f.SetPolicy(noPointer); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(move(1, 1, 1)); err != nil { // waits for what SetPolicy has begun
			t.Fatal(err)
		}
		want := move(0, 0x7fff, 0x7fff)
		if absolute == 1 {
			want = move(0, 0x8005, 0x8005)
		}
		if got := display.take(); !bytes.Equal(got, want) {
			t.Errorf("%x, want %x", got, want)
		}
		if err := f.SetPolicy(everything); err != nil {
			t.Fatal(err)
		}
	}
}
