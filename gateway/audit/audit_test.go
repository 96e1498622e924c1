package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/gateway/audit"
	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m) }

func event(kind gateway.EventKind, reason string) gateway.Event {
	return gateway.Event{
		Kind: kind, Time: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Target: "desk", From: "192.0.2.7:5", Reason: reason,
		Session: &gateway.SessionInfo{
			ID: "0badcafe", Target: "desk", Identity: auth.Identity{Name: "alice", Method: "x509-plain"}, Rights: auth.Viewing | auth.Keyboard,
		},
		Err: errors.New("because"), BytesDown: 7, Duration: 1500 * time.Millisecond,
	}
}

func open(t *testing.T, cfg audit.Config) *audit.Log {
	t.Helper()
	l, err := audit.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// written is a log of n events in a new file.
func written(t *testing.T, n int) (path string, text []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.log")
	l := open(t, audit.Config{File: &audit.FileConfig{Path: path}})
	for i := range n {
		l.Observe(event(gateway.SessionClosed, fmt.Sprintf("reason %d", i)))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path, read(t, path)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func verify(files ...[]byte) (audit.Verified, []audit.Record, error) {
	var v audit.Verifier
	var records []audit.Record
	for i, b := range files {
		if err := v.File(fmt.Sprintf("file%d", i), bytes.NewReader(b), func(r audit.Record) { records = append(records, r) }); err != nil {
			return v.Summary(), records, err
		}
	}
	return v.Summary(), records, nil
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestWhatIsWrittenIsWhole(t *testing.T) {
	_, text := written(t, 3)
	sum, records, err := verify(text)
	if err != nil || sum.Records != 5 || sum.Seq != 5 || !sum.Ended || len(sum.Hash) != 64 {
		t.Fatalf("%+v, %v", sum, err)
	}
	r := records[2]
	want := audit.Record{
		V: 1, Seq: 3, Time: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Event: "SESSION_CLOSED", Session: "0badcafe",
		User: "alice", Method: "x509-plain", From: "192.0.2.7:5", Target: "desk", Rights: []string{"view", "keyboard"},
		Reason: "reason 1", Error: "because", BytesDown: 7, Seconds: 1.5,
	}
	if got, want := fmt.Sprintf("%+v", r), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if records[0].Event != audit.Begin || records[4].Event != audit.End {
		t.Errorf("it begins with %s and ends with %s", records[0].Event, records[4].Event)
	}
}

// Every single byte counts, wherever it is.
func TestEveryChangedByteShows(t *testing.T) {
	_, text := written(t, 3)
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 1
		var fault *audit.Fault
		if _, _, err := verify(changed); !errors.As(err, &fault) {
			t.Fatalf("byte %d (%q) was changed, and it does not show: %v", i, text[i], err)
		}
		if line := 1 + bytes.Count(text[:i], []byte("\n")); fault.Line != line && fault.Line != line+1 {
			t.Errorf("byte %d is in line %d, the fault in %d", i, line, fault.Line)
		}
	}
}

// A cut shows wherever it is but between two lines, and there what is left does
// not end as a finished log does.
func TestEveryCutShows(t *testing.T) {
	_, text := written(t, 3)
	for n := range text {
		sum, _, err := verify(text[:n])
		if err == nil && sum.Ended {
			t.Fatalf("cut off behind %d of %d bytes, and it does not show", n, len(text))
		}
		if between := n > 0 && text[n-1] == '\n'; !between && err == nil {
			t.Fatalf("cut in a line, at %d, and it does not show", n)
		}
	}
}

func TestLinesAreNotMoved(t *testing.T) {
	_, text := written(t, 4)
	lines := bytes.SplitAfter(text, []byte("\n"))
	lines = lines[:len(lines)-1]
	for name, at := range map[string][]int{
		"removed": {0, 1, 3, 4, 5}, "twice": {0, 1, 1, 2, 3, 4, 5}, "exchanged": {0, 2, 1, 3, 4, 5}, "no beginning": {1, 2, 3, 4, 5},
	} {
		var moved []byte
		for _, i := range at {
			moved = append(moved, lines[i]...)
		}
		if _, _, err := verify(moved); err == nil {
			t.Errorf("%s: it does not show", name)
		}
	}
	if _, _, err := verify(append(bytes.Clone(text), text...)); err == nil {
		t.Error("a file behind itself: it does not show")
	}
}

func TestFilesAreOneChain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	cfg := audit.Config{File: &audit.FileConfig{Path: path, MaxSize: 2000}}
	for range 3 { // three runs of the program
		l := open(t, cfg)
		for range 10 {
			l.Observe(event(gateway.SessionOpened, ""))
			eventually(t, "it is written", func() bool { return l.Queued() == 0 })
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := audit.Files(path)
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	var texts [][]byte
	for _, f := range files {
		texts = append(texts, read(t, f))
	}
	sum, records, err := verify(texts...)
	if err != nil || sum.Lost != 0 || sum.Torn != 0 {
		t.Fatalf("%+v, %v", sum, err)
	}
	n := 0
	for _, r := range records {
		if r.Event == "SESSION_OPENED" {
			n++
		}
	}
	if n != 30 {
		t.Errorf("%d of 30 events are there", n)
	}
	_, _, err = verify(append(texts[:1:1], texts[2:]...)...)
	if !errors.Is(err, audit.ErrGap) {
		t.Errorf("a file is missing: %v", err)
	}
}

func TestOldFilesGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, audit.Config{File: &audit.FileConfig{Path: path, MaxSize: 1, Keep: 2, Mode: 0o640}})
	for range 8 {
		l.Observe(event(gateway.SessionOpened, ""))
		eventually(t, "it is written", func() bool { return l.Queued() == 0 })
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := audit.Files(path)
	if err != nil || len(files) > 3 || len(files) < 2 {
		t.Errorf("files %v, %v", files, err)
	}
	var texts [][]byte
	for _, f := range files {
		texts = append(texts, read(t, f))
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
	if _, _, err := verify(texts...); err != nil {
		t.Error(err)
	}
}

// What a crash leaves behind is removed, and told.
func TestHalfALineIsTold(t *testing.T) {
	path, text := written(t, 3)
	for _, cut := range []int{1, 5, 100, len(text) - bytes.IndexByte(text, '\n') - 2} {
		if err := os.WriteFile(path, text[:len(text)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, audit.Config{File: &audit.FileConfig{Path: path}})
		l.Observe(event(gateway.SessionOpened, "after the crash"))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		sum, records, err := verify(read(t, path))
		if err != nil || sum.Torn != 1 || !sum.Ended || records[len(records)-2].Reason != "after the crash" {
			t.Errorf("%d bytes were missing: %+v, %v", cut, sum, err)
		}
	}
}

// A file whose end somebody has changed is kept for people to look at.
func TestBrokenFileIsSetAside(t *testing.T) {
	path, text := written(t, 2)
	if err := os.WriteFile(path, append(text, "no record\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, audit.Config{File: &audit.FileConfig{Path: path}})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	sum, records, err := verify(read(t, path))
	if err != nil || sum.Torn != 1 || records[1].Details["set_aside"] == "" {
		t.Fatalf("%+v, %+v, %v", sum, records, err)
	}
	if kept := read(t, filepath.Join(filepath.Dir(path), records[1].Details["set_aside"])); !strings.HasSuffix(string(kept), "no record\n") {
		t.Error("what was there is gone")
	}
}

// Two processes may write to one file, as while a gateway is exchanged.
func TestTwoWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	cfg := audit.Config{File: &audit.FileConfig{Path: path, MaxSize: 4000, NoSync: true}}
	var running sync.WaitGroup
	for range 2 {
		l := open(t, cfg)
		running.Go(func() {
			for range 50 {
				l.Observe(event(gateway.SessionOpened, ""))
				time.Sleep(time.Millisecond)
			}
			_ = l.Close()
		})
	}
	running.Wait()
	files, err := audit.Files(path)
	if err != nil {
		t.Fatal(err)
	}
	var texts [][]byte
	for _, f := range files {
		texts = append(texts, read(t, f))
	}
	sum, records, err := verify(texts...)
	n := 0
	for _, r := range records {
		if r.Event == "SESSION_OPENED" {
			n++
		}
	}
	if err != nil || n != 100 {
		t.Errorf("%d of 100 events, %+v, %v", n, sum, err)
	}
}

// failures gathers what Failing was told.
type failures struct {
	mu   sync.Mutex
	told []error
}

func (f *failures) tell(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, err)
}

func (f *failures) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.told)
}

// A device that is always full, and then a disk that is not: nothing is lost as
// long as the queue holds it, and nothing is silent.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	dir := t.TempDir()
	path, real := filepath.Join(dir, "audit.log"), filepath.Join(dir, "real.log")
	if err := os.WriteFile(real, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(to string) {
		t.Helper()
		if err := os.Symlink(to, path+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	link(real)
	var told failures
	l := open(t, audit.Config{File: &audit.FileConfig{Path: path}, Failing: told.tell})
	link("/dev/full")
	l.Observe(event(gateway.SessionOpened, "while full"))
	eventually(t, "the failure is told", func() bool { return told.count() == 1 && l.Err() != nil })
	if !strings.Contains(l.Err().Error(), "no space left") {
		t.Errorf("the failure is %v", l.Err())
	}
	for range 100 {
		l.Observe(event(gateway.SessionOpened, "while full"))
	}
	link(real)
	eventually(t, "its end is told", func() bool { return told.count() == 2 && l.Err() == nil })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	sum, records, err := verify(read(t, real))
	if err != nil || len(records) != 103 || sum.Lost != 0 {
		t.Errorf("%d records, %+v, %v", len(records), sum, err)
	}
}

// What does not fit in the queue is counted.
func TestLostIsTold(t *testing.T) {
	held := make(chan struct{})
	var mu sync.Mutex
	var lines [][]byte
	var told failures
	l := open(t, audit.Config{Failing: told.tell, Send: []func(string, []byte) error{func(kind string, line []byte) error {
		if kind != audit.Begin {
			<-held
		}
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, append(bytes.Clone(line), '\n'))
		return nil
	}}})
	const n = 12000
	for range n {
		l.Observe(event(gateway.SessionOpened, ""))
	}
	if l.Lost() == 0 || !errors.Is(l.Err(), audit.ErrFull) || told.count() != 1 {
		t.Errorf("%d lost, %v, told %d times", l.Lost(), l.Err(), told.count())
	}
	close(held)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	sum, records, err := verify(bytes.Join(lines, nil))
	there := 0
	for _, r := range records {
		if r.Event == "SESSION_OPENED" {
			there++
		}
	}
	if err != nil || sum.Lost == 0 || there+sum.Lost != n {
		t.Errorf("%d there, %+v, %v", there, sum, err)
	}
}

// Strangers by the thousand are counted.
func TestCrowdOfStrangers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, audit.Config{File: &audit.FileConfig{Path: path}})
	stranger := gateway.Event{Kind: gateway.SessionRefused, Time: time.Now(), Reason: "evicted", Session: &gateway.SessionInfo{ID: "x"}}
	for range 1000 {
		l.Observe(stranger)
	}
	l.Observe(event(gateway.SessionRefused, "refused")) // somebody known
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, records, err := verify(read(t, path))
	sum, single := 0, 0
	for _, r := range records {
		sum += r.Count
		if r.Reason == "evicted" && r.Count == 0 {
			single++
		}
	}
	if err != nil || sum+single != 1000 || single > 100 || len(records) > 60 {
		t.Errorf("%d one by one and %d counted, in %d records, %v", single, sum, len(records), err)
	}
}

func TestNoPlaceToWrite(t *testing.T) {
	if _, err := audit.Open(audit.Config{File: &audit.FileConfig{Path: filepath.Join(t.TempDir(), "no", "audit.log")}}); err == nil {
		t.Error("a folder that does not exist was opened")
	}
}

func TestLongTextsAreClipped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, audit.Config{File: &audit.FileConfig{Path: path}})
	e := event(gateway.SessionRefused, strings.Repeat("é", 100_000))
	e.Details = map[string]string{}
	for i := range 1000 {
		e.Details[fmt.Sprint(i)] = strings.Repeat("\x00\xff", 3000)
	}
	l.Observe(e)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text := read(t, path)
	if _, records, err := verify(text); err != nil || len(records) != 3 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if !json.Valid(bytes.Split(text, []byte("\n"))[1]) {
		t.Error("the line is no JSON")
	}
}

func ExampleVerifier() {
	var v audit.Verifier
	err := v.File("audit.log", strings.NewReader(`{"v":1,"event":"SESSION_OPENED"}`+"\n"), nil)
	fmt.Println(err)
	// Output: audit.log:1: is no line of an audit log: its hash is missing
}

// Whatever a file holds, the verifier answers, and takes nothing that was not
// sealed.
func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"v":1,"seq":1,"time":"2026-01-01T00:00:00Z","event":"AUDIT_BEGIN","hash":"0000000000000000000000000000000000000000000000000000000000000000"}` + "\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		sum, records, err := verify(b)
		if uint64(len(records)) != sum.Records {
			t.Errorf("%d records shown, %d counted", len(records), sum.Records)
		}
		if err == nil && bytes.Count(b, []byte("\n")) != len(records) {
			t.Errorf("%d lines, %d records", bytes.Count(b, []byte("\n")), len(records))
		}
	})
}
