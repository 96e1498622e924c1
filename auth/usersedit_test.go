package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUsersFileEdits(t *testing.T) {
	f := newUsersFile(t)
	users, err := f.List()
	must(t, err)
	want := []User{{"alice", []string{"ops", "dev"}, true, true, true}, {"bob", []string{}, true, true, true}, {"carol", []string{"ops"}, false, false, false}}
	if diff := cmp.Diff(want, users); diff != "" {
		t.Error(diff)
	}
	must(t, f.SetPassword("carol", "jam"))
	must(t, f.SetPassword("alice", "looking glass"))
	must(t, f.Remove("bob"))
	u := openUsers(t, f)
	for name, password := range map[string]string{"carol": "jam", "alice": "looking glass"} {
		if id, err := u.Verify(t.Context(), name, password); err != nil || !id.In("ops") {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	if _, err := u.Verify(t.Context(), "alice", "wonderland"); !errors.Is(err, ErrDenied) {
		t.Errorf("the old password: %v", err)
	}
	text, err := os.ReadFile(f.Path)
	must(t, err)
	for _, secret := range []string{"wonderland", "jam", "looking"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the file contains %q", secret)
		}
	}
}

func TestUsersFileErrors(t *testing.T) {
	f := newUsersFile(t)
	before, err := os.ReadFile(f.Path)
	must(t, err)
	for what, c := range map[string]struct {
		err  error
		want error // nil: any
	}{
		"add twice":        {f.Add("alice", "x"), ErrUserExists},
		"add a bad name":   {f.Add("a b", "x"), nil},
		"add a comment":    {f.Add("#", "x"), nil},
		"bad group":        {f.Add("dave", "x", "a,b"), nil},
		"group twice":      {f.Add("dave", "x", "a", "a"), nil},
		"long password":    {f.Add("dave", strings.Repeat("x", 2000)), nil},
		"remove nobody":    {f.Remove("dave"), ErrNoUser},
		"remove a comment": {f.Remove("#"), nil},
		"passwd nobody":    {f.SetPassword("dave", "x"), ErrNoUser},
		"empty password":   {f.SetPassword("alice", ""), nil},
	} {
		if c.err == nil || c.want != nil && !errors.Is(c.err, c.want) {
			t.Errorf("%s: error %v, want %v", what, c.err, c.want)
		}
	}
	after, err := os.ReadFile(f.Path)
	must(t, err)
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("refused edits changed the file: %s", diff)
	}
	if _, err := os.Stat(f.Path + ".lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock was left: %v", err)
	}
}

func TestUsersFileDoesNotTouchABrokenFile(t *testing.T) {
	f := &UsersFile{Path: filepath.Join(t.TempDir(), "users"), cost: cheap}
	must(t, os.WriteFile(f.Path, []byte("alice\n"), 0o600))
	if err := f.Add("bob", "x"); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("error %v does not name the line", err)
	}
	if _, err := f.List(); err == nil {
		t.Error("listed")
	}
	absent := &UsersFile{Path: filepath.Join(t.TempDir(), "none", "users"), cost: cheap}
	if err := absent.Add("bob", "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
	if _, err := absent.List(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}

func TestUsersFileKeepsCommentsOrderModeAndLink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "users")
	must(t, os.WriteFile(real, []byte("# first\nbob x - -\r\n\n# last\nalice - - -"), 0o640))
	must(t, os.Chmod(real, 0o640))
	must(t, os.Symlink("real", link))
	f := &UsersFile{Path: link, cost: cheap}
	must(t, f.Add("carol", "", "x"))
	must(t, f.Remove("alice"))
	text, err := os.ReadFile(link)
	must(t, err)
	if diff := cmp.Diff("# first\nbob x - -\r\n\n# last\ncarol x - -\n", string(text)); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v; want 0640", info.Mode(), err)
	}
	fresh := &UsersFile{Path: filepath.Join(dir, "fresh"), cost: cheap}
	must(t, fresh.Add("a", "b"))
	if info, err := os.Stat(fresh.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file has mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestUsersFileConcurrentEdits(t *testing.T) {
	f := &UsersFile{Path: filepath.Join(t.TempDir(), "users"), cost: cheap}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := f.Add(fmt.Sprintf("user%d", i), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	users, err := f.List()
	must(t, err)
	if len(users) != 8 {
		t.Errorf("%d of 8 edits are in the file", len(users))
	}
}

func TestUsersFileKeepsOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	f := newUsersFile(t)
	must(t, os.Chown(f.Path, 65534, 65534))
	must(t, f.Remove("bob"))
	old, err := os.Stat(f.Path)
	must(t, err)
	must(t, os.Chown(f.Path, 0, 0))
	now, err := os.Stat(f.Path)
	must(t, err)
	if fmt.Sprint(old.Sys()) == fmt.Sprint(now.Sys()) {
		t.Error("the owner became root")
	}
}

// Groups are put in the place of those that were, and the password stays.
func TestSetGroups(t *testing.T) {
	f := &UsersFile{Path: filepath.Join(t.TempDir(), "users"), cost: cheap}
	if err := f.Add("alice", "wonderland", "ops", "lab"); err != nil {
		t.Fatal(err)
	}
	for _, groups := range [][]string{{"night"}, nil, {"ops", "lab"}} {
		if err := f.SetGroups("alice", groups...); err != nil {
			t.Fatal(err)
		}
		u, err := OpenUsers(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		id, err := u.Verify(t.Context(), "alice", "wonderland")
		if err != nil || !slices.Equal(id.Groups, groups) {
			t.Errorf("%v: %+v, %v", groups, id, err)
		}
	}
	if err := f.SetGroups("bob", "ops"); !errors.Is(err, ErrNoUser) {
		t.Errorf("nobody's groups: %v", err)
	}
	if err := f.SetGroups("alice", "two words"); err == nil {
		t.Error("a group that is none is taken")
	}
}
