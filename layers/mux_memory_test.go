package layers_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

func TestMuxRefusesWhatItHasNoMemoryFor(t *testing.T) {
	gateway := layers.NewMuxMemory(256<<10, nil)
	near, far := layertest.Pipe()
	a, err := layers.NewMux(near, true, layers.MuxConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := layers.NewMux(far, false, layers.MuxConfig{Memory: layers.NewMuxMemory(1<<20, gateway)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	old, oldFar := muxStream(t, a, b)
	var open []*layers.MuxStream
	for gateway.Used() < gateway.Limit() {
		s, _ := muxStream(t, a, b)
		open = append(open, s)
	}
	if len(open) == 0 || gateway.Used() != gateway.Limit() {
		t.Fatalf("%d streams, %d bytes of %d", len(open), gateway.Used(), gateway.Limit())
	}
	if _, err := b.Open(context.Background()); !errors.Is(err, layers.ErrMuxMemory) {
		t.Errorf("Open here: %v", err)
	}
	refused, err := a.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := refused.Read(make([]byte, 1)); !errors.Is(err, layers.ErrMuxMemory) {
		t.Errorf("Read of a stream refused there: %v", err)
	}
	if _, err := refused.Write([]byte("x")); !errors.Is(err, layers.ErrMuxMemory) {
		t.Errorf("Write: %v", err)
	}
	_ = refused.Close()
	if n, err := old.Write([]byte("as ever")); n != 7 || err != nil {
		t.Errorf("an old stream: %d, %v", n, err)
	}
	got := make([]byte, 7)
	if _, err := io.ReadFull(oldFar, got); err != nil || string(got) != "as ever" {
		t.Errorf("an old stream: %q, %v", got, err)
	}
	if s := b.Stats(); s.Refused != 1 || s.Window != gateway.Used() {
		t.Errorf("%+v, memory %d", s, gateway.Used())
	}
	_ = b.Close()
	if gateway.Used() != 0 {
		t.Errorf("%d bytes are used by nobody", gateway.Used())
	}
}

func TestMuxGivesMemoryBack(t *testing.T) {
	memory := layers.NewMuxMemory(64<<20, nil)
	near, far := layertest.Pipe()
	a, b := muxOver(t, near, far, layers.MuxConfig{Memory: memory})
	for range 50 {
		p, q := muxStream(t, a, b)
		go func() { _, _ = p.Write(make([]byte, 300<<10)); _ = p.Close() }()
		if n, err := io.Copy(io.Discard, q); n != 300<<10 || err != nil {
			t.Fatal(n, err)
		}
		_ = q.Close()
	}
	eventually(t, "all memory is free", func() bool { return memory.Used() == 0 && a.Streams() == 0 && b.Streams() == 0 })
}

func TestMuxStreamsAreLimited(t *testing.T) {
	near, far := layertest.Pipe()
	a, err := layers.NewMux(near, true, layers.MuxConfig{Streams: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := layers.NewMux(far, false, layers.MuxConfig{Streams: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	one, oneFar := muxStream(t, a, b)
	muxStream(t, a, b)
	for _, open := range []*layers.Mux{a, b} {
		s, err := open.Open(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, layers.ErrMuxStreams) {
			t.Errorf("one too many: %v", err)
		}
		_ = s.Close()
	}
	_ = one.Close()
	_ = oneFar.Close()
	third, thirdFar := muxStream(t, a, b)
	pass := []byte("in its place")
	_, _ = third.Write(pass)
	if _, err := io.ReadFull(thirdFar, pass); err != nil {
		t.Error(err)
	}
}

// TestMuxWindowGrows reads as fast as it comes over 100 ms there and back, until
// the window is wider than what 1 Gbit/s has on such a way.
func TestMuxWindowGrows(t *testing.T) {
	const product = 12500000
	near, far := longPath(t, 50*time.Millisecond, 0)
	a, b := muxOver(t, near, far, layers.MuxConfig{})
	from, to := muxStream(t, a, b)
	if w := to.Stats().Window; w != 256<<10 {
		t.Errorf("a window begins with %d", w)
	}
	eventually(t, "a ping is answered", func() bool { return b.RoundTrip() > 0 })
	go flood(from)
	buf := make([]byte, 256<<10)
	for end := time.Now().Add(talkMinutes); to.Stats().Window < product; {
		if _, err := to.Read(buf); err != nil || time.Now().After(end) {
			t.Fatalf("%v; %+v, round trip %v", err, to.Stats(), b.RoundTrip())
		}
	}
}

// TestMuxGrantsInPieces reads a little of a wide window that is full: what is
// free again is granted before it has become a burst.
func TestMuxGrantsInPieces(t *testing.T) {
	const window = 4 << 20
	near, far := layertest.Pipe()
	a, b := muxOver(t, near, far, layers.MuxConfig{Window: window, MaxWindow: window})
	from, to := muxStream(t, a, b)
	eventually(t, "the first window is granted", func() bool { return from.Stats().Credit == window })
	if _, err := from.Write(make([]byte, window)); err != nil {
		t.Fatal(err)
	}
	if credit := from.Stats().Credit; credit != 0 {
		t.Fatalf("%d bytes of credit are left of a full window", credit)
	}
	if _, err := io.ReadFull(to, make([]byte, window/8)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an eighth is granted", func() bool { return from.Stats().Credit > 0 })
}

// TestMuxWindowsMakeRoom shrinks a window when others have taken the memory.
func TestMuxWindowsMakeRoom(t *testing.T) {
	memory := layers.NewMuxMemory(16<<20, nil)
	near, far := longPath(t, 5*time.Millisecond, 0)
	a, err := layers.NewMux(near, true, layers.MuxConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := layers.NewMux(far, false, layers.MuxConfig{Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	from, to := muxStream(t, a, b)
	eventually(t, "a ping is answered", func() bool { return b.RoundTrip() > 0 })
	go flood(from)
	go func() { _, _ = io.Copy(struct{ io.Writer }{io.Discard}, to) }()
	eventually(t, "the window has grown", func() bool { return to.Stats().Window >= 2<<20 })
	for memory.Used() <= memory.Limit()/2 {
		muxStream(t, a, b)
	}
	eventually(t, "it has made room", func() bool { return memory.Used() <= memory.Limit()/2 })
}
