package auth

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// maxReplays bounds the authenticators that are remembered. Only what was found
// good counts, so that nobody without a ticket can fill it.
const maxReplays = 1 << 16

var (
	errReplayed    = denied{"the authenticator was seen before: a replay"}
	errReplaysFull = errors.New("more log-ins within the clock skew than can be told from replays")
)

// replayCache remembers authenticators for as long as their time would let them
// in again (RFC 4120, 3.2.3). When it is full nobody gets in: to forget some
// would be to let them in twice. The zero value is empty.
type replayCache struct {
	mu    sync.Mutex
	seen  map[[sha256.Size]byte]struct{}
	queue []replay // oldest first
}

type replay struct {
	id      [sha256.Size]byte
	expires time.Time
}

// add takes in an encrypted authenticator, which has a part that was never
// there before, until expires.
func (r *replayCache) add(authenticator []byte, now, expires time.Time) error {
	id := sha256.Sum256(authenticator)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(now)
	if _, ok := r.seen[id]; ok {
		return errReplayed
	}
	if len(r.seen) >= maxReplays {
		return errReplaysFull
	}
	if r.seen == nil {
		r.seen = make(map[[sha256.Size]byte]struct{})
	}
	r.seen[id] = struct{}{}
	r.queue = append(r.queue, replay{id, expires})
	return nil
}

// forget drops what has expired. All stay for about the same time, so that the
// queue is near enough in order.
func (r *replayCache) forget(now time.Time) {
	for len(r.queue) > 0 && r.queue[0].expires.Before(now) {
		delete(r.seen, r.queue[0].id)
		r.queue = r.queue[1:]
	}
}
