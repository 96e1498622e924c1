package layertest

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// leakPatience is how long goroutines may take to end after a test, on a machine
// that is busy. Only a leak takes as long.
const leakPatience = 8 * time.Second

// packagePatience is that of a whole package. It is longer: a test is run again
// when it has failed, and a package is not.
const packagePatience = 30 * time.Second

// CheckLeaks fails the test if goroutines that it started still run when it and
// its cleanups registered later have ended. It is not for parallel tests.
func CheckLeaks(t testing.TB) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		left := waitGone(before, leakPatience)
		if len(left) > 0 && !t.Failed() {
			t.Errorf("%d goroutines left behind:\n\n%s", len(left), strings.Join(left, "\n\n"))
		}
	})
}

// Main runs the tests of a package and fails if goroutines are left behind:
//
//	func TestMain(m *testing.M) { layertest.Main(m) }
func Main(m *testing.M) {
	before := goroutines()
	code := m.Run()
	if left := waitGone(before, packagePatience); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "%d goroutines left behind:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// waitGone returns the stacks of the goroutines that are not in before and do
// not end in time.
func waitGone(before map[string]string, patience time.Duration) []string {
	for end, pause := time.Now().Add(patience), time.Millisecond; ; pause *= 2 {
		var left []string
		for id, stack := range goroutines() {
			if _, old := before[id]; !old {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			slices.Sort(left)
			return left
		}
		time.Sleep(min(pause, 100*time.Millisecond))
	}
}

// goroutines returns the stacks of all goroutines that are not the runtime's or
// the testing package's, by their number.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := map[string]string{}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if id, _, _ := strings.Cut(stack, " ["); !harmless(stack) {
			all[id] = stack
		}
	}
	return all
}

// harmless tells the goroutines that come and go on their own.
func harmless(stack string) bool {
	for _, mark := range []string{
		"layertest.goroutines(", "testing.(*M).", "testing.tRunner(", "testing.runFuzz", "testing.(*F).",
		"os/signal.signal_recv", "os/signal.loop", "runtime.ensureSigM", "runtime/trace.",
		"created by testing.", "created by runtime.",
	} {
		if strings.Contains(stack, mark) {
			return true
		}
	}
	return false
}
