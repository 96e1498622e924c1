package folder

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Of many who count up at the same time, nobody is lost.
func TestLockExcludes(t *testing.T) {
	dir := t.TempDir()
	file, lock := filepath.Join(dir, "count"), filepath.Join(dir, "lock")
	must(t, WriteFile(file, []byte("0")))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				unlock, err := Lock(lock)
				if err != nil {
					t.Error(err)
					return
				}
				text, err := ReadFile(file, 10)
				n, convErr := strconv.Atoi(string(text))
				err = errors.Join(err, convErr, WriteFile(file, []byte(strconv.Itoa(n+1))))
				unlock()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if text, err := ReadFile(file, 10); string(text) != "40" {
		t.Errorf("counted %s, %v", text, err)
	}
}

func TestTryLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(path)
	must(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	if _, err := TryLock(f); !errors.Is(err, ErrLocked) {
		t.Errorf("what is locked was taken: %v", err)
	}
	unlock()
	release, err := TryLock(f)
	must(t, err)
	release()
	if _, err := Lock(filepath.Join(path, "none")); err == nil {
		t.Error("a lock below a file")
	}
}

// What is written is the owner's alone, replaces what was there, and leaves
// nothing beside it.
func TestWriteFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	must(t, MakeDir(dir))
	must(t, MakeDir(dir))
	path := filepath.Join(dir, "x")
	if Exists(path) {
		t.Error("it is there before")
	}
	for _, text := range []string{"first", "2"} {
		must(t, WriteFile(path, []byte(text)))
		got, err := ReadFile(path, 5)
		if string(got) != text || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	info, err := os.Stat(path)
	must(t, err)
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o", mode)
	}
	entries, err := os.ReadDir(dir)
	if len(entries) != 1 || err != nil {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := ReadFile(path, 0); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a file that is too large: %v", err)
	}
	if err := WriteFile(filepath.Join(dir, "none", "x"), nil); err == nil {
		t.Error("a file in no folder")
	}
}
