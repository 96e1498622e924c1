package interop

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
)

// results is the table of what was run, which TestMain prints.
var results table

type row struct{ viewer, viewerVersion, front, display, displayVersion, result string }

type table struct {
	mu   sync.Mutex
	rows []row
}

func (t *table) add(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
}

// String is the table in columns, "" when nothing was run.
func (t *table) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) == 0 {
		return ""
	}
	slices.SortStableFunc(t.rows, func(a, b row) int { return strings.Compare(a.viewer, b.viewer) })
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintln(w, "viewer\t version\t front\t display\t version\t result")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t %s\t %s\t %s\t %s\t %s\n", r.viewer, r.viewerVersion, r.front, r.display, r.displayVersion, r.result)
	}
	w.Flush()
	return b.String()
}
