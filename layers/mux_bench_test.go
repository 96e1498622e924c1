package layers_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// longPath returns the two ends of a path that takes so long one way and passes
// on so many bytes a second (0: as many as there are) behind a buffer of 64 KiB.
func longPath(t testing.TB, delay time.Duration, rate float64) (near, far net.Conn) {
	t.Helper()
	near, a := layertest.Pipe()
	far, b := layertest.Pipe()
	var all sync.WaitGroup
	for _, ends := range [][2]net.Conn{{a, b}, {b, a}} {
		type piece struct {
			b  []byte
			at time.Time
		}
		path := make(chan piece, 4096)
		all.Go(func() {
			defer close(path)
			free := time.Now()
			for {
				buf := make([]byte, 16<<10)
				n, err := ends[0].Read(buf)
				if err != nil {
					return
				}
				if rate > 0 {
					if now := time.Now(); free.Before(now) {
						free = now
					}
					free = free.Add(time.Duration(float64(n) / rate * float64(time.Second)))
					if wait := time.Until(free); wait > time.Millisecond {
						time.Sleep(wait)
					}
				}
				path <- piece{buf[:n], time.Now().Add(delay)}
			}
		})
		all.Go(func() {
			for p := range path {
				time.Sleep(time.Until(p.at))
				_, _ = ends[1].Write(p.b)
			}
			_ = ends[1].Close()
		})
	}
	t.Cleanup(func() {
		for _, c := range []net.Conn{near, far, a, b} {
			_ = c.Close()
		}
		all.Wait()
	})
	return near, far
}

// flood writes until the stream ends.
func flood(c net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

// BenchmarkMux is what n streams carry together, over loopback and over TLS on it.
func BenchmarkMux(b *testing.B) {
	stacks := benchStacks(b)
	for _, below := range []string{"tcp", "tls"} {
		for _, n := range []int{0, 1, 16, 1000} { // 0: without a Mux
			b.Run(fmt.Sprintf("%s/%d", below, n), func(b *testing.B) {
				near, far := layertest.TCP(b)
				client, server := join(b, near, far, stacks[below][0], stacks[below][1])
				from, to := []net.Conn{server}, []net.Conn{client}
				if n > 0 {
					x, y := muxOver(b, client, server, layers.MuxConfig{})
					from, to = nil, nil
					for range n {
						p, q := muxStream(b, x, y)
						from, to = append(from, q), append(to, p)
					}
				}
				benchCarry(b, from, to)
			})
		}
	}
}

// benchCarry has each of from send its part of b.N times 64 KiB.
func benchCarry(b *testing.B, from, to []net.Conn) {
	const size = 64 << 10
	b.SetBytes(size)
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range from {
		times := b.N / len(from)
		if i < b.N%len(from) {
			times++
		}
		all.Go(func() {
			buf := make([]byte, size)
			for range times {
				if _, err := from[i].Write(buf); err != nil {
					b.Error(err)
					return
				}
			}
		})
		all.Go(func() {
			_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(to[i], int64(times*size)), make([]byte, size))
		})
	}
	all.Wait()
}

// BenchmarkMuxLongPath is one stream, or sixteen, over 100 ms there and back at
// 1 Gbit/s: the time includes the growth of the windows.
func BenchmarkMuxLongPath(b *testing.B) {
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			near, far := longPath(b, 50*time.Millisecond, 125e6)
			x, y := muxOver(b, near, far, layers.MuxConfig{})
			var from, to []net.Conn
			for range n {
				p, q := muxStream(b, x, y)
				from, to = append(from, q), append(to, p)
			}
			benchCarry(b, from, to)
		})
	}
}

// BenchmarkMuxKey is how long eight bytes take there and back, beside four
// streams that flood the tunnel, at 100 Mbit/s; and beside one that nobody reads.
func BenchmarkMuxKey(b *testing.B) {
	for _, beside := range []string{"nothing", "floods", "stalled"} {
		b.Run(beside, func(b *testing.B) {
			near, far := longPath(b, 0, 12.5e6)
			x, y := muxOver(b, near, far, layers.MuxConfig{})
			key, echo := muxStream(b, x, y)
			go func() { _, _ = io.Copy(echo, echo) }()
			for range 4 {
				p, q := muxStream(b, x, y)
				switch beside {
				case "floods":
					go func() { _, _ = io.Copy(io.Discard, p) }()
					fallthrough
				case "stalled":
					go flood(q)
				}
			}
			var took []time.Duration
			buf := make([]byte, 8)
			for b.Loop() {
				start := time.Now()
				_, _ = key.Write(buf)
				if _, err := io.ReadFull(key, buf); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkMuxOpen opens, uses and closes a stream.
func BenchmarkMuxOpen(b *testing.B) {
	b.ReportAllocs()
	var x *layers.Mux
	for i := 0; b.Loop(); i++ {
		if i%10000 == 0 { // more in so short a time would be a flood
			b.StopTimer()
			x = echoMux(b)
			b.StartTimer()
		}
		s, err := x.Open(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		_, _ = s.Write([]byte("x"))
		_ = s.CloseWrite()
		if got, err := io.ReadAll(s); string(got) != "x" || err != nil {
			b.Fatal(got, err)
		}
		_ = s.Close()
	}
}

// echoMux opens streams to somebody who sends back what comes.
func echoMux(t testing.TB) *layers.Mux {
	t.Helper()
	near, far := layertest.TCP(t)
	x, y := muxOver(t, near, far, layers.MuxConfig{})
	go func() {
		for {
			s, err := y.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(s, s)
				_ = s.Close()
			}()
		}
	}()
	return x
}

// BenchmarkMuxIdle is what a tunnel takes of memory at one of its ends, and a
// stream of it that has carried something and waits.
func BenchmarkMuxIdle(b *testing.B) {
	taken := func() float64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return float64(s.HeapAlloc + s.StackInuse)
	}
	const n = 1000
	for b.Loop() {
		near, far := layertest.TCP(b)
		before := taken()
		x, y := muxOver(b, near, far, layers.MuxConfig{})
		tunnel := taken() - before
		for range n {
			p, q := muxStream(b, x, y)
			_, _ = p.Write(make([]byte, 10<<10))
			_, _ = io.ReadFull(q, make([]byte, 10<<10))
		}
		b.ReportMetric(tunnel/2, "B/tunnel")
		b.ReportMetric((taken()-before-tunnel)/(2*n), "B/stream")
	}
}
