package control_test

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/rfb"
)

// BenchmarkSessionKill is the time from exec-oob to its answer, while viewers
// take all that the machine can move and eight commands block on the same
// connection. Half and all but a hundredth of the answers came within p50-µs and
// p99-µs.
func BenchmarkSessionKill(b *testing.B) {
	for name, viewers := range map[string]int{"idle": 0, "saturated": 8} {
		b.Run(name, func(b *testing.B) { benchmarkKill(b, viewers) })
	}
}

func benchmarkKill(b *testing.B, viewers int) {
	gate, address := desk(b)
	table := newBlocking()
	for _, c := range control.Commands(&control.Backend{Gateway: gate}).Commands(control.Admin) {
		table.Add(c)
	}
	ctx := context.Background()
	c, err := control.Dial(ctx, serve(b, &control.Server{Table: table.Table}))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for range viewers {
		viewer := come(b, address)
		go func() { _, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, viewer, make([]byte, 64<<10)) }()
	}
	for range control.MaxInBand {
		go func() { _, _ = c.Run(ctx, "sleep", nil) }()
	}
	eventually(b, "the first blocks", func() bool { return table.begun.Load() == 1 })
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		viewer := come(b, address)
		var newest gateway.SessionInfo
		eventually(b, "it is open", func() bool {
			list := gate.List()
			newest = list[len(list)-1]
			return len(list) > viewers && newest.Open
		})
		b.StartTimer()
		begun := time.Now()
		if _, err := c.RunOOB(ctx, "session-kill", control.Which{ID: newest.ID}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
		b.StopTimer()
		_ = viewer.Close()
		eventually(b, "it has ended", func() bool { return len(gate.List()) <= viewers })
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	close(table.goOn)
}

// come has a viewer come in.
func come(tb testing.TB, address string) net.Conn {
	tb.Helper()
	ctx := context.Background()
	c, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	viewer, err := rfb.Client(ctx, c, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if err == nil {
		err = viewer.WriteClientInit(ctx, true)
	}
	if err == nil {
		_, err = viewer.ReadServerInit(ctx)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return viewer
}
