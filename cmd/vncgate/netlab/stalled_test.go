package netlab

import (
	"os"
	"sync"
	"testing"
	"time"
)

// TestStalledStream has one viewer stop reading in the middle of a flood, for a
// minute, beside 99 others in the same tunnel: 98 type, and one is flooded.
// What they get is compared with a minute in which nobody had stopped.
func TestStalledStream(t *testing.T) {
	stall := time.Minute
	if text := os.Getenv("VNCGATE_NETLAB_STALL"); text != "" {
		var err error
		if stall, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	l := newLab(t, setup{conditions: near})
	l.startDisplay(t)
	s := startTunnel(t, l, 1)
	var typists []*viewer
	for range 98 {
		typists = append(typists, l.viewer.mustOpen(t, frontAt))
	}
	flooded := l.viewer.mustOpen(t, frontAt)
	go func() { _ = flooded.flood() }()
	time.Sleep(4 * time.Second)

	free := s.live(t, typists, flooded, stall)
	stalled := l.viewer.mustOpen(t, frontAt)
	if err := stalled.ask(8); err != nil {
		t.Fatal(err)
	}
	// Until what lies on the way to it is full: the stream's window, and the
	// buffers of the gateway's socket and the viewer's.
	time.Sleep(10 * time.Second)
	beside := s.live(t, typists, flooded, stall)

	t.Logf("nobody stalled: keys %v, flood %.1f Mbit/s, gateway %d MiB, in tunnels %d KiB", free.keys, free.flood/1e6, free.memory>>20, free.waits>>10)
	t.Logf("one stalled:    keys %v, flood %.1f Mbit/s, gateway %d MiB, in tunnels %d KiB", beside.keys, beside.flood/1e6, beside.memory>>20, beside.waits>>10)
	if beside.flood < 0.8*free.flood {
		t.Errorf("the flood fell from %.1f to %.1f Mbit/s", free.flood/1e6, beside.flood/1e6)
	}
	if beside.keys.at(0.5) > 2*free.keys.at(0.5) {
		t.Errorf("keys took %v, and before %v", beside.keys, free.keys)
	}
	if more := beside.waits - free.waits; more > 64<<20 {
		t.Errorf("the stalled stream holds %d MiB", more>>20)
	}
	if more := beside.memory - free.memory; more > 64<<20 {
		t.Errorf("the gateway grew by %d MiB", more>>20)
	}
	// It has lost nothing: when it reads again, all comes.
	go func() { _ = stalled.flood() }()
	eventually(t, "the stalled viewer goes on", func() error {
		if stalled.bytes.Load() < 2*floodBytes {
			return os.ErrDeadlineExceeded
		}
		return nil
	})
}

// live is what those who are not stalled get.
type live struct {
	keys          delays
	flood         float64
	memory, waits int64 // of the gateway, and of what its tunnels hold for viewers
}

func (s *tunnelled) live(t *testing.T, typists []*viewer, flooded *viewer, during time.Duration) live {
	t.Helper()
	var got live
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, v := range typists {
		group.Go(func() {
			all, err := v.keysFor(during, 500*time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			got.keys = append(got.keys, all...)
		})
	}
	got.flood = flooded.rate(during)
	a, err := s.state()
	if err != nil {
		t.Error(err)
	}
	got.waits = a.Memory
	if got.memory, err = s.gateway.memory(); err != nil {
		t.Error(err)
	}
	group.Wait()
	got.keys = got.keys.sorted()
	return got
}
