package netlab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// An end of a path without a device: packets are put in and taken out.
type end struct {
	in, out chan []byte
	once    sync.Once
}

func newEnd() *end {
	return &end{in: make(chan []byte, 4096), out: make(chan []byte, 4096)}
}

func (e *end) Read(b []byte) (int, error) {
	p, ok := <-e.in
	if !ok {
		return 0, io.EOF
	}
	return copy(b, p), nil
}

func (e *end) Write(b []byte) (int, error) {
	select {
	case e.out <- bytes.Clone(b):
		return len(b), nil
	default:
		return 0, errors.New("netlab: nobody takes packets")
	}
}

func (e *end) Close() error {
	e.once.Do(func() { close(e.in) })
	return nil
}

// bare makes a path between two such ends.
func bare(t *testing.T, c conditions) (first, second *end, p *path) {
	t.Helper()
	first, second = newEnd(), newEnd()
	p = newPath(first, second, 0, c, 1)
	t.Cleanup(func() {
		first.Close()
		second.Close()
		p.wait()
	})
	return first, second, p
}

func numbered(i, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b, uint32(i))
	return b
}

// next is the number of the packet that arrives next.
func next(t *testing.T, e *end) int {
	t.Helper()
	select {
	case b := <-e.out:
		return int(binary.BigEndian.Uint32(b))
	case <-time.After(time.Minute):
		t.Fatal("no packet arrives")
		return 0
	}
}

func TestPathKeepsOrderAndDelaysBothWays(t *testing.T) {
	const delay = 30 * time.Millisecond
	first, second, _ := bare(t, conditions{delay: delay})
	for _, way := range []struct{ from, to *end }{{first, second}, {second, first}} {
		start := time.Now()
		for i := range 500 {
			way.from.in <- numbered(i, 100)
		}
		for i := range 500 {
			if got := next(t, way.to); got != i {
				t.Fatalf("packet %d came as number %d", got, i)
			}
		}
		if took := time.Since(start); took < delay {
			t.Errorf("it took %v through a delay of %v", took, delay)
		}
	}
}

func TestPathHasARate(t *testing.T) {
	first, second, _ := bare(t, conditions{rate: 8_000_000}) // a byte each microsecond
	start := time.Now()
	for i := range 50 {
		first.in <- numbered(i, 1000)
	}
	for range 50 {
		next(t, second)
	}
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("50 000 bytes took %v, at a byte each microsecond", took)
	}
}

func TestPathQueuesNoLongerThanItMay(t *testing.T) {
	now := time.Now()
	var p path
	l := lane{path: &p}
	c := &conditions{rate: 8_000_000, queue: 10 * time.Millisecond}
	sent := 0
	for range 100 {
		if _, ok := l.schedule(c, now, 1000); ok {
			sent++
		}
	}
	// One is on the wire, ten wait.
	if sent != 11 || l.dropped.Load() != 89 {
		t.Errorf("%d were sent and %d dropped, want 11 and 89", sent, l.dropped.Load())
	}
	if due, ok := l.schedule(c, now.Add(20*time.Millisecond), 1000); !ok || due.Sub(now) != 21*time.Millisecond {
		t.Errorf("later a packet is due after %v (%v), want 21ms", due.Sub(now), ok)
	}
}

func TestPathLosesTheSameEachTime(t *testing.T) {
	lost := func(seed uint64) (list []int) {
		l := lane{path: new(path), dice: rand.New(rand.NewPCG(seed, 1))}
		for i := range 2000 {
			if _, ok := l.schedule(&conditions{loss: 0.05}, time.Now(), 60); !ok {
				list = append(list, i)
			}
		}
		return list
	}
	first, again, other := lost(1), lost(1), lost(2)
	if !slices.Equal(first, again) {
		t.Error("the same seed lost other packets")
	}
	if slices.Equal(first, other) {
		t.Error("another seed lost the same packets")
	}
	if n := len(first); n < 60 || n > 140 {
		t.Errorf("%d of 2000 packets were lost, at 5 %%", n)
	}
}

func TestPathWithTheCablePulled(t *testing.T) {
	first, second, p := bare(t, conditions{})
	first.in <- numbered(1, 60)
	if got := next(t, second); got != 1 {
		t.Fatalf("packet %d came first", got)
	}
	p.pull()
	for i := range 10 {
		first.in <- numbered(100+i, 60)
	}
	for deadline := time.Now().Add(time.Minute); p.up.lost.Load() < 10; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of 10 packets were lost", p.up.lost.Load())
		}
	}
	p.put()
	first.in <- numbered(2, 60)
	if got := next(t, second); got != 2 {
		t.Errorf("packet %d came through a pulled cable", got)
	}
}
