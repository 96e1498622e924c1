package screen

import (
	"image"
	"slices"
	"testing"

	"vncgate/rfb"
)

// Tiles are sent in the subencoding that suits them (RFC 6143, 7.7.6).
func TestZRLEChoosesSubencodings(t *testing.T) {
	tile := func(at func(x, y int) uint32) []uint32 {
		pix := make([]uint32, chunkSide*chunkSide)
		for i := range pix {
			pix[i] = at(i%chunkSide, i/chunkSide)
		}
		return pix
	}
	for name, c := range map[string]struct {
		pix  []uint32
		want byte
	}{
		"one colour":          {tile(func(x, y int) uint32 { return 7 }), zrleSolid},
		"a chessboard":        {tile(func(x, y int) uint32 { return uint32(x+y) % 2 }), 2},
		"three in a mix":      {tile(func(x, y int) uint32 { return uint32(x+y) % 3 }), 3},
		"sixteen in a mix":    {tile(func(x, y int) uint32 { return uint32(x+y) % 16 }), 16},
		"two halves":          {tile(func(x, y int) uint32 { return uint32(y / 32) }), zrlePlainRLE},
		"forty in a mix":      {tile(func(x, y int) uint32 { return uint32(x+y*7) % 40 }), zrlePaletteRLE + 40},
		"different every row": {tile(func(x, y int) uint32 { return uint32(y) }), zrlePlainRLE},
		"no two alike":        {tile(func(x, y int) uint32 { return uint32(x + 64*y) }), zrleRaw},
	} {
		e := newEncoder(&framebuffer{})
		e.zrleTile(c.pix, chunkSide)
		if e.plain[0] != c.want {
			t.Errorf("%s: subencoding %d, not %d", name, e.plain[0], c.want)
		}
	}
}

// due takes what can be sent to v and says whether it is an update.
func due(v *viewer) (job, bool) {
	j, _ := v.take()
	return j, j.update
}

func TestUpdatesAnswerRequests(t *testing.T) {
	whole := image.Rect(0, 0, 320, 200)
	v := newViewer(open(nil), nil)
	v.start(whole.Max, OneScreen(whole.Max), "name", nil)
	if _, ok := due(v); ok {
		t.Fatal("an update that nobody asked for")
	}
	v.request(whole, true)
	if j, ok := due(v); !ok || len(j.rects) != 1 || j.rects[0] != whole {
		t.Fatalf("the first update has %v", j.rects)
	}
	v.request(whole, true)
	if _, ok := due(v); ok {
		t.Fatal("an update without a change")
	}
	changed := NewRegion(whole.Max)
	changed.Add(image.Rect(0, 0, 10, 10))
	v.damaged(&changed)
	if j, ok := due(v); !ok || !slices.Equal(j.rects, []image.Rectangle{tileRect(0, 0)}) {
		t.Fatalf("a change has %v", j.rects)
	}
	v.damaged(&changed)
	if _, ok := due(v); ok {
		t.Fatal("one request was answered twice")
	}
	v.request(image.Rect(200, 100, 300, 150), true)
	if _, ok := due(v); ok {
		t.Fatal("a change elsewhere was told")
	}
	v.request(image.Rect(0, 0, 50, 50), true) // requests add up
	if _, ok := due(v); !ok {
		t.Fatal("a change was not told")
	}
	v.request(image.Rect(320, 200, 400, 400), false) // outside
	if _, ok := due(v); ok {
		t.Fatal("an update of nothing")
	}
}

func TestMessagesNeedNoRequest(t *testing.T) {
	v := newViewer(open(nil), nil)
	v.start(image.Pt(320, 200), nil, "name", dot())
	v.setEncodings([]rfb.Encoding{rfb.EncodingXvp, rfb.EncodingExtendedClipboard, rfb.EncodingCursor})
	v.post(func(p *pending) { p.bell = true })
	j, ok := v.take()
	if !ok || j.update || !j.todo.xvp || !j.todo.clipCaps || !j.todo.bell {
		t.Fatalf("%+v", j.todo)
	}
	if j, ok := v.take(); ok {
		t.Fatalf("twice: %+v", j.todo)
	}
	// The cursor waits for an update, and goes out without pixels if need be.
	v.request(image.Rect(0, 0, 320, 200), true)
	if j, ok := due(v); !ok || !j.todo.cursor || j.rectangles() != 1 {
		t.Fatalf("%+v", j.todo)
	}
	v.setEncodings([]rfb.Encoding{rfb.EncodingXvp, rfb.EncodingCursor})
	v.request(image.Rect(0, 0, 320, 200), true)
	if j, ok := due(v); !ok || j.todo.xvp || !j.todo.cursor || len(j.rects) != 0 {
		t.Fatalf("the same again: %+v", j.todo)
	}
}

// Where nobody is told of a thing, viewers are not offered it.
func TestWhatIsNotOffered(t *testing.T) {
	v := newViewer(New(Options{}), nil)
	v.start(image.Pt(320, 200), nil, "name", nil)
	v.setEncodings([]rfb.Encoding{
		rfb.EncodingXvp, rfb.EncodingExtendedClipboard, rfb.EncodingCursor,
		rfb.EncodingExtendedKeyEvent, rfb.EncodingExtendedMouseButtons,
	})
	v.request(image.Rect(0, 0, 320, 200), true)
	j, ok := v.take()
	if !ok || j.todo.messages() || j.rectangles() != 0 {
		t.Errorf("%+v", j.todo)
	}
}
