//go:build unix

package audit_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vncgate/gateway"
	"vncgate/gateway/audit"
)

// limited is set in the child process, whose files may not grow.
const limited = "VNCGATE_TEST_AUDIT_LIMITED"

// A limit of the size of files (ulimit -f) is like a full disk: lines are cut in
// the middle, which leaves no half of one, and when it is gone all is written.
func TestLimitOfFileSize(t *testing.T) {
	if path := os.Getenv(limited); path != "" {
		writeLimited(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	child := exec.Command(os.Args[0], "-test.run=^TestLimitOfFileSize$", "-test.timeout=60s")
	child.Env = append(os.Environ(), limited+"="+path)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sum, records, err := verify(read(t, path))
	if err != nil || len(records) != 202 || sum.Lost != 0 {
		t.Errorf("%d records, %+v, %v", len(records), sum, err)
	}
}

// writeLimited writes more than it may, and then may.
func writeLimited(t *testing.T, path string) {
	signal.Ignore(syscall.SIGXFSZ) // as the program does; by default it ends the process
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	now := before
	now.Cur = 5003 // in the middle of a line
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
		t.Fatal(err)
	}
	var told failures
	l := open(t, audit.Config{File: &audit.FileConfig{Path: path}, Failing: told.tell})
	for i := range 200 {
		l.Observe(event(gateway.SessionClosed, fmt.Sprintf("reason %d", i)))
	}
	eventually(t, "the failure is told", func() bool { return told.count() == 1 && errors.Is(l.Err(), syscall.EFBIG) })
	if text := read(t, path); len(text) > 5003 || len(text) > 0 && !strings.HasSuffix(string(text), "\n") {
		t.Errorf("%d bytes are left, the last %q", len(text), text[max(0, len(text)-40):])
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its end is told", func() bool { return told.count() == 2 && l.Err() == nil })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
