package tunnel

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Backoff says how long an agent waits between its tries to connect: a random
// time up to a bound, which doubles with each try ("full jitter"), so that those
// whom one gateway has lost do not come back all at once. The zero value stands
// for the defaults in parentheses.
type Backoff struct {
	First time.Duration // the first bound (1 s)
	Most  time.Duration // the last (1 min)
}

func (b Backoff) orDefault() Backoff {
	if b.First <= 0 {
		b.First = time.Second
	}
	if b.Most <= 0 {
		b.Most = time.Minute
	}
	b.First = min(b.First, b.Most)
	return b
}

// bound is the most before try number n, from 0.
func (b Backoff) bound(n int) time.Duration {
	d := b.First
	for range n {
		if d >= b.Most/2 {
			return b.Most
		}
		d *= 2
	}
	return d
}

// wait is how long to wait before try number n: a tenth of the bound at least,
// for a draw near nothing would be no wait at all.
func (b Backoff) wait(n int) time.Duration {
	bound := b.bound(n)
	return bound/10 + rand.N(max(bound-bound/10, 1))
}

// settled is how long a tunnel must have lasted for the next try to be a first
// one again: longer than the wait that came before it could be.
func (b Backoff) settled() time.Duration { return min(10*time.Second, b.Most) }

// pause is false when ctx ends before d is over.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
