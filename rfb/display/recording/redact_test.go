package recording_test

import (
	"bytes"
	"encoding/json"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/display/recording"
)

// typing is a session in which a password is typed and a clipboard is sent, both
// ways.
func typing() []step {
	key := func(c rune) step { return step{true, rfb.AppendKeyEvent(nil, true, uint32(c))} }
	steps := session(6)
	for _, c := range "s3cret" {
		steps = append(steps, key(c))
	}
	return append(steps,
		step{true, rfb.AppendClientCutText(nil, "viewers words")},
		step{false, append(rfb.AppendServerCutText(nil, "displays words"), rfb.AppendBell(nil)...)},
		step{false, rfb.AppendServerCutText(nil, "more of it")},
		step{true, rfb.AppendPointerEvent(nil, 1, 9, 9)},
	)
}

// everything is both files of a recording, as they are on the disk.
func everything(t testing.TB, path string) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// heard is all that the display said, as any player reads it.
func heard(t testing.TB, path string) []byte {
	t.Helper()
	r, err := open(t, path).FBS()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fbs, _, err := display.NewFBSReader(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(fbs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// last is what is on the screen in the end.
func last(t testing.TB, path string) *display.Follower {
	t.Helper()
	return at(t, open(t, path), time.Hour).Follower()
}

func TestClipboardIsLeftOut(t *testing.T) {
	steps := typing()
	kept := record(t, recording.Options{}, steps)
	for _, words := range []string{"viewers words", "displays words", "more of it"} {
		if !bytes.Contains(append(everything(t, kept), heard(t, kept)...), []byte(words)) {
			t.Errorf("%q is not recorded", words)
		}
	}
	path := record(t, recording.Options{Redact: recording.Redact{Clipboard: true}, Workers: recording.NewWorkers(1, 1<<20), KeyframeEvery: 1}, steps)
	for _, words := range []string{"viewers w", "rs words", "displays w", "ys words", "more of it"} {
		if bytes.Contains(append(everything(t, path), heard(t, path)...), []byte(words)) {
			t.Errorf("%q is recorded", words)
		}
	}
	samePicture(t, last(t, path), follow(t, steps))
	if n := marks(t, path, "clipboard"); n != 3 {
		t.Errorf("%d clipboards are marked", n)
	}
	if !verifyIntact(t, path, nil) {
		t.Error("it does not verify")
	}
}

// marks counts the marks of a kind.
func marks(t testing.TB, path, kind string) int {
	t.Helper()
	events, err := open(t, path).Events()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range events {
		if e.Kind == recording.EventMark && e.Name == kind {
			n++
		}
	}
	return n
}

func typed(t testing.TB, path string) string {
	t.Helper()
	runs, err := open(t, path).Typed()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range runs {
		all = append(all, r.Text)
	}
	return strings.Join(all, " ")
}

func TestKeysAreLeftOut(t *testing.T) {
	steps := typing()
	if got := typed(t, record(t, recording.Options{}, steps)); !strings.Contains(got, "s3cret") {
		t.Errorf("typed is %q", got)
	}
	if got := typed(t, record(t, recording.Options{Redact: recording.Redact{Keys: recording.KeysNone}}, steps)); got != "" {
		t.Errorf("with no keys %q is typed", got)
	}
	dir := t.TempDir()
	r, err := recording.New(recording.Directory(dir), recording.Options{Name: "one", Init: screen(), Redact: recording.Redact{Keys: recording.KeysMarked}})
	if err != nil {
		t.Fatal(err)
	}
	key := func(c rune) { _ = r.Viewer(rfb.AppendKeyEvent(nil, true, uint32(c))) }
	key('a')
	r.Secret(true)
	key('b')
	r.Secret(false)
	key('c')
	r.Close("")
	<-r.Done()
	path := filepath.Join(dir, "one.fbs")
	if got := typed(t, path); got != "ac" || marks(t, path, "secret") != 1 || marks(t, path, "secret-end") != 1 {
		t.Errorf("typed is %q", got)
	}
}

// TestRegionsAreBlack records a screen of which a part may not be seen: it is
// black, all else is as it was, and nothing of it is in the files.
func TestRegionsAreBlack(t *testing.T) {
	region := image.Rect(40, 30, 170, 90)
	steps := session(24)
	want := follow(t, steps)
	path := record(t, recording.Options{Redact: recording.Redact{Regions: []image.Rectangle{region}}, Workers: recording.NewWorkers(1, 64<<20), KeyframeEvery: 1 << 18}, steps)
	r := open(t, path)
	if r.Init().Format != rfb.Format32() || r.Keyframes() == 0 || len(r.Meta().Redact.Regions) != 1 {
		t.Errorf("%+v, %d keyframes, %+v", r.Init(), r.Keyframes(), r.Meta())
	}
	for _, from := range []time.Duration{0, 3 * time.Second} {
		p := at(t, r, from)
		for {
			if _, err := p.Next(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		got := p.Follower().Image()
		for y := range 200 {
			for x := range 320 {
				i := got.PixOffset(x, y)
				c, w := [3]byte(got.Pix[i:]), [3]byte(want.Image().Pix[i:])
				if image.Pt(x, y).In(region) {
					w = [3]byte{}
				}
				if c != w {
					t.Fatalf("at %d,%d: %v, want %v", x, y, c, w)
				}
			}
		}
		if p.Follower().Cursor().At != want.Cursor().At {
			t.Errorf("the pointer is at %v, want %v", p.Follower().Cursor().At, want.Cursor().At)
		}
	}
}

// TestRegionsFollowTheScreen has the display change its size, its name and its
// cursor.
func TestRegionsFollowTheScreen(t *testing.T) {
	fill := func(w, h int) []byte {
		return append(rfb.AppendRect(nil, 0, 0, uint16(w), uint16(h), rfb.EncodingRaw), bytes.Repeat([]byte{9, 8, 7, 0}, w*h)...)
	}
	update := func(rects ...[]byte) step {
		return step{false, append(rfb.AppendFramebufferUpdate(nil, uint16(len(rects))), bytes.Join(rects, nil)...)}
	}
	cursor := append(rfb.AppendRect(nil, 1, 1, 2, 1, rfb.EncodingCursor), 0, 0, 255, 0, 0, 255, 0, 0, 0x80)
	steps := []step{
		update(fill(320, 200)), update(rfb.AppendDesktopSize(nil, 100, 70)), update(fill(100, 70)),
		update(cursor, rfb.AppendDesktopName(nil, "another desk")),
	}
	path := record(t, recording.Options{Redact: recording.Redact{Regions: []image.Rectangle{image.Rect(90, 60, 500, 500)}}}, steps)
	f := last(t, path)
	if f.Image().Rect.Max != image.Pt(100, 70) || f.Name() != "another desk" {
		t.Errorf("%v, %q", f.Image().Rect, f.Name())
	}
	if a, b := f.Image().RGBAAt(89, 69), f.Image().RGBAAt(90, 60); a.R != 7 || a.B != 9 || b.R != 0 || b.B != 0 {
		t.Errorf("%v, %v", a, b)
	}
	c := f.Cursor()
	if c.Shape == nil || c.Shape.RGBAAt(0, 0).R != 255 || c.Shape.RGBAAt(1, 0).A != 0 || c.Hot != image.Pt(1, 1) {
		t.Errorf("%+v", c)
	}
}

// TestNotUnderstood has a display say what cannot be taken apart: what has to be
// redacted is not recorded from there on, and everything else is.
func TestNotUnderstood(t *testing.T) {
	steps := append(session(3), step{false, []byte{200, 1, 2, 3}})
	path := record(t, recording.Options{Workers: recording.NewWorkers(1, 64<<20)}, steps)
	if !bytes.Contains(heard(t, path), []byte{200, 1, 2, 3}) || marks(t, path, "keyframes-end") != 1 {
		t.Error("what is not understood is not recorded")
	}
	failed := make(chan error, 1)
	dir := t.TempDir()
	r, err := recording.New(recording.Directory(dir), recording.Options{
		Name: "one", Init: screen(), Redact: recording.Redact{Clipboard: true}, OnError: func(err error) { failed <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	say(t, r, steps)
	if err := <-failed; !strings.Contains(err.Error(), "may not be recorded") {
		t.Error(err)
	}
	<-r.Done()
	if err := r.Display([]byte{1}); err == nil {
		t.Error("it goes on")
	}
	path = filepath.Join(dir, "one.fbs")
	if bytes.Contains(heard(t, path), []byte{200, 1, 2, 3}) || !verifyIntact(t, path, nil) {
		t.Error("what may not be recorded is, or the rest cannot be verified")
	}
}

func TestRedactInWords(t *testing.T) {
	for k, want := range map[recording.Keys]string{recording.KeysAll: "all", recording.KeysMarked: "unmarked", recording.KeysNone: "none"} {
		b, err := json.Marshal(recording.Redact{Keys: k})
		if err != nil || !strings.Contains(string(b), `"`+want+`"`) {
			t.Errorf("%s, %v", b, err)
		}
		var back recording.Redact
		if err := json.Unmarshal(b, &back); err != nil || back.Keys != k {
			t.Errorf("%v, %v", back, err)
		}
	}
	var k recording.Keys
	if err := k.UnmarshalText([]byte("some")); err == nil {
		t.Error("some keys are kept")
	}
}
