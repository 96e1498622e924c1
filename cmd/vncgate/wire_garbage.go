package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// What handshakes leave behind lies between what sessions keep, and pages in which
// anything is kept cannot be given back: the more garbage there is at a time, the
// more room every session takes for good. Go lets there be as much as is in use.
// A large gateway makes garbage by letting viewers in alone, of which it takes
// hundreds for a collection, so that collecting three times as often is hardly
// seen; a small one has little to gain and collects as ever.
const (
	garbageFree  = 8 << 20 // may always be there, as long as it is no more than is in use
	garbageLeast = 30      // percent of what is in use that may be there
	garbageStep  = 10      // a change worth making
)

// garbagePercent is GOGC where so many bytes are in use.
func garbagePercent(live uint64) int {
	if live <= garbageFree {
		return 100
	}
	return max(int(100*garbageFree/live), garbageLeast)
}

// garbage follows the collector, whose percentage it sets.
type garbage struct {
	given   int // percentage before
	percent int
	over    atomic.Bool
}

// afterEach is made anew after each collection: that is when its finalizer runs.
type afterEach struct{ g *garbage }

// holdGarbage begins to do so, unless whoever started us has said how much there
// may be. The caller calls stop when nothing needs it any more.
func holdGarbage() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	g := &garbage{given: gogc(), percent: gogc()}
	runtime.SetFinalizer(&afterEach{g}, (*afterEach).collected)
	return func() { g.over.Store(true) }
}

// collected is told by the collector.
func (a *afterEach) collected() {
	g, percent := a.g, 0
	switch {
	case !g.over.Load():
		percent = garbagePercent(readMetric("/gc/heap/live:bytes"))
		runtime.SetFinalizer(a, (*afterEach).collected)
	default:
		percent = g.given
	}
	if d := percent - g.percent; d >= garbageStep || d <= -garbageStep || g.over.Load() {
		g.percent = percent
		debug.SetGCPercent(percent)
	}
}

// gogc is the percentage in force.
func gogc() int { return int(readMetric("/gc/gogc:percent")) }

// readMetric is one figure of the runtime; 0 where it does not have it.
func readMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
