package auth

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newUsersFile makes a file with alice (ops, dev; password "wonderland"), bob
// (no groups; "builder") and carol (ops; no password).
func newUsersFile(t testing.TB) *UsersFile {
	t.Helper()
	f := &UsersFile{Path: filepath.Join(t.TempDir(), "users"), cost: cheap}
	must(t, f.Add("alice", "wonderland", "ops", "dev"))
	must(t, f.Add("bob", "builder"))
	must(t, f.Add("carol", "", "ops"))
	return f
}

func openUsers(t testing.TB, f *UsersFile) *Users {
	t.Helper()
	u, err := OpenUsers(f.Path)
	must(t, err)
	return u
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestVerify(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	id, err := u.Verify(t.Context(), "alice", "wonderland")
	must(t, err)
	if diff := cmp.Diff(Identity{Name: "alice", Groups: []string{"ops", "dev"}}, id); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct{ name, password string }{
		{"alice", "builder"}, {"alice", ""}, {"alice", "wonderland "}, {"alice", "wonderland\x00"},
		{"Alice", "wonderland"}, {"", ""}, {"", "wonderland"}, {"mallory", "wonderland"}, {"carol", ""}, {"carol", "-"}, {"-", "-"},
		{"alice", strings.Repeat("w", MaxPasswordLen+1)}, {strings.Repeat("a", 1<<16), "wonderland"}, {"\xff", "\xff"},
	} {
		id, err := u.Verify(t.Context(), c.name, c.password)
		if err != ErrDenied || id.Name != "" {
			t.Errorf("Verify(%.20q, %.20q) = %v, %v; want ErrDenied itself", c.name, c.password, id, err)
		}
	}
}

func TestVerifyUnknownUserDoesTheSameWork(t *testing.T) {
	f := newUsersFile(t)
	f.cost.memory, f.cost.passes = 64, 3
	must(t, f.Remove("alice"))
	must(t, f.Remove("bob"))
	must(t, f.Add("zoe", "pw"))
	decoy := openUsers(t, f).current().decoyHash
	if decoy.memory != 64 || decoy.passes != 3 || len(decoy.key) != hashKeyLen || len(decoy.salt) != hashSaltLen {
		t.Errorf("the decoy costs m=%d t=%d, the file's users m=64 t=3", decoy.memory, decoy.passes)
	}
	empty := newUserTable(nil).decoyHash
	if empty.memory != hashMemory || empty.passes != hashPasses || len(empty.key) != hashKeyLen {
		t.Error("without users the decoy does not cost the default")
	}
}

func TestVerifyWaitsWithContext(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	u.ration = make(ration, 1)
	u.ration <- struct{}{} // somebody hashes
	ctx, cancel := context.WithCancelCause(t.Context())
	errGone := errors.New("the viewer left")
	time.AfterFunc(time.Millisecond, func() { cancel(errGone) })
	if _, err := u.Verify(ctx, "alice", "wonderland"); !errors.Is(err, errGone) || errors.Is(err, ErrDenied) {
		t.Errorf("error %v, want %v", err, errGone)
	}
	<-u.ration
	if _, err := u.Verify(t.Context(), "alice", "wonderland"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestIdentity(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	id, ok := u.Identity("carol")
	if !ok || !id.In("ops") || id.In("dev") || id.Method != "" {
		t.Errorf("carol is %+v, %v", id, ok)
	}
	id.Groups[0] = "root" // a caller's copy
	if id, _ := u.Identity("carol"); !id.In("ops") {
		t.Error("the caller changed the store")
	}
	if _, ok := u.Identity("mallory"); ok {
		t.Error("mallory exists")
	}
}

func TestOpenUsersErrors(t *testing.T) {
	if _, err := OpenUsers(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := OpenUsers(t.TempDir()); err == nil {
		t.Error("a directory was opened")
	}
	path := filepath.Join(t.TempDir(), "users")
	must(t, os.WriteFile(path, []byte("# fine\n\nalice - - -\nbob -\n"), 0o600))
	if _, err := OpenUsers(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 4") {
		t.Errorf("error %v does not name file and line", err)
	}
}

func TestUsersReload(t *testing.T) {
	f := newUsersFile(t)
	u := openUsers(t, f)
	var reports []error
	u.Report = func(err error) { reports = append(reports, err) }

	must(t, f.Add("dave", "", "night"))
	if _, ok := u.Identity("dave"); !ok || u.Err() != nil {
		t.Fatalf("dave was added but is unknown; Err %v", u.Err())
	}
	good, err := os.ReadFile(f.Path)
	must(t, err)

	must(t, os.WriteFile(f.Path, []byte("nonsense\n"), 0o600))
	for range 3 {
		if _, ok := u.Identity("dave"); !ok {
			t.Fatal("a broken file took the users away")
		}
	}
	if len(reports) != 1 || !strings.Contains(reports[0].Error(), "line 1") || u.Err() == nil {
		t.Fatalf("reported %v, Err %v; want one report that names the line", reports, u.Err())
	}

	must(t, os.Remove(f.Path))
	if _, ok := u.Identity("dave"); !ok || len(reports) != 2 || !errors.Is(u.Err(), fs.ErrNotExist) {
		t.Fatalf("without a file: %v, reports %v", u.Err(), reports)
	}

	must(t, os.WriteFile(f.Path, good, 0o600))
	if _, ok := u.Identity("dave"); !ok || u.Err() != nil || len(reports) != 2 {
		t.Fatalf("the good file is back but Err is %v, reports %v", u.Err(), reports)
	}
}

// Two writes of one size within a tick of the file system's clock look alike
// to stat.
func TestUsersReloadWithinOneTick(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	must(t, os.WriteFile(path, []byte("ann - - -\n"), 0o600))
	u, err := OpenUsers(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte("bea - - -\n"), 0o600))
	must(t, os.Chtimes(path, time.Time{}, info.ModTime()))
	u.file.at = info.ModTime().Add(time.Millisecond)
	if _, ok := u.Identity("bea"); !ok {
		t.Error("a second write in the same tick went unseen")
	}
}

func TestUsersConcurrently(t *testing.T) {
	f := newUsersFile(t)
	u := openUsers(t, f)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				if _, err := u.Verify(t.Context(), "alice", "wonderland"); err != nil {
					t.Error(err)
				}
				u.Identity("bob")
				u.Err()
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			if err := f.SetPassword("bob", "new"); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

func TestRation(t *testing.T) {
	r := make(ration, 2)
	var mu sync.Mutex
	running, most := 0, 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r.do(t.Context(), func() {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				running--
				mu.Unlock()
			})
		})
	}
	wg.Wait()
	if most > 2 {
		t.Errorf("%d ran at a time, the ration is 2", most)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.do(gone, func() { t.Error("ran for a caller who left") }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if cap(newRation()) < 1 {
		t.Error("a ration of nothing")
	}
}

func writeFile(t testing.TB, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
