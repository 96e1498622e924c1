package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/auth/tickets"
	"vncgate/gateway"
	"vncgate/rfb"
)

// Tokens that are issued here: looked up like those of a source, and asked about
// again while their sessions run.

// capabilityMethod is the Method of those who come by such a token.
const capabilityMethod = ticketMethod + capabilitySource

// capabilities are the tokens that are issued here, and who is in by them.
type capabilities struct {
	*capability.Authority
	redis *capability.RedisRevocations // nil: none
	share *shareConfig                 // nil: nobody may
	// passes is for browsers that come to one gateway of several and then to
	// another; nil: there are no others.
	passes []byte

	mu     sync.Mutex
	leases map[string]map[*lease]struct{} // of sessions, by the token's ID
	shared map[string]made                // links that pages have made, by ID
}

// openCapabilities opens keys, store and revocations, each of which has the
// sessions reviewed when it changes.
func (w *wiring) openCapabilities(ctx context.Context) error {
	cfg := w.cfg.Capabilities
	if cfg == nil {
		return nil
	}
	authority, err := cfg.open(ctx, w.cfg.Cluster, w.gate.Review, w.reporter)
	if err != nil {
		return err
	}
	w.capabilities = &capabilities{
		Authority: authority, share: cfg.Share, leases: map[string]map[*lease]struct{}{}, shared: map[string]made{},
	}
	if cfg.Redis != nil {
		text, err := cfg.Redis.Secret.read(ctx)
		if err != nil {
			return fmt.Errorf("capabilities: redis: secret: %w", err)
		}
		w.capabilities.passes = []byte(text)
	}
	if r := w.cfg.Revocations; r != nil {
		if w.capabilities.redis, err = r.open(ctx, w.gate.Review, w.reporter); err != nil {
			return fmt.Errorf("revocations: %w", err)
		}
		authority.Revocations = append(authority.Revocations, w.capabilities.redis)
	}
	w.now().sources[capabilitySource] = &source{Named: tickets.Named{Name: capabilityMethod, Source: authority}}
	return nil
}

// keyFile is where the keys are.
func (s *capabilitiesConfig) keyFile() string {
	if s.Keys != "" {
		return s.Keys
	}
	return filepath.Join(s.Store, "keys.json")
}

// open is for the gateway and for commands alike; the latter are told of no
// change.
func (s *capabilitiesConfig) open(ctx context.Context, c *clusterConfig, changed func(), reporter func(what, path string) func(error)) (*capability.Authority, error) {
	if s.Redis != nil {
		rc, err := s.Redis.store(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("capabilities: %w", err)
		}
		return capability.OpenRedis(rc,
			capability.StoreConfig{Grace: s.grace(), OnChange: changed, Report: reporter("tokens", "in redis")},
			capability.RingConfig{RotateAfter: time.Duration(s.Rotate), Report: reporter("token keys", "in redis")})
	}
	store, err := capability.OpenStore(s.Store, capability.StoreConfig{
		Grace: s.grace(), OnChange: changed, Report: reporter("revocations", s.Store),
	})
	if err != nil {
		return nil, fmt.Errorf("capabilities: %w", err)
	}
	ring, err := capability.OpenRing(s.keyFile(), capability.RingConfig{
		RotateAfter: time.Duration(s.Rotate), Report: reporter("token keys", s.keyFile()),
	})
	if err != nil {
		_ = store.Close()
		return nil, fmt.Errorf("capabilities: %w", err)
	}
	return &capability.Authority{Ring: ring, Store: store}, nil
}

func (r *revocationsConfig) open(ctx context.Context, changed func(), reporter func(what, path string) func(error)) (*capability.RedisRevocations, error) {
	server, err := r.Redis.Server.config(ctx)
	if err != nil {
		return nil, err
	}
	return capability.OpenRedisRevocations(capability.RedisConfig{
		Server: server, Key: r.Redis.Key, Channel: r.Redis.Channel, FailClosed: r.FailClosed, Patience: r.Patience,
		OnChange: changed, Report: reporter("revocations", r.Redis.Key),
	})
}

func (c *capabilities) close() {
	if c == nil {
		return
	}
	if c.redis != nil {
		_ = c.redis.Close()
	}
	_ = c.Store.Close()
}

// bearer is how the bearer of a token comes in that was issued here: by a lease
// on it, which begins once the policy has said yes and ends with the connection.
func (c *capabilities) bearer(w *wiring, front gateway.Front, l *lease, s *source) (gateway.Front, error) {
	ticket := l.ticket
	var err error
	if front, err = w.bearer(front, capabilitySource, l.text, s, ticket); err != nil {
		return front, err
	}
	token := capability.Token{Targets: ticket.Targets}
	if ticket.Target != "" {
		token.Targets = []string{ticket.Target}
	}
	front.Claims = map[string]any{"jti": ticket.ID, "sub": ticket.MustBe, "iat": ticket.Issued.Unix(), "exp": ticket.Expires.Unix()}
	front.Renewable, front.RenewUntil = ticket.Renewable, ticket.RenewUntil
	front.Valid = l.valid
	front.Layers = append(front.Layers[:len(front.Layers):len(front.Layers)], l.layer)
	front.Find = func(ctx context.Context, name string) (*gateway.Target, error) {
		if !token.Covers(name) || !coversWatched(token.Targets, name) || w.onlyNamed(name) && !slices.Contains(token.Targets, name) {
			return nil, fmt.Errorf("%w: the token is not for %q", gateway.ErrNoTarget, name)
		}
		if err := l.usable(); err != nil {
			return nil, err
		}
		return w.find(ctx, name)
	}
	front.Claim = func(context.Context) error { return l.use() }
	return front, nil
}

// lease is one session's hold on a token.
type lease struct {
	c       *capabilities
	text    string // the token, as renewed last; c.mu
	ticket  tickets.Ticket
	browser string // what a browser is known by that exchanged the token for a pass

	mu   sync.Mutex
	from netip.Addr
	used bool
}

// layer sees where the viewer comes from, and when it leaves.
func (l *lease) layer(_ context.Context, below net.Conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from = addrOf(below.RemoteAddr())
	return &leasedConn{Conn: below, lease: l}, nil
}

// valid is the front's Valid: the token is neither revoked nor at its end, and
// its bearer is where it may be used.
func (l *lease) valid(context.Context) error {
	l.mu.Lock()
	from := l.from
	l.mu.Unlock()
	ticket, err := l.c.Review(l.ticket)
	if err == nil {
		err = l.held()
	}
	if err == nil {
		// Whom it is for is compared with what was proved, which Authorize knows.
		err = ticket.Admits([]auth.Identity{{Name: ticket.MustBe}}, from)
	}
	return tokenRefusal(err)
}

// usable says whether use would: nobody has a display started, or waits for a
// place at it, by a token that has been used up.
func (l *lease) usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return tokenRefusal(l.c.Store.Usable(l.ticket.ID, l.holder(), time.Now()))
}

// held says whether the use that was counted is the session's still.
func (l *lease) held() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.used {
		return nil
	}
	return l.c.Store.Holds(l.ticket.ID, l.holder())
}

// use counts the session, once its display has been reached.
func (l *lease) use() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.c.Store.Use(l.ticket.ID, l.holder(), time.Now()); err != nil {
		return tokenRefusal(err)
	}
	l.used = true
	l.c.add(l)
	return nil
}

// holder is what a viewer is known by when it comes back: the secret of its
// browser, else its address; and the user whom it has proved to be.
func (l *lease) holder() string {
	if l.browser != "" {
		return "browser " + l.browser + " " + l.ticket.MustBe
	}
	if !l.from.IsValid() {
		return "local " + l.ticket.MustBe
	}
	return l.from.String() + " " + l.ticket.MustBe
}

// end gives the use back, to the same holder within the grace period.
func (l *lease) end() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.used {
		return nil
	}
	l.used = false
	l.c.remove(l)
	return l.c.Store.Release(l.ticket.ID, l.holder(), time.Now())
}

func (c *capabilities) add(l *lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leases[l.ticket.ID] == nil {
		c.leases[l.ticket.ID] = map[*lease]struct{}{}
	}
	c.leases[l.ticket.ID][l] = struct{}{}
}

func (c *capabilities) remove(l *lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.leases[l.ticket.ID], l); len(c.leases[l.ticket.ID]) == 0 {
		delete(c.leases, l.ticket.ID)
	}
}

// leasedConn is the connection of a viewer that came by a token.
type leasedConn struct {
	net.Conn
	lease *lease
	once  sync.Once
}

// Close ends the lease with the connection.
func (c *leasedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { err = errors.Join(err, c.lease.end()) })
	return err
}

// NetConn is the connection below, for layers.Walk.
func (c *leasedConn) NetConn() net.Conn { return c.Conn }

// Bypass is the same, for layers.Raw: nothing is held here.
func (c *leasedConn) Bypass() net.Conn { return c.Conn }

// LayerName is empty: it is no layer of the protocol.
func (c *leasedConn) LayerName() string { return "" }

const unsureWords = "The gateway cannot make sure at the moment that this link is good. Try again in a minute."

// tokenWords is what a viewer is told whose token is not good (any more).
var tokenWords = []struct {
	err   error
	words string
}{
	{capability.ErrUsed, "This link has been used as often as it may be. Ask for a new one."},
	{capability.ErrRunning, "This link is in use already. Close the other window, or ask for a new link."},
	{capability.ErrRevoked, "This link was taken back."},
	{capability.ErrExpired, "This link is too old. Ask for a new one."},
	{capability.ErrUnavailable, unsureWords},
	{tickets.ErrUnknown, "This link is not good any more, or not from where you are. Ask for a new one."},
}

// tokenRefusal has the viewer told what is wrong with its token; other errors
// are faults of ours.
func tokenRefusal(err error) error {
	if err == nil {
		return nil
	}
	for _, w := range tokenWords {
		if errors.Is(err, w.err) {
			return &rfb.Refusal{Reason: w.words, Err: fmt.Errorf("%w: %w", gateway.ErrDenied, err)}
		}
	}
	return err
}

// extend is the gateway's Extend: it renews the token that a session came by.
func (w *wiring) extend(_ context.Context, session gateway.SessionInfo) (time.Time, error) {
	if w.capabilities == nil {
		return time.Time{}, gateway.ErrNotRenewable
	}
	text, ok := w.capabilities.textOf(session.Ticket)
	if !ok {
		return time.Time{}, gateway.ErrNotRenewable
	}
	text, token, err := w.capabilities.Renew(text)
	switch {
	case errors.Is(err, capability.ErrNoRenewal), errors.Is(err, tickets.ErrUnknown): // its end has come meanwhile
		return time.Time{}, gateway.ErrNotRenewable
	case err != nil:
		return time.Time{}, err
	}
	w.capabilities.renewed(session.Ticket, text)
	return token.Expires, nil
}

// renewed has the sessions of a token be renewed the next time by its new text:
// the old one is good until its own end, and they go on.
func (c *capabilities) renewed(id, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range c.leases[id] {
		l.text = text
	}
}

func (c *capabilities) textOf(id string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range c.leases[id] {
		return l.text, true
	}
	return "", false
}
