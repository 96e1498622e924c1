package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is one figure of one scenario, by subject.
type row struct {
	scenario
	unit  string
	cells map[string]*cell
	tls   *row // of x509: the same with TLS from the first byte
}

// cell is what the rounds gave.
type cell struct{ values []float64 }

func (c *cell) median() float64 {
	v := slices.Sorted(slices.Values(c.values))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// noise is half of how far the rounds lay apart, as a share of the median.
func (c *cell) noise() float64 {
	m := c.median()
	if m == 0 {
		return 0
	}
	return (slices.Max(c.values) - slices.Min(c.values)) / 2 / math.Abs(m)
}

// rowsOf sorts measurements into rows, in the order in which they came.
func rowsOf(list []measurement) (rows []*row, subjects []string) {
	found := map[string]*row{}
	for _, m := range list {
		if m.Error != "" {
			continue
		}
		if !slices.Contains(subjects, m.Subject) {
			subjects = append(subjects, m.Subject)
		}
		for _, unit := range sortedKeys(m.Values) {
			if !inTable(unit) {
				continue
			}
			key := m.scenario.String() + unit
			r := found[key]
			if r == nil {
				r = &row{m.scenario, unit, map[string]*cell{}, nil}
				found[key] = r
				rows = append(rows, r)
			}
			if r.cells[m.Subject] == nil {
				r.cells[m.Subject] = &cell{}
			}
			r.cells[m.Subject].values = append(r.cells[m.Subject].values, m.Values[unit])
		}
	}
	for _, r := range rows {
		if s := r.scenario; s.Via == viaX509 {
			s.Via = viaTLS
			r.tls = found[s.String()+r.unit]
		}
	}
	return rows, subjects
}

// inTable leaves out what only the lines of JSON are for.
func inTable(unit string) bool {
	return !strings.HasSuffix(unit, "asked") && unit != "messages intact" && unit != "threads"
}

// printTable prints medians, noise, and ratios to what is compared with.
func printTable(out io.Writer, list []measurement) {
	rows, subjects := rowsOf(list)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "scenario\tvia\tsessions\tunit")
	for _, s := range subjects {
		fmt.Fprint(w, "\t", s)
	}
	fmt.Fprintln(w)
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s", r.Name, r.Via, r.Sessions, r.unit)
		reference := r.reference()
		for _, s := range subjects {
			fmt.Fprint(w, "\t", r.cellText(s, reference))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
	for _, s := range subjects {
		if s != direct && !slices.Contains(append(terminators, websockify...), s) {
			printGoals(out, rows, s)
		}
	}
	fmt.Fprintln(out, "Medians; ± is half of how far the rounds lay apart; × is to websockify where it takes part, else to the best other peer.")
}

// reference is what ratios of a row are to: "" if there is none.
func (r *row) reference() string {
	if r.cells["websockify"] != nil {
		return "websockify"
	}
	best := ""
	for _, name := range []string{"nginx", "haproxy", "stunnel"} {
		c := r.cells[name]
		if c != nil && (best == "" || r.better(c.median(), r.cells[best].median())) {
			best = name
		}
	}
	return best
}

// better reports whether a is the better figure.
func (r *row) better(a, b float64) bool {
	if r.unit == inMBs || r.unit == inSessions || r.unit == inShare || r.unit == inResumed || r.unit == inAnswers {
		return a > b
	}
	return a < b
}

func (r *row) cellText(subject, reference string) string {
	c := r.cells[subject]
	if c == nil {
		return "-"
	}
	text := short(c.median())
	if len(c.values) > 1 {
		text += fmt.Sprintf(" ±%.0f%%", 100*c.noise())
	}
	if reference != "" && subject != reference {
		if of := r.cells[reference].median(); of != 0 {
			text += fmt.Sprintf(" ×%.2f", c.median()/of)
		}
	}
	return text
}

// printFiles prints the table of what was measured before.
func printFiles(out io.Writer, paths []string) error {
	var list []measurement
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		some, err := readLines(f)
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, some...)
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: no measurements", strings.Join(paths, ", "))
	}
	fmt.Fprintln(out, list[0].Machine)
	printTable(out, list)
	return nil
}

func readLines(in io.Reader) ([]measurement, error) {
	var list []measurement
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m measurement
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, lines.Err()
}

// short is a number with the digits that mean something.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
