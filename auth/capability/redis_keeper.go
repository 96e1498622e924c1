package capability

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisKeeper keeps a store in Redis. A record is changed by comparing it with
// what was read, so that of several gateways that want the last use one gets it.
type redisKeeper struct {
	rc      RedisStoreConfig
	cfg     StoreConfig
	client  redis.UniversalClient
	revoked *RedisRevocations // which polls, and calls tend
	ring    *redisRing

	turns [32]sync.Mutex // of those of this process who change one record
	down  atomic.Bool    // the last question was not answered
	cut   atomic.Bool    // others may have taken us for dead

	mu      sync.Mutex
	name    string             // of this instance; "": no session has begun
	beat    time.Time          // when others were told last that it is alive
	settled time.Time          // until then nobody is taken for dead: they may not have been able to say
	well    time.Time          // when Redis was heard last
	seen    map[string]*record // as they were last
	owed    []debt
}

// debt is a change that has happened and that Redis has not heard of.
type debt struct {
	id     string
	change func(*record) error
}

// maxOwed bounds the changes that wait for Redis. The oldest is dropped: its
// session counts as running until its gateway ends.
const maxOwed = 100_000

func (k *redisKeeper) close() error {
	err := k.revoked.Close()
	if name := k.instance(); name != "" && !k.down.Load() {
		ctx, cancel := k.asking()
		defer cancel()
		_ = k.client.Del(ctx, k.key(gateKey+name)).Err() // it lapses anyway
	}
	return errors.Join(err, k.client.Close())
}

// read returns the record that is there now.
func (k *redisKeeper) read(id string) (*record, error) {
	ctx, cancel := k.asking()
	defer cancel()
	_, r, err := k.get(ctx, id)
	if errors.Is(err, ErrUnavailable) {
		if kept, ok := k.remembered(id); ok && k.admits(kept) {
			return kept, nil
		}
	}
	return r, err
}

// recall makes do with what was known last, also of a record that Redis has
// lost: that ends no session.
func (k *redisKeeper) recall(id string) (*record, error) {
	ctx, cancel := k.asking()
	defer cancel()
	_, r, err := k.get(ctx, id)
	if err != nil {
		if kept, ok := k.remembered(id); ok {
			return kept, nil
		}
	}
	return r, err
}

// admits reports whether a record is good without Redis.
func (k *redisKeeper) admits(r *record) bool { return k.rc.Alone && r.Claims.Uses == 0 }

// get reads a record, and what Redis has of it.
func (k *redisKeeper) get(ctx context.Context, id string) ([]byte, *record, error) {
	switch {
	case !validID(id):
		return nil, nil, refused("its ID is not one")
	case k.down.Load():
		return nil, nil, errDown
	}
	text, err := k.client.Get(ctx, k.key(tokenKey+id)).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil, refused("the store does not know it")
	case err != nil:
		return nil, nil, k.unavailable(err)
	}
	r, err := parseRecordOf(id, text)
	if err != nil {
		return nil, nil, fmt.Errorf("capability: store: redis: %s: %w", k.key(tokenKey+id), err)
	}
	k.catchUp(r)
	k.remember(r)
	return text, r, nil
}

// catchUp has r say no less than it said before: Redis may have come back older
// than it was (a replica that took over, a copy of its files), and a use that was
// given away once is not to be given away again. Uses never become fewer.
func (k *redisKeeper) catchUp(r *record) {
	kept, ok := k.remembered(r.Claims.ID)
	if ok && r.Claims.Uses > 0 && kept.Used > r.Used {
		r.Used, r.LastUsed, r.Slots = kept.Used, kept.LastUsed, kept.Slots
	}
}

// remind has Redis told of uses from shortly before it was away: what was the
// last for it may be what it has lost.
func (k *redisKeeper) remind() {
	k.mu.Lock()
	var ids []string
	for id, r := range k.seen {
		if r.Claims.Uses > 0 && r.LastUsed >= k.well.Add(-mayBeLost).Unix() {
			ids = append(ids, id)
		}
	}
	k.mu.Unlock()
	for _, id := range ids {
		k.owe(id, func(*record) error { return nil }) // catchUp has changed it
	}
}

// mayBeLost is how much of what was written Redis may lose when it goes.
const mayBeLost = time.Minute

// remember keeps a copy for when Redis cannot be asked.
func (k *redisKeeper) remember(r *record) {
	kept, err := parseRecord(r.format()) // changes are made in place
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.seen) >= maxTokens {
		now := k.cfg.Now().Unix()
		for id, old := range k.seen {
			if old.Claims.Expires <= now || len(k.seen) >= maxTokens {
				delete(k.seen, id)
			}
		}
	}
	k.seen[r.Claims.ID] = kept
}

// remembered is a copy that the caller may change.
func (k *redisKeeper) remembered(id string) (*record, bool) {
	k.mu.Lock()
	kept := k.seen[id]
	k.mu.Unlock()
	if kept == nil {
		return nil, false
	}
	r, err := parseRecord(kept.format())
	return r, err == nil
}

// records reads all, in pieces.
func (k *redisKeeper) records() (list []*record, failed error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*k.rc.Server.Timeout)
	defer cancel()
	ids, err := k.client.ZRange(ctx, k.key(tokensKey), 0, maxTokens).Result()
	if err != nil {
		return nil, k.unavailable(err)
	}
	for len(ids) > 0 {
		some := ids[:min(scanBatch, len(ids))]
		ids = ids[len(some):]
		pipe := k.client.Pipeline()
		answers := make([]*redis.StringCmd, len(some))
		for i, id := range some {
			answers[i] = pipe.Get(ctx, k.key(tokenKey+id))
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return list, k.unavailable(err)
		}
		for i, id := range some {
			text, err := answers[i].Bytes()
			if err != nil { // it has ended
				continue
			}
			r, err := parseRecordOf(id, text)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("capability: store: redis: %s: %w", k.key(tokenKey+id), err))
				continue
			}
			list = append(list, r)
		}
	}
	return list, failed
}

func (k *redisKeeper) add(r *record) error {
	ctx, cancel := k.asking()
	defer cancel()
	if err := k.sweepSometimes(ctx); err != nil {
		return err
	}
	n, err := k.client.ZCard(ctx, k.key(tokensKey)).Result()
	if err != nil {
		return k.unavailable(err)
	}
	if n >= maxTokens {
		return errManyTokens(int(n))
	}
	// A token that is listed and not there is no harm, the other way round is.
	entry := redis.Z{Score: float64(r.full().end().Unix()), Member: r.Claims.ID}
	if err := k.client.ZAdd(ctx, k.key(tokensKey), entry).Err(); err != nil {
		return k.unavailable(err)
	}
	text := r.format()
	if err := k.client.Set(ctx, k.key(tokenKey+r.Claims.ID), text, time.Until(k.gone(r))).Err(); err != nil {
		return k.unavailable(err)
	}
	k.remember(r)
	return nil
}

// gone is when Redis removes a record.
func (k *redisKeeper) gone(r *record) time.Time {
	return time.Now().Add(moment(r.Claims.Expires).Sub(k.cfg.Now()) + recordLasts)
}

// swap writes a value in the place of the one that was read, if that is still
// there, for so many milliseconds.
var swap = redis.NewScript(`
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
return 1`)

func (k *redisKeeper) update(id string, change func(*record) error) error {
	if !validID(id) {
		return refused("its ID is not one")
	}
	turn := &k.turns[id[0]%byte(len(k.turns))]
	turn.Lock()
	defer turn.Unlock()
	ctx, cancel := k.asking()
	defer cancel()
	err := k.swapped(ctx, id, change)
	if errors.Is(err, ErrUnavailable) {
		if kept, ok := k.remembered(id); ok && k.admits(kept) {
			if err := change(kept); err != nil {
				return err
			}
			k.remember(kept) // its session may end before anybody can be told
			k.owe(id, change)
			return nil
		}
	}
	return err
}

// swapped changes the record until nobody else has at the same time.
func (k *redisKeeper) swapped(ctx context.Context, id string, change func(*record) error) error {
	var wanted []byte
	for range swapAttempts {
		text, r, err := k.get(ctx, id)
		if err != nil {
			return err
		}
		if wanted != nil && bytes.Equal(text, wanted) {
			return nil // it was written, and the answer lost
		}
		if err := change(r); err != nil {
			return err
		}
		if err := k.begun(ctx); err != nil {
			return err
		}
		wanted = r.format()
		lasts := strconv.FormatInt(max(time.Until(k.gone(r)).Milliseconds(), 1), 10)
		switch n, err := swap.Run(ctx, k.client, []string{k.key(tokenKey + id)}, text, wanted, lasts).Int(); {
		case err != nil:
			return k.unavailable(err)
		case n == 1:
			k.remember(r)
			return nil
		}
		time.Sleep(time.Duration(mathrand.IntN(5)) * time.Millisecond) // let another one finish
	}
	return errors.New("others change it all the time; try again")
}

func (k *redisKeeper) owe(id string, change func(*record) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.owed) >= maxOwed {
		k.owed = k.owed[1:]
	}
	k.owed = append(k.owed, debt{id, change})
}

// begin gives this process its name. That it is alive is said before anything
// with that name is written.
func (k *redisKeeper) begin() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.name == "" {
		k.name = rand.Text()
	}
	return nil
}

// begun says that this instance is alive, if that has not been said.
func (k *redisKeeper) begun(ctx context.Context) error {
	k.mu.Lock()
	name, said := k.name, !k.beat.IsZero()
	k.mu.Unlock()
	if name == "" || said {
		return nil
	}
	return k.heartbeat(ctx, name)
}

// heartbeat says that this instance is alive.
func (k *redisKeeper) heartbeat(ctx context.Context, name string) error {
	k.mu.Lock()
	first := k.beat.IsZero()
	k.mu.Unlock()
	at := time.Now()
	known, err := k.client.SetXX(ctx, k.key(gateKey+name), "1", k.rc.Expire).Result()
	if err == nil && !known {
		err = k.client.Set(ctx, k.key(gateKey+name), "1", k.rc.Expire).Err()
	}
	if err != nil {
		return k.unavailable(err)
	}
	k.mu.Lock()
	k.beat = at
	k.mu.Unlock()
	if !known && !first {
		k.cut.Store(true)
		k.changed()
	}
	return nil
}

func (k *redisKeeper) changed() {
	if k.cfg.OnChange != nil {
		k.cfg.OnChange()
	}
}

func (k *redisKeeper) instance() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.name
}

func (k *redisKeeper) lapsed() bool { return k.cut.Load() }

func (k *redisKeeper) alive(name string) bool {
	if !validID(name) {
		return false
	}
	k.mu.Lock()
	settled, own := k.settled, k.name
	k.mu.Unlock()
	if name == own || time.Now().Before(settled) {
		return true
	}
	ctx, cancel := k.asking()
	defer cancel()
	n, err := k.client.Exists(ctx, k.key(gateKey+name)).Result()
	return err != nil || n > 0
}

// tend is called about twice a second, down saying whether the server answers.
func (k *redisKeeper) tend(ctx context.Context, down bool) {
	if down {
		k.down.Store(true)
		return
	}
	if k.down.Swap(false) {
		// Others may not have been able to say that they are alive either.
		k.mu.Lock()
		k.settled = time.Now().Add(k.rc.Expire)
		k.mu.Unlock()
		k.remind()
		defer k.changed()
	}
	ctx, cancel := context.WithTimeout(ctx, k.rc.Server.Timeout)
	defer cancel()
	k.mu.Lock()
	name, due := k.name, time.Since(k.beat) >= k.rc.Expire/3
	k.well = k.cfg.Now()
	k.mu.Unlock()
	if name != "" && due && k.heartbeat(ctx, name) != nil {
		return
	}
	k.pay()
	k.ring.look(ctx)
}

// pay makes the changes that Redis has not heard of.
func (k *redisKeeper) pay() {
	for {
		k.mu.Lock()
		if len(k.owed) == 0 {
			k.mu.Unlock()
			return
		}
		one := k.owed[0]
		k.owed = k.owed[1:]
		k.mu.Unlock()
		ctx, cancel := k.asking()
		err := k.swapped(ctx, one.id, one.change)
		cancel()
		if errors.Is(err, ErrUnavailable) {
			k.mu.Lock()
			k.owed = append([]debt{one}, k.owed...)
			k.mu.Unlock()
			return
		}
		// Any other error says that there is nothing to change any more.
	}
}
