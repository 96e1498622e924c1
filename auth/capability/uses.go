package capability

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"vncgate/auth/tickets"
)

// Use begins a session of holder by a token that is to be counted. The holder
// is whatever a viewer is known by when it comes back: the harder that is for
// others to have, too, the better. "" is one that is not known again. A holder that comes back
// within the grace period after the end of its session, or after the gateway
// that ran it has crashed, does so without another use; a second session beside
// one that runs is another use. Of several processes that ask for the last use
// at once, one gets it.
//
// Release must follow when the session ends. Errors of a token that is used up
// are ErrUsed and ErrRunning; those of tokens that are revoked or unknown match
// tickets.ErrUnknown as well.
func (s *Store) Use(id, holder string, now time.Time) error {
	return s.update(id, "use", func(r *record) error {
		if err := s.begin(); err != nil {
			return err
		}
		return s.use(r, holder, now)
	})
}

// Usable says whether Use would count a session of holder now, and counts
// nothing. Its errors are those of Use.
func (s *Store) Usable(id, holder string, now time.Time) error {
	err := s.update(id, "look at uses", func(r *record) error {
		return cmp.Or(s.use(r, holder, now), errNothing)
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// use changes the record only.
func (s *Store) use(r *record, holder string, now time.Time) error {
	t := r.full()
	switch {
	case t.revokedBy(s):
		return ErrRevoked
	case !now.Before(t.Expires):
		return ErrExpired
	}
	return r.use(holder, s.instance, now, s.cfg.Grace, s.alive)
}

// Release ends a session that Use began. A token or a holder that is not
// known is no error: the token may have ended.
func (s *Store) Release(id, holder string, now time.Time) error {
	err := s.update(id, "release", func(r *record) error {
		if s.instance == "" || !r.release(holder, s.instance, now) {
			return errNothing
		}
		return nil
	})
	if errors.Is(err, errNothing) || errors.Is(err, tickets.ErrUnknown) {
		return nil
	}
	return err
}

// errNothing says that there is nothing to write.
var errNothing = errors.New("nothing has changed")

// update changes the file of a token under the lock.
func (s *Store) update(id, what string, change func(*record) error) error {
	err := s.locked(func() error {
		r, err := s.read(id)
		if err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		return s.write(r)
	})
	if err != nil {
		return fmt.Errorf("capability: %s: %w", what, err)
	}
	return nil
}

// begin makes this process's own lock, by which others see whether its sessions
// still run. The store's lock is held: nobody takes the file for a dead one's
// before it is locked.
func (s *Store) begin() (err error) {
	if s.instance != "" {
		return nil
	}
	name := rand.Text()
	if s.end, err = lock(s.path(runningDir, name)); err != nil {
		return err
	}
	s.instance = name
	return nil
}

// alive reports whether the instance of that name still runs. In doubt it does:
// a use is not given away twice.
func (s *Store) alive(name string) bool {
	if !validID(name) {
		return false
	}
	f, err := os.OpenFile(s.path(runningDir, name), os.O_RDWR, 0)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	release, err := tryLock(f)
	if err != nil {
		return true
	}
	release()
	return false
}

// sweepRunning removes the locks of processes that crashed.
func (s *Store) sweepRunning() {
	entries, _ := os.ReadDir(s.path(runningDir))
	for _, e := range entries {
		if validID(e.Name()) && e.Name() != s.instance && !s.alive(e.Name()) {
			os.Remove(s.path(runningDir, e.Name()))
		}
	}
}
