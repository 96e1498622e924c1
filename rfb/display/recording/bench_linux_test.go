package recording_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vncgate/rfb/display/recording"
)

// BenchmarkRelayAndTap moves pieces from one connection to another as a relay
// does, with and without the tap, and tells the processor time of the one thread
// that does it.
func BenchmarkRelayAndTap(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10} {
		for _, tapped := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/tap=%v", size, tapped), func(b *testing.B) {
				from, source := pair(b)
				sink, to := pair(b)
				go func() {
					piece := make([]byte, size)
					for {
						if _, err := source.Write(piece); err != nil {
							return
						}
					}
				}()
				go func() { _, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{sink}, make([]byte, 256<<10)) }()
				tap := func([]byte) error { return nil }
				queued := func() int { return 0 }
				if tapped {
					r, err := recording.New(nowhere{}, recording.Options{Name: "one", Init: screen(), Queue: 4 << 20})
					if err != nil {
						b.Fatal(err)
					}
					defer func() {
						r.Close("")
						<-r.Done()
					}()
					tap = r.Display
					queued = func() int { return r.Stats().Queued }
				}
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				buf := make([]byte, size)
				b.SetBytes(int64(size))
				used := threadTime(b)
				for i := 0; b.Loop(); i++ {
					for i%16 == 15 && queued() > 1<<20 { // no display says more than a disk takes, for long
						time.Sleep(time.Millisecond)
					}
					n, err := io.ReadFull(from, buf)
					if err == nil {
						err = tap(buf[:n])
					}
					if err == nil {
						_, err = to.Write(buf[:n])
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(threadTime(b)-used)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

func threadTime(b *testing.B) time.Duration {
	b.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// pair is both ends of a connection.
func pair(b *testing.B) (net.Conn, net.Conn) {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { far.Close(); near.Close() })
	return near, far
}
