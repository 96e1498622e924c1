package auth

import (
	"context"
	"runtime"
)

// ration lets a bounded number of password hashes run at a time, so that a
// flood of log-ins takes neither every core nor 19 MiB apiece. Callers wait in
// the order they came; how many may come is the listener's limit.
type ration chan struct{}

// newRation leaves half the cores to the sessions that are already up.
func newRation() ration { return make(ration, max(1, runtime.GOMAXPROCS(0)/2)) }

// do runs f when its turn comes, or returns ctx's error. f itself is not
// interrupted: a hash takes milliseconds.
func (r ration) do(ctx context.Context, f func()) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	select {
	case r <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-r }()
	f()
	return nil
}
