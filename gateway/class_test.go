package gateway

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// A session is moved from class to class under two streams, of which not a byte is
// lost: classes that rest at once and never, with loops of either kind, and with
// a bandwidth.
func TestStreamsThroughClasses(t *testing.T) {
	needLoops(t)
	list := []*class{
		newClass(Class{Name: "quick", Park: time.Millisecond}),
		newClass(Class{Name: "never", Park: -1}),
		newClass(Class{Name: "threads", Park: time.Millisecond, Loops: 2}),
		newClass(Class{Name: "bound", Park: time.Millisecond, Bandwidth: 200 << 20, Buffers: 1}),
	}
	for name, stack := range parkStacks(t) {
		t.Run(name, func(t *testing.T) {
			r := newParkedRelay(t, list[0], stack[0], stack[1])
			over, ended := make(chan struct{}), make(chan struct{})
			at := list[0]
			go func() {
				defer close(ended)
				for {
					select {
					case <-over:
						return
					case <-time.After(2 * time.Millisecond):
					}
					to := list[rand.IntN(len(list))]
					to.force()
					r.moveTo(to)
					at.leave()
					at = to
				}
			}()
			var both sync.WaitGroup
			both.Go(func() { stream(t, r.display, r.viewer, pixels) })
			both.Go(func() { stream(t, r.viewer, r.display, pointers) })
			both.Wait()
			close(over)
			<-ended
			list[0].force() // the cleanup leaves it
			r.moveTo(list[0])
			at.leave()
		})
	}
}

// stream sends pieces with pauses in between, so that the direction rests now and
// then, and compares what arrives.
func stream(t *testing.T, from, to interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
}, some func(int) []byte) {
	var all []byte
	for range 60 {
		all = append(all, some(1+rand.IntN(40_000))...)
	}
	go func() {
		for b := all; len(b) > 0; {
			n := min(len(b), 1+rand.IntN(60_000))
			if _, err := from.Write(b[:n]); err != nil {
				return
			}
			b = b[n:]
			time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond)
		}
	}()
	got := make([]byte, 0, len(all))
	buf := make([]byte, 32<<10)
	for len(got) < len(all) {
		n, err := to.Read(buf[:min(len(buf), len(all)-len(got))])
		got = append(got, buf[:n]...)
		if err != nil {
			t.Error(err)
			return
		}
	}
	if !bytes.Equal(got, all) {
		t.Error("arrived otherwise than sent")
	}
}

// The loops of a class run on the CPUs that it names, visible in /proc.
func TestThreadsOfAClass(t *testing.T) {
	needLoops(t)
	if runtime.NumCPU() < 2 {
		t.Skip("one CPU cannot be told from all")
	}
	settings := Class{Name: "pinned", Park: time.Millisecond, Loops: 1, CPUs: []int{1}, Nice: 7}
	if err := settings.Validate(); err != nil {
		t.Skipf("this process may not choose: %v", err)
	}
	c := newClass(settings)
	r := newParkedRelay(t, c, nil, nil)
	eventuallyTrue(t, "both rest", r.bothRest)
	eventuallyTrue(t, "a thread has CPU 1 alone and nice value 7", pinnedThread)
	exchange(t, r)
}

func pinnedThread() bool {
	tasks, _ := filepath.Glob("/proc/self/task/*/status")
	for _, path := range tasks {
		status, _ := os.ReadFile(path)
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
		_, fields, _ := strings.Cut(string(stat), ") ")
		list := strings.Fields(fields)
		if strings.Contains(string(status), "Cpus_allowed_list:\t1\n") && len(list) > 16 && list[16] == "7" {
			return true
		}
	}
	return false
}

// Loops of either kind end with the last session of their class.
func TestLoopsEndWithTheLastSession(t *testing.T) {
	needLoops(t)
	for _, loops := range []int{0, 3} {
		c := newClass(Class{Park: time.Millisecond, Loops: loops})
		t.Run("", func(t *testing.T) {
			for range 4 {
				r := newParkedRelay(t, c, nil, nil)
				eventuallyTrue(t, "both rest", r.bothRest)
			}
			if want := max(loops, 1); len(c.loops) != want {
				t.Errorf("%d loops, want %d", len(c.loops), want)
			}
		})
		if len(c.loops) != 0 {
			t.Errorf("%d loops are left", len(c.loops))
		}
	}
}

func TestClassBounds(t *testing.T) {
	c := newClass(Class{Sessions: 2, Buffers: 3 * bulkRead})
	for i, want := range []error{nil, nil, ErrFull, ErrFull} {
		if err := c.enter(); !errors.Is(err, want) {
			t.Errorf("session %d: %v", i, err)
		}
	}
	c.leave()
	if err := c.enter(); err != nil {
		t.Errorf("after one has left: %v", err)
	}
	for i, want := range []bool{true, true, true, false} {
		if got := c.lend(bulkRead); got != want {
			t.Errorf("buffer %d: %v", i, got)
		}
	}
	if c.lent.Load() != 3*bulkRead {
		t.Errorf("%d bytes are lent", c.lent.Load())
	}
}

// A class with few handshakes fills up alone.
func TestClassHandshakes(t *testing.T) {
	g := &Gateway{}
	if err := g.SetClasses([]Class{{Name: "few", Handshakes: 2}}); err != nil {
		t.Fatal(err)
	}
	admit := func(class string) *Session {
		s, err := g.Admit(Front{Class: class})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Release)
		return s
	}
	first, other := admit("few"), admit("")
	admit("few")
	admit("few").proved.Store(true)
	if _, stopped := first.stoppedEnd(); !stopped {
		t.Error("the oldest of the class has kept its place")
	}
	if _, stopped := other.stoppedEnd(); stopped {
		t.Error("one of another class has lost its place")
	}
	for _, told := range g.Classes() {
		if want := map[string]int{"few": 2, DefaultClass: 1}[told.Name]; told.Shaking != want {
			t.Errorf("%s: %d in handshakes, want %d", told.Name, told.Shaking, want)
		}
	}
	admit("few").proved.Store(true) // the last stranger goes
	if _, err := g.Admit(Front{Class: "few"}); !errors.Is(err, ErrFull) {
		t.Errorf("with nobody to evict: %v", err)
	}
}

func TestClassesThatCannotBe(t *testing.T) {
	g := &Gateway{}
	for _, c := range []Class{
		{},
		{Name: "a", Sessions: -1},
		{Name: "a", Loops: maxLoops + 1},
		{Name: "a", CPUs: []int{0}},
		{Name: "a", Nice: 5},
		{Name: "a", Loops: 1, Nice: 20},
		{Name: "a", Loops: 1, CPUs: []int{1000}},
	} {
		if err := g.SetClasses([]Class{c}); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	if _, err := g.SetClass(func(SessionInfo) bool { return true }, "a"); !errors.Is(err, ErrNoClass) {
		t.Errorf("moved to a class that does not exist: %v", err)
	}
}
