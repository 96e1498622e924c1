package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"vncgate/layers/layertest"
)

func TestWatchedIsALayer(t *testing.T) {
	watch := func(_ context.Context, below net.Conn) (net.Conn, error) {
		w := &watched{Conn: below}
		w.watch(func(error) {})()
		return w, nil
	}
	layertest.TestLayer(t, layertest.Subject{Base: layertest.TCP, Near: watch, Far: watch})
}

func TestWatchedKeepsWhatComes(t *testing.T) {
	near, far := layertest.TCP(t)
	w := &watched{Conn: near}
	gone := make(chan error, 1)
	stop := w.watch(func(err error) { gone <- err })
	if _, err := far.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	stop()
	b := make([]byte, 3)
	if n, err := io.ReadFull(w, b); n != 3 || string(b) != "hel" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	stop = w.watch(func(err error) { gone <- err })
	_, _ = far.Write([]byte(", world"))
	_ = far.Close()
	if err := <-gone; err != io.EOF {
		t.Errorf("gone by %v", err)
	}
	stop()
	if w.Bypass() != nil {
		t.Error("what is kept would be lost")
	}
	if b, err := io.ReadAll(w); err != nil || string(b) != "lo, world" {
		t.Errorf("%q, %v", b, err)
	}
}

// A peer that says more than it should is not watched, and nothing of it is lost.
func TestWatchedIsBounded(t *testing.T) {
	near, far := layertest.TCP(t)
	w := &watched{Conn: near}
	much := bytes.Repeat([]byte("0123456789"), 1000)
	go func() {
		_, _ = far.Write(much)
		_ = far.Close()
	}()
	stop := w.watch(func(err error) { t.Errorf("gone by %v", err) })
	time.Sleep(20 * time.Millisecond)
	stop()
	if len(w.kept) >= 2*maxKept {
		t.Errorf("%d bytes are kept", len(w.kept))
	}
	if b, err := io.ReadAll(w); err != nil || !bytes.Equal(b, much) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if w.Bypass() != net.Conn(near) {
		t.Error("in the way for nothing")
	}
}

// A small Read ahead of others asks the connection once for all of them; a large
// one, and all after the handshake, go to the connection itself.
func TestWatchedReadsAhead(t *testing.T) {
	near, far := layertest.TCP(t)
	w := &watched{Conn: near, ahead: true}
	read := func(n int, want string) {
		t.Helper()
		b := make([]byte, n)
		if n, err := w.Read(b); string(b[:n]) != want || err != nil {
			t.Errorf("%q, %v, want %q", b[:n], err, want)
		}
	}
	_, _ = far.Write([]byte("hello, world"))
	read(5, "hello")
	if w.Bypass() != nil {
		t.Error("what is kept would be lost")
	}
	read(2, ", ")
	read(100, "world")
	if w.Bypass() != net.Conn(near) || w.kept != nil {
		t.Error("in the way for nothing")
	}
	if n, err := w.Read(nil); n != 0 || err != nil {
		t.Errorf("an empty Read: %d, %v", n, err)
	}
	_ = near.SetReadDeadline(past)
	if _, err := w.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	_ = near.SetReadDeadline(time.Time{})
	w.ahead = false
	_, _ = far.Write([]byte("again"))
	_ = far.Close()
	read(2, "ag")
	if w.Bypass() != net.Conn(near) {
		t.Error("read ahead after the handshake")
	}
	if b, err := io.ReadAll(w); err != nil || string(b) != "ain" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestClockIsExtended(t *testing.T) {
	ctx, c := startClock(context.Background(), time.Hour)
	left := c.left()
	c.extend(time.Minute)
	if c.left() > left {
		t.Error("extended although there was time enough")
	}
	c.extend(2 * time.Hour)
	if c.left() < 2*time.Hour-time.Minute {
		t.Errorf("%v left", c.left())
	}
	c.stop()
	if ctx.Err() == nil {
		t.Error("the context goes on")
	}
	ctx, c = startClock(context.Background(), time.Millisecond)
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), errHandshakeTimeout) {
		t.Error(context.Cause(ctx))
	}
	c.stop()
}

func TestWaitingTellsTheLongest(t *testing.T) {
	var l lobby
	a, b := l.enter(&Target{}, "lab"), l.enter(&Target{}, "lab")
	if _, _, ok := l.waiting("lab"); ok {
		t.Error("told before a try has failed")
	}
	a.say(wordsStarting)
	b.say(wordsNotUp)
	b.hint() // changes nothing
	if words, since, ok := l.waiting("lab"); !ok || words != wordsStarting || since != a.room.since {
		t.Errorf("%q since %v", words, since)
	}
	a.leave(true)
	if words, _, ok := l.waiting("lab"); !ok || words != wordsNotUp {
		t.Errorf("%q, %v", words, ok)
	}
	b.leave(false)
	if _, _, ok := l.waiting("lab"); ok || len(l.rooms) != 0 {
		t.Error("somebody is left")
	}
}

// Who probes sleeps longer each time; who leaves lets another probe; who is
// through wakes all.
func TestOneProbesForAll(t *testing.T) {
	var l lobby
	target := &Target{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first, second := l.enter(target, "x"), l.enter(target, "x")
	far := time.Now().Add(time.Hour)
	if !first.turn(ctx, far, nil) || !first.probes {
		t.Fatal("no turn")
	}
	if second.turn(ctx, time.Now().Add(10*time.Millisecond), nil) {
		t.Error("two probe")
	}
	first.leave(false)
	if !second.turn(ctx, far, nil) || !second.probes {
		t.Error("nobody probes")
	}
	third := l.enter(target, "x")
	woken := make(chan bool)
	go func() { woken <- third.turn(ctx, far, nil) }()
	time.Sleep(10 * time.Millisecond)
	second.leave(true)
	if !<-woken {
		t.Error("not woken")
	}
	cancel()
	if third.turn(ctx, far, nil) {
		t.Error("a turn after the end")
	}
	third.leave(false)
	r := &room{pause: firstPause}
	for range 20 {
		if p := r.nextPause(nil); p < firstPause*3/4 || p > maxPause*5/4 {
			t.Errorf("a pause of %v", p)
		}
	}
}
