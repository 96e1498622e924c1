package capability

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"vncgate/auth"
)

// Bounds of what is kept of a maker.
const (
	maxProofs     = 16
	maxMakerBytes = 64 << 10 // of its JSON, which holds claims of tokens of others
)

// Maker is whose session made a token, for somebody else: what the token is good
// for ends with what its maker may do. It stands in the store and not in the
// token.
type Maker struct {
	// Identities are what the maker had proved. A revocation of one of these
	// users revokes the token; whether they still may do what they could is for
	// those to ask who know the rules.
	Identities []auth.Identity
	// From is where the maker was, invalid where that is no IP address.
	From netip.Addr
}

func (m *Maker) check() error {
	if m == nil {
		return nil
	}
	if len(m.Identities) == 0 || len(m.Identities) > maxProofs {
		return fmt.Errorf("a maker has proved 1 to %d things", maxProofs)
	}
	if len(encode(m.kept())) > maxMakerBytes {
		return errors.New("what its maker has proved is too long to be kept")
	}
	return nil
}

// users are those whose revocation revokes the token: whom it is for, and who
// made it. There always is one, which may be "".
func (t Token) users() []string {
	list := []string{t.User}
	if t.Maker == nil {
		return list
	}
	for _, id := range t.Maker.Identities {
		if id.Name != "" && !slices.Contains(list, id.Name) {
			list = append(list, id.Name)
		}
	}
	return list
}

// revokedBy asks one source of revocations about all that the token rests on.
func (t Token) revokedBy(r Revocations) bool {
	return slices.ContainsFunc(t.users(), func(user string) bool { return r.Revoked(t.ID, user, t.Issued) })
}

// makerJSON is a Maker in the store.
type makerJSON struct {
	Proved []proofJSON `json:"proved"`
	From   netip.Addr  `json:"from,omitzero"`
}

type proofJSON struct {
	Name    string         `json:"name,omitempty"`
	Method  string         `json:"method"`
	Groups  []string       `json:"groups,omitempty"`
	Expires int64          `json:"exp,omitempty"` // seconds since 1970
	Claims  map[string]any `json:"claims,omitempty"`
}

// kept is m as the store has it; nil stays nil.
func (m *Maker) kept() *makerJSON {
	if m == nil {
		return nil
	}
	kept := &makerJSON{From: m.From}
	for _, id := range m.Identities {
		kept.Proved = append(kept.Proved, proofJSON{id.Name, id.Method, id.Groups, seconds(id.Expires), id.Claims})
	}
	return kept
}

// maker is what the store has.
func (k *makerJSON) maker() (*Maker, error) {
	if k == nil {
		return nil, nil
	}
	m := &Maker{From: k.From}
	for _, p := range k.Proved {
		if p.Expires < 0 || p.Expires > maxTime {
			return nil, errors.New("a time is out of range")
		}
		m.Identities = append(m.Identities, auth.Identity{Name: p.Name, Method: p.Method, Groups: p.Groups, Expires: moment(p.Expires), Claims: p.Claims})
	}
	return m, m.check()
}

// Maker is whose session made the token of that ID; nil where a person issued it.
// Errors are those of Get.
func (s *Store) Maker(id string) (*Maker, error) {
	r, err := s.read(id)
	if err != nil {
		return nil, err
	}
	return r.full().Maker, nil
}
