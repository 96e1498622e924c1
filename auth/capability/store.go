package capability

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of a store.
const (
	maxTokens     = 100_000
	maxRecordFile = 512 << 10 // bytes of a token's record, which lists its holders
	sweepEvery    = time.Hour
	pollEvery     = 200 * time.Millisecond
	defaultGrace  = time.Minute
	defaultHolder = 64 // holders that are remembered where uses are not counted
)

// StoreConfig says how a store is used.
type StoreConfig struct {
	// Grace is how long after the end of a session its holder may come back
	// without another use; 0 is a minute, below 0 none.
	Grace time.Duration
	// OnChange, if set, is called soon after a revocation, whichever process
	// made it: of a folder within 250 ms, of Redis as soon as it tells, or within
	// a second. It is called by goroutines of the store, which Close waits for.
	OnChange func()
	// Report is told, once for each, of a changed file that could not be used,
	// or of a server that cannot be reached; the revocations stay as they were.
	// Nil tells nobody.
	Report func(error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (cfg StoreConfig) complete() StoreConfig {
	switch {
	case cfg.Grace == 0:
		cfg.Grace = defaultGrace
	case cfg.Grace < 0:
		cfg.Grace = -1
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// Store keeps what was issued, used and revoked, in a directory or in Redis: what
// tokens say, never the tokens. Any number of processes may use the same one at
// the same time. Tokens that have ended are removed within the hour in which
// others are issued. It is safe for concurrent use.
type Store struct {
	keeper
	cfg StoreConfig
}

// OpenStore opens the store in dir, which it makes if there is none. Its caller
// must Close it when all its sessions have ended.
func OpenStore(dir string, cfg StoreConfig) (*Store, error) {
	cfg = cfg.complete()
	kept, err := openDirectory(dir, cfg)
	if err != nil {
		return nil, fmt.Errorf("capability: %w", err)
	}
	return &Store{keeper: kept, cfg: cfg}, nil
}

// Close ends what the store runs. Sessions that it was told of and that have
// not been released are seen as crashed by others.
func (s *Store) Close() error { return s.close() }

// Issued is a token as the store knows it.
type Issued struct {
	Token
	Used     int       // sessions that began, those left out that a holder came back to
	LastUsed time.Time // zero: never
	Running  int       // sessions that have not ended, as far as is known
	Revoked  bool
}

// Get returns one token; the error of one that there is not, or that ended long
// ago, matches tickets.ErrUnknown.
func (s *Store) Get(id string) (Issued, error) {
	r, err := s.read(id)
	if err != nil {
		return Issued{}, err
	}
	return s.issued(r, s.alive), nil
}

// List returns all tokens that are kept, in the order in which they were
// issued. Those that cannot be read are passed over and named by the error.
func (s *Store) List() ([]Issued, error) {
	var list []Issued
	records, failed := s.records()
	alive := once(s.alive)
	for _, r := range records {
		list = append(list, s.issued(r, alive))
	}
	slices.SortFunc(list, func(a, b Issued) int {
		return cmp.Or(a.Issued.Compare(b.Issued), strings.Compare(a.ID, b.ID))
	})
	return list, failed
}

// once asks only once for each name.
func once(ask func(string) bool) func(string) bool {
	known := map[string]bool{}
	return func(name string) bool {
		answer, ok := known[name]
		if !ok {
			answer = ask(name)
			known[name] = answer
		}
		return answer
	}
}

func (s *Store) issued(r *record, alive func(string) bool) Issued {
	t := r.full()
	running := 0
	for _, slot := range r.Slots {
		if slot.Gate != "" && alive(slot.Gate) {
			running++
		}
	}
	return Issued{t, r.Used, moment(r.LastUsed), running, t.revokedBy(s)}
}

// issue keeps a new token.
func (s *Store) issue(t Token) error {
	if err := s.add(&record{Claims: claimsOf(t), Issuer: t.Issuer, Note: t.Note, Maker: t.Maker.kept()}); err != nil {
		return fmt.Errorf("capability: store: %w", err)
	}
	return nil
}

func errManyTokens(n int) error {
	return fmt.Errorf("%d tokens have not ended: revoking does not shorten the list, their end does", n)
}

var errManyRevocations = fmt.Errorf("there are %d revocations already: revoke all tokens that were issued before some time, or make a new key", maxRevocations)

// Sweep removes what has ended: tokens, revocations that nothing is left of,
// and what a crash left behind.
func (s *Store) Sweep() error {
	if err := s.sweep(s.cfg.Now()); err != nil {
		return fmt.Errorf("capability: store: sweep: %w", err)
	}
	return nil
}

// parseRecordOf reads the record of one token.
func parseRecordOf(id string, text []byte) (*record, error) {
	r, err := parseRecord(text)
	if err == nil && r.Claims.ID != id {
		err = errors.New("it is of another token")
	}
	return r, err
}
