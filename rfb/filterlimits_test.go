package rfb_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"vncgate/rfb"
)

func TestKeyRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var display safeBuffer
		f := rfb.NewFilter(&display, without(func(p *rfb.Policy) { p.KeyRate = 2 }))
		send := func(want []byte, in ...[]byte) {
			t.Helper()
			if _, err := f.Write(join(in...)); err != nil {
				t.Fatal(err)
			}
			if got := display.take(); !bytes.Equal(got, want) {
				t.Errorf("%x, want %x", got, want)
			}
		}
		send(join(key(true, 1), key(true, 2)), key(true, 1), key(true, 2), key(true, 3))
		send(key(false, 1), key(false, 3), key(false, 1)) // 3 was never down for the display
		send(nil, key(true, 2))                           // a repetition too many: 2 stays down
		send(key(false, 2), key(false, 2))
		send(nil, key(false, 9), qkey(true, 7, 7))
		time.Sleep(time.Second)
		send(nil, qkey(true, 7, 7), qkey(false, 7, 7)) // down since before, as the viewer sees it
		send(join(qkey(true, 7, 7), qkey(false, 7, 7)), qkey(true, 7, 7), qkey(false, 7, 7))
		if err := f.SetPolicy(everything); err != nil {
			t.Fatal(err)
		}
		many := bytes.Repeat(join(key(true, 1), key(false, 1)), 50)
		send(many, many)
	})
}

func TestPointerRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var display safeBuffer
		f := rfb.NewFilter(&display, without(func(p *rfb.Policy) { p.PointerRate = 2 }))
		send := func(want []byte, in ...[]byte) {
			t.Helper()
			if _, err := f.Write(join(in...)); err != nil {
				t.Fatal(err)
			}
			if got := display.take(); !bytes.Equal(got, want) {
				t.Errorf("%x, want %x", got, want)
			}
		}
		request := rfb.AppendFramebufferUpdateRequest(nil, true, 0, 0, 1, 1)
		send(join(move(0, 1, 1), move(0, 2, 2)), move(0, 1, 1), move(0, 2, 2), move(0, 3, 3), move(0, 4, 4))
		send(request, request)                                                 // no turn for the motion yet
		send(join(move(0, 4, 4), key(true, 'a')), key(true, 'a'))              // a key goes where the pointer is
		send(join(move(1, 5, 5), move(0, 6, 6)), move(1, 5, 5), move(0, 6, 6)) // buttons always
		send(nil, move(0, 7, 7))
		time.Sleep(3 * time.Second)
		send(join(move(0, 7, 7), request), request) // now it is its turn
		send(nil, unhex(t, "fd 80 0001 00"))        // gii: nobody can tell how many events
	})
}

// TestClipboardExtended decides on what extended messages do.
func TestClipboardExtended(t *testing.T) {
	extended := func(flags uint32, body ...byte) []byte {
		return rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: flags, Body: body})
	}
	const text, html = rfb.ClipboardText, rfb.ClipboardHTML
	provide := rfb.AppendClientClipboard(nil, rfb.ProvideText("hello"))
	big := rfb.AppendClientClipboard(nil, rfb.ProvideText(string(bytes.Repeat([]byte("a"), 5<<20))))
	caps := rfb.AppendClientClipboard(nil, rfb.ClipboardCapabilities(10))
	inOnly := without(func(p *rfb.Policy) { p.ClipboardOut = false })
	outOnly := without(func(p *rfb.Policy) { p.ClipboardIn = false })
	neither := without(func(p *rfb.Policy) { p.ClipboardIn, p.ClipboardOut = false, false })
	textOnly := without(func(p *rfb.Policy) { p.ClipboardFormats = text })
	noText := without(func(p *rfb.Policy) { p.ClipboardFormats = html })
	short := without(func(p *rfb.Policy) { p.ClipboardMax = 6 })
	shorter := without(func(p *rfb.Policy) { p.ClipboardMax = 5 })
	for _, tt := range []struct {
		name     string
		p        rfb.Policy
		in, want []byte
	}{
		{"provide", inOnly, provide, provide}, {"provide, out only", outOnly, provide, nil},
		{"provide, exactly", short, provide, provide}, {"provide, a byte more", shorter, provide, nil},
		{"provide, a bomb", everything, big, nil}, {"provide, no zlib", everything, extended(rfb.ClipboardProvide|text, 1, 2), nil},
		{"provide, text only", textOnly, provide, provide}, {"provide, no text", noText, provide, nil},
		{"provide, more formats", textOnly, extended(rfb.ClipboardProvide|text|html, provide[12:]...), nil},
		{"provide, fewer than said", everything, extended(rfb.ClipboardProvide|text|html, provide[12:]...), nil},
		{"provide, more than said", everything, extended(rfb.ClipboardProvide, provide[12:]...), nil},
		{"notify", inOnly, extended(rfb.ClipboardNotify | text), extended(rfb.ClipboardNotify | text)},
		{"notify, out only", outOnly, extended(rfb.ClipboardNotify | text), nil},
		{"notify, one of two", textOnly, extended(rfb.ClipboardNotify | text | html), extended(rfb.ClipboardNotify | text)},
		{"notify, none of one", noText, extended(rfb.ClipboardNotify | text), extended(rfb.ClipboardNotify)},
		{"request", outOnly, extended(rfb.ClipboardRequest | text), extended(rfb.ClipboardRequest | text)},
		{"request, in only", inOnly, extended(rfb.ClipboardRequest | text), nil},
		{"request, none of one", noText, extended(rfb.ClipboardRequest | text), nil},
		{"peek", outOnly, extended(rfb.ClipboardPeek), extended(rfb.ClipboardPeek)}, {"peek, in only", inOnly, extended(rfb.ClipboardPeek), nil},
		{"caps", inOnly, caps, caps}, {"caps, out only", outOnly, caps, caps}, {"caps, neither", neither, caps, nil},
		{"two at once", inOnly, extended(rfb.ClipboardNotify | rfb.ClipboardPeek | text), nil},
		{"nothing", everything, extended(text), nil},
		{"plain", textOnly, rfb.AppendClientCutText(nil, "x"), rfb.AppendClientCutText(nil, "x")},
		{"plain, no text", noText, rfb.AppendClientCutText(nil, "x"), nil},
	} {
		for _, size := range []int{1, 13, len(tt.in)} {
			if size == 1 && len(tt.in) > 1000 {
				continue
			}
			got, err := inPieces(tt.p, tt.in, piecesOf(size))
			if err != nil || !bytes.Equal(got, tt.want) {
				t.Errorf("%s, pieces of %d: %x, %v", tt.name, size, got, err)
			}
		}
	}
}

// TestLevels: levels are moved to the nearest that is allowed.
func TestLevels(t *testing.T) {
	p := everything
	p.Quality = rfb.Levels{Min: 2, Max: 6, Bound: true}
	p.Compression = rfb.Levels{Min: 0, Max: 0, Bound: true}
	in := rfb.AppendSetEncodings(nil, 7, -32, -23, -27, -256, -247, -512, -412, -462, -768, -763, -224)
	want := rfb.AppendSetEncodings(nil, 7, -30, -26, -27, -256, -256, -492, -442, -462, -224)
	for _, size := range []int{1, len(in)} {
		if got, err := inPieces(p, in, piecesOf(size)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%x, want %x, %v", got, want, err)
		}
	}
	if got, err := inPieces(everything, in, piecesOf(len(in))); err != nil || !bytes.Equal(got, in) {
		t.Errorf("unbounded: %x, %v", got, err)
	}
}
