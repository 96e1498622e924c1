package player

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails when a goroutine of this package outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leftover(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leftover returns the stacks of goroutines that do not end soon.
func leftover() string {
	var stacks []string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		stacks = nil
		for _, s := range strings.Split(string(buf), "\n\n")[1:] { // the first is this one
			if strings.Contains(s, "rfb/display/") {
				stacks = append(stacks, s)
			}
		}
		if len(stacks) == 0 {
			return ""
		}
	}
	return strings.Join(stacks, "\n\n")
}
