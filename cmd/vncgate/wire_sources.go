package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

// source is a source of the configuration, opened.
type source struct {
	*reach
	tickets.Named
	rights auth.Rights // 0: all
	cfg    sourceConfig

	using  sync.RWMutex // held by look-ups, and to close it
	closed bool
}

// Lookup is that of the source, which stays open until it is done.
func (s *source) Lookup(ctx context.Context, token string) (tickets.Ticket, error) {
	s.using.RLock()
	defer s.using.RUnlock()
	if s.closed {
		return tickets.Ticket{}, fmt.Errorf("%s: %w: the source is not in the configuration any more", s.Name, tickets.ErrUnknown)
	}
	return s.Named.Lookup(ctx, token)
}

// close waits for the look-ups that run. It may be called again.
func (s *source) close() {
	s.using.Lock()
	defer s.using.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	if c, ok := s.Source.(interface{ Close() error }); ok {
		_ = c.Close()
	}
}

// openSources opens what next names, and keeps those of before that are the same.
// After an error closeNew ends what was opened.
func (w *wiring) openSources(ctx context.Context, next, before *inForce) (err error) {
	next.sources = map[string]*source{}
	if issued, ok := before.sources[capabilitySource]; ok {
		next.sources[capabilitySource] = issued
	}
	for i := range next.cfg.Sources {
		c := &next.cfg.Sources[i]
		if old := before.sources[c.Name]; old != nil && reflect.DeepEqual(old.cfg, *c) {
			next.sources[c.Name] = old
			continue
		}
		if next.sources[c.Name], err = w.openSource(ctx, c); err != nil {
			delete(next.sources, c.Name)
			return fmt.Errorf("source %s: %w", c.Name, err)
		}
	}
	if next.cfg.Free == nil {
		return nil
	}
	dialer, err := next.cfg.Free.allowed()
	if err == nil {
		next.free, err = w.reach(next.cfg.Free.Display, dialer)
	}
	if err != nil {
		return fmt.Errorf("free: %w", err)
	}
	return nil
}

func (w *wiring) openSource(ctx context.Context, c *sourceConfig) (*source, error) {
	dialer, err := c.allowed()
	if err != nil {
		return nil, fmt.Errorf("allow: %w", err)
	}
	s := &source{}
	if s.reach, err = w.reach(c.Display, dialer); err != nil {
		return nil, err
	}
	if s.rights, err = auth.ParseRights(c.Rights); err != nil {
		return nil, fmt.Errorf("rights: %w", err)
	}
	kind := c.kinds()[0]
	opened, err := kind.open(ctx, sourceOpener{c.Name, w.reporter, func(err error) {
		w.log.Warn("a token's answer cannot be used", "source", c.Name, "error", err)
	}})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind.name, err)
	}
	s.Named = tickets.Named{Name: ticketMethod + c.Name, Source: opened}
	s.cfg = *c
	return s, nil
}

// closeNew closes the sources of a configuration that does not come in force.
func (f *inForce) closeNew(before *inForce) {
	for name, s := range f.sources {
		if before.sources[name] != s {
			s.close()
		}
	}
}

// retire closes the sources that are gone, once those who came by them are in:
// a token that is good for one session is taken away only then.
func (w *wiring) retire(before, next *inForce) {
	wait := next.cfg.Limits.limits().WithDefaults().HandshakeTimeout
	for name, s := range before.sources {
		if next.sources[name] != s {
			w.retired.add(s, wait)
		}
	}
}

// retirement holds sources that are still to be closed.
type retirement struct {
	mu   sync.Mutex
	list map[*source]*time.Timer
}

func (r *retirement) add(s *source, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list == nil {
		r.list = map[*source]*time.Timer{}
	}
	r.list[s] = time.AfterFunc(wait, func() {
		s.close()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.list, s)
	})
}

func (r *retirement) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s, timer := range r.list {
		timer.Stop()
		s.close()
	}
}

func (w *wiring) closeSources() {
	w.capabilities.close()
	for _, s := range w.now().sources {
		s.close()
	}
	w.retired.close()
}

// tokensAt are the sources whose tokens a listener takes: by what cfg says of it,
// unless that would have it work in another way. Listeners whose ports the system
// chooses may not be told apart.
func (w *wiring) tokensAt(cfg *config, l *listenerConfig) []string {
	same := func(o listenerConfig) bool { return o.Address == l.Address && o.Network == l.Network }
	i := slices.IndexFunc(cfg.Listeners, same)
	if i < 0 || slices.ContainsFunc(cfg.Listeners[i+1:], same) || !w.cfg.swapsSources(l, cfg, &cfg.Listeners[i]) {
		return l.Sources
	}
	return cfg.Listeners[i].Sources
}

// swapsSources reports whether a listener of c can take the tokens of the one
// that next has in its place, and goes on as it was otherwise.
func (c *config) swapsSources(l *listenerConfig, next *config, n *listenerConfig) bool {
	of := func(list []string) bool { return slices.Contains(list, capabilitySource) }
	return len(l.Sources) > 0 && len(n.Sources) > 0 && of(l.Sources) == of(n.Sources) && c.oVirtIn(l.Sources) == next.oVirtIn(n.Sources)
}
