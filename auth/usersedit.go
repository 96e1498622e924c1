package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Sentinels of UsersFile.
var (
	ErrNoUser     = errors.New("no such user")
	ErrUserExists = errors.New("the user exists already")
)

// UsersFile edits the users file at a path: what vncgate user does. Each edit
// writes a new file beside the old one and renames it into place, so a reader
// sees the old users or the new; comments, order, mode and owner stay. A new
// file has mode 0600. Two edits at a time wait for each other.
type UsersFile struct {
	Path string

	cost cost // zero: defaultCost
}

// User is a line of the file without its secrets.
type User struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
	Plain  bool     `json:"plain"` // has an argon2id hash, so can log in by PLAIN
	SCRAM  bool     `json:"scram"` // has keys for SCRAM-SHA-256, SCRAM-SHA-512 or both
	// SCRAM512 is whether it has keys for SCRAM-SHA-512. As long as a user has
	// those for SCRAM-SHA-256 only, SCRAM-SHA-512 is offered to nobody: viewers
	// take the strongest, and that user could not log in any more. A new
	// password gives both.
	SCRAM512 bool `json:"scram_sha_512"`
}

// List returns the users in the order of the file. A file that is not there
// is an error that matches fs.ErrNotExist.
func (f *UsersFile) List() ([]User, error) {
	text, _, err := readFile(f.Path, maxUsersFile)
	if err != nil {
		return nil, fmt.Errorf("auth: users file: %w", err)
	}
	records, err := parseUsers(text)
	if err != nil {
		return nil, fmt.Errorf("auth: users file %s: %w", f.Path, err)
	}
	users := make([]User, len(records))
	for i, r := range records {
		users[i] = User{r.name, append([]string{}, r.groups...), r.hash != nil, r.scram != scramKeys{}, r.scram[scram512] != nil}
	}
	return users, nil
}

// Add appends a user, making the file if there is none; ErrUserExists when
// there is one of that name. An empty password gives a user whom only other
// proofs can name.
func (f *UsersFile) Add(name, password string, groups ...string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := checkGroups(groups); err != nil {
		return fmt.Errorf("auth: user %q: %w", name, err)
	}
	r := &record{name: name, groups: groups}
	if password != "" {
		if err := f.setSecrets(r, password); err != nil {
			return err
		}
	}
	return f.edit(name, func(lines [][]byte, at int) ([][]byte, error) {
		if at >= 0 {
			return nil, ErrUserExists
		}
		return append(lines, []byte(r.line()+"\n")), nil
	})
}

// SetPassword gives a user new secrets; ErrNoUser when there is none.
func (f *UsersFile) SetPassword(name, password string) error {
	secrets := &record{}
	if err := f.setSecrets(secrets, password); err != nil {
		return err
	}
	return f.change(name, func(r *record) { r.hash, r.scram = secrets.hash, secrets.scram })
}

// change rewrites the line of one user.
func (f *UsersFile) change(name string, how func(*record)) error {
	return f.edit(name, func(lines [][]byte, at int) ([][]byte, error) {
		if at < 0 {
			return nil, ErrNoUser
		}
		r, err := parseUserLine(string(bytes.TrimRight(lines[at], "\r\n")))
		if err != nil {
			return nil, err
		}
		how(r)
		lines[at] = []byte(r.line() + "\n")
		return lines, nil
	})
}

// SetGroups puts a user into these groups, and out of all others; ErrNoUser when
// there is none.
func (f *UsersFile) SetGroups(name string, groups ...string) error {
	if err := checkGroups(groups); err != nil {
		return fmt.Errorf("auth: user %q: %w", name, err)
	}
	return f.change(name, func(r *record) { r.groups = groups })
}

// Remove deletes a user; ErrNoUser when there is none.
func (f *UsersFile) Remove(name string) error {
	return f.edit(name, func(lines [][]byte, at int) ([][]byte, error) {
		if at < 0 {
			return nil, ErrNoUser
		}
		return slices.Delete(lines, at, at+1), nil
	})
}

func (f *UsersFile) setSecrets(r *record, password string) error {
	c := f.cost
	if c == (cost{}) {
		c = defaultCost()
	}
	prepared, err := preparePassword(password)
	if err != nil {
		return err
	}
	keys, err := newScramKeys(c, prepared)
	if err != nil {
		return err
	}
	h := newHash(c, prepared)
	r.hash, r.scram = &h, keys
	return nil
}

// edit rewrites the lines of the file under its lock. at is the line of the
// user named, or -1.
func (f *UsersFile) edit(name string, change func(lines [][]byte, at int) ([][]byte, error)) error {
	if err := CheckName(name); err != nil {
		return err
	}
	err := rewrite(f.Path, func(text []byte) ([]byte, error) {
		if _, err := parseUsers(text); err != nil {
			return nil, err
		}
		lines := splitLines(text)
		at := slices.IndexFunc(lines, func(line []byte) bool {
			fields := bytes.Fields(line)
			return len(fields) > 0 && string(fields[0]) == name
		})
		lines, err := change(lines, at)
		return bytes.Join(lines, nil), err
	})
	if err != nil {
		return fmt.Errorf("auth: users file %s: user %q: %w", f.Path, name, err)
	}
	return nil
}

// splitLines keeps the line ends and gives the last line one.
func splitLines(text []byte) [][]byte {
	lines := slices.Collect(bytes.Lines(text))
	if n := len(lines); n > 0 && !bytes.HasSuffix(lines[n-1], []byte("\n")) {
		lines[n-1] = append(slices.Clone(lines[n-1]), '\n')
	}
	return lines
}

// lockWait is how long an edit waits for another to end.
const lockWait = 5 * time.Second

// rewrite replaces a file's text by change's. The new text is written to
// path.lock, made exclusively, which is both the lock and the file that is
// renamed into place. The file that path links to is the one replaced.
func rewrite(path string, change func([]byte) ([]byte, error)) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return err
	}
	defer func() {
		lock.Close()
		if err != nil {
			os.Remove(lock.Name())
		}
	}()
	text, info, err := readFile(path, maxUsersFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if text, err = change(text); err != nil {
		return err
	}
	if info != nil {
		if err := keepModeAndOwner(lock, info); err != nil {
			return err
		}
	}
	if _, err := lock.Write(text); err != nil {
		return err
	}
	if err := lock.Sync(); err != nil {
		return err
	}
	if err := os.Rename(lock.Name(), path); err != nil {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

func lockFile(path string) (*os.File, error) {
	for deadline := time.Now().Add(lockWait); ; time.Sleep(10 * time.Millisecond) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("another edit is under way, or one was interrupted: if none runs, remove %s", path)
		}
	}
}

// keepModeAndOwner gives f what the file it will replace has. The owner
// matters to root: the service's own user must still be able to read it.
func keepModeAndOwner(f *os.File, old fs.FileInfo) error {
	if err := chownLike(f, old); err != nil {
		return err
	}
	return f.Chmod(old.Mode().Perm())
}

// syncDir makes a rename last through a crash, where directories can be synced.
// The rename is done by then, so a failure is nobody's error.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
