package recording_test

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/display/recording"
)

// events is a session with something of everything, each thing 200 ms behind the
// one before.
func events() []step {
	key := func(k uint32) step { return step{true, rfb.AppendKeyEvent(nil, true, k)} }
	fill := func(w, h int) []byte {
		return append(rfb.AppendRect(nil, 0, 0, uint16(w), uint16(h), rfb.EncodingRaw), bytes.Repeat([]byte{9, 8, 7, 0}, w*h)...)
	}
	update := func(rects ...[]byte) step {
		return step{false, append(rfb.AppendFramebufferUpdate(nil, uint16(len(rects))), bytes.Join(rects, nil)...)}
	}
	return []step{
		update(fill(320, 200)),
		key('l'), key('a'), key(0xff08), key('s'), key(0x20), key(0x01000431), key(0xff0d),
		{true, rfb.AppendQEMUKeyEvent(nil, true, 'x', 45)}, {true, rfb.AppendKeyEvent(nil, false, 'x')},
		{true, rfb.AppendPointerEvent(nil, 0, 1, 1)}, {true, rfb.AppendPointerEvent(nil, 1, 30, 40)}, {true, rfb.AppendPointerEvent(nil, 1, 31, 40)},
		{true, rfb.AppendPointerEvent(nil, 0, 31, 40)},
		key('y'),
		{true, rfb.AppendClientCutText(nil, "caf\u00e9")}, {true, rfb.AppendSetPixelFormat(nil, rfb.Format32())},
		update(rfb.AppendDesktopSize(nil, 100, 80)), update(fill(100, 80)),
	}
}

func TestEvents(t *testing.T) {
	path := record(t, recording.Options{Workers: recording.NewWorkers(1, 1<<20), KeyframeEvery: 1}, events())
	r := open(t, path)
	all, err := r.Events()
	if err != nil {
		t.Fatal(err)
	}
	count := map[recording.EventKind]int{}
	for i, e := range all {
		count[e.Kind]++
		switch {
		case e.Kind == recording.EventPointer && e.Place != image.Pt(30, 40),
			e.Kind == recording.EventSize && e.Size != image.Pt(100, 80),
			e.Kind == recording.EventClipboard && e.Text != "café":
			t.Errorf("%s: %+v", e.Kind, e)
		case i > 0 && e.At < all[i-1].At:
			t.Errorf("%+v comes behind %+v", e, all[i-1])
		}
	}
	want := map[recording.EventKind]int{
		recording.EventKey: 9, recording.EventPointer: 1, recording.EventClipboard: 1, recording.EventFormat: 1, recording.EventSize: 1,
	}
	for k, n := range want {
		if count[k] != n {
			t.Errorf("%d events of %s, want %d", count[k], k, n)
		}
	}
	runs, err := r.Typed()
	if err != nil || len(runs) != 3 || runs[0].Text != "ls б" || runs[1].Text != "x" || runs[2].Text != "y" {
		t.Errorf("typed is %+v, %v", runs, err)
	}
	parts, err := r.Activity(4)
	if err != nil {
		t.Fatal(err)
	}
	var sum recording.Activity
	for _, p := range parts {
		sum.Display, sum.Keys, sum.Pointer = sum.Display+p.Display, sum.Keys+p.Keys, sum.Pointer+p.Pointer
	}
	if sum.Display < 320*200*4 || sum.Keys != 10 || sum.Pointer != 4 {
		t.Errorf("%+v", parts)
	}
}

func TestThumbnail(t *testing.T) {
	for _, every := range []int64{1, 1 << 40} {
		r := open(t, record(t, recording.Options{Workers: recording.NewWorkers(1, 1<<20), KeyframeEvery: every}, events()))
		for when, want := range map[time.Duration]image.Point{2 * time.Second: {80, 50}, time.Hour: {80, 64}} {
			img, err := r.Thumbnail(when, 80)
			if err != nil || img.Rect.Max != want || img.RGBAAt(40, 20).R != 7 {
				t.Errorf("every %d, at %v: %v, %v", every, when, img.Rect, err)
			}
		}
	}
}

// TestWithoutIndex plays what another program has recorded.
func TestWithoutIndex(t *testing.T) {
	path := filepath.Join(t.TempDir(), "theirs.fbs")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := display.NewFBSWriter(file, screen())
	if err != nil {
		t.Fatal(err)
	}
	all := follow(t, nil)
	for i, s := range session(10)[:16] { // up to where the viewer changes its format
		if s.viewer {
			continue
		}
		feed(t, all, s)
		if err := w.Block(time.Duration(i)*time.Second, s.b); err != nil {
			t.Fatal(err)
		}
	}
	r := open(t, path)
	if r.Meta().Name != "a desk" || r.Duration() < 5*time.Second || r.Keyframes() != 0 {
		t.Errorf("%+v, %v", r.Meta(), r.Duration())
	}
	for range 2 {
		samePicture(t, at(t, r, time.Hour).Follower(), all)
	}
	if events, err := r.Events(); err != nil || len(events) > 0 {
		t.Errorf("%v, %v", events, err)
	}
	if _, err := recording.Verify(path, recording.VerifyOptions{}); err == nil {
		t.Error("it is verified")
	}
}

// A session that has sent more than there is room for still has its time line.
func TestTextsOfEventsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 250<<10)
	var steps []step
	for range 69 {
		steps = append(steps, step{true, rfb.AppendClientCutText(nil, long)})
	}
	steps = append(steps, step{true, rfb.AppendKeyEvent(nil, true, 'q')})
	events, err := open(t, record(t, recording.Options{Queue: 64 << 20}, append(steps, session(1)...))).Events()
	texts, cut, keys := 0, 0, 0
	for _, e := range events {
		switch e.Kind {
		case recording.EventClipboard:
			texts += len(e.Text)
			if e.Text == "" {
				cut++
			}
		case recording.EventKey:
			keys++
		}
	}
	if err != nil || texts > 16<<20 || texts < 12<<20 || cut == 0 || keys == 0 {
		t.Errorf("%d bytes of texts, %d left out, %d keys, %v", texts, cut, keys, err)
	}
}
