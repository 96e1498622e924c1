package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// journalHandler is a slog.Handler that sends records to systemd's journal, with
// each attribute as a field of its own: 'journalctl VNCGATE_SESSION=3f09a1c2'.
// Attributes in groups have the group's name before theirs. What the journal does
// not take, as where there is none, goes to instead.
type journalHandler struct {
	level  slog.Leveler
	send   func(message string, priority journal.Priority, fields map[string]string) error
	fields map[string]string // of With; not changed once it is there
	prefix string            // of the groups

	instead slog.Handler
}

func newJournalHandler(level slog.Leveler, instead slog.Handler) *journalHandler {
	return &journalHandler{level: level, send: journal.Send, instead: instead}
}

// journalReads reports whether systemd has given the journal's stream as w: it
// then says so in JOURNAL_STREAM, as DEVICE:INODE (systemd.exec(5)). Lines of text
// written to it would become messages without fields, all of one priority.
func journalReads(w io.Writer) bool {
	f, ok := w.(*os.File)
	named := os.Getenv("JOURNAL_STREAM")
	if !ok || named == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	at, ok := streamOf(info)
	return ok && at == named
}

// Enabled is slog.Handler's.
func (h *journalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle is slog.Handler's.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	fields := h.with()
	fields["SYSLOG_IDENTIFIER"] = "vncgate"
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += addField(fields, h.prefix, a)
		return true
	})
	if h.send(text, journal.Priority(severity(r.Level)), fields) == nil {
		return nil
	}
	return h.instead.Handle(ctx, r)
}

// with is a copy of the fields there are.
func (h *journalHandler) with() map[string]string {
	fields := make(map[string]string, len(h.fields)+8)
	for name, value := range h.fields {
		fields[name] = value
	}
	return fields
}

// WithAttrs is slog.Handler's.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.fields, next.instead = h.with(), h.instead.WithAttrs(attrs)
	for _, a := range attrs {
		addField(next.fields, h.prefix, a)
	}
	return &next
}

// WithGroup is slog.Handler's.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	next := *h
	if name != "" {
		next.prefix += name + "_"
		next.instead = h.instead.WithGroup(name)
	}
	return &next
}

// addField adds an attribute, and returns it as people read it behind the
// message.
func addField(fields map[string]string, prefix string, a slog.Attr) (text string) {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "_"
		}
		for _, inner := range value.Group() {
			text += addField(fields, prefix, inner)
		}
		return text
	}
	if a.Key == "" {
		return ""
	}
	fields[fieldName(prefix+a.Key)] = value.String()
	return " " + a.Key + "=" + value.String()
}

// fieldName is what the journal takes: capital letters, digits and underscores.
func fieldName(key string) string {
	return "VNCGATE_" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
}
