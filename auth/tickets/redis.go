package tickets

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// RedisConfig says where the values are. What it takes of Redis is 2.6, for
// Once 6.2.
type RedisConfig struct {
	// Addresses are "host:port": one server, or some nodes of a cluster, or
	// the sentinels.
	Addresses []string
	// Cluster says that the addresses are of a cluster.
	Cluster bool
	// Master is the name under which sentinels know the server; "" without
	// sentinels.
	Master string
	// User and Password are for the server; User "" is Redis's default user.
	User, Password string
	// SentinelUser and SentinelPassword are for the sentinels.
	SentinelUser, SentinelPassword string
	// DB is the number of the database; a cluster has only 0.
	DB int
	// TLS is for connections with TLS, nil for those without.
	TLS *tls.Config
	// Namespace and a colon come before the token in a key; "" for the token
	// alone.
	Namespace string
	// Once has a Ticket's Claim take the value away (GETDEL), so that a token is
	// good for one session on however many gateways.
	Once bool
	// Timeout bounds one look-up; 0 is 5 s.
	Timeout time.Duration
	// Keep and KeepUnknown are as in HTTPConfig; not with Once.
	Keep, KeepUnknown time.Duration
}

// Redis is a source that reads the value of a key (websockify's TokenRedis):
// GET namespace:token, in the form of ParseAnswer. A key that is missing or
// not a string is unknown. Without Keep it asks at each look-up.
type Redis struct {
	// Report is that of HTTP, for values.
	Report func(error)

	cfg    RedisConfig
	client redis.UniversalClient
	cache  cache
}

// NewRedis checks the configuration; it dials nothing before the first
// look-up. The caller must Close it.
func NewRedis(cfg RedisConfig) (*Redis, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("tickets: redis: %w", err)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultPatience
	}
	r := &Redis{cfg: cfg, client: newRedisClient(cfg)}
	r.cache.keep, r.cache.keepUnknown = cfg.Keep, cfg.KeepUnknown
	return r, nil
}

func (c RedisConfig) check() error {
	switch {
	case len(c.Addresses) == 0:
		return errors.New("there is no address; write host:6379")
	case c.Cluster && c.Master != "":
		return errors.New("a cluster has no sentinels; give one of the two")
	case c.Cluster && c.DB != 0:
		return errors.New("a cluster has only database 0")
	case c.DB < 0 || c.DB > maxRedisDB:
		return errors.New("the database is a number from 0")
	case len(c.Addresses) > 1 && !c.Cluster && c.Master == "":
		return errors.New("several addresses are those of a cluster or of sentinels; say which")
	case c.Once && c.Keep > 0:
		return errors.New("a token that is good for one use cannot be remembered; leave out one of the two")
	case c.User != "" && c.Password == "":
		return errors.New("a user needs a password")
	}
	for _, address := range c.Addresses {
		if got, err := ParseAddress(address); err != nil || strings.HasPrefix(got, "unix:") {
			return errors.New("an address is written host:6379 or [::1]:6379")
		}
	}
	return nil
}

// NewClient checks the configuration and returns a client of the servers, for
// what else a gateway keeps there; it dials nothing. The caller must Close it.
func (c RedisConfig) NewClient() (redis.UniversalClient, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("tickets: redis: %w", err)
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultPatience
	}
	return newRedisClient(c), nil
}

// newRedisClient keeps the client to what is needed: RESP2, which has no
// notifications and that every server speaks, and no word about itself.
func newRedisClient(cfg RedisConfig) redis.UniversalClient {
	o := &redis.UniversalOptions{
		Addrs: cfg.Addresses, MasterName: cfg.Master, DB: cfg.DB,
		Username: cfg.User, Password: cfg.Password,
		SentinelUsername: cfg.SentinelUser, SentinelPassword: cfg.SentinelPassword,
		TLSConfig: cfg.TLS.Clone(), Protocol: 2, DisableIdentity: true,
		DialTimeout: cfg.Timeout, ReadTimeout: cfg.Timeout, WriteTimeout: cfg.Timeout, PoolTimeout: cfg.Timeout,
		DialerRetries: 1, ContextTimeoutEnabled: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if cfg.Once {
		o.MaxRetries = -1 // the first try may have taken the value away
	}
	switch {
	case cfg.Cluster:
		return redis.NewClusterClient(o.Cluster())
	case cfg.Master != "":
		return redis.NewFailoverClient(o.Failover())
	}
	return redis.NewClient(o.Simple())
}

// QuietRedis stops go-redis from writing what it meets to standard error, for
// the whole process; look-ups return it as errors. A program calls it once,
// before its first NewRedis.
func QuietRedis() { redis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// Close ends all connections.
func (r *Redis) Close() error { return r.client.Close() }

// Lookup asks for the value.
func (r *Redis) Lookup(ctx context.Context, token string) (Ticket, error) {
	if token == "" || len(token) > maxToken {
		return Ticket{}, ErrUnknown
	}
	return r.cache.lookup(ctx, token, r.ask)
}

func (r *Redis) ask(ctx context.Context, token string) (Ticket, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	value, err := r.client.Get(ctx, r.key(token)).Bytes()
	if err != nil {
		return Ticket{}, r.failure(err, token)
	}
	t, err := ParseAnswer(value)
	if r.cfg.Once {
		t.Claim = func(ctx context.Context) error { return r.claim(ctx, token, value) }
	}
	return from("redis", t, err, r.Report)
}

// claim takes the value away. One that has changed since the look-up is for
// another display than the one that the policy has allowed.
func (r *Redis) claim(ctx context.Context, token string, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	taken, err := r.client.GetDel(ctx, r.key(token)).Bytes()
	switch {
	case err != nil:
		return r.failure(err, token)
	case subtle.ConstantTimeCompare(taken, value) == 0: // it has the display's password
		return refused("redis", "it has changed meanwhile")
	}
	return nil
}

func (r *Redis) key(token string) string {
	if r.cfg.Namespace == "" {
		return token
	}
	return r.cfg.Namespace + ":" + token
}

// failure is why there is no value. What a server says may hold the key.
func (r *Redis) failure(err error, token string) error {
	switch {
	case errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "WRONGTYPE"):
		return ErrUnknown
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("tickets: redis: no answer within %v: %w", r.cfg.Timeout, context.DeadlineExceeded)
	case strings.Contains(err.Error(), token):
		return errors.New("tickets: redis: the server refused the question")
	}
	return fmt.Errorf("tickets: redis: %w", err)
}
