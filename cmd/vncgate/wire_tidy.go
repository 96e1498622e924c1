package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// tidyLook is how often it is looked at what could be given back.
	tidyLook = 5 * time.Second
	// tidyPause is the least time between two collections for that.
	tidyPause = time.Minute
	// tidyLeast is worth one.
	tidyLeast = 8 << 20
)

// tidy gives memory back to the system that sessions have left behind by coming
// in: what a handshake needs is many times what an idle session does, and without
// traffic the collector would not run for minutes. It waits for a moment in which
// as many sessions are in as five seconds ago.
func (w *wiring) tidy(ctx context.Context) {
	defer holdGarbage()()
	tick := time.NewTicker(tidyLook)
	defer tick.Stop()
	var last time.Time
	before := -1
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			n := w.gate.Sessions()
			if n == before && now.Sub(last) >= tidyPause && worthTidying() {
				debug.FreeOSMemory()
				last = now
			}
			before = n
		}
	}
}

// worthTidying reports whether a quarter or more of what we hold may be garbage
// or free.
func worthTidying() bool {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(samples)
	var v [5]int64
	for i := range samples {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			v[i] = int64(samples[i].Value.Uint64())
		}
	}
	held, loose := v[0]-v[1], v[2]-v[4]+v[3]
	return loose >= tidyLeast && loose >= held/4
}
