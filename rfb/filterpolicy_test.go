package rfb_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vncgate/rfb"
)

// without is everything but what take takes away.
func without(take func(*rfb.Policy)) rfb.Policy {
	p := everything
	take(&p)
	return p
}

var (
	noKeyboard = without(func(p *rfb.Policy) { p.Keyboard = false })
	noPointer  = without(func(p *rfb.Policy) { p.Pointer = false })
	noInput    = without(func(p *rfb.Policy) { p.Keyboard, p.Pointer = false, false })
)

// safeBuffer is a display that keeps what it is sent.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := bytes.Clone(s.b.Bytes())
	s.b.Reset()
	return b
}

// join joins messages.
func join(messages ...[]byte) []byte { return bytes.Join(messages, nil) }

func key(down bool, sym uint32) []byte        { return rfb.AppendKeyEvent(nil, down, sym) }
func qkey(down bool, sym, code uint32) []byte { return rfb.AppendQEMUKeyEvent(nil, down, sym, code) }
func move(buttons uint8, x, y uint16) []byte  { return rfb.AppendPointerEvent(nil, buttons, x, y) }

// TestSetPolicyReleases: what is down is let go when the right to it goes, in
// the form in which it was pressed, and where the pointer was.
func TestSetPolicyReleases(t *testing.T) {
	down := join(key(true, 'a'), qkey(true, 'b', 0x30), key(true, 'c'), key(false, 'c'), move(1, 10, 20), move(1|1<<2, 30, 40))
	extended := join(rfb.AppendSetEncodings(nil, rfb.EncodingExtendedMouseButtons), rfb.AppendExtendedPointerEvent(nil, 1<<8, 5, 6))
	keys := join(key(false, 'a'), qkey(false, 'b', 0x30))
	for _, tt := range []struct {
		name string
		in   []byte
		p    rfb.Policy
		want []byte
	}{
		{"nothing taken", down, everything, nil},
		{"keyboard", down, noKeyboard, keys},
		{"pointer", down, noPointer, move(0, 30, 40)},
		{"both", down, noInput, join(keys, move(0, 30, 40))},
		{"all", down, rfb.Policy{}, join(keys, move(0, 30, 40))},
		{"something else", down, without(func(p *rfb.Policy) { p.Power = false }), nil},
		{"released by another symbol", join(qkey(true, 'a', 0x1e), qkey(false, 'A', 0x1e)), noInput, nil},
		{"pressed twice", join(key(true, 'a'), key(true, 'a')), noInput, key(false, 'a')},
		{"by two forms", join(qkey(true, 'a', 0x1e), key(false, 'a')), noInput, qkey(false, 'a', 0x1e)},
		{"nothing down", move(0, 1, 2), noInput, nil},
		{"in mid-message", join(down, key(true, 'x')[:3]), noInput, join(keys, move(0, 30, 40))},
		{"in mid cut text", join(down, rfb.AppendClientCutText(nil, "hello")[:9]), noInput, join(keys, move(0, 30, 40))},
		{"extended buttons", extended, everything, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var display safeBuffer
			f := rfb.NewFilter(&display, everything)
			if _, err := f.Write(tt.in); err != nil {
				t.Fatal(err)
			}
			display.take()
			if err := f.SetPolicy(tt.p); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // nothing more comes from the viewer
			if got := display.take(); !bytes.Equal(got, tt.want) {
				t.Errorf("%s: %x, want %x", tt.name, got, tt.want)
			}
		})
	}
}

// TestRelease: the end of a session leaves nothing pressed, once.
func TestRelease(t *testing.T) {
	var display bytes.Buffer
	f := rfb.NewFilter(&display, everything)
	in := join(rfb.AppendSetEncodings(nil, rfb.EncodingExtendedMouseButtons),
		rfb.AppendExtendedPointerEvent(nil, 1<<8, 5, 6), key(true, 1), key(true, 2)[:5])
	if _, err := f.Write(in); err != nil {
		t.Fatal(err)
	}
	display.Reset()
	if err := f.Release(); err != nil {
		t.Fatal(err)
	}
	if got, want := display.Bytes(), join(key(false, 1), move(0, 5, 6)); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	display.Reset()
	if err := f.Release(); err != nil || display.Len() != 0 {
		t.Errorf("again: %x, %v", display.Bytes(), err)
	}
	if _, err := f.Write(key(true, 1)); err != io.ErrClosedPipe || display.Len() != 0 {
		t.Errorf("afterwards: %x, %v", display.Bytes(), err)
	}
}

// TestReleaseAfterError: a message that cannot be understood was not sent, so
// that releases still can be; after an error of the display they cannot.
func TestReleaseAfterError(t *testing.T) {
	var display bytes.Buffer
	f := rfb.NewFilter(&display, everything)
	if _, err := f.Write(append(key(true, 1), 7)); err == nil {
		t.Fatal("an unknown message passed")
	}
	if err := f.Release(); err != nil || !bytes.Equal(display.Bytes(), join(key(true, 1), key(false, 1))) {
		t.Errorf("%x, %v", display.Bytes(), err)
	}
	f = rfb.NewFilter(brokenWriter{}, everything)
	if _, err := f.Write(key(true, 1)); err != io.ErrClosedPipe {
		t.Fatal(err)
	}
	if err := f.Release(); err != nil {
		t.Errorf("wrote behind an error: %v", err)
	}
}

// TestPressedIsBounded: a press for which there is no room releases the oldest
// key; none is lost.
func TestPressedIsBounded(t *testing.T) {
	var display bytes.Buffer
	f := rfb.NewFilter(&display, everything)
	in, want := qkey(true, 999, 0x1e), qkey(true, 999, 0x1e)
	for i := range uint32(100) {
		in = append(in, key(true, 1000+i)...)
		switch {
		case i == 63:
			want = append(want, qkey(false, 999, 0x1e)...)
		case i > 63:
			want = append(want, key(false, 1000+i-64)...)
		}
		want = append(want, key(true, 1000+i)...)
	}
	if _, err := f.Write(in); err != nil || !bytes.Equal(display.Bytes(), want) {
		t.Errorf("%x, want %x, %v", display.Bytes(), want, err)
	}
	if f.Passed() != 101 || f.Dropped() != 0 {
		t.Errorf("%d presses passed, %d dropped", f.Passed(), f.Dropped())
	}
	display.Reset()
	if err := f.Release(); err != nil || display.Len() != 64*8 {
		t.Errorf("%d bytes of releases, %v", display.Len(), err)
	}
}

// TestPressedNaiveViewer: a viewer that releases what the shift makes of a key
// goes on to type, however often it does so.
func TestPressedNaiveViewer(t *testing.T) {
	for _, size := range []int{1, 8, 1000} {
		var in []byte
		for i := range uint32(200) {
			in = append(in, join(key(true, 'a'+i*100), key(false, 'A'+i*100))...)
		}
		out, err := inPieces(everything, in, piecesOf(size))
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint32(200) {
			if !bytes.Contains(out, key(true, 'a'+i*100)) {
				t.Fatalf("pieces of %d: press %d was lost", size, i)
			}
		}
	}
}

// TestPressedOverTheRate: of a key that the display knows nothing of, nothing is
// released; and a motion that waits goes before the key still.
func TestPressedOverTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var display safeBuffer
		f := rfb.NewFilter(&display, without(func(p *rfb.Policy) { p.KeyRate, p.PointerRate = 63, 1 }))
		var in []byte
		for i := range uint32(65) { // 63 pass; the last makes the first go
			in = append(in, key(true, i)...)
		}
		want := join(in[:63*8], key(false, 0))
		if _, err := f.Write(in); err != nil || !bytes.Equal(display.take(), want) {
			t.Fatalf("not %x, %v", want, err)
		}
		time.Sleep(time.Second)
		in = join(move(0, 1, 1), move(0, 2, 2), qkey(true, 'x', 7))
		want = join(move(0, 1, 1), key(false, 1), move(0, 2, 2), qkey(true, 'x', 7))
		if _, err := f.Write(in); err != nil || !bytes.Equal(display.take(), want) {
			t.Fatalf("not %x, %v", want, err)
		}
	})
}

// TestPressedCostsNothing: nor does what makes room.
func TestPressedCostsNothing(t *testing.T) {
	f := rfb.NewFilter(io.Discard, everything)
	var sym uint32
	var b [12]byte
	allocs := testing.AllocsPerRun(200, func() {
		sym++
		if _, err := f.Write(rfb.AppendQEMUKeyEvent(b[:0], true, sym, sym)); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations for a key", allocs)
	}
}

// stalled is a display that takes nothing until it is told.
type stalled struct {
	safeBuffer
	entered, resume chan struct{}
}

func (s *stalled) Write(b []byte) (int, error) {
	s.entered <- struct{}{}
	<-s.resume
	return s.safeBuffer.Write(b)
}

// TestSetPolicyDoesNotWait: with a display that takes nothing, SetPolicy
// returns at once, and what it says holds as soon as the display goes on.
func TestSetPolicyDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		display := &stalled{entered: make(chan struct{}), resume: make(chan struct{})}
		f := rfb.NewFilter(display, everything)
		done := make(chan error)
		go func() {
			_, err := f.Write(join(key(true, 'a'), rfb.AppendSetEncodings(nil, -259, 0), key(true, 'b')))
			done <- err
		}()
		<-display.entered
		if err := f.SetPolicy(noInput); err != nil {
			t.Fatal(err)
		}
		go func() {
			for range display.entered {
			}
		}()
		close(display.resume)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := f.Release(); err != nil {
			t.Fatal(err)
		}
		close(display.entered)
		want := join(key(true, 'a'), rfb.AppendSetEncodings(nil, -259, 0), key(true, 'b'), key(false, 'a'), key(false, 'b'))
		if got := display.take(); !bytes.Equal(got, want) {
			t.Errorf("%x, want %x", got, want)
		}
	})
}

// TestSetPolicyStalledRelease: the releases themselves meet a display that
// takes nothing.
func TestSetPolicyStalledRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		display := &stalled{entered: make(chan struct{}), resume: make(chan struct{})}
		f := rfb.NewFilter(display, everything)
		go func() { <-display.entered; display.resume <- struct{}{} }()
		if _, err := f.Write(key(true, 'a')); err != nil {
			t.Fatal(err)
		}
		if err := f.SetPolicy(noInput); err != nil {
			t.Fatal(err)
		}
		<-display.entered // by what SetPolicy left behind
		if err := f.SetPolicy(everything); err != nil {
			t.Fatal(err)
		}
		display.resume <- struct{}{}
		go func() { <-display.entered; display.resume <- struct{}{} }()
		if _, err := f.Write(key(true, 'z')); err != nil {
			t.Fatal(err)
		}
		if got, want := display.take(), join(key(true, 'a'), key(false, 'a'), key(true, 'z')); !bytes.Equal(got, want) {
			t.Errorf("%x, want %x", got, want)
		}
	})
}

// TestSetPolicyRace has policies change while messages pass: whatever comes
// out is whole messages, and in the end nothing is down.
func TestSetPolicyRace(t *testing.T) {
	var display safeBuffer
	f := rfb.NewFilter(&display, everything)
	var changes sync.WaitGroup
	changes.Go(func() {
		for i := range 200 {
			_ = f.SetPolicy([]rfb.Policy{noKeyboard, everything, noPointer, {}}[i%4])
		}
	})
	in := bytes.Repeat(join(key(true, 'a'), move(1, 2, 3), key(false, 'a'), qkey(true, 'b', 3), move(0, 3, 4)), 50)
	for at := 0; at < len(in); at += 7 {
		if _, err := f.Write(in[at:min(at+7, len(in))]); err != nil {
			t.Fatal(err)
		}
	}
	changes.Wait()
	if err := f.Release(); err != nil {
		t.Fatal(err)
	}
	messages := rfb.NewClientReader(bytes.NewReader(display.take()))
	held := map[string]bool{}
	for {
		msg, err := messages.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch msg[0] {
		case rfb.MsgKeyEvent, rfb.MsgQEMU:
			held[string(msg[:1])+string(msg[4:])] = msg[1]|msg[3] != 0
		case rfb.MsgPointerEvent:
			held["button"] = msg[1] != 0
		}
	}
	for what, down := range held {
		if down {
			t.Errorf("%x is down", what)
		}
	}
}

// TestSetPolicyNotFiltered: sessions whose messages cannot be told apart any
// more cannot be narrowed.
func TestSetPolicyNotFiltered(t *testing.T) {
	open := without(func(p *rfb.Policy) { p.Opaque = true })
	f := rfb.NewFilter(io.Discard, open)
	if err := f.SetPolicy(everything); err != nil {
		t.Errorf("before: %v", err)
	}
	if err := f.SetPolicy(open); err != nil {
		t.Errorf("back: %v", err)
	}
	if _, err := f.Write([]byte{7}); err != nil {
		t.Fatal(err)
	}
	if err := f.SetPolicy(open); err != nil {
		t.Errorf("the same: %v", err)
	}
	if err := f.SetPolicy(noInput); !errors.Is(err, rfb.ErrNotFiltered) {
		t.Errorf("opaque: %v", err)
	}
	if _, err := f.Write([]byte{7}); !errors.Is(err, rfb.ErrNotFiltered) {
		t.Errorf("and then: %v", err)
	}
}

// TestSetPolicyExtendedPointer: nobody knows how a display reads seven bytes,
// unless it has said so.
func TestSetPolicyExtendedPointer(t *testing.T) {
	in := join(rfb.AppendSetEncodings(nil, rfb.EncodingExtendedMouseButtons), rfb.AppendExtendedPointerEvent(nil, 1<<8, 5, 6))
	for name, limit := range limits {
		f := rfb.NewFilter(io.Discard, everything)
		if _, err := f.Write(in); err != nil {
			t.Fatal(err)
		}
		if err := f.SetPolicy(without(limit)); !errors.Is(err, rfb.ErrNotFiltered) {
			t.Errorf("%s, unconfirmed: %v", name, err)
		}
	}
	var display safeBuffer
	f := rfb.NewFilter(&display, everything)
	if _, err := f.Write(in[:8]); err != nil { // listed, not used yet
		t.Fatal(err)
	}
	if err := f.SetPolicy(noKeyboard); err != nil {
		t.Fatal(err)
	}
	display.take()
	if _, err := f.Write(in[8:]); err != nil || !bytes.Equal(display.take(), move(0, 5, 6)) {
		t.Errorf("listed: %v", err)
	}
	f = rfb.NewFilter(&display, everything)
	s := rfb.NewServerFilter(f, rfb.ServerInit{Format: rfb.Format32()})
	if _, err := s.Cut(rfb.AppendExtendedMouseButtonsAck(rfb.AppendFramebufferUpdate(nil, 1)), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(in); err != nil {
		t.Fatal(err)
	}
	display.take()
	if err := f.SetPolicy(noKeyboard); err != nil {
		t.Errorf("confirmed: %v", err)
	}
	if _, err := f.Write(in[8:]); err != nil || !bytes.Equal(display.take(), in[8:]) {
		t.Errorf("confirmed: %v", err)
	}
}

// TestInputs: the viewer's doings count whether they pass or not.
func TestInputs(t *testing.T) {
	f := rfb.NewFilter(io.Discard, rfb.Policy{})
	in := join(key(true, 1), move(0, 1, 1), qkey(true, 1, 1), rfb.AppendClientCutText(nil, "x"),
		rfb.AppendFramebufferUpdateRequest(nil, true, 0, 0, 1, 1), rfb.AppendFence(nil, 0, nil), []byte{255, 1, 0, 0})
	if _, err := f.Write(in); err != nil || f.Inputs() != 4 {
		t.Errorf("%d, %v", f.Inputs(), err)
	}
}
