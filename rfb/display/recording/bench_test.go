package recording_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display/recording"
)

// nowhere is a Destination that keeps nothing.
type nowhere struct{}

func (nowhere) Create(string) (io.WriteCloser, error) { return nowhere{}, nil }
func (nowhere) Write(b []byte) (int, error)           { return len(b), nil }
func (nowhere) Close() error                          { return nil }

// BenchmarkTap is what recording adds to the relay of a piece: what the writer
// does then is not in it.
func BenchmarkTap(b *testing.B) {
	for _, size := range []int{100, 16 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			r, err := recording.New(nowhere{}, recording.Options{Name: "one", Init: screen(), Queue: 2 << 20})
			if err != nil {
				b.Fatal(err)
			}
			piece := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%8 == 7 && r.Stats().Queued > 1<<20 {
					b.StopTimer()
					for r.Stats().Queued > 0 {
						runtime.Gosched()
					}
					b.StartTimer()
				}
				if err := r.Display(piece); err != nil {
					b.Fatal(err)
				}
			}
			r.Close("")
			<-r.Done()
		})
	}
}

// tenMinutes is a screen of 1280×720 on which an area of 640×360 is another each
// 600 ms, and keys are pressed.
func tenMinutes(b *testing.B) string {
	b.Helper()
	init := rfb.ServerInit{Width: 1280, Height: 720, Format: rfb.Format32()}
	now := time.Duration(0)
	dir := b.TempDir()
	r, err := recording.New(recording.Directory(dir), recording.Options{
		Name: "one", Init: init, Queue: 1 << 30, Workers: recording.NewWorkers(2, 1<<30), Clock: func() time.Duration { return now },
	})
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	z, _ := zlib.NewWriterLevel(&out, zlib.BestSpeed)
	rnd := rand.New(rand.NewPCG(1, 2))
	const w, h = 640, 360
	pixels := make([]byte, 4*w*h)
	for now = 0; now < 10*time.Minute; now += 600 * time.Millisecond {
		for i := 0; i < len(pixels); i += 16 + rnd.IntN(16) {
			pixels[i] = byte(rnd.Uint32())
		}
		out.Reset()
		_, _ = z.Write(pixels)
		_ = z.Flush()
		u := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), uint16(rnd.IntN(640)), uint16(rnd.IntN(360)), w, h, rfb.EncodingZlib)
		u = append(u, byte(out.Len()>>24), byte(out.Len()>>16), byte(out.Len()>>8), byte(out.Len()))
		if err := r.Display(append(u, out.Bytes()...)); err != nil {
			b.Fatal(err)
		}
		_ = r.Viewer(rfb.AppendKeyEvent(nil, true, 'a'))
	}
	r.Close("")
	<-r.Done()
	return dir + "/one.fbs"
}

// BenchmarkSeek goes to places all over a recording of ten minutes.
func BenchmarkSeek(b *testing.B) {
	path := tenMinutes(b)
	r := open(b, path)
	b.Logf("%d bytes, %d keyframes", r.Size(), r.Keyframes())
	rnd := rand.New(rand.NewPCG(3, 4))
	var longest time.Duration
	for b.Loop() {
		from := time.Now()
		p, err := r.At(time.Duration(rnd.Int64N(int64(r.Duration()))))
		if err != nil {
			b.Fatal(err)
		}
		p.Close()
		longest = max(longest, time.Since(from))
	}
	b.ReportMetric(float64(longest.Milliseconds()), "ms-longest")
}

// BenchmarkThumbnail is a picture of 200 pixels anywhere.
func BenchmarkThumbnail(b *testing.B) {
	r := open(b, tenMinutes(b))
	rnd := rand.New(rand.NewPCG(3, 4))
	for b.Loop() {
		if _, err := r.Thumbnail(time.Duration(rnd.Int64N(int64(r.Duration()))), 200); err != nil {
			b.Fatal(err)
		}
	}
}
