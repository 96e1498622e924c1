package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"
)

func TestJournalFields(t *testing.T) {
	var text string
	var priority journal.Priority
	var fields map[string]string
	h := newJournalHandler(slog.LevelInfo, slog.DiscardHandler)
	h.send = func(message string, p journal.Priority, f map[string]string) error {
		text, priority, fields = message, p, f
		return nil
	}
	log := slog.New(h).With("session", "3f09a1c2")
	log.Debug("nobody hears this")
	if fields != nil {
		t.Error("debug was sent")
	}
	log.Warn("session refused", "reason", "busy", slog.Group("viewer", "bytes-up", 7), slog.Attr{})
	want := map[string]string{
		"SYSLOG_IDENTIFIER": "vncgate", "VNCGATE_SESSION": "3f09a1c2", "VNCGATE_REASON": "busy", "VNCGATE_VIEWER_BYTES_UP": "7",
	}
	for name, value := range want {
		if fields[name] != value {
			t.Errorf("%s is %q, want %q", name, fields[name], value)
		}
	}
	if len(fields) != len(want) || priority != journal.PriWarning || text != "session refused reason=busy bytes-up=7" {
		t.Errorf("%q, priority %d, %v", text, priority, fields)
	}
	log.WithGroup("display").Info("up", "stack", "tcp")
	if fields["VNCGATE_DISPLAY_STACK"] != "tcp" {
		t.Errorf("in a group: %v", fields)
	}
}

// What the journal does not take is not lost.
func TestJournalInstead(t *testing.T) {
	var lines strings.Builder
	h := newJournalHandler(slog.LevelInfo, slog.NewTextHandler(&lines, nil))
	h.send = func(string, journal.Priority, map[string]string) error { return os.ErrNotExist }
	slog.New(h).With("session", "3f09a1c2").WithGroup("viewer").Info("session opened", "from", "192.0.2.7")
	if got := lines.String(); !strings.Contains(got, `msg="session opened" session=3f09a1c2 viewer.from=192.0.2.7`) {
		t.Errorf("instead: %q", got)
	}
}

// Under systemd the journal is the default where it reads our standard error, and
// there alone: what was redirected goes where it was sent, and what was asked for
// is what is done.
func TestJournalByItself(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	own, ok := streamOf(info)
	if !ok {
		t.Skip("no journal on this system")
	}
	for _, c := range []struct {
		stream, format string
		want           bool
	}{
		{own, "", journal.Enabled()}, {own, "text", false}, {own, "json", false}, {"1:2", "", false}, {"", "", false}, {own, "journal", true},
	} {
		t.Setenv("JOURNAL_STREAM", c.stream)
		h, err := logConfig{Format: c.format}.handler(f)
		must(t, err)
		if _, is := h.(*journalHandler); is != c.want {
			t.Errorf("stream %q, format %q: %T", c.stream, c.format, h)
		}
	}
	t.Setenv("JOURNAL_STREAM", own)
	if !journalReads(f) {
		t.Error("the journal's stream is not known")
	}
	if journalReads(io.Discard) {
		t.Error("what is no file is taken for the journal")
	}
}
