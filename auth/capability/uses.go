package capability

import (
	"cmp"
	"errors"
	"fmt"
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
// tickets.ErrUnknown as well; ErrUnavailable says that nobody can be asked.
func (s *Store) Use(id, holder string, now time.Time) error {
	err := s.edit(id, "use", func(r *record) error {
		if err := s.begin(); err != nil {
			return err
		}
		return s.use(r, holder, now)
	})
	if errors.Is(err, ErrUnavailable) { // but it may have been counted all the same
		s.owe(id, func(r *record) error { return r.undo(holder, s.instance(), now) })
	}
	return err
}

// Usable says whether Use would count a session of holder now, and counts
// nothing. Its errors are those of Use.
func (s *Store) Usable(id, holder string, now time.Time) error {
	err := s.edit(id, "look at uses", func(r *record) error {
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
	return r.use(holder, s.instance(), now, s.cfg.Grace, s.alive)
}

// Holds says of a session that Use began here whether its use is still its own.
// ErrRunning: this gateway was cut off from the others for so long that they took
// it for crashed, and the holder has come back elsewhere meanwhile. Without an
// answer it is.
func (s *Store) Holds(id, holder string) error {
	if !s.lapsed() {
		return nil
	}
	r, err := s.read(id)
	if err != nil || r.has(holder, s.instance()) {
		return nil
	}
	return ErrRunning
}

// Release ends a session that Use began. A token or a holder that is not
// known is no error: the token may have ended. Where nobody can be told, it is
// made up for later.
func (s *Store) Release(id, holder string, now time.Time) error {
	release := func(r *record) error {
		if s.instance() == "" || !r.release(holder, s.instance(), now) {
			return errNothing
		}
		return nil
	}
	err := s.edit(id, "release", release)
	switch {
	case errors.Is(err, errNothing), errors.Is(err, tickets.ErrUnknown):
		return nil
	case errors.Is(err, ErrUnavailable):
		s.owe(id, release)
		return nil
	}
	return err
}

// edit changes the record of a token, and says what for in its errors.
func (s *Store) edit(id, what string, change func(*record) error) error {
	if err := s.update(id, change); err != nil {
		return fmt.Errorf("capability: %s: %w", what, err)
	}
	return nil
}
