package capability

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds of a file of revocations.
const (
	maxRevocations = 50_000
	maxRevokedFile = 32 << 20 // bytes
)

// Revocations says which tokens are good no more, though their time is not
// over.
type Revocations interface {
	// Revoked says so of the token with that ID, that is bound to user ("" for
	// none) and that was issued then. It is asked often, and does not wait.
	Revoked(id, user string, issued time.Time) bool
}

// Revocation says which tokens to revoke: one by its ID; or those of User; or
// all, or all of User, that were issued before some time.
type Revocation struct {
	ID, User string
	// Before is up to when tokens are meant; zero for User is the present, so
	// that later tokens are good. It is not given with an ID.
	Before time.Time
	// Note says why, for people.
	Note string
}

// check says what is wrong with a revocation, for the person who makes it.
func (r Revocation) check() error {
	switch {
	case r.ID != "" && (r.User != "" || !r.Before.IsZero()):
		return errors.New("revoke a token by its ID, or tokens by user and time")
	case r.ID != "" && !validID(r.ID):
		return errors.New("that is no ID of a token: vncgate token list shows them")
	case r.User != "" && !nameText(r.User):
		return errors.New("the user is not a name")
	case r.ID == "" && r.User == "" && r.Before.IsZero():
		return errors.New("it does not say what is revoked: an ID, a user or a time")
	case len(r.Note) > maxText:
		return fmt.Errorf("a note has at most %d bytes", maxText)
	}
	return nil
}

// covers reports whether a token is meant. A token and a revocation of the same
// second go together: the token is revoked.
func (r Revocation) covers(id, user string, issued time.Time) bool {
	if r.ID != "" {
		return r.ID == id
	}
	return (r.User == "" || r.User == user) && (r.Before.IsZero() || !issued.After(r.Before))
}

// includes reports whether r revokes all that other does.
func (r Revocation) includes(other Revocation) bool {
	if r.ID != "" || other.ID != "" {
		return r.ID == other.ID
	}
	return (r.User == "" || r.User == other.User) && !other.Before.After(r.Before)
}

// Revoke ends tokens: nobody gets in by them any more, and whoever is told by
// OnChange ends their sessions. It has been written when it returns. That a
// token is not known is no error, as it may be known elsewhere.
func (s *Store) Revoke(r Revocation) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("capability: revoke: %w", err)
	}
	now := s.cfg.Now()
	if r.User != "" && r.Before.IsZero() {
		r.Before = now
	}
	if err := s.revoke(revoked{r, now, s.lasts(r, now)}); err != nil {
		return fmt.Errorf("capability: revoke: %w", err)
	}
	return nil
}

// lasts is until when there may be tokens that a revocation is about.
func (s *Store) lasts(r Revocation, now time.Time) time.Time {
	if r.ID != "" {
		if record, err := s.read(r.ID); err == nil {
			return record.full().end()
		}
	}
	if r.Before.After(now) {
		now = r.Before
	}
	return now.Add(MaxLife)
}

// Revoked reports whether the store has a revocation of the token, made by
// whichever process.
func (s *Store) Revoked(id, user string, issued time.Time) bool {
	return s.current().covers(id, user, issued)
}

// Revocations lists what was revoked, the oldest first.
func (s *Store) Revocations() []Revocation {
	var list []Revocation
	for _, one := range s.current().list {
		list = append(list, one.Revocation)
	}
	return list
}

// revoked is a revocation as it is kept.
type revoked struct {
	Revocation
	at, until time.Time
}

// revocations are all of them, to be looked up. They do not change once they
// were read.
type revocations struct {
	list []revoked
	ids  map[string]bool
	wide []Revocation // those that are not of one token
}

func (all *revocations) covers(id, user string, issued time.Time) bool {
	if all.ids[id] {
		return true
	}
	return slices.ContainsFunc(all.wide, func(r Revocation) bool { return r.covers(id, user, issued) })
}

// index prepares looking up.
func (all *revocations) index() *revocations {
	all.ids = map[string]bool{}
	for _, one := range all.list {
		if one.ID != "" {
			all.ids[one.ID] = true
		} else {
			all.wide = append(all.wide, one.Revocation)
		}
	}
	return all
}

// The file's JSON.
type (
	revokedJSON struct {
		Revoked []revocationJSON `json:"revoked"`
	}
	revocationJSON struct {
		ID     string `json:"id,omitempty"`
		User   string `json:"user,omitempty"`
		Before int64  `json:"before,omitempty"`
		Note   string `json:"note,omitempty"`
		At     int64  `json:"at"`
		Until  int64  `json:"until"`
	}
)

// parseRevocations reads the file.
func parseRevocations(text []byte) (*revocations, error) {
	var file revokedJSON
	if err := decode(text, &file); err != nil {
		return nil, err
	}
	if len(file.Revoked) > maxRevocations {
		return nil, fmt.Errorf("more than %d revocations", maxRevocations)
	}
	all := &revocations{}
	for i, one := range file.Revoked {
		for _, at := range []int64{one.Before, one.At, one.Until} {
			if at < 0 || at > maxTime {
				return nil, fmt.Errorf("revocation %d: a time is out of range", i+1)
			}
		}
		r := Revocation{ID: one.ID, User: one.User, Before: moment(one.Before), Note: one.Note}
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("revocation %d is malformed", i+1)
		}
		all.list = append(all.list, revoked{r, moment(one.At), moment(one.Until)})
	}
	return all.index(), nil
}

func (all *revocations) format() []byte {
	file := revokedJSON{Revoked: []revocationJSON{}}
	for _, one := range all.list {
		file.Revoked = append(file.Revoked, revocationJSON{one.ID, one.User, seconds(one.Before), one.Note, seconds(one.at), seconds(one.until)})
	}
	text, err := json.MarshalIndent(file, "", "\t")
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return append(text, '\n')
}
