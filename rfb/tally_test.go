package rfb_test

import (
	"bytes"
	"io"
	"testing"

	"vncgate/rfb"
)

func TestMessagesAreTallied(t *testing.T) {
	f := rfb.NewFilter(io.Discard, rfb.Policy{Pointer: true})
	messages := [][]byte{
		{rfb.MsgKeyEvent, 1, 0, 0, 0, 0, 0, 'a'},
		{rfb.MsgKeyEvent, 0, 0, 0, 0, 0, 0, 'a'},
		{rfb.MsgPointerEvent, 0, 0, 1, 0, 1},
		{rfb.MsgFramebufferUpdateRequest, 1, 0, 0, 0, 0, 0, 9, 0, 9},
		{rfb.MsgQEMU, rfb.QEMUKeyEvent, 0, 1, 0, 0, 0, 'a', 0, 0, 0, 30},
		{rfb.MsgClientCutText, 0, 0, 0, 0, 0, 0, 1, 'x'},
	}
	for _, m := range messages {
		for _, part := range [][]byte{m[:1], m[1:]} { // in pieces, too
			if _, err := f.Write(part); err != nil {
				t.Fatal(err)
			}
		}
	}
	tally := f.Tally()
	for kind, want := range map[rfb.MessageKind][2]uint64{
		rfb.KindKeyEvent: {0, 2}, rfb.KindPointerEvent: {1, 0}, rfb.KindFramebufferUpdateRequest: {1, 0},
		rfb.KindQEMUKey: {0, 1}, rfb.KindCutText: {0, 1}, rfb.KindOther: {0, 0},
	} {
		if got := [2]uint64{tally.Passed[kind], tally.Dropped[kind]}; got != want {
			t.Errorf("%s: passed and dropped %v, want %v", kind, got, want)
		}
	}
	var passed, dropped uint64
	for k := range rfb.MessageKinds {
		passed, dropped = passed+tally.Passed[k], dropped+tally.Dropped[k]
	}
	if passed != f.Passed() || dropped != f.Dropped() {
		t.Errorf("the kinds add up to %d and %d, the filter has %d and %d", passed, dropped, f.Passed(), f.Dropped())
	}
	sum := tally
	sum.Add(&tally)
	if sum.Dropped[rfb.KindKeyEvent] != 4 {
		t.Errorf("twice 2 is %d", sum.Dropped[rfb.KindKeyEvent])
	}
}

func TestEveryKindHasNameAndRight(t *testing.T) {
	seen := map[string]bool{}
	for k := range rfb.MessageKinds {
		if k.String() == "" || k.Right() == "" || seen[k.String()] {
			t.Errorf("kind %d is called %q and needs %q", k, k, k.Right())
		}
		seen[k.String()] = true
	}
}

// TestTallyOfOneLongWrite has more messages of a kind in one Write than what is
// counted in between has room for.
func TestTallyOfOneLongWrite(t *testing.T) {
	for name, test := range map[string]struct {
		policy  rfb.Policy
		passed  uint64
		dropped uint64
	}{
		"passed":   {rfb.Policy{Pointer: true}, 200_000, 0},
		"withheld": {rfb.Policy{}, 0, 200_000},
	} {
		t.Run(name, func(t *testing.T) {
			f := rfb.NewFilter(io.Discard, test.policy)
			if _, err := f.Write(bytes.Repeat([]byte{rfb.MsgPointerEvent, 0, 0, 1, 0, 1}, 200_000)); err != nil {
				t.Fatal(err)
			}
			tally := f.Tally()
			if passed, dropped := tally.Passed[rfb.KindPointerEvent], tally.Dropped[rfb.KindPointerEvent]; passed != test.passed || dropped != test.dropped {
				t.Errorf("passed %d, dropped %d", passed, dropped)
			}
		})
	}
}
