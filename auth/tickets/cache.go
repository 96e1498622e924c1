package tickets

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// maxCached bounds a cache: so many tokens that are good, and as many that are
// not. The oldest of their kind makes room, so that guessing throws out no
// answer that is of use.
const maxCached = 4096

// cache remembers answers for a while and has one look-up at a time for each
// token. An answer is never used longer than keep after the look-up for it
// began, nor after the ticket's own end. Tokens are held as hashes.
type cache struct {
	keep        time.Duration // of a ticket; 0: caches nothing at all
	keepUnknown time.Duration // of ErrUnknown; 0: not remembered
	limit       int           // 0: maxCached

	mu      sync.Mutex
	good    remembered
	unknown remembered
	flights map[tokenHash]*flight
}

type tokenHash [sha256.Size]byte

// flight is a look-up, which others may wait for, and what came of it.
type flight struct {
	done      chan struct{} // closed at the end
	ticket    Ticket
	err       error
	abandoned bool // its own caller went away, so this says nothing
}

// lookup returns what is remembered, or what look says. Those that come for
// the same token meanwhile wait for the same answer.
func (c *cache) lookup(ctx context.Context, token string, look func(context.Context, string) (Ticket, error)) (Ticket, error) {
	if c.keep <= 0 {
		return look(ctx, token)
	}
	key := tokenHash(sha256.Sum256([]byte(token)))
	for {
		known, running := c.join(key)
		if known != nil {
			return known.ticket, known.err
		}
		if running == nil {
			return c.fly(ctx, key, token, look)
		}
		select {
		case <-running.done:
		case <-ctx.Done():
			return Ticket{}, ctx.Err()
		}
		if !running.abandoned {
			return running.ticket, running.err
		}
	}
}

// join finds the answer, or the look-up that is under way. Where there is
// neither it enters one, which the caller must fly.
func (c *cache) join(key tokenHash) (known, running *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if t, ok := c.good.get(key, now); ok {
		return &flight{ticket: t}, nil
	}
	if _, ok := c.unknown.get(key, now); ok {
		return &flight{err: ErrUnknown}, nil
	}
	if running = c.flights[key]; running != nil {
		return nil, running
	}
	if c.flights == nil {
		c.flights = map[tokenHash]*flight{}
	}
	c.flights[key] = &flight{done: make(chan struct{}), abandoned: true}
	return nil, nil
}

// fly looks up for all that wait. If look panics they start anew.
func (c *cache) fly(ctx context.Context, key tokenHash, token string, look func(context.Context, string) (Ticket, error)) (Ticket, error) {
	began := time.Now()
	c.mu.Lock()
	f := c.flights[key]
	c.mu.Unlock()
	defer c.land(key, f, began)
	f.ticket, f.err = look(ctx, token)
	f.abandoned = f.err != nil && ctx.Err() != nil
	return f.ticket, f.err
}

func (c *cache) land(key tokenHash, f *flight, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, key)
	switch {
	case f.abandoned:
	case f.err == nil:
		c.good.put(key, f.ticket, endOf(f.ticket, began.Add(c.keep)), c.most())
	case errors.Is(f.err, ErrUnknown) && c.keepUnknown > 0:
		c.unknown.put(key, Ticket{}, began.Add(c.keepUnknown), c.most())
	}
	close(f.done)
}

func (c *cache) most() int {
	if c.limit > 0 {
		return c.limit
	}
	return maxCached
}

func endOf(t Ticket, end time.Time) time.Time {
	if !t.Expires.IsZero() && t.Expires.Before(end) {
		return t.Expires
	}
	return end
}

// remembered is a bounded map whose entries end. Entries are kept in the order
// in which they came; one that is put again keeps its first place.
type remembered struct {
	answers map[tokenHash]answer
	order   []tokenHash
}

type answer struct {
	ticket Ticket
	until  time.Time
}

func (r *remembered) get(key tokenHash, now time.Time) (Ticket, bool) {
	a, ok := r.answers[key]
	if !ok || !now.Before(a.until) {
		return Ticket{}, false
	}
	return a.ticket, true
}

func (r *remembered) put(key tokenHash, t Ticket, until time.Time, limit int) {
	if r.answers == nil {
		r.answers = map[tokenHash]answer{}
	}
	if _, there := r.answers[key]; !there {
		r.makeRoom(limit)
		r.order = append(r.order, key)
	}
	r.answers[key] = answer{t, until}
}

// makeRoom drops what has ended from the front, and the oldest if the map is
// full all the same.
func (r *remembered) makeRoom(limit int) {
	now := time.Now()
	for len(r.order) > 0 {
		oldest := r.order[0]
		if len(r.order) < limit && now.Before(r.answers[oldest].until) {
			return
		}
		delete(r.answers, oldest)
		r.order = r.order[1:]
	}
}
