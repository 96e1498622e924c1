package main

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// fileMode is written in octal: 0660.
type fileMode fs.FileMode

// UnmarshalYAML reads an octal number, with or without the leading zero.
func (m *fileMode) UnmarshalYAML(b []byte) error {
	text := strings.Trim(strings.TrimSpace(string(b)), `"'`)
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("%q is no file mode; write it in octal, such as 0660", text)
	}
	*m = fileMode(n)
	return nil
}

// MarshalYAML writes the mode as it is read.
func (m fileMode) MarshalYAML() ([]byte, error) { return fmt.Appendf(nil, "0%o", m), nil }

// handler makes the log's handler.
func (l logConfig) handler(w io.Writer) (slog.Handler, error) {
	var level slog.Level
	if l.Level != "" {
		if err := level.UnmarshalText([]byte(l.Level)); err != nil {
			return nil, notOneOf("level", l.Level, []string{"debug", "info", "warn", "error"})
		}
	}
	options := &slog.HandlerOptions{Level: level}
	format := l.Format
	if format == "" && journalReads(w) && journal.Enabled() { // without its socket, as in a chroot, lines are better than nothing
		format = "journal"
	}
	switch format {
	case "", "text":
		return slog.NewTextHandler(w, options), nil
	case "json":
		return slog.NewJSONHandler(w, options), nil
	case "journal":
		return newJournalHandler(level, slog.NewTextHandler(w, options)), nil
	}
	return nil, notOneOf("format", l.Format, []string{"text", "json", "journal"})
}

// notOneOf says that name is not among the known ones, and which is near.
func notOneOf(what, name string, known []string) error {
	if near := nearest(name, known); near != "" {
		return fmt.Errorf("unknown %s %q; did you mean %q?", what, name, near)
	}
	if len(known) == 0 {
		return fmt.Errorf("unknown %s %q; there is none", what, name)
	}
	return fmt.Errorf("unknown %s %q; there are: %s", what, name, strings.Join(known, ", "))
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
