package netlab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// paths are those on which routes are compared. The queue before the slow end
// holds as much as the path itself, the usual measure. Sockets may buffer enough
// for a Gbit/s at 100 ms, which Linux as it comes does not let them: see untuned.
var paths = []struct {
	name string
	setup
}{
	{"20ms-100M", setup{conditions: near, buffers: 64 << 20}},
	{"20ms-100M-lossy", setup{conditions: near.losing(0.01), buffers: 64 << 20}},
	{"20ms-100M-lossy-bbr", setup{conditions: near.losing(0.01), buffers: 64 << 20, bbr: true}},
	{"100ms-1G", setup{conditions: far, offload: true, buffers: 64 << 20}},
	{"100ms-1G-untuned", setup{conditions: far, offload: true}},
	{"100ms-1G-lossy", setup{conditions: far.losing(0.01), buffers: 64 << 20}},
	{"100ms-1G-lossy-bbr", setup{conditions: far.losing(0.01), buffers: 64 << 20, bbr: true}},
}

var (
	near = conditions{delay: 10 * time.Millisecond, rate: 100e6, queue: 20 * time.Millisecond}
	far  = conditions{delay: 50 * time.Millisecond, rate: 1e9, queue: 100 * time.Millisecond}
)

func (c conditions) losing(part float64) conditions {
	c.loss = part
	return c
}

// figures are of one route over one path.
type figures struct {
	route  string
	alone  delays  // of keys with nothing beside them
	flood  float64 // bits a second
	beside delays  // of keys in another session, beside the flood
}

// TestRatios compares the tunnel with a direct connection and with ssh -R.
func TestRatios(t *testing.T) {
	for _, p := range paths {
		t.Run(p.name, func(t *testing.T) {
			l := newLab(t, p.setup)
			l.startDisplay(t)
			var all []figures
			for _, r := range []route{direct, sshRemote, tunnel(1), tunnel(4)} {
				t.Run(r.name, func(t *testing.T) { all = append(all, l.measure(t, r)) })
			}
			t.Log("\n" + table(all))
			if len(all) == 4 {
				judge(t, all[0], all[1], all[2:])
			}
		})
	}
}

// measure uses a route as a viewer does: keys alone, and then keys in one
// session beside a flood in another.
func (l *lab) measure(t *testing.T, r route) figures {
	t.Helper()
	address := r.open(t, l)
	f := figures{route: r.name}
	typist := l.viewer.mustOpen(t, address)
	var err error
	if f.alone, err = typist.keys(40, 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	flooded := l.viewer.mustOpen(t, address)
	ended := make(chan error, 1)
	go func() { ended <- flooded.flood() }()
	time.Sleep(4 * time.Second) // the connection finds its speed
	rate := make(chan float64)
	go func() { rate <- flooded.rate(8 * time.Second) }()
	if f.beside, err = typist.keysFor(8*time.Second, 20*time.Millisecond); err != nil {
		t.Error(err)
	}
	f.flood = <-rate
	flooded.Close()
	<-ended
	return f
}

// judge says where the tunnel is no better than what people use in its place.
// The figures of one run vary: what is asked for is what no noise explains.
func judge(t *testing.T, direct, ssh figures, tunnels []figures) {
	t.Helper()
	for _, f := range tunnels {
		if f.flood < 0.7*direct.flood {
			t.Errorf("%s: %.1f Mbit/s, and a direct connection %.1f", f.route, f.flood/1e6, direct.flood/1e6)
		}
		if f.beside.at(0.5) > ssh.beside.at(0.5) {
			t.Errorf("%s: a key beside the flood takes %v, and through ssh -R %v", f.route, f.beside, ssh.beside)
		}
	}
}

// table is for people: what was measured, and beside it what part of the
// direct connection's it is.
func table(all []figures) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-24s %22s %30s %30s\n", "route", "flood Mbit/s (ratio)", "key alone p50/p99 (ratio p50)", "key beside p50/p99 (ratio p50)")
	for _, f := range all {
		first := all[0]
		fmt.Fprintf(&b, "%-24s %14.1f (%.2f) %22v (%.2f) %22v (%.2f)\n", f.route, f.flood/1e6, f.flood/first.flood,
			f.alone, ratio(f.alone, first.alone), f.beside, ratio(f.beside, first.beside))
	}
	return b.String()
}

func ratio(a, b delays) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	return float64(a.at(0.5)) / float64(b.at(0.5))
}
