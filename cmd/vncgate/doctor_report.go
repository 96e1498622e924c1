package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// report is what the doctor found; --json prints it as it stands.
type report struct {
	Kind    string  `json:"kind"` // "display" or "front"
	Address string  `json:"address"`
	Target  string  `json:"target,omitempty"`
	OK      bool    `json:"ok"`
	MS      float64 `json:"ms"`
	Steps   []*step `json:"steps"`
}

// step is one thing that was looked at.
type step struct {
	Name    string         `json:"name"`
	OK      bool           `json:"ok"`
	Skipped bool           `json:"skipped,omitempty"` // on purpose; the summary says why
	MS      float64        `json:"ms"`
	Summary string         `json:"summary"`
	Notes   []string       `json:"notes,omitempty"`
	Details map[string]any `json:"details,omitempty"`
	Advice  []string       `json:"advice,omitempty"`

	begun time.Time
}

func (r *report) title() string {
	what := "display"
	if r.Kind == "front" {
		what = "front"
	}
	if r.Target != "" {
		return fmt.Sprintf("%s %s (%s)", what, r.Target, r.Address)
	}
	return what + " " + r.Address
}

// conclusion sums up a report without failures. It vouches for no more than was
// looked at.
func (r *report) conclusion() string {
	var skipped, remarks []string
	for _, s := range r.Steps {
		switch {
		case s.Skipped:
			skipped = append(skipped, s.Name)
		case len(s.Advice) > 0:
			remarks = append(remarks, s.Name)
		}
	}
	if len(skipped)+len(remarks) == 0 {
		return fmt.Sprintf("All is well, after %s.", clock(r.MS))
	}
	text := fmt.Sprintf("Nothing is wrong in what was looked at, after %s", clock(r.MS))
	if len(skipped) > 0 {
		text += "; not tried: " + strings.Join(skipped, ", ")
	}
	if len(remarks) > 0 {
		text += "; to be considered: " + strings.Join(remarks, ", ")
	}
	return text + "."
}

// failed is the error to end with.
func (r *report) failed() error {
	var names []string
	for _, s := range r.Steps {
		if !s.OK {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("doctor: %s: not in order: %s", r.Address, strings.Join(names, ", "))
}

func (s *step) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

func (s *step) advise(lines ...string) { s.Advice = append(s.Advice, lines...) }

func (s *step) detail(key string, value any) {
	if s.Details == nil {
		s.Details = map[string]any{}
	}
	s.Details[key] = value
}

// begin opens a step; the one that is open is closed as done.
func (d *doctor) begin(name string) *step {
	d.done()
	d.current = &step{Name: name, OK: true, begun: time.Now()}
	return d.current
}

// done closes the open step, if there is one.
func (d *doctor) done() {
	s := d.current
	if s == nil {
		return
	}
	d.current = nil
	s.MS = milliseconds(time.Since(s.begun))
	d.report.OK = d.report.OK && s.OK
	d.report.Steps = append(d.report.Steps, s)
	if d.finished != nil {
		d.finished(s)
	}
}

// fail closes the open step as failed.
func (d *doctor) fail(err error) {
	var t *trouble
	if !errors.As(err, &t) {
		t = &trouble{words: err.Error()}
	}
	d.current.OK = false
	d.current.Summary = t.words
	d.current.advise(t.advice...)
	for _, line := range d.said.take() {
		d.current.note("the command says: %s", line)
	}
	d.done()
}

// skip closes the open step as left out.
func (d *doctor) skip(why string) {
	d.current.Skipped, d.current.Summary = true, why
	d.done()
}

func milliseconds(t time.Duration) float64 { return float64(t.Microseconds()) / 1000 }

// trouble is why a step failed, in words, and what to do about it.
type trouble struct {
	words  string
	advice []string
}

func (t *trouble) Error() string { return t.words }

func newTrouble(words string, advice ...string) error { return &trouble{words: words, advice: advice} }

// maxSaid is how many lines of a command are kept.
const maxSaid = 20

// commandLog is the log that a target's wiring gets. It keeps what a display's
// command writes to standard error, which often is the reason, and drops the
// rest.
type commandLog struct {
	mu    sync.Mutex
	lines []string
}

// Enabled is true: the rest is dropped later.
func (*commandLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps a record's attribute "stderr".
func (l *commandLog) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "stderr" && len(l.lines) < maxSaid {
			l.lines = append(l.lines, a.Value.String())
		}
		return true
	})
	return nil
}

// WithAttrs adds nothing.
func (l *commandLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup adds nothing.
func (l *commandLog) WithGroup(string) slog.Handler { return l }

// take returns the lines so far and forgets them.
func (l *commandLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}
