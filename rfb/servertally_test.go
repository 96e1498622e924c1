package rfb_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"vncgate/rfb"
)

func TestDisplayMessagesAreTallied(t *testing.T) {
	said := join(
		pixel(1), rfb.AppendBell(nil), rfb.AppendServerCutText(nil, "secret"), pixel(2),
		rfb.AppendFence(nil, rfb.FenceRequest, []byte("now")), []byte{rfb.MsgEndOfContinuousUpdates},
		[]byte{rfb.MsgQEMU, rfb.QEMUAudio, 0, 1}, rfb.AppendServerClipboard(nil, rfb.ProvideText("secret")),
	)
	for _, size := range []int{1, 5, len(said)} {
		_, s := newCutter(rfb.Policy{Bell: true}, rfb.Format32())
		if _, err := cutPieces(s, said, piecesOf(size)); err != nil {
			t.Fatal(err)
		}
		tally := s.Tally()
		var passed, dropped uint64
		for k := range rfb.DisplayKinds {
			want := map[rfb.DisplayKind][2]uint64{
				rfb.DisplayFramebufferUpdate: {2, 0}, rfb.DisplayBell: {1, 0}, rfb.DisplayCutText: {0, 2}, rfb.DisplayFence: {1, 0},
				rfb.DisplayEndOfContinuousUpdates: {1, 0}, rfb.DisplayQEMUAudio: {0, 1},
			}[k]
			if got := [2]uint64{tally.Passed[k], tally.Dropped[k]}; got != want {
				t.Errorf("%s: passed and dropped %v, want %v", k, got, want)
			}
			passed, dropped = passed+tally.Passed[k], dropped+tally.Dropped[k]
		}
		if passed != s.Passed() || dropped != s.Dropped() {
			t.Errorf("the kinds add up to %d and %d, the filter has %d and %d", passed, dropped, s.Passed(), s.Dropped())
		}
		sum := tally
		sum.Add(&tally)
		if sum.Passed[rfb.DisplayFramebufferUpdate] != 4 || sum.Dropped[rfb.DisplayCutText] != 4 {
			t.Errorf("twice %v is %v", tally, sum)
		}
	}
}

// pixel is an update of one pixel.
func pixel(n byte) []byte {
	return update(true, append(rfb.AppendRect(nil, 0, 0, 1, 1, rfb.EncodingRaw), n, n, n, n))
}

func TestEveryDisplayKindHasNameAndRight(t *testing.T) {
	seen := map[string]bool{}
	for k := range rfb.DisplayKinds {
		if k.String() == "" || k.Right() == "" || seen[k.String()] {
			t.Errorf("kind %d is called %q and needs %q", k, k, k.Right())
		}
		seen[k.String()] = true
	}
}

// TestFencesAreTimed has both ends answer fences after a while.
func TestFencesAreTimed(t *testing.T) {
	ask := func(payload string) []byte {
		return rfb.AppendFence(nil, rfb.FenceRequest|rfb.FenceBlockBefore, []byte(payload))
	}
	answer := func(payload string) []byte { return rfb.AppendFence(nil, rfb.FenceBlockBefore, []byte(payload)) }
	synctest.Test(t, func(t *testing.T) {
		f, s := newCutter(rfb.Policy{}, rfb.Format32())
		down := func(b []byte) {
			t.Helper()
			if _, err := s.Cut(b, 0); err != nil {
				t.Fatal(err)
			}
		}
		up := func(b []byte) {
			t.Helper()
			if _, err := f.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		trips := func(viewer, display time.Duration) {
			t.Helper()
			if v, d := s.RoundTrips(); v != viewer || d != display {
				t.Errorf("round trips of %s and %s, want %s and %s", v, d, viewer, display)
			}
		}
		trips(0, 0)
		down(ask("1"))
		time.Sleep(30 * time.Millisecond)
		up(answer("0")) // of nothing
		trips(0, 0)
		down(ask("2")) // meanwhile
		up(ask("mine"))
		time.Sleep(20 * time.Millisecond)
		up(answer("1"))
		trips(50*time.Millisecond, 0)
		up(answer("2")) // which nobody waited for
		down(answer("mine"))
		trips(50*time.Millisecond, 20*time.Millisecond)

		down(ask("lost"))
		for range 64 {
			down(ask("3"))
		}
		time.Sleep(time.Second)
		down(ask("4"))
		time.Sleep(time.Millisecond)
		up(answer("4"))
		trips(time.Millisecond, 20*time.Millisecond)
	})
}

// A change of format that is marked by a fence times the display.
func TestOwnFencesAreTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var display bytes.Buffer
		f := rfb.NewFilter(&display, rfb.Policy{})
		s := rfb.NewServerFilter(f, rfb.ServerInit{Width: 64, Height: 48, Format: rfb.Format32()})
		if _, err := s.Cut(rfb.AppendFence(nil, rfb.FenceRequest, nil), 0); err != nil { // it answers fences, too
			t.Fatal(err)
		}
		if _, err := f.Write(rfb.AppendSetPixelFormat(nil, newPainter(1, 2).format())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(7 * time.Millisecond)
		fence := display.Bytes()
		flags := rfb.FenceSyncNext | rfb.FenceBlockBefore
		left, err := s.Cut(rfb.AppendFence(nil, flags, fence[9:9+fence[8]]), 0)
		if err != nil || len(left) > 0 {
			t.Fatalf("%x, %v", left, err)
		}
		if _, d := s.RoundTrips(); d != 7*time.Millisecond {
			t.Errorf("the display took %s", d)
		}
		if n := s.Tally().Passed[rfb.DisplayFence]; n != 1 {
			t.Errorf("%d fences of the display's reached the viewer", n)
		}
	})
}
