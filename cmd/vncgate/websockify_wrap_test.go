package main

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTooOften(t *testing.T) {
	now := time.Now()
	ago := func(seconds ...int) []time.Time {
		var list []time.Time
		for _, s := range seconds {
			list = append(list, now.Add(-time.Duration(s)*time.Second))
		}
		return list
	}
	for _, tt := range []struct {
		starts []time.Time
		want   bool
	}{
		{ago(), false}, {ago(0), false}, {ago(1, 0), false}, {ago(2, 1, 0), true}, {ago(20, 8, 1), true}, {ago(20, 10, 0), false}, {ago(99, 50, 1), false},
	} {
		if got := tooOften(tt.starts, now); got != tt.want {
			t.Errorf("%v: %v", tt.starts, got)
		}
	}
}

func TestFindRebindLibrary(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	if got := findRebindLibrary([]string{a, b}); got != "" {
		t.Errorf("found %q", got)
	}
	want := filepath.Join(b, rebindLibrary)
	if err := os.WriteFile(want, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := findRebindLibrary([]string{a, b}); got != want {
		t.Errorf("found %q", got)
	}
}

// TestWrapModes wraps commands that end at once.
func TestWrapModes(t *testing.T) {
	var log bytes.Buffer
	for mode, want := range map[string]struct{ starts, ends int }{wrapExit: {1, 1}, wrapIgnore: {1, 0}, wrapRespawn: {respawnStarts, 0}} {
		log.Reset()
		m, ends := &countingMover{}, 0
		w := &wrapped{command: []string{"true"}, mode: mode, log: slog.New(slog.NewTextHandler(&log, nil)), mover: m, ended: func(string) { ends++ }}
		if err := w.start(); err != nil {
			t.Fatal(err)
		}
		w.done.Wait()
		w.stop()
		if m.starts != want.starts || ends != want.ends {
			t.Errorf("%s: %d starts and %d ends\n%s", mode, m.starts, ends, &log)
		}
	}
}

// TestWrapStops ends a command that would run on.
func TestWrapStops(t *testing.T) {
	w := &wrapped{command: []string{"sleep", "600"}, mode: wrapRespawn, log: slog.New(slog.DiscardHandler), mover: &countingMover{}}
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	w.stop()
	if _, err := w.spawn(); err == nil {
		t.Error("started after the end")
	}
	var none *wrapped
	if err := none.start(); err != nil {
		t.Error(err)
	}
	none.stop()
}

// countingMover starts commands as they are.
type countingMover struct{ starts int }

func (m *countingMover) start(command []string, _, _ int) (*exec.Cmd, error) {
	m.starts++
	cmd := exec.Command(command[0], command[1:]...)
	return cmd, cmd.Start()
}

func TestPreloaderEnvironment(t *testing.T) {
	out := filepath.Join(t.TempDir(), "env")
	t.Setenv(preload, "")
	cmd, err := preloader{library: ""}.start([]string{"sh", "-c", "env >" + out}, 5901, 5902)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(b), "REBIND_OLD_PORT=5901\n") || !strings.Contains(string(b), "REBIND_NEW_PORT=5902\n") {
		t.Errorf("%s, %v", b, err)
	}
}
