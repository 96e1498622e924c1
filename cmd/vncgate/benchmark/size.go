package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// cost is what sessions take, as measured over wss with TLS at both hands of the
// table in docs/operating.md, rounded up.
type cost struct {
	base      float64 // bytes of a gateway without sessions
	idle      float64 // bytes of a session that does nothing
	active    float64 // bytes more of one that moves something: its buffers
	kernel    float64 // bytes that the kernel takes for the two connections of a session
	perByte   float64 // seconds of a core for a byte to the viewer
	perLogIn  float64 // seconds of a core
	perUpdate float64 // seconds of a core for an input and its update
}

// machineSize is what one gateway runs on, and how much of it is to be used:
// the rest is for the moment in which all move at once.
type machineSize struct {
	cores       int
	memory      float64 // bytes
	descriptors int
	used        float64 // share of cores and memory
}

// use is what people do, on average.
type use struct {
	active  float64 // share of the sessions in which something moves
	bytes   float64 // a second to each of those
	updates float64 // a second, for each of those
	logIns  float64 // an hour, for each session
}

// need is what n sessions take of one machine, as shares of what may be used of
// it.
func (c cost) need(n float64, m machineSize, u use) (cores, memory, descriptors float64) {
	second := n * (u.active*(u.bytes*c.perByte+u.updates*c.perUpdate) + u.logIns/3600*c.perLogIn)
	bytes := c.base + n*(c.idle+c.kernel+u.active*c.active)
	return second / (float64(m.cores) * m.used), bytes / (m.memory * m.used), (2*n + 1000) / float64(m.descriptors)
}

// most is how many sessions one machine takes, and what runs out first.
func (c cost) most(m machineSize, u use) (n int, first string) {
	low, high := 0.0, 1e9
	for high-low > 1 {
		mid := math.Floor((low + high) / 2)
		if cores, memory, files := c.need(mid, m, u); max(cores, memory, files) <= 1 {
			low = mid
		} else {
			high = mid
		}
	}
	cores, memory, files := c.need(high, m, u)
	switch max(cores, memory, files) {
	case cores:
		first = "cores"
	case memory:
		first = "memory"
	default:
		first = "descriptors"
	}
	return int(low), first
}

// measuredCost is that of the table in docs/operating.md.
var measuredCost = cost{
	base: 40e6, idle: 15e3, active: 600e3, kernel: 10e3,
	perByte: 0.7e-9, perLogIn: 1e-3, perUpdate: 40e-6,
}

// offices is work in ordinary windows; films and games move a hundred times as
// much.
var offices = use{active: 0.2, bytes: 100e3, updates: 10, logIns: 0.5}

// printSizes says how many gateways so many sessions need, on machines of some
// sizes.
func printSizes(out io.Writer, sessions int) {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| cores\t| memory\t| sessions\t| what runs out\t| gateways for", thousands(sessions), "\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|")
	for _, m := range []machineSize{
		{2, 4 << 30, 1 << 20, 0.5}, {4, 8 << 30, 1 << 20, 0.5}, {8, 16 << 30, 1 << 20, 0.5}, {16, 64 << 30, 1 << 20, 0.5},
	} {
		n, first := measuredCost.most(m, offices)
		gateways := (sessions+n-1)/n + 1 // one may be away
		fmt.Fprintf(w, "| %d\t| %.0f GiB\t| %s\t| %s\t| %d\t|\n", m.cores, m.memory/(1<<30), thousands(n/1000*1000), first, gateways)
	}
	_ = w.Flush()
}

// thousands writes a number with its thousands apart.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return thousands(n/1000) + fmt.Sprintf(" %03d", n%1000)
}
