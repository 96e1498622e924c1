package capability

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/auth/tickets"
)

const (
	redisPoll       = 500 * time.Millisecond // between looks at how long the set is
	redisReload     = 10 * time.Second       // between looks at all of it
	redisTimeout    = 2 * time.Second
	defaultPatience = 5 * time.Second
	maxPublished    = 4096 // entries that only a message brought
)

// RedisConfig says where revocations are in Redis, for several gateways and for
// those who revoke without any of our programs. An entry is one of
//
//	id:ID                       a token
//	user:NAME                   all tokens of a user, later ones too
//	before:SECONDS:user:NAME    those that were issued until then (since 1970)
//	before:SECONDS              all that were issued until then
type RedisConfig struct {
	// Server is where; its Namespace, Once and Keep are not for here.
	Server tickets.RedisConfig
	// Key is a set of entries. An entry that is added counts within a second,
	// and so does one that is removed; where one takes another's place in the
	// same half second, within ten.
	Key string
	// Channel is where entries are published that count at once, until this
	// process ends even if the set has not got them: who publishes adds them to
	// the set first. Any other message makes gateways read the set again. "" is
	// none.
	Channel string
	// FailClosed takes every token for revoked while the set cannot be read, so
	// that sessions by tokens end. Otherwise what was read last stays in force,
	// and nothing is revoked before the first time.
	FailClosed bool
	// Patience is for how long FailClosed makes do with what was read last; 0 is
	// 5 s.
	Patience time.Duration
	// OnChange, if set, is called when an answer of Revoked may have changed, by
	// one goroutine, which Close waits for.
	OnChange func()
	// Report is told of a set that cannot be read, or not whole: once until it
	// can again. Nil tells nobody.
	Report func(error)
}

// RedisRevocations are revocations that are in Redis. They are safe for
// concurrent use.
type RedisRevocations struct {
	cfg    RedisConfig
	client redis.UniversalClient
	state  atomic.Pointer[redisState]

	// The goroutine's own.
	published []string
	heard     time.Time // when the server answered last; zero: never
	loaded    time.Time // when the set was read last
	down      bool      // the last question was not answered
	length    int64     // of the set, as read
	asked     chan chan struct{}
	also      func(ctx context.Context, down bool) // after each look; nil: nothing
	said      string                               // what Report was told
	onChange  func()                               // nil until there is a caller with answers

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// redisState is what is in force. It does not change.
type redisState struct {
	members []string // sorted, the published ones included
	all     *revocations
	closed  bool // everything is revoked
}

// OpenRedisRevocations begins to follow the set and the channel. A server that
// does not answer is reported and is no error: it may come up later. The caller
// must Close the result.
func OpenRedisRevocations(cfg RedisConfig) (*RedisRevocations, error) {
	return openRedisRevocations(cfg, nil)
}

// openRedisRevocations has also called after each look at the server.
func openRedisRevocations(cfg RedisConfig, also func(ctx context.Context, down bool)) (*RedisRevocations, error) {
	if cfg.Key == "" {
		return nil, errors.New("capability: redis: there is no key: name the set that holds revocations")
	}
	cfg.Patience = orDefault(cfg.Patience, defaultPatience)
	if cfg.Server.Timeout <= 0 {
		cfg.Server.Timeout = redisTimeout
	}
	client, err := cfg.Server.NewClient()
	if err != nil {
		return nil, fmt.Errorf("capability: %w", err)
	}
	r := &RedisRevocations{cfg: cfg, client: client, asked: make(chan chan struct{}), also: also}
	r.state.Store(&redisState{all: (&revocations{}).index(), closed: cfg.FailClosed})
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.load(ctx)
	r.looked(ctx)
	r.onChange = cfg.OnChange
	r.stopped.Go(func() { r.follow(ctx) })
	return r, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// Close ends following, and all connections.
func (r *RedisRevocations) Close() error {
	r.stop()
	r.stopped.Wait()
	return r.client.Close()
}

// Revoked reports whether an entry is about the token, or nobody knows and
// FailClosed is set.
func (r *RedisRevocations) Revoked(id, user string, issued time.Time) bool {
	s := r.state.Load()
	return s.closed || s.all.covers(id, user, issued)
}

// follow reads the set when there is a reason to, until ctx ends. The library
// subscribes again when it has lost its connection and says so here; the set is
// read after that, so nothing is missed in between.
func (r *RedisRevocations) follow(ctx context.Context) {
	var messages <-chan any
	if r.cfg.Channel != "" {
		sub := r.client.Subscribe(ctx, r.cfg.Channel)
		defer sub.Close()
		messages = sub.ChannelWithSubscriptions()
	}
	tick := time.NewTicker(redisPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-messages:
			if m, ok := m.(*redis.Message); ok {
				r.publish(m.Payload)
			}
			r.load(ctx)
		case done := <-r.asked:
			r.load(ctx)
			close(done)
		case <-tick.C:
			r.look(ctx)
		}
		r.looked(ctx)
	}
}

func (r *RedisRevocations) looked(ctx context.Context) {
	if r.also != nil && ctx.Err() == nil {
		r.also(ctx, r.down)
	}
}

// again has the set read, and waits for that until ctx ends.
func (r *RedisRevocations) again(ctx context.Context) {
	done := make(chan struct{})
	select {
	case r.asked <- done:
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// look reads the set if its length says that it has changed, or after a while.
func (r *RedisRevocations) look(ctx context.Context) {
	if r.down || time.Since(r.loaded) >= redisReload {
		r.load(ctx)
		return
	}
	switch length, err := r.count(ctx); {
	case err != nil:
		r.failed(ctx, err)
	case length != r.length:
		r.load(ctx)
	default:
		r.heard = time.Now()
	}
}

func (r *RedisRevocations) count(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Server.Timeout)
	defer cancel()
	n, err := r.client.SCard(ctx, r.cfg.Key).Result()
	if err == nil && n > maxRevocations {
		err = fmt.Errorf("the set has %d entries, more than %d: revoke by time instead (before:SECONDS)", n, maxRevocations)
	}
	return n, err
}

// load reads the set.
func (r *RedisRevocations) load(ctx context.Context) {
	length, err := r.count(ctx)
	if err != nil {
		r.failed(ctx, err)
		return
	}
	timeout, cancel := context.WithTimeout(ctx, r.cfg.Server.Timeout)
	defer cancel()
	members, err := r.client.SMembers(timeout, r.cfg.Key).Result()
	if err != nil {
		r.failed(ctx, err)
		return
	}
	r.heard = time.Now()
	r.loaded, r.length, r.down = r.heard, length, false
	r.report(r.use(members))
}

// publish takes an entry that only a message may have brought.
func (r *RedisRevocations) publish(entry string) {
	if _, err := parseEntry(entry); err != nil || slices.Contains(r.published, entry) {
		return
	}
	if len(r.published) >= maxPublished {
		r.published = slices.Delete(r.published, 0, 1)
	}
	r.published = append(r.published, entry)
	s := *r.state.Load()
	s.all, s.members, _ = index(append(slices.Clone(s.members), entry))
	r.become(&s)
}

// use puts entries in force. The error is about those that are none: what they
// say instead may be a token, so it is left out.
func (r *RedisRevocations) use(members []string) error {
	all, sorted, bad := index(slices.Concat(members, r.published))
	r.become(&redisState{members: sorted, all: all})
	if bad > 0 {
		return fmt.Errorf("%d entries of the set are not like id:ID, user:NAME, before:SECONDS or before:SECONDS:user:NAME, and revoke nothing", bad)
	}
	return nil
}

func (r *RedisRevocations) become(s *redisState) {
	before := r.state.Swap(s)
	if r.onChange != nil && (before.closed != s.closed || !slices.Equal(before.members, s.members)) {
		r.onChange()
	}
}

// failed is for a set that could not be read.
func (r *RedisRevocations) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.down = true
	if s := *r.state.Load(); r.cfg.FailClosed && !s.closed && time.Since(r.heard) >= r.cfg.Patience {
		s.closed = true
		r.become(&s)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", r.cfg.Server.Timeout)
	}
	r.report(err)
}

// report tells of a problem when it is another one than the last.
func (r *RedisRevocations) report(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != r.said && err != nil && r.cfg.Report != nil {
		r.cfg.Report(fmt.Errorf("capability: redis: revocations: %w", err))
	}
	r.said = text
}

// index makes entries ready to be looked up, each once; bad is how many are
// none.
func index(entries []string) (all *revocations, sorted []string, bad int) {
	slices.Sort(entries)
	sorted = slices.Compact(entries)
	all = &revocations{}
	for _, entry := range sorted {
		if one, err := parseEntry(entry); err == nil {
			all.list = append(all.list, revoked{Revocation: one})
		} else {
			bad++
		}
	}
	return all.index(), sorted, bad
}

// parseEntry reads an entry; its errors do not repeat it.
func parseEntry(entry string) (Revocation, error) {
	kind, rest, _ := strings.Cut(entry, ":")
	var r Revocation
	switch kind {
	case "id":
		r.ID = rest
	case "user":
		r.User = rest
	case "before":
		at, who, more := strings.Cut(rest, ":")
		n, err := strconv.ParseInt(at, 10, 64)
		if err != nil || n <= 0 || n > maxTime {
			return Revocation{}, errors.New("the time is not seconds since 1970")
		}
		name, isUser := strings.CutPrefix(who, "user:")
		if more && !isUser {
			return Revocation{}, errors.New("unknown kind")
		}
		r.Before, r.User = time.Unix(n, 0), name
		if more && name == "" {
			return Revocation{}, errors.New("no user")
		}
	default:
		return Revocation{}, errors.New("unknown kind")
	}
	return r, r.check()
}
