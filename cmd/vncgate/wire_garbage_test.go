package main

import (
	"runtime"
	"testing"
	"time"
)

func TestGarbagePercent(t *testing.T) {
	for _, test := range []struct {
		live uint64
		want int
	}{{0, 100}, {4 << 20, 100}, {8 << 20, 100}, {16 << 20, 50}, {24 << 20, 33}, {32 << 20, 30}, {1 << 40, 30}} {
		if got := garbagePercent(test.live); got != test.want {
			t.Errorf("%d bytes: %d", test.live, got)
		}
	}
}

// TestHoldGarbage: the collector is told once much is in use.
func TestHoldGarbage(t *testing.T) {
	t.Setenv("GOGC", "")
	before := gogc()
	stop := holdGarbage()
	kept := make([]byte, 64<<20)
	collect := func(done func() bool) bool {
		for end := time.Now().Add(30 * time.Second); !done() && time.Now().Before(end); time.Sleep(time.Millisecond) {
			runtime.GC()
		}
		return done()
	}
	if !collect(func() bool { return gogc() < garbageLeast+garbageStep }) { // a smaller change is not made
		t.Errorf("GOGC is %d with 64 MiB in use", gogc())
	}
	runtime.KeepAlive(kept)
	stop()
	if !collect(func() bool { return gogc() == before }) {
		t.Errorf("GOGC stays at %d, it was %d", gogc(), before)
	}
	t.Setenv("GOGC", "150")
	holdGarbage()()
	if n := gogc(); n != before {
		t.Errorf("GOGC is %d though it was given", n)
	}
}
