package capability

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Keys in Redis are sealed with a secret that all gateways have in a file. Files
// with the keys themselves would have to be exchanged on all machines at the
// same moment whenever a key is rotated; keys that lay open in Redis would let
// whoever reads it make tokens. What is sealed is AES-256-GCM's nonce and
// cipher text, with a key by HKDF from the secret.

const (
	sealInfo = "vncgate token keys"
	// ringAgain is how often a key that is not known has Redis asked for it.
	ringAgain = time.Second
)

// errSealed is of keys that somebody else's secret has sealed.
var errSealed = errors.New("the token keys in Redis were sealed with another secret: give all gateways the same, or remove them there, which ends all tokens")

// redisRing keeps a ring in Redis. Its keys are those that were read last.
type redisRing struct {
	k    *redisKeeper
	cfg  RingConfig
	seal cipher.AEAD
	have atomic.Pointer[[]ringKey]

	mu    sync.Mutex
	text  string    // what have was read from
	asked time.Time // for a key that was not known
	said  string    // what Report was told
}

func newRedisRing(k *redisKeeper, cfg RingConfig) *redisRing {
	key, err := hkdf.Key(sha256.New, k.rc.Secret, nil, sealInfo, 32)
	if err != nil {
		panic(err) // only of lengths
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	r := &redisRing{k: k, cfg: cfg, seal: seal}
	r.have.Store(&[]ringKey{})
	return r
}

func (r *redisRing) keys() []ringKey { return *r.have.Load() }

// look reads the keys, and makes the first where there are none.
func (r *redisRing) look(ctx context.Context) {
	text, keys, err := r.get(ctx)
	if err == nil && text == "" {
		// Redis has lost them: ours are as good.
		err = r.edit(func(k *ringKeys) error {
			if len(k.list) == 0 {
				k.list, k.changed = append(k.list, r.keys()...), true
			}
			return k.atLeastOne(r.cfg.Now())
		})
	} else if err == nil {
		r.use(text, keys)
	}
	r.report(err)
}

// get reads what Redis has; "" is nothing.
func (r *redisRing) get(ctx context.Context) (text string, keys []ringKey, err error) {
	text, err = r.k.client.Get(ctx, r.k.key(ringKeyName)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", nil, nil
	case err != nil:
		return "", nil, r.k.unavailable(err)
	}
	r.mu.Lock()
	same := text == r.text
	r.mu.Unlock()
	if same {
		return text, r.keys(), nil
	}
	keys, err = r.open(text)
	return text, keys, err
}

func (r *redisRing) open(text string) ([]ringKey, error) {
	n := r.seal.NonceSize()
	if len(text) < n || len(text) > maxRingFile {
		return nil, errSealed
	}
	plain, err := r.seal.Open(nil, []byte(text[:n]), []byte(text[n:]), nil)
	if err != nil {
		return nil, errSealed
	}
	return parseRing(plain)
}

func (r *redisRing) use(text string, keys []ringKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text != r.text {
		r.text = text
		r.have.Store(&keys)
	}
}

// again reads the keys if there may be one that is not known here.
func (r *redisRing) again() error {
	r.mu.Lock()
	recent := time.Since(r.asked) < ringAgain
	if !recent {
		r.asked = time.Now()
	}
	r.mu.Unlock()
	if !recent && !r.k.down.Load() {
		ctx, cancel := r.k.asking()
		defer cancel()
		r.look(ctx)
	}
	if r.k.down.Load() {
		return errDown
	}
	return r.fault()
}

// fault is why the keys in Redis are none of ours: what they signed may be good.
func (r *redisRing) fault() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said == "" {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, r.said)
}

// edit changes the keys until nobody else has at the same time. Nothing that
// change computes counts before it is written.
func (r *redisRing) edit(change func(*ringKeys) error) error {
	fail := func(err error) error { return fmt.Errorf("capability: keys: redis: %w", err) }
	if r.k.down.Load() {
		return fail(errDown)
	}
	ctx, cancel := r.k.asking()
	defer cancel()
	for range swapAttempts {
		before, list, err := r.get(ctx)
		if err != nil {
			return fail(err)
		}
		keys := ringKeys{list: append([]ringKey(nil), list...)}
		if err := change(&keys); err != nil {
			return fail(err)
		}
		if !keys.changed {
			r.use(before, keys.list)
			return nil
		}
		done, err := r.write(ctx, before, keys.list)
		if err != nil {
			return fail(err)
		}
		if done {
			return nil
		}
	}
	return fail(errors.New("others change them all the time; try again"))
}

// write puts keys in the place of the text before; done is false where that is
// there no more.
func (r *redisRing) write(ctx context.Context, before string, keys []ringKey) (done bool, err error) {
	nonce := make([]byte, r.seal.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	text := string(r.seal.Seal(nonce, nonce, formatRing(keys), nil))
	key := r.k.key(ringKeyName)
	if before == "" {
		done, err = r.k.client.SetNX(ctx, key, text, 0).Result()
	} else {
		done, err = replace.Run(ctx, r.k.client, []string{key}, before, text).Bool()
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, r.k.unavailable(err)
	}
	if done {
		r.use(text, keys)
		_ = r.k.client.Publish(ctx, r.k.key(newsKey), keysNews).Err()
	}
	return done, nil
}

// replace is swap for what stays.
var replace = redis.NewScript(`
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[2])
return 1`)

// report tells of a problem when it is another one than the last. That Redis does
// not answer is told by its revocations.
func (r *redisRing) report(err error) {
	text := ""
	if err != nil && !errors.Is(err, ErrUnavailable) {
		text = err.Error()
	}
	r.mu.Lock()
	fresh := text != r.said
	r.said = text
	r.mu.Unlock()
	if fresh && text != "" && r.cfg.Report != nil {
		r.cfg.Report(err)
	}
}
