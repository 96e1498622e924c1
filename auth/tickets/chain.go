package tickets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// A Lister is a source that can also name what it knows, sorted. The names are
// the tokens themselves, so this is for sources whose tokens are the names of
// displays.
type Lister interface {
	Names(ctx context.Context) ([]string, error)
}

// Chain asks several sources in turn.
type Chain []Source

// First returns the chain of sources: the first that knows a token says what
// it is good for.
func First(sources ...Source) Chain { return Chain(sources) }

// Lookup asks one source after another. That a source fails is an error only
// where none of the others knows the token.
func (c Chain) Lookup(ctx context.Context, token string) (Ticket, error) {
	var failed error
	for _, s := range c {
		t, err := s.Lookup(ctx, token)
		if err == nil {
			return t, nil
		}
		if ctx.Err() != nil {
			return Ticket{}, ctx.Err()
		}
		if !errors.Is(err, ErrUnknown) {
			failed = cmp.Or(failed, err)
		}
	}
	return Ticket{}, cmp.Or(failed, ErrUnknown)
}

// Names lists what the sources that are Listers know, each name once. It fails
// only where none of them could say.
func (c Chain) Names(ctx context.Context) ([]string, error) {
	var all []string
	var failed error
	answered := false
	for _, s := range c {
		l, ok := s.(Lister)
		if !ok {
			continue
		}
		names, err := l.Names(ctx)
		failed, answered = cmp.Or(failed, err), answered || err == nil
		all = append(all, names...)
	}
	if answered {
		failed = nil
	}
	slices.Sort(all)
	return slices.Compact(all), failed
}

// Named gives a source the name by which it is configured: in the errors, and
// as the Method of an identity that the source knows.
type Named struct {
	Name   string
	Source Source
}

// Lookup is that of the source.
func (n Named) Lookup(ctx context.Context, token string) (Ticket, error) {
	t, err := n.Source.Lookup(ctx, token)
	if err != nil {
		return Ticket{}, n.says(err)
	}
	if t.Identity.Name != "" || len(t.Identity.Groups) > 0 {
		t.Identity.Method = n.Name
	}
	return t, nil
}

// Names is that of the source; one that is no Lister knows none.
func (n Named) Names(ctx context.Context) ([]string, error) {
	l, ok := n.Source.(Lister)
	if !ok {
		return nil, nil
	}
	names, err := l.Names(ctx)
	if err != nil {
		return names, n.says(err)
	}
	return names, nil
}

func (n Named) says(err error) error { return fmt.Errorf("tickets: source %s: %w", n.Name, err) }
