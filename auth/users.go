package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"

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

	file   watched[*userTable]
	ration ration
	// salt makes up the salts of users who do not exist, the same one for
	// a name as long as the process lives.
	salt []byte
}

// userTable is one reading of the file.
type userTable struct {
	byName map[string]*record
	// What a user who does not exist pretends to have: the same work and the
	// same kind of salt as the first user of the file.
	decoyHash    hash
	decoyFactors [scramKinds]scram.KeyFactors
	// sha512 is whether SCRAM-SHA-512 fails for nobody who could log in by
	// SCRAM-SHA-256.
	sha512 bool
}

// OpenUsers reads the users file at path. Errors name the line.
func OpenUsers(path string) (*Users, error) {
	u := &Users{ration: newRation(), salt: randomBytes(sha512.Size)}
	u.file = watched[*userTable]{what: "users file", path: path, limit: maxUsersFile, parse: parseUserTable}
	if err := u.file.open(); err != nil {
		return nil, err
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
	return u.file.broken()
}

// offersSHA512 is false as long as a user has keys for SCRAM-SHA-256 only: a
// viewer takes the strongest mechanism of a list, and the right password would
// then be wrong.
func (u *Users) offersSHA512() bool { return u.current().sha512 }

// scramKeys returns the keys of a user, or made-up ones that no password fits
// and that stay the same for the same name.
func (u *Users) scramKeys(kind scramKind, name string) scram.StoredCredentials {
	table := u.current()
	prepared := prepareName(name)
	mac := hmac.New(sha512.New, u.salt)
	mac.Write([]byte(kind.mechanism() + " " + prepared))
	salt := mac.Sum(nil)
	if r := table.byName[prepared]; r != nil && r.scram[kind] != nil {
		return *r.scram[kind]
	}
	like := table.decoyFactors[kind]
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(salt[:min(len(salt), len(like.Salt))]), Iters: like.Iters},
		StoredKey:  randomBytes(kind.keyLen()),
		ServerKey:  randomBytes(kind.keyLen()),
	}
}

// current looks at the file and returns the users in force.
func (u *Users) current() *userTable {
	table, broken := u.file.current()
	if broken != nil && u.Report != nil {
		u.Report(broken)
	}
	return table
}

func parseUserTable(text []byte) (*userTable, error) {
	records, err := parseUsers(text)
	if err != nil {
		return nil, err
	}
	return newUserTable(records), nil
}

func newUserTable(records []*record) *userTable {
	c := defaultCost()
	t := &userTable{
		byName:    make(map[string]*record, len(records)),
		decoyHash: hash{memory: c.memory, passes: c.passes, lanes: c.lanes, salt: make([]byte, hashSaltLen), key: make([]byte, hashKeyLen)},
	}
	for kind := range scramKinds {
		t.decoyFactors[kind] = scram.KeyFactors{Salt: string(make([]byte, hashSaltLen)), Iters: c.scramIterations}
	}
	some, lacking := false, false
	for _, r := range slices.Backward(records) {
		t.byName[r.name] = r
		if r.hash != nil {
			t.decoyHash = *r.hash
		}
		for kind, keys := range r.scram {
			if keys != nil {
				t.decoyFactors[kind] = keys.KeyFactors
			}
		}
		some = some || r.scram[scram512] != nil
		lacking = lacking || r.scram[scram256] != nil && r.scram[scram512] == nil
	}
	t.sha512 = some && !lacking
	return t
}
