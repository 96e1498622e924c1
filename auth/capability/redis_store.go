package capability

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/auth/tickets"
)

// Bounds of a store in Redis.
const (
	defaultExpire = 10 * time.Second
	minExpire     = time.Second
	// minSealSecret is how many bytes a secret has at least that keys are sealed
	// with: whoever has a copy of Redis may try as many as they like.
	minSealSecret = 32
)

// RedisStoreConfig says where in Redis several gateways keep the tokens that any of
// them issues. It needs a server that keeps what it was told (appendonly yes):
// tokens that it forgets are good for nothing.
type RedisStoreConfig struct {
	// Server is where; its Namespace, Once and Keep are not for here.
	Server tickets.RedisConfig
	// Prefix begins the names of all keys. A cluster needs no more than that:
	// each command is on one key.
	Prefix string
	// Secret seals the keys that sign, and is the same at all gateways. So
	// whoever reads or writes Redis makes no tokens.
	Secret []byte
	// Expire is how long after its last word a gateway counts as crashed, so that
	// holders of its sessions may come back elsewhere; 0 is 10 s.
	Expire time.Duration
	// Alone has tokens whose uses are not counted, and which this gateway has
	// seen before, be good while Redis cannot be reached. Those that are counted
	// never are then.
	Alone bool
}

func (rc *RedisStoreConfig) check() error {
	switch {
	case rc.Prefix == "":
		return errors.New("there is no prefix for the keys")
	case len(rc.Secret) < minSealSecret:
		return fmt.Errorf("the secret has fewer than %d characters; make one with: openssl rand -hex 32", minSealSecret)
	case rc.Expire != 0 && rc.Expire < minExpire:
		return fmt.Errorf("expire: is at least %v", minExpire)
	}
	return nil
}

// OpenRedis opens what several gateways share: the keys and the store. A server
// that does not answer is reported and is no error: it may come up later. Close
// the Store when all its sessions have ended.
func OpenRedis(rc RedisStoreConfig, store StoreConfig, ring RingConfig) (*Authority, error) {
	if err := rc.check(); err != nil {
		return nil, fmt.Errorf("capability: redis: %w", err)
	}
	rc.Expire = orDefault(rc.Expire, defaultExpire)
	if rc.Server.Timeout <= 0 {
		rc.Server.Timeout = redisTimeout
	}
	client, err := rc.Server.NewClient()
	if err != nil {
		return nil, fmt.Errorf("capability: %w", err)
	}
	store = store.complete()
	k := &redisKeeper{
		rc: rc, cfg: store, client: client, seen: map[string]*record{},
		settled: time.Now().Add(rc.Expire), // of whoever was alive before nobody knows whether they are
	}
	k.ring = newRedisRing(k, ring.complete())
	k.revoked, err = openRedisRevocations(RedisConfig{
		Server: rc.Server, Key: k.key(revokedKey), Channel: k.key(newsKey), OnChange: store.OnChange, Report: store.Report,
	}, k.tend)
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	return &Authority{Ring: &Ring{cfg: k.ring.cfg, kept: k.ring}, Store: &Store{keeper: k, cfg: store}}, nil
}

// The names of keys, behind the prefix.
const (
	tokenKey     = "token:"        // and ID: a record, which Redis removes when it has ended
	tokensKey    = "tokens"        // IDs, sorted by when they end
	gateKey      = "gate:"         // and name: is there while that gateway is alive
	revokedKey   = "revoked"       // entries as RedisConfig has them
	untilKey     = "revoked:until" // the same, sorted by when there is nothing left that they are about
	notesKey     = "revoked:notes" // why, for people
	newsKey      = "news"          // channel of the two below
	sweptKey     = "swept"         // is there for an hour after a sweep
	ringKeyName  = "keys"          // sealed
	keysNews     = "keys: changed" // says that they are to be read again, as does …
	revokedNews  = "revoked: changed"
	recordLasts  = time.Hour // for how long a record is there that has ended: clocks differ
	scanBatch    = 500
	swapAttempts = 100
)

func (k *redisKeeper) key(name string) string { return k.rc.Prefix + name }

// asking is for one question.
func (k *redisKeeper) asking() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), k.rc.Server.Timeout)
}

// unavailable is the error of a question that was not answered. After one, others
// are not asked until the server has been heard again: each would take as long.
// One that the server itself refuses says nothing of others: a key may be somebody
// else's.
func (k *redisKeeper) unavailable(err error) error {
	if _, refused := errors.AsType[redis.Error](err); !refused {
		k.down.Store(true)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", k.rc.Server.Timeout)
	}
	return fmt.Errorf("%w: redis: %w", ErrUnavailable, err)
}

// errDown is for questions that are not asked.
var errDown = fmt.Errorf("%w: redis does not answer", ErrUnavailable)
