package capability

import (
	"context"
	"testing"
	"time"

	"vncgate/auth/tickets/redistest"
)

// TestRedisOlder: Redis that comes back as it was before a use does not give that
// use away again, neither where it was seen nor, once it was told, elsewhere.
func TestRedisOlder(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := redistest.Start(t)
	a, b := openRedis(t, s, nil, nil), openRedis(t, s, nil, nil)
	id := counted(t, a, 1).ID
	key := "test:token:" + id
	before, err := s.Get(ctx, key).Result()
	must(t, err)
	must(t, a.Store.Use(id, "alice", time.Now()))
	must(t, s.Set(ctx, key, before, time.Hour).Err())
	expect(t, "where it was seen", a.Store.Usable(id, "bob", time.Now()), ErrUsed)

	k := keeperOf(a)
	k.down.Store(true) // until it is heard again
	redistest.Eventually(t, "Redis is not told what it has lost", func() bool {
		got, err := b.Store.Get(id)
		return err == nil && got.Used == 1 && got.Running == 1
	})
	expect(t, "elsewhere", b.Store.Use(id, "bob", time.Now()), ErrUsed)
}

// TestRedisNotThereYet: a gateway that begins while Redis is away has no keys, and
// so cannot say that a token is good for nothing.
func TestRedisNotThereYet(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "appendonly yes", "appendfsync always")
	text, _ := issue(t, openRedis(t, s, nil, nil), token(time.Now()))
	s.Kill()
	late := openRedis(t, s, nil, nil)
	_, err := late.Verify(text)
	unavailable(t, "verify", err)
	s.Start()
	redistest.Eventually(t, "the token is not good when Redis is there", func() bool {
		_, err := late.Verify(text)
		return err == nil
	})
}

// TestRedisForeignKey: a key that somebody else uses is no token, and says nothing
// of whether Redis can be asked.
func TestRedisForeignKey(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a := openRedis(t, s, nil, nil)
	text, tok := issue(t, a, token(time.Now()))
	other, _ := issue(t, a, token(time.Now()))
	key := "test:token:" + tok.ID
	must(t, s.Del(context.Background(), key).Err())
	must(t, s.LPush(context.Background(), key, "x").Err())
	_, err := a.Verify(text)
	unavailable(t, "a list in the place of a token", err)
	if keeperOf(a).down.Load() {
		t.Error("for one key nobody is asked any more")
	}
	_, err = a.Verify(other)
	must(t, err)
}
