package main

import (
	"fmt"
	"io"
	"slices"
)

// goal is what a figure of vncgate should be at most, or at least where more is
// better: so many times that of others in the same run, or so much.
type goal struct {
	name   string
	vias   []string
	count  int // sessions; 0: any
	unit   string
	factor float64
	of     []string // the best of them; none: factor is the figure
}

// terminators end TLS in front of native viewers' displays.
var (
	websockify  = []string{"websockify"}
	terminators = []string{"nginx", "haproxy", "stunnel"}
)

func goals() []goal {
	ws, wss, native := []string{viaWS}, []string{viaWSS}, []string{viaTLS, viaX509}
	return []goal{
		{sceneDown, ws, 0, inCPU, 0.5, websockify}, {sceneDown, ws, 1, inMBs, 1.4, websockify}, {sceneDown, ws, 16, inMBs, 1.6, websockify},
		{sceneDown, wss, 0, inCPU, 0.55, websockify}, {sceneDown, wss, 1, inMBs, 1.85, websockify}, {sceneDown, wss, 16, inMBs, 1.3, websockify},
		{sceneDown, native, 0, inMBs, 1.5, terminators}, {sceneDown, native, 0, inCPU, 0.65, terminators},
		{sceneUp, ws, 0, inMBs, 5, websockify}, {sceneUp, wss, 0, inMBs, 2, websockify},
		{scenePing, ws, 0, inP50, 50, nil}, {scenePing, wss, 0, inP50, 55, nil},
		{sceneFair, ws, 0, inP99, 2400, nil}, {sceneFair, wss, 0, inP99, 2500, nil},
		{sceneFair, []string{viaWS, viaWSS}, 0, inMBs, 1.2, websockify},
		{sceneChurn, ws, 0, inSessions, 3000, nil}, {sceneChurn, wss, 0, inSessions, 1150, nil}, {sceneResumed, wss, 0, inSessions, 1500, nil},
		{sceneIdle, ws, 0, inKB, 5, nil}, {sceneIdle, wss, 0, inKB, 14, nil},
		{sceneStall, []string{viaWS, viaWSS}, 0, inGrowth, 1, nil},
	}
}

// printGoals says of each goal whether the stated subject has reached it.
func printGoals(out io.Writer, rows []*row, subject string) {
	for _, g := range goals() {
		for _, r := range rows {
			c := r.cells[subject]
			if c == nil || r.Name != g.name || r.unit != g.unit || !slices.Contains(g.vias, r.Via) || g.count != 0 && g.count != r.Sessions {
				continue
			}
			if limit, words, ok := g.limit(r); ok {
				verdict := "not met"
				if got := c.median(); got == limit || r.better(got, limit) {
					verdict = "met"
				}
				fmt.Fprintf(out, "goal of %s, %v, %s: %s, is %s: %s\n", subject, r.scenario, r.unit, words, short(c.median()), verdict)
			}
		}
	}
}

// limit is the figure that a row asks for. Peers that pipe TLS know one way of
// it, which both of ours are held against.
func (g *goal) limit(r *row) (limit float64, words string, ok bool) {
	sign := "at most"
	if r.better(2, 1) {
		sign = "at least"
	}
	if len(g.of) == 0 {
		return g.factor, fmt.Sprintf("%s %s", sign, short(g.factor)), true
	}
	against, name := r, ""
	if r.Via == viaX509 && r.tls != nil {
		against = r.tls
	}
	for _, other := range g.of {
		c := against.cells[other]
		if c != nil && (name == "" || r.better(c.median(), against.cells[name].median())) {
			name = other
		}
	}
	if name == "" {
		return 0, "", false
	}
	limit = g.factor * against.cells[name].median()
	return limit, fmt.Sprintf("%s %v × %s = %s", sign, g.factor, name, short(limit)), true
}
