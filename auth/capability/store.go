package capability

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vncgate/auth"
)

// Bounds of a store.
const (
	maxTokens     = 100_000
	maxRecordFile = 512 << 10 // bytes of a token's file, which lists its holders
	sweepEvery    = time.Hour
	pollEvery     = 200 * time.Millisecond
)

// The names in a store's directory. Each token has a file, which only its
// issue, its renewals and its uses change; revocations are in one file, which
// is all that a review of many sessions has to look at.
const (
	lockFile      = "lock"
	revokedFile   = "revoked.json"
	sweptFile     = "swept"
	tokensDir     = "tokens"
	runningDir    = "running"
	recordSuffix  = ".json"
	defaultGrace  = time.Minute
	defaultHolder = 64 // holders that are remembered where uses are not counted
)

// StoreConfig says how a store is used.
type StoreConfig struct {
	// Grace is how long after the end of a session its holder may come back
	// without another use; 0 is a minute, below 0 none.
	Grace time.Duration
	// OnChange, if set, is called within 250 ms of a revocation, whichever
	// process made it. It is called by one goroutine of the store, which Close
	// waits for.
	OnChange func()
	// Report is told, once for each, of a changed file that could not be used;
	// the revocations stay as they were. Nil tells nobody.
	Report func(error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Store is a directory that keeps what was issued, used and revoked: what
// tokens say, never the tokens. Any number of processes may use the directory
// at the same time; each change is made under a lock, and lasts through a
// crash once the call has returned. Tokens that have ended are removed within
// the hour in which others are issued. It is safe for concurrent use.
type Store struct {
	dir     string
	cfg     StoreConfig
	revoked *auth.Watched[*revocations]

	mu       sync.Mutex // one writer of this process waits for the others
	instance string     // the name of this process's lock in running; "": no session has begun
	end      func()     // drops that lock

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// OpenStore opens the store in dir, which it makes if there is none. Its caller
// must Close it when all its sessions have ended.
func OpenStore(dir string, cfg StoreConfig) (*Store, error) {
	switch {
	case cfg.Grace == 0:
		cfg.Grace = defaultGrace
	case cfg.Grace < 0:
		cfg.Grace = -1
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Store{dir: dir, cfg: cfg}
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("capability: store %s: %w", dir, err)
	}
	var err error
	if s.revoked, err = auth.Watch("revocations", s.path(revokedFile), maxRevokedFile, parseRevocations); err != nil {
		return nil, fmt.Errorf("capability: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	if cfg.OnChange != nil {
		before := s.current() // nothing is missed once the caller has the store
		s.stopped.Go(func() { s.watch(ctx, before) })
	}
	return s, nil
}

func (s *Store) prepare() error {
	for _, dir := range []string{s.dir, s.path(tokensDir), s.path(runningDir)} {
		if err := makeDir(dir); err != nil {
			return err
		}
	}
	if exists(s.path(revokedFile)) {
		return nil
	}
	return s.locked(func() error {
		if exists(s.path(revokedFile)) {
			return nil // another process was quicker
		}
		return writeFile(s.path(revokedFile), (&revocations{}).format())
	})
}

// Close ends what the store runs. Sessions that it was told of and that have
// not been released are seen as crashed by others.
func (s *Store) Close() error {
	s.stop()
	s.stopped.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		os.Remove(s.path(runningDir, s.instance))
		s.end()
		s.instance, s.end = "", nil
	}
	return nil
}

func (s *Store) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

func (s *Store) recordPath(id string) string { return s.path(tokensDir, id+recordSuffix) }

// locked does what no two processes may do at once.
func (s *Store) locked(do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	unlock, err := lock(s.path(lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	return do()
}

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
	return s.issued(r), nil
}

// List returns all tokens that are kept, in the order in which they were
// issued. Files that cannot be read are passed over and named by the error.
func (s *Store) List() ([]Issued, error) {
	var list []Issued
	var failed error
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		switch r, err := s.read(id); {
		case err == nil:
			list = append(list, s.issued(r))
		case exists(s.recordPath(id)): // it was not swept meanwhile
			failed = errors.Join(failed, err)
		}
	}
	slices.SortFunc(list, func(a, b Issued) int {
		return cmp.Or(a.Issued.Compare(b.Issued), strings.Compare(a.ID, b.ID))
	})
	return list, failed
}

func (s *Store) issued(r *record) Issued {
	t := r.full()
	running := 0
	for _, slot := range r.Slots {
		if slot.Gate != "" && s.alive(slot.Gate) {
			running++
		}
	}
	return Issued{t, r.Used, moment(r.LastUsed), running, t.revokedBy(s)}
}

// ids names the tokens that have files.
func (s *Store) ids() ([]string, error) {
	entries, err := os.ReadDir(s.path(tokensDir))
	if err != nil {
		return nil, fmt.Errorf("capability: store: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), recordSuffix); ok && validID(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// add keeps a new token.
func (s *Store) add(t Token) error {
	err := s.locked(func() error {
		if err := s.sweepSometimes(); err != nil {
			return err
		}
		ids, err := s.ids()
		if err != nil {
			return err
		}
		if len(ids) >= maxTokens {
			return fmt.Errorf("%d tokens have not ended: revoking does not shorten the list, their end does", maxTokens)
		}
		return s.write(&record{Claims: claimsOf(t), Issuer: t.Issuer, Note: t.Note, Maker: t.Maker.kept()})
	})
	if err != nil {
		return fmt.Errorf("capability: store: %w", err)
	}
	return nil
}

// sweepSometimes sweeps if nobody has for a while.
func (s *Store) sweepSometimes() error {
	info, err := os.Stat(s.path(sweptFile))
	if err == nil && s.cfg.Now().Sub(info.ModTime()).Abs() < sweepEvery {
		return nil
	}
	if err := s.sweep(); err != nil {
		return err
	}
	return writeFile(s.path(sweptFile), nil)
}

// Sweep removes what has ended: tokens, revocations that nothing is left of,
// and what a crash left behind.
func (s *Store) Sweep() error {
	if err := s.locked(s.sweep); err != nil {
		return fmt.Errorf("capability: store: sweep: %w", err)
	}
	return nil
}

func (s *Store) sweep() error {
	ids, err := s.ids()
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	for _, id := range ids {
		if r, err := s.read(id); err == nil && !now.Before(moment(r.Claims.Expires)) {
			os.Remove(s.recordPath(id))
		}
	}
	for _, dir := range []string{s.dir, s.path(tokensDir), s.path(runningDir)} {
		removeLeftovers(dir, now)
	}
	s.sweepRunning()
	return s.sweepRevoked(now)
}

// removeLeftovers removes files that a crash kept from being finished.
func removeLeftovers(dir string, now time.Time) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), tempPrefix) && now.Sub(info.ModTime()) > sweepEvery {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// read returns the record of a token, as it is on the disk now.
func (s *Store) read(id string) (*record, error) {
	if !validID(id) {
		return nil, refused("its ID is not one")
	}
	text, err := readFile(s.recordPath(id), maxRecordFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refused("the store does not know it")
	case err != nil:
		return nil, fmt.Errorf("capability: store: %w", err)
	}
	r, err := parseRecord(text)
	if err == nil && r.Claims.ID != id {
		err = errors.New("it is of another token")
	}
	if err != nil {
		return nil, fmt.Errorf("capability: store: %s: %w", s.recordPath(id), err)
	}
	return r, nil
}

func (s *Store) write(r *record) error { return writeFile(s.recordPath(r.Claims.ID), r.format()) }
