package capability

import (
	"errors"
	"time"
)

// ErrUnavailable is matched by errors of a store that cannot be reached: nobody
// knows whether a token is good. Where uses are counted it is good for nothing
// then, so that it is never used twice.
var ErrUnavailable = errors.New("capability: the store of tokens cannot be reached")

// errNothing says that there is nothing to write.
var errNothing = errors.New("nothing has changed")

// keeper is where a store's records and revocations are: a folder, or Redis. It
// is safe for concurrent use, of other processes as well.
type keeper interface {
	// records are all that are kept. Those that cannot be read are passed over
	// and named by the error.
	records() ([]*record, error)
	// read returns a token's record as it is now. The error of one that there
	// is not matches tickets.ErrUnknown.
	read(id string) (*record, error)
	// recall is read for a session that runs: where nobody can be asked, what
	// was known last will do.
	recall(id string) (*record, error)
	// add keeps a new one.
	add(r *record) error
	// update changes a record unless change returns an error, which it returns.
	// No two changes of a record, whichever process makes them, see the same
	// state of it. change may be called several times.
	update(id string, change func(*record) error) error
	// owe is update for later, when the store can be reached again: for changes
	// that have happened already.
	owe(id string, change func(*record) error)

	// begin makes the name by which others see whether this process's sessions
	// still run; it is called inside of update.
	begin() error
	// instance is that name, "" before begin.
	instance() string
	// alive reports whether the instance of that name still runs. In doubt it
	// does: a use is not given away twice.
	alive(instance string) bool
	// lapsed reports whether others may have taken this instance for dead.
	lapsed() bool

	// revoke keeps a revocation, which current has from then on.
	revoke(one revoked) error
	current() *revocations

	// sweep removes what has ended.
	sweep(now time.Time) error
	// close ends what the keeper runs, and this instance.
	close() error
}
