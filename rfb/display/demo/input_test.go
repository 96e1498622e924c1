package demo

import (
	"image"
	"strings"
	"testing"
	"time"
)

func TestKeyNames(t *testing.T) {
	for sym, want := range map[uint32][2]string{
		'a':        {"a", "a"},
		' ':        {"space", "Space"},
		'!':        {"exclam", "!"},
		0xe9:       {"é", "é"},
		0xff0d:     {"Return", "Return"},
		0xffe1:     {"Shift_L", "Shift"},
		0xffbe:     {"F1", "F1"},
		0xffc9:     {"F12", "F12"},
		0xffb7:     {"KP_7", "KP_7"},
		0x010020ac: {"U20AC", "€"},
		0x01000007: {"0x1000007", "0x1000007"},
		0xffffffff: {"0xffffffff", "0xffffffff"},
		0x85:       {"0x85", "0x85"},
		0:          {"0x0", "0x0"},
	} {
		if name, label := keyName(sym), keyLabel(sym); name != want[0] || label != want[1] {
			t.Errorf("%#x: %q and %q, not %q", sym, name, label, want)
		}
	}
}

func TestKeysAreRemembered(t *testing.T) {
	in := newInput()
	press := func(viewer int, sym uint32, down bool) { in.key(keyPress{viewer: viewer, sym: sym, down: down}) }
	press(0, 'a', true)
	press(0, 'a', true) // repeats
	press(1, 'a', true)
	press(0, 'b', false) // was never pressed
	if len(in.keys) != 2 || in.keys[0].count != 2 || in.keys[1].count != 1 {
		t.Fatalf("%+v", in.keys)
	}
	press(0, 'a', false)
	if in.keys[0].down || !in.keys[1].down || !in.holds(1, 'a') || in.holds(0, 'a') {
		t.Errorf("%+v", in.keys)
	}
	in.leave(1)
	if in.holds(1, 'a') {
		t.Error("a viewer that left holds a key")
	}
	for sym := range uint32(20) {
		press(0, sym, true)
	}
	if len(in.keys) != maxKeys || in.keys[maxKeys-1].sym != 19 {
		t.Errorf("%+v", in.keys)
	}
}

func TestPointersAreRemembered(t *testing.T) {
	in, now := newInput(), time.Unix(1000, 0)
	for i := range 50 {
		pressed := in.point(3, image.Pt(i, i), uint16(i&1)<<2, now.Add(time.Duration(i)*time.Millisecond))
		if want := uint16(i&1) << 2; pressed != want {
			t.Errorf("move %d pressed %#x", i, pressed)
		}
	}
	p := in.pointers[3]
	if len(p.trail) != maxTrail || len(p.ripples) != maxRipples || p.trail[maxTrail-1].at != image.Pt(49, 49) {
		t.Errorf("%+v", p)
	}
	in.point(1, image.Pt(7, 7), 0, now)
	if in.latest().viewer != 1 || len(in.byViewer()) != 2 || in.byViewer()[0].viewer != 1 {
		t.Error("the latest pointer is another")
	}
	later := in.copy(now.Add(time.Second))
	if q := later.pointers[3]; len(q.trail) != 0 || len(q.ripples) != 0 || q.at != p.at {
		t.Errorf("did not fade: %+v", q)
	}
	in.leave(1)
	if in.latest() != p {
		t.Error("the pointer that is left is not the latest")
	}
	in.leave(3)
	if in.latest() != nil {
		t.Error("a pointer of nobody")
	}
}

func TestNoticesFade(t *testing.T) {
	in, now := newInput(), time.Unix(1000, 0)
	in.tell("look", now)
	if in.copy(now.Add(time.Second)).notice != "look" || in.copy(now.Add(noticeLife)).notice != "" {
		t.Error("a notice does not last as it should")
	}
}

func TestPasteIsBounded(t *testing.T) {
	in := newInput()
	in.paste(strings.Repeat("ü", 1000))
	if in.clip.runes != 1000 || len([]rune(in.clip.text)) != maxShown {
		t.Errorf("%d runes, %d shown", in.clip.runes, len([]rune(in.clip.text)))
	}
}
