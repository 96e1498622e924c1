package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/gateway/archive"
	"vncgate/rfb/display"
	"vncgate/rfb/display/recording"
)

// recordingGate is a gateway with a display that says a pattern without end, and
// recordings.
type recordingGate struct {
	*gate
	dir string

	mu     sync.Mutex
	events []gateway.Event
}

func newRecordingGate(t *testing.T, dir, settings string) *recordingGate {
	t.Helper()
	r := &recordingGate{dir: dir}
	r.gate = newGate(t, "listeners: [{address: 127.0.0.1:0}]\ntargets: {desk: {address: %q}}\nrecordings: {directory: %q, %s}\n", newStreamDisplay(t).address, dir, settings)
	r.gate.events.to(func(e gateway.Event) {
		if strings.HasPrefix(string(e.Kind), "RECORDING_") {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e)
		}
	})
	return r
}

// told waits for an event of a kind.
func (r *recordingGate) told(kind gateway.EventKind) (found gateway.Event) {
	r.t.Helper()
	eventually(r.t, "there is a "+string(kind), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		i := slices.IndexFunc(r.events, func(e gateway.Event) bool { return e.Kind == kind })
		if i >= 0 {
			found = r.events[i]
		}
		return i >= 0
	})
	return found
}

func (r *recordingGate) watch() *streamViewer {
	r.t.Helper()
	v, err := watchStream(r.t.Context(), "viewer", r.address(0), 0)
	must(r.t, err)
	return v
}

// hasSeen waits until the viewer has seen so many bytes.
func hasSeen(t *testing.T, v *streamViewer, n int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("the viewer sees %d bytes", n), func() bool { return v.read.Load() >= n || v.over() })
}

// intact fails the test if the viewer, whose session has ended, saw anything but the
// pattern.
func intact(t *testing.T, v *streamViewer) {
	t.Helper()
	if errors.Is(v.err, errWrongByte) {
		t.Error(v.err)
	}
}

// patternIn reads a recording in FBS, and returns how much of the pattern there is.
func patternIn(t *testing.T, path string) int64 {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	in, _, err := display.NewFBSReader(f)
	must(t, err)
	b, err := io.ReadAll(in)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	for i := range b {
		if b[i] != patternAt(int64(i)) {
			t.Fatalf("byte %d of %d is not what the viewer saw", i, len(b))
		}
	}
	return int64(len(b))
}

// theOne is the one recording there is.
func theOne(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.fbs"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("there are %q", files)
	}
	return files[0]
}

func TestSessionsAreRecorded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "recordings")
	r := newRecordingGate(t, dir, "title: ' (recorded)', keys: marked")
	v := r.watch()
	hasSeen(t, v, 100_000)
	begun := r.told(gateway.RecordingStarted)
	if list := r.gate.gate.List(); len(list) != 1 || !list[0].Recorded || begun.Session.ID != list[0].ID {
		t.Errorf("%+v is recorded of %+v", begun, list)
	}
	if !r.markSession(begun.Session.ID, true) || !r.markSession(begun.Session.ID, false) || r.markSession("another", true) {
		t.Error("the wrong session can be marked")
	}
	v.leave()
	intact(t, v)
	end := r.told(gateway.RecordingStopped)
	if end.Reason != "viewer left" || end.Err != nil || end.Details["recording"] != begun.Details["recording"] {
		t.Errorf("%+v", end)
	}
	path := theOne(t, dir)
	if n := patternIn(t, path); n < v.read.Load() {
		t.Errorf("%d bytes are recorded, the viewer saw %d", n, v.read.Load())
	}
	report, err := recording.Verify(path, recording.VerifyOptions{})
	if err != nil || !report.Intact() || !report.Signed || report.Meta.Session != begun.Session.ID || report.Meta.Target != "desk" {
		t.Errorf("%+v, %v", report, err)
	}
	if !strings.HasSuffix(filepath.Base(path), "-desk-anonymous-"+begun.Session.ID+".fbs") {
		t.Errorf("it is called %s", path)
	}
	if info, err := os.Stat(filepath.Join(dir, "recording.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
	tamper(t, path)
}

// tamper changes bytes of both files, each of which must be found.
func tamper(t *testing.T, path string) {
	t.Helper()
	for _, name := range []string{path, strings.TrimSuffix(path, ".fbs") + ".index"} {
		b, err := os.ReadFile(name)
		must(t, err)
		for i := 0; i < len(b); i += 1 + len(b)/40 {
			b[i] ^= 1
			must(t, os.WriteFile(name, b, 0o600))
			if report, err := recording.Verify(path, recording.VerifyOptions{}); err == nil && report.Intact() {
				t.Errorf("byte %d of %s was changed, and nobody sees it", i, filepath.Base(name))
			}
			b[i] ^= 1
		}
		must(t, os.WriteFile(name, b, 0o600))
	}
}

// Where the room is used up in the middle, the session ends with words, or goes on
// and somebody is told; no other may begin, or is recorded.
func TestRecordingsWithoutRoom(t *testing.T) {
	for then, ends := range map[string]bool{"end": true, "alarm": false} {
		t.Run(then, func(t *testing.T) {
			r := newRecordingGate(t, t.TempDir(), "room: 1MiB, over: refuse, queue: 64MiB, full: "+then)
			filler := filepath.Join(r.dir, "filler.fbs")
			must(t, os.WriteFile(filler, make([]byte, 1<<20-100_000), 0o600))
			r.sweepOnce(t.Context()) // looks what there is
			v := r.watch()
			failed := r.told(gateway.RecordingFailed)
			if failed.Reason != causeFull || !errors.Is(failed.Err, archive.ErrNoRoom) || failed.Session == nil {
				t.Errorf("%+v", failed)
			}
			r.logs("recording failed")
			goesOnOrEnds(t, v, ends)
			if !ends {
				v.leave()
			}
			intact(t, v)
			r.told(gateway.RecordingStopped)
			if ends {
				must(t, os.WriteFile(filler, make([]byte, 1<<20), 0o600)) // how much was left depends on what came at once
				r.sweepOnce(t.Context())
				name, err := r.native(0, nil)
				sees(t, "another", "!", name, err)
			}
		})
	}
}

// goesOnOrEnds says what becomes of a session whose recording has failed.
func goesOnOrEnds(t *testing.T, v *streamViewer, ends bool) {
	t.Helper()
	if ends {
		eventually(t, "the session ends", v.over)
		return
	}
	hasSeen(t, v, v.read.Load()+100_000)
	if v.over() {
		t.Error("the session has ended")
	}
}

// A disk that is full is told as what it is.
func TestRecordingsOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("no small disk can be had here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	r := newRecordingGate(t, dir, "full: end, queue: 64MiB")
	v := r.watch()
	if failed := r.told(gateway.RecordingFailed); failed.Reason != causeFull || !errors.Is(failed.Err, syscall.ENOSPC) {
		t.Errorf("%+v", failed)
	}
	eventually(t, "the session ends", v.over)
	intact(t, v)
	r.told(gateway.RecordingStopped)
	if n := patternIn(t, theOne(t, dir)); n < 100_000 {
		t.Errorf("%d bytes can be played up to the cut", n)
	}
}

// stuckDisk is a destination that writes nothing more once it is stuck, until it is
// mended.
type stuckDisk struct {
	recording.Directory
	stuck, mended chan struct{}
}

func (d stuckDisk) Create(name string) (io.WriteCloser, error) {
	f, err := d.Directory.Create(name)
	return stuckFile{f, d}, err
}

type stuckFile struct {
	io.WriteCloser
	d stuckDisk
}

func (f stuckFile) Write(b []byte) (int, error) {
	select {
	case <-f.d.stuck:
		<-f.d.mended
	default:
	}
	return f.WriteCloser.Write(b)
}

// A disk that stands still stops nobody: the session ends when the queue is full, or
// goes on unrecorded.
func TestRecordingsOnASlowDisk(t *testing.T) {
	for then, ends := range map[string]bool{recordEnd: true, recordAlarm: false} {
		t.Run(then, func(t *testing.T) {
			r := newRecordingGate(t, t.TempDir(), "rules: [{record: false}]")
			disk := stuckDisk{recording.Directory(t.TempDir()), make(chan struct{}), make(chan struct{})}
			w := r.wiring
			place, err := w.house.folders[r.dir].folder.Begin("slow", 0)
			must(t, err)
			v := recordTo(t, r, disk, place, then)
			hasSeen(t, v, 50_000)
			close(disk.stuck)
			if failed := r.told(gateway.RecordingFailed); failed.Reason != causeSlow || !errors.Is(failed.Err, recording.ErrSlow) {
				t.Errorf("%+v", failed)
			}
			goesOnOrEnds(t, v, ends)
			if !ends {
				v.leave()
			}
			intact(t, v)
			close(disk.mended)
			r.told(gateway.RecordingStopped)
		})
	}
}

// recordTo has the next session recorded to a disk.
func recordTo(t *testing.T, r *recordingGate, disk recording.Destination, place *archive.Writing, then string) *streamViewer {
	t.Helper()
	r.recorders = []recorderFor{slowRecorder(r, disk, place, then)}
	return r.watch()
}

// The first rule that fits says whether and how a session is recorded.
func TestRecordingRules(t *testing.T) {
	cfg, err := parseConfig([]byte(settings("", aDesk, `recordings:
  directory: d
  keep: 30d
  keys: none
  rules:
    - {name: here, listeners: [':5999'], record: false}
    - {name: group, who: 'group:contractors', keep: 365d, keys: marked, regions: [200x50+10+20]}
    - {name: from, from: 10.0.0.0/8, targets: [office-1], slow: alarm}
    - {name: office, targets: ['office-*'], full: alarm}
`)))
	must(t, err)
	rules, err := cfg.Recordings.compile()
	must(t, err)
	r := &recordings{cfg: cfg.Recordings, rules: rules}
	alice := auth.Identity{Name: "alice", Method: "plain", Groups: []string{"contractors"}}
	for _, test := range []struct {
		session gateway.SessionInfo
		want    string
	}{
		{gateway.SessionInfo{Listener: ":5999", Target: "office-1", Identities: []auth.Identity{alice}}, ""},
		{gateway.SessionInfo{Target: "lab", Identities: []auth.Identity{{Method: "x509"}, alice}}, "group"},
		{gateway.SessionInfo{Target: "office-1", From: "10.1.2.3:40000"}, "from"},
		{gateway.SessionInfo{Target: "office-1", From: "192.0.2.1:40000"}, "office"},
		{gateway.SessionInfo{Target: "lab"}, ""},
	} {
		got := ""
		if rule := r.rule(&test.session); rule != nil {
			got = rule.name
		}
		if got != test.want {
			t.Errorf("%+v: %q, want %q", test.session, got, test.want)
		}
	}
	group := r.rules[1]
	if group.redact.Keys != recording.KeysMarked || len(group.redact.Regions) != 1 || !group.fullEnds() || group.keepTime(cfg.Recordings.How) != 365*24*time.Hour {
		t.Errorf("%+v", group)
	}
	if office := r.rules[3]; office.fullEnds() || !office.slowEnds() || office.keepTime(cfg.Recordings.How) != 0 || office.redact.Keys != recording.KeysNone {
		t.Errorf("%+v", office)
	}
}

func TestWrongRecordings(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                                                  "directory is missing",
		"{directory: d, ful: end}":                            "did you mean \"full\"",
		"{directory: d, full: stop}":                          "unknown setting \"stop\"",
		"{directory: d, over: remove}":                        "there is no room",
		"{directory: d, room: 20}":                            "write it like 20GB",
		"{directory: d, queue: 1KiB}":                         "from 64KiB",
		"{directory: d, keys: markd}":                         "did you mean \"marked\"",
		"{directory: d, name: '{time}'}":                      "needs {time} and {session}",
		"{directory: d, name: '{tme}'}":                       "did you mean \"time\"",
		"{directory: d, name: '{time}/{session}'}":            "only letters",
		"{directory: d, name: '{time}.{session}'}":            "only letters",
		"{directory: d, regions: [1x1]}":                      "WIDTHxHEIGHT+X+Y",
		"{directory: d, recipients: [age1]}":                  "recipients: [0]",
		"{directory: d, rules: [{record: false, keep: 1d}]}":  "rules[0]: record is false",
		"{directory: d, rules: [{who: 'group:'}]}":            "rules[0]: who",
		"{directory: d, rules: [{record: false, tagets: a}]}": "did you mean \"targets\"",
		"{directory: d, s3: {endpoint: 's3.example', bucket: bbb, access_key: a, secret_key: b}}":                           "write https://HOST",
		"{directory: d, s3: {endpoint: 'http://s3.example', bucket: bbb, access_key: a, secret_key: b}}":                    "plain: true",
		"{directory: d, s3: {endpoint: 'https://s3.example', bucket: bbb, secret_key: b}}":                                  "access_key and secret_key",
		"{directory: d, keep: 1d, s3: {endpoint: 'https://s3.example', bucket: bbb, access_key: a, secret_key: b}}":         "lifecycle",
		"{directory: d, room: 1GB, over: remove, s3: {endpoint: 'https://s.x', bucket: bb1, access_key: a, secret_key: b}}": "have not arrived",
	} {
		_, err := parseConfig([]byte(settings("", aDesk, "recordings: "+text)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What was recorded before the program was killed plays up to there, and says that
// it was not ended.
func TestKilledWhileRecording(t *testing.T) {
	dir := t.TempDir()
	r := newRan(t, fmt.Sprintf("recordings: {directory: %q}\n", dir))
	v := r.watch(r.ways[2])
	hasSeen(t, v, 200_000)
	must(t, syscall.Kill(r.pids[0], syscall.SIGKILL))
	eventually(t, "the session ends", v.over)
	intact(t, v)
	path := theOne(t, dir)
	if n := patternIn(t, path); n == 0 {
		t.Error("nothing can be played")
	}
	report, err := recording.Verify(path, recording.VerifyOptions{})
	if err != nil || report.Closed || report.Intact() {
		t.Errorf("%+v, %v", report, err)
	}
	p, err := recording.Open(path, recording.OpenOptions{})
	must(t, err)
	defer p.Close()
	if closed, _ := p.Closed(); closed {
		t.Error("it is taken for one that was ended")
	}
}
