package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/xdg-go/scram"
)

// ErrDenied is the one answer to a proof that failed: an unknown user, a wrong
// password and a user without that kind of secret all look the same.
var ErrDenied = errors.New("auth: denied")

// Users is a users file in use. It reads the file again when it has changed;
// a changed file that cannot be read or parsed leaves the users as they were.
// It is safe for concurrent use.
type Users struct {
	// Report is told, once for each, of a changed file that could not be
	// used. Set it before the first look-up; nil leaves it to Err.
	Report func(error)

	path   string
	ration ration
	// salt makes up the salts of users who do not exist, the same one for
	// a name as long as the process lives.
	salt []byte

	mu    sync.Mutex
	users *userTable  // never nil, never changed in place
	seen  os.FileInfo // the file as last looked at; nil: it was not there
	at    time.Time   // when that was
	err   error
}

// userTable is one reading of the file.
type userTable struct {
	byName map[string]*record
	// What a user who does not exist pretends to have: the same work and the
	// same kind of salt as the first user of the file.
	decoyHash    hash
	decoyFactors scram.KeyFactors
}

// OpenUsers reads the users file at path. Errors name the line.
func OpenUsers(path string) (*Users, error) {
	u := &Users{path: path, ration: newRation(), salt: randomBytes(sha256.Size)}
	u.load()
	if u.err != nil {
		return nil, u.err
	}
	return u, nil
}

// Verify proves name by its password and returns who that is, its Method left
// for the caller, who knows how the password came. An unknown user costs as
// much as a wrong password. The error is ErrDenied, or ctx's while it waits
// for a core to hash on.
func (u *Users) Verify(ctx context.Context, name, password string) (Identity, error) {
	table := u.current()
	r := table.byName[prepareName(name)]
	prepared, err := preparePassword(password)
	h, real := table.decoyHash, false
	if r != nil && r.hash != nil && err == nil {
		h, real = *r.hash, true
	}
	var matches bool
	if err := u.ration.do(ctx, func() { matches = h.matches(prepared) }); err != nil {
		return Identity{}, fmt.Errorf("auth: verify password: %w", err)
	}
	if !matches || !real {
		return Identity{}, ErrDenied
	}
	return r.identity(), nil
}

// Identity returns what the file knows of a user whose name was proved by
// other means, its Method left for the caller.
func (u *Users) Identity(name string) (Identity, bool) {
	r := u.current().byName[prepareName(name)]
	if r == nil {
		return Identity{}, false
	}
	return r.identity(), true
}

func (r *record) identity() Identity {
	return Identity{Name: r.name, Groups: slices.Clone(r.groups)}
}

// Err returns why the file as it is now is not the one in use; nil when it is.
func (u *Users) Err() error {
	u.current()
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// scramKeys returns the keys of a user, or made-up ones that no password fits
// and that stay the same for the same name.
func (u *Users) scramKeys(name string) scram.StoredCredentials {
	table := u.current()
	prepared := prepareName(name)
	mac := hmac.New(sha256.New, u.salt)
	mac.Write([]byte(prepared))
	salt := mac.Sum(nil)
	if r := table.byName[prepared]; r != nil && r.scram != nil {
		return *r.scram
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{
			Salt:  string(salt[:min(len(salt), len(table.decoyFactors.Salt))]),
			Iters: table.decoyFactors.Iters,
		},
		StoredKey: randomBytes(scramKeyLen),
		ServerKey: randomBytes(scramKeyLen),
	}
}

// current looks at the file and returns the users in force.
func (u *Users) current() *userTable {
	u.mu.Lock()
	broken := u.refresh()
	table := u.users
	u.mu.Unlock()
	if broken != nil && u.Report != nil {
		u.Report(broken)
	}
	return table
}

// refresh returns the error of a change that is seen for the first time.
func (u *Users) refresh() error {
	info, err := os.Stat(u.path)
	if err != nil {
		info = nil
	}
	if unchanged(u.seen, info, u.at) {
		return nil
	}
	before := u.err
	u.load()
	if u.err == nil || before != nil && before.Error() == u.err.Error() {
		return nil
	}
	return u.err
}

// unchanged compares what stat can see. A file written less than a moment
// before it was looked at may have been written again within the same tick of
// the file system's clock, so it is not trusted yet.
func unchanged(before, now os.FileInfo, at time.Time) bool {
	if before == nil || now == nil {
		return before == nil && now == nil
	}
	const tick = 100 * time.Millisecond
	return os.SameFile(before, now) && before.Size() == now.Size() &&
		before.ModTime().Equal(now.ModTime()) && at.Sub(now.ModTime()).Abs() > tick
}

// load reads the file; a failure leaves the users as they were.
func (u *Users) load() {
	u.at = time.Now()
	text, info, err := readUsersFile(u.path)
	u.seen = info
	if err != nil {
		u.err = fmt.Errorf("auth: users file: %w", err)
		return
	}
	records, err := parseUsers(text)
	if err != nil {
		u.err = fmt.Errorf("auth: users file %s: %w", u.path, err)
		return
	}
	u.users, u.err = newUserTable(records), nil
}

func newUserTable(records []*record) *userTable {
	c := defaultCost()
	t := &userTable{
		byName:       make(map[string]*record, len(records)),
		decoyHash:    hash{memory: c.memory, passes: c.passes, lanes: c.lanes, salt: make([]byte, hashSaltLen), key: make([]byte, hashKeyLen)},
		decoyFactors: scram.KeyFactors{Salt: string(make([]byte, hashSaltLen)), Iters: c.scramIterations},
	}
	for _, r := range slices.Backward(records) {
		t.byName[r.name] = r
		if r.hash != nil {
			t.decoyHash = *r.hash
		}
		if r.scram != nil {
			t.decoyFactors = r.scram.KeyFactors
		}
	}
	return t
}
