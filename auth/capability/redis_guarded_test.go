package capability

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/auth/tickets"
	"vncgate/auth/tickets/redistest"
)

// guarded opens an authority in servers, under the prefix that gateways use.
func guarded(t *testing.T, server tickets.RedisConfig) *Authority {
	t.Helper()
	rc := redisStoreAt("")
	rc.Server, rc.Prefix = server, "vncgate:tokens:"
	a, err := OpenRedis(rc, StoreConfig{}, RingConfig{})
	must(t, err)
	t.Cleanup(func() { a.Store.Close() })
	settle(a)
	return a
}

// TestRedisWithTLSAndUser: all that is asked can be asked over TLS, by the user
// that the documentation has.
func TestRedisWithTLSAndUser(t *testing.T) {
	t.Parallel()
	settings, client := redistest.TLS(t)
	s := redistest.StartFor(t, redis.Options{TLSConfig: client}, append(settings, redistest.User(t, "../../docs/cluster.md"))...)
	server := tickets.RedisConfig{Addresses: []string{s.Address}, User: "vncgate", Password: "pw", TLS: client}
	a, b := guarded(t, server), guarded(t, server)
	text, _ := issue(t, a, token(time.Now()))
	_, err := b.Verify(text)
	must(t, err)
	id := counted(t, a, 1).ID
	must(t, b.Store.Use(id, "alice", time.Now()))
	expect(t, "again", a.Store.Use(id, "bob", time.Now()), ErrUsed)
	must(t, a.Store.Revoke(Revocation{ID: id, Note: "lost"}))
	redistest.Eventually(t, "the other does not hear of it", func() bool { return b.Store.Revoked(id, "", time.Now()) })
	must(t, b.Ring.Rotate())
	later, _ := issue(t, b, token(time.Now()))
	_, err = a.Verify(later)
	must(t, err)
	must(t, keeperOf(a).sweep(time.Now()))
	if list, err := a.Store.List(); len(list) != 3 || err != nil {
		t.Errorf("%d in the list, %v", len(list), err)
	}
	must(t, a.Ring.Discard())
}

// TestRedisSentinel: a replica takes over, and knows what was issued, used and
// revoked.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	master, replica, sentinel := redistest.Sentinel(t, redis.Options{Password: "pw"})
	server := tickets.RedisConfig{Addresses: []string{sentinel.Address}, Master: redistest.Master, Password: "pw", SentinelPassword: "pw"}
	a, b := guarded(t, server), guarded(t, server)
	id, revoked := counted(t, a, 2).ID, counted(t, a, 1).ID
	must(t, a.Store.Use(id, "alice", time.Now()))
	must(t, b.Store.Revoke(Revocation{ID: revoked}))
	master.Replicate()
	master.Kill()
	redistest.Eventually(t, "the replica does not take over", replica.Leads)
	redistest.Eventually(t, "the second use is not given", func() bool { return b.Store.Use(id, "bob", time.Now()) == nil })
	redistest.Eventually(t, "there is a third", func() bool { return errors.Is(a.Store.Use(id, "carol", time.Now()), ErrUsed) })
	expect(t, "one that was revoked", b.Store.Use(revoked, "bob", time.Now()), ErrRevoked)
	if got, err := b.Store.Get(id); err != nil || got.Used != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}
