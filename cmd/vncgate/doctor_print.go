package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// How a step went, with the control sequences of a terminal's colours.
const (
	green, yellow, red, bold, plain = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1m", "\x1b[0m"
)

// printer writes steps as they end. Ticks and colours are for terminals alone.
type printer struct {
	out    io.Writer
	pretty bool
	width  int // of a line, in columns; 0 is any
	err    error
}

func newPrinter(out io.Writer) *printer {
	p := &printer{out: out}
	if f, ok := out.(*os.File); ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		p.pretty = term.IsTerminal(int(f.Fd()))
		if width, _, err := term.GetSize(int(f.Fd())); p.pretty && err == nil {
			p.width = max(width, 60)
		}
	}
	return p
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}

func (p *printer) title(text string) {
	if p.pretty {
		text = bold + text + plain
	}
	p.printf("%s\n\n", text)
}

// step writes one step: its mark, name, time and summary, what was noted, and
// what to do.
func (p *printer) step(s *step) {
	p.printf("%s %-14s %9s  %s\n", p.mark(s), s.Name, clock(s.MS), p.wrapped(s.Summary, 28))
	for _, note := range s.Notes {
		p.printf("       %s\n", p.wrapped(note, 9))
	}
	for _, advice := range s.Advice {
		p.printf("    -> %s\n", p.emphasis(p.wrapped(advice, 7), s))
	}
}

// wrapped breaks text between words where the terminal's line ends, and begins
// the next one in column indent.
func (p *printer) wrapped(text string, indent int) string {
	text = printable(text)
	room := p.width - indent
	if p.width == 0 || len(text) <= room {
		return text
	}
	var b strings.Builder
	column := 0
	for i, word := range strings.SplitAfter(text, " ") {
		if i > 0 && column+len(word) > room {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = 0
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

func (p *printer) mark(s *step) string {
	word, tick, colour := "ok  ", "✓", green
	switch {
	case !s.OK:
		word, tick, colour = "FAIL", "✗", red
	case s.Skipped:
		word, tick, colour = "-   ", "–", plain
	case len(s.Advice) > 0:
		word, tick, colour = "note", "!", yellow
	}
	if p.pretty {
		return colour + tick + plain
	}
	return word
}

func (p *printer) emphasis(text string, s *step) string {
	if p.pretty && !s.OK {
		return bold + text + plain
	}
	return text
}

// end sums up, where the error that the program ends with does not.
func (p *printer) end(r *report) error {
	p.printf("\n")
	if r.OK {
		p.printf("%s\n", r.conclusion())
	}
	return p.err
}

// clock is a time for people.
func clock(ms float64) string {
	switch {
	case ms < 1:
		return "<1 ms"
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// printable keeps what a peer said from moving the cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}
