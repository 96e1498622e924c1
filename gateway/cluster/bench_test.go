package cluster_test

import (
	"fmt"
	"testing"

	"vncgate/auth"
	"vncgate/auth/tickets/redistest"
)

// BenchmarkEnterLeave is what one session's place costs, with all three limits
// set and 100 sessions on the target.
func BenchmarkEnterLeave(b *testing.B) {
	server := redistest.Start(b)
	p := joined(b, of(b, server), "a")
	limits := auth.Limits{PerTarget: 1000, PerUser: 1000, PerAddress: 1000}
	for i := range 100 {
		p.enters(seat(fmt.Sprint("in", i), limits))
	}
	s := seat("x", limits)
	for b.Loop() {
		if got := p.enters(s); got != "in" {
			b.Fatal(got)
		}
		p.leaves(s)
	}
}
