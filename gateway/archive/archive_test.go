package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// shelf is a folder whose clock is the test's.
type shelf struct {
	*Folder
	wall    time.Time
	up      time.Duration
	removed []string
}

func newShelf(t *testing.T, cfg Config) *shelf {
	t.Helper()
	s := &shelf{wall: time.Now(), up: day}
	cfg.Path = filepath.Join(t.TempDir(), "recordings")
	cfg.Removed = func(r Removed) { s.removed = append(s.removed, r.Name+" "+r.Reason) }
	cfg.Failed = func(err error) { t.Error(err) }
	f, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.clock = func() (time.Time, time.Duration) { return s.wall, s.up }
	s.Folder = f
	return s
}

// pass lets time go by, as clock and world have it.
func (s *shelf) pass(d time.Duration) { s.wall, s.up = s.wall.Add(d), s.up+d }

func (s *shelf) sweep(t *testing.T) {
	t.Helper()
	if err := s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
}

// settle has the clock run on evenly for long enough.
func (s *shelf) settle(t *testing.T) {
	t.Helper()
	s.sweep(t)
	s.pass(settleTime + time.Second)
}

// record writes a recording of so many bytes, which ended so long ago.
func (s *shelf) record(t *testing.T, name string, bytes int, ago, keep time.Duration) {
	t.Helper()
	w := s.begin(t, name, bytes, keep)
	w.End()
	s.age(t, name, ago)
}

func (s *shelf) begin(t *testing.T, name string, bytes int, keep time.Duration) *Writing {
	t.Helper()
	w, err := s.Begin(name, keep)
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{".fbs.zst", ".index"} {
		f, err := w.Create(name + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(make([]byte, bytes/2)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (s *shelf) age(t *testing.T, name string, ago time.Duration) {
	t.Helper()
	then := s.wall.Add(-ago)
	files, _ := filepath.Glob(filepath.Join(s.Path(), name+".*"))
	for _, f := range files {
		if err := os.Chtimes(f, then, then); err != nil {
			t.Fatal(err)
		}
	}
}

// has lists the recordings that are there.
func (s *shelf) has(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		name, _, _ := strings.Cut(e.Name(), ".")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (s *shelf) mustHave(t *testing.T, want ...string) {
	t.Helper()
	if got := s.has(t); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q (removed: %q)", got, want, s.removed)
	}
}

func TestLifetimes(t *testing.T) {
	s := newShelf(t, Config{Keep: 30 * day})
	s.record(t, "a-old", 100, 31*day, 0)
	s.record(t, "b-new", 100, 29*day, 0)
	s.record(t, "c-longer", 100, 31*day, 90*day)
	s.record(t, "d-shorter", 100, 2*day, day)
	open := s.begin(t, "e-open", 100, 0)
	s.age(t, "e-open", 400*day)
	if err := os.WriteFile(filepath.Join(s.Path(), "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.age(t, "notes", 400*day)
	s.settle(t)
	s.sweep(t)
	s.mustHave(t, "b-new", "c-longer", "e-open", "notes")
	if want := []string{"a-old age", "d-shorter age"}; !slices.Equal(s.removed, want) {
		t.Errorf("removed %q, want %q", s.removed, want)
	}
	open.End()
	s.age(t, "e-open", 400*day)
	s.pass(time.Minute)
	s.sweep(t)
	s.mustHave(t, "b-new", "c-longer", "notes")
}

// A clock that jumps removes nothing until it has run on for a while; one that
// jumps back is none the worse.
func TestClockThatJumps(t *testing.T) {
	s := newShelf(t, Config{Keep: 30 * day})
	s.record(t, "a", 100, day, 0)
	s.settle(t)
	s.wall = s.wall.Add(20 * 365 * day)
	for range 10 {
		s.pass(time.Minute)
		s.sweep(t)
	}
	s.mustHave(t, "a")
	s.wall = s.wall.Add(-20 * 365 * day) // somebody has mended it
	s.pass(time.Minute)
	s.settle(t)
	s.sweep(t)
	s.mustHave(t, "a")
	s.pass(30 * day) // and now it is time
	s.sweep(t)
	s.settle(t)
	s.sweep(t)
	s.mustHave(t)
}

// Right after the start nobody knows whether the clock is right.
func TestNothingIsRemovedAtOnce(t *testing.T) {
	s := newShelf(t, Config{Keep: day})
	s.record(t, "a", 100, 400*day, 0)
	s.sweep(t)
	s.mustHave(t, "a")
}

func TestRoomIsMade(t *testing.T) {
	s := newShelf(t, Config{Room: 1000, Remove: true})
	s.record(t, "a", 400, 3*time.Hour, 0)
	s.record(t, "b", 400, 2*time.Hour, 0)
	w := s.begin(t, "c", 100, 0)
	s.mustHave(t, "a", "b", "c")
	f, err := w.Create("c.more.fbs")
	if err == nil {
		_, err = f.Write(make([]byte, 300))
	}
	if err != nil {
		t.Fatal(err)
	}
	s.mustHave(t, "b", "c")
	if used := s.Used(); used != 800 {
		t.Errorf("%d bytes in use", used)
	}
	if _, err := f.Write(make([]byte, 600)); err != nil { // b makes way, too
		t.Fatal(err)
	}
	s.mustHave(t, "c")
	if _, err := f.Write(make([]byte, 1)); !errors.Is(err, ErrNoRoom) {
		t.Errorf("nothing can make way, and the error is %v", err)
	}
	w.End()
	if _, err := s.Begin("d", 0); err != nil {
		t.Errorf("the one that has ended does not make room: %v", err)
	}
}

func TestRoomIsRefused(t *testing.T) {
	s := newShelf(t, Config{Room: 1000})
	s.record(t, "a", 1000, 3*time.Hour, 0)
	if _, err := s.Begin("b", 0); !errors.Is(err, ErrNoRoom) {
		t.Errorf("begun where there is no room: %v", err)
	}
	s.settle(t)
	s.sweep(t)
	s.mustHave(t, "a")
	s.Set(Config{Room: 1000, Remove: true})
	if _, err := s.Begin("b", 0); err != nil {
		t.Error(err)
	}
	s.mustHave(t)
}

// Room that was made smaller is kept to by the next look.
// TestNothingFits: a recording that has no room for its first byte leaves nothing,
// and one that got any stays.
func TestNothingFits(t *testing.T) {
	for first, stays := range map[string]bool{"": false, "some": true} {
		s := newShelf(t, Config{Room: 1 << 20})
		w, err := s.Begin("one", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		file, err := w.Create("one.fbs")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write([]byte(first)); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write(make([]byte, 2<<20)); !errors.Is(err, ErrNoRoom) {
			t.Fatal(err)
		}
		w.End()
		if left, _ := os.ReadDir(s.Path()); (len(left) > 0) != stays {
			t.Errorf("%q was written, and %v is left", first, left)
		}
	}
}

func TestRoomThatShrinks(t *testing.T) {
	s := newShelf(t, Config{})
	for i := range 10 {
		s.record(t, fmt.Sprintf("r%d", i), 1000, time.Duration(10-i)*time.Hour, 0)
	}
	cfg := *s.cfg.Load()
	cfg.Room, cfg.Remove = 4500, true
	s.Set(cfg)
	s.sweep(t)
	s.mustHave(t, "r6", "r7", "r8", "r9")
}

// What another process writes to is left alone: after an upgrade there are two.
func TestOtherProcessesWrite(t *testing.T) {
	flock, err := exec.LookPath("flock")
	if err != nil {
		t.Skip("no flock")
	}
	s := newShelf(t, Config{Keep: day, Room: 1000, Remove: true})
	s.record(t, "a", 800, 400*day, 0)
	ctx, cancel := context.WithCancel(t.Context())
	holder := exec.CommandContext(ctx, flock, filepath.Join(s.Path(), "a.index"), "sh", "-c", "echo held; exec sleep 600")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = holder.Wait() }()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	s.settle(t)
	s.sweep(t)
	if _, err := s.Begin("b", 0); err != nil { // 200 bytes are left
		t.Fatal(err)
	}
	w, _ := s.Begin("c", 0)
	f, err := w.Create("c.fbs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 300)); !errors.Is(err, ErrNoRoom) {
		t.Errorf("room was made of what another process writes to: %v", err)
	}
	w.End()
	s.mustHave(t, "a")
}

// What a process has left behind that was killed counts, and goes in its time.
func TestFolderThatWasThere(t *testing.T) {
	s := newShelf(t, Config{Keep: day})
	s.begin(t, "a", 500, 0)
	again, err := Open(Config{Path: s.Path(), Room: 600})
	if err != nil {
		t.Fatal(err)
	}
	if used := again.Used(); used != 500 {
		t.Errorf("%d bytes in use", used)
	}
}

func TestNames(t *testing.T) {
	s := newShelf(t, Config{})
	for _, name := range []string{"", "..", "a/b", "a.b", ".a", "a b", "ä", strings.Repeat("a", 201), "a\x00"} {
		if w, err := s.Begin(name, 0); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v, %v", name, w, err)
		}
	}
	w, err := s.Begin("a", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.End()
	for _, name := range []string{"a", "a.", "b.fbs", "a./../b", "a.x/y", "../a.fbs", `a.\b`} {
		if _, err := w.Create(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := s.Begin("a", 0); !errors.Is(err, fs.ErrExist) {
		t.Errorf("begun twice: %v", err)
	}
	if _, err := w.Create("a.fbs"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Create("a.fbs"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
}

// A file that says something odd of a lifetime keeps its recording.
func TestOddLifetime(t *testing.T) {
	s := newShelf(t, Config{Keep: day})
	s.record(t, "a", 100, 400*day, 2*day)
	var told error
	cfg := *s.cfg.Load()
	cfg.Failed = func(err error) { told = err }
	s.Set(cfg)
	if err := os.WriteFile(filepath.Join(s.Path(), "a.keep"), []byte("soon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.age(t, "a", 400*day)
	s.settle(t)
	s.sweep(t)
	s.mustHave(t, "a")
	if told == nil || !strings.Contains(told.Error(), "a.keep") {
		t.Errorf("told of %v", told)
	}
}

func ExampleFolder() {
	dir, err := os.MkdirTemp("", "recordings-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	folder, err := Open(Config{Path: dir, Room: 20 << 30, Remove: true, Keep: 30 * day})
	if err != nil {
		panic(err)
	}
	recording, err := folder.Begin("office-alice", 0)
	if err != nil {
		panic(err)
	}
	file, err := recording.Create("office-alice.fbs")
	if err != nil {
		panic(err)
	}
	_, _ = file.Write([]byte("FBS 001.000\n"))
	_ = file.Close()
	recording.End()
	fmt.Println(folder.Used(), "bytes")
	// Output: 12 bytes
}
