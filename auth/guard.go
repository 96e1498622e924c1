package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// What Guard does unless told otherwise.
const (
	freePerUser    = 5  // failures before a user's name has to wait
	freePerAddress = 10 // before an address has: many may share it
	firstWait      = time.Second
	longestWait    = 5 * time.Minute
	forgetEvery    = 10 * time.Minute // one failure is forgotten
	knownFor       = 24 * time.Hour   // since a name was proved at an address
	atOnce         = 256              // proofs under way where nothing has failed
)

// Guard slows guessing down. After some failures, an address (IPv6: its /64,
// which one customer has) and a user's name have to wait before another proof
// is looked at: a second, then twice as long each time, up to five minutes. A
// failure is forgotten every ten minutes.
//
// Whoever fails in somebody's name makes that name wait, and whoever fails at an
// address its other users. So that this shuts nobody out, a name at an address
// where it was proved lately is counted by itself: it waits for no failures but
// its own there, and those make nobody else wait.
//
// A peer that has to wait is answered like one whose proof was wrong, and is not
// told. The answer may come sooner, though, since nothing is computed for it:
// callers let a time pass before each refusal. Where many peers share an address
// that is not theirs (a proxy that does not say for whom), callers give none.
//
// Its tables are bounded. Who goes when one is full is the one whose last
// failure (or proof) lies longest back. The zero Guard is ready, a nil one
// lets everybody try, and it is safe for concurrent use.
type Guard struct {
	mu        sync.Mutex
	addresses guardTable[netip.Prefix, *suspect]
	users     guardTable[string, *suspect]
	visitors  guardTable[place, *visitor]
}

// place is where a user's name was proved.
type place struct {
	prefix netip.Prefix
	user   string
}

// visitor is a name at a place where it was proved.
type visitor struct {
	proved time.Time // when it was, last
	suspect
}

func (v *visitor) stale(now time.Time) bool {
	return v.suspect.stale(now) && now.Sub(v.proved) >= knownFor
}

// suspect is what the guard remembers of an address, a name or a visitor.
type suspect struct {
	failures int       // not yet forgotten
	since    time.Time // when the first of them was, or when one was last forgotten
	last     time.Time // when the last was
	underWay int       // proofs that are being looked at
}

// Allow says whether a proof from addr in the name of user would be looked at
// now, and if not, for how long it would not. The zero Addr stands for a peer
// without an address, "" for a proof without a user; what is not given does not
// count. It changes nothing: Try is for proofs that may run at the same time.
func (g *Guard) Allow(addr netip.Addr, user string) (wait time.Duration, ok bool) {
	if g == nil {
		return 0, true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	wait = g.wait(guardPrefix(addr), guardUser(user), time.Now())
	return wait, wait == 0
}

// Failed counts a proof from addr in the name of user that was wrong.
func (g *Guard) Failed(addr netip.Addr, user string) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.suspects(guardPrefix(addr), guardUser(user), now, func(s *suspect, free int) { s.fail(free, now) })
}

// Succeeded remembers that user's name was proved from addr. It forgets no
// failure: who has one good password might be guessing others in between.
func (g *Guard) Succeeded(addr netip.Addr, user string) {
	prefix, name := guardPrefix(addr), guardUser(user)
	if g == nil || !prefix.IsValid() || name == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.visitors.get(place{prefix, name}, now, &visitor{}).proved = now
}

// errWait is ErrDenied for the peer. The log says how long.
type errWait struct{ wait time.Duration }

func (e errWait) Error() string {
	return fmt.Sprintf("denied: too many proofs have failed or run at once, %s to wait", e.wait.Round(time.Second))
}

func (e errWait) Is(target error) bool { return target == ErrDenied }

// Try looks at a proof, unless addr or user has to wait, and counts how it
// ended: nil is a success, what matches ErrDenied a failure, and any other
// error (a viewer that left, a file that cannot be read) counts for nothing.
// It returns proof's error, or without calling it one that matches ErrDenied.
// Proofs that run at the same time are as few as failures would be allowed.
func (g *Guard) Try(addr netip.Addr, user string, proof func() error) error {
	if g == nil {
		return proof()
	}
	leave, err := g.enter(addr, user)
	if err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	defer leave()
	return g.judge(addr, user, proof())
}

// try is Try for the mechanisms, whose errors say where they come from.
func (g *Guard) try(addr netip.Addr, user string, proof func() error) error {
	err := g.Try(addr, user, proof)
	if wait := (errWait{}); errors.As(err, &wait) {
		return wait
	}
	return err
}

// judge counts how a proof ended.
func (g *Guard) judge(addr netip.Addr, user string, err error) error {
	switch {
	case err == nil:
		g.Succeeded(addr, user)
	case errors.Is(err, ErrDenied):
		g.Failed(addr, user)
	}
	return err
}

// check is Allow as an error.
func (g *Guard) check(addr netip.Addr, user string) error {
	if wait, ok := g.Allow(addr, user); !ok {
		return errWait{wait}
	}
	return nil
}

// enter counts a proof as under way, until leave is called.
func (g *Guard) enter(addr netip.Addr, user string) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	prefix, name := guardPrefix(addr), guardUser(user)
	if wait := g.wait(prefix, name, now); wait > 0 {
		return nil, errWait{wait}
	}
	var entered []*suspect
	g.suspects(prefix, name, now, func(s *suspect, _ int) {
		s.underWay++
		entered = append(entered, s)
	})
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, s := range entered {
			s.underWay--
		}
		g.wait(prefix, name, time.Now()) // drops what is not worth a place
	}, nil
}

// wait is that of a visitor, or else the longer one of an address and a name.
func (g *Guard) wait(prefix netip.Prefix, user string, now time.Time) time.Duration {
	if v, ok := g.visitors.peek(place{prefix, user}, now); ok {
		return v.wait(freePerUser, now)
	}
	var wait time.Duration
	if s, ok := g.addresses.peek(prefix, now); ok {
		wait = s.wait(freePerAddress, now)
	}
	if s, ok := g.users.peek(user, now); ok {
		wait = max(wait, s.wait(freePerUser, now))
	}
	return wait
}

// suspects calls f for a visitor, or else for the address and for the name, as
// far as they are given.
func (g *Guard) suspects(prefix netip.Prefix, user string, now time.Time, f func(s *suspect, free int)) {
	p := place{prefix, user}
	if _, ok := g.visitors.peek(p, now); ok {
		f(&g.visitors.get(p, now, nil).suspect, freePerUser)
		return
	}
	if prefix.IsValid() {
		f(g.addresses.get(prefix, now, &suspect{}), freePerAddress)
	}
	if user != "" {
		f(g.users.get(user, now, &suspect{}), freePerUser)
	}
}

// guardPrefix is what counts as one address.
func guardPrefix(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits) // the zero Prefix for the zero Addr
	return p
}

// guardUser is the spelling under which a name is counted; "" for one that
// nobody can have, which is not worth a place in the table.
func guardUser(name string) string {
	if name = prepareName(name); len(name) > MaxNameLen {
		return ""
	}
	return name
}

// fail counts a failure. What could not make the wait any longer is not
// counted, so that all is forgotten within a bounded time.
func (s *suspect) fail(free int, now time.Time) {
	if s.failures == 0 {
		s.since = now
	}
	if backOff(s.failures-free) < longestWait {
		s.failures++
	}
	s.last = now
}

// wait is how long no proof is looked at.
func (s *suspect) wait(free int, now time.Time) time.Duration {
	if s.failures >= free {
		if wait := s.last.Add(backOff(s.failures - free)).Sub(now); wait > 0 {
			return wait
		}
	}
	if s.underWay >= s.places(free) {
		return firstWait
	}
	return 0
}

// places is how many proofs may be under way. Where there were failures it is
// no more than would be looked at one after the other.
func (s *suspect) places(free int) int {
	if s.failures == 0 {
		return atOnce
	}
	return max(1, free-s.failures)
}

// backOff is the wait after n failures more than are free, which fail keeps
// small.
func backOff(n int) time.Duration {
	if n < 0 {
		return 0
	}
	return min(firstWait<<n, longestWait)
}

// stale drops the failures whose time has come, and reports whether nothing is
// left.
func (s *suspect) stale(now time.Time) bool {
	n := int(now.Sub(s.since) / forgetEvery)
	s.failures = max(0, s.failures-n)
	s.since = s.since.Add(time.Duration(n) * forgetEvery)
	return s.failures == 0 && s.underWay == 0
}
