package capability

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/auth/tickets"
	"vncgate/auth/tickets/redistest"
)

// redisStoreAt is a store in the server at that address.
func redisStoreAt(address string) RedisStoreConfig {
	return RedisStoreConfig{
		Server: tickets.RedisConfig{Addresses: []string{address}}, Prefix: "test:",
		Secret: []byte("a secret of at least 32 characters"), Expire: minExpire,
	}
}

// openRedis opens an authority as one gateway does, and has holders of gateways
// that are gone be let in at once.
func openRedis(t testing.TB, s *redistest.Server, now func() time.Time, change func(*RedisStoreConfig, *StoreConfig)) *Authority {
	t.Helper()
	rc, cfg := redisStoreAt(s.Address), StoreConfig{Now: now}
	if change != nil {
		change(&rc, &cfg)
	}
	a, err := OpenRedis(rc, cfg, RingConfig{Now: now})
	must(t, err)
	t.Cleanup(func() { a.Store.Close() })
	settle(a)
	return a
}

// keeperOf is where a store in Redis is.
func keeperOf(a *Authority) *redisKeeper { return a.Store.keeper.(*redisKeeper) }

// settle has the time be over in which nobody is taken for dead.
func settle(a *Authority) {
	k := keeperOf(a)
	k.mu.Lock()
	k.settled = time.Time{}
	k.mu.Unlock()
}

// TestRedisIsAsAFolder has a store in Redis do what one in a folder does.
func TestRedisIsAsAFolder(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for i, test := range []func(*testing.T, *Authority, *clock){testUses, testRenew} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			c := newClock()
			test(t, openRedis(t, s, c.Now, nil), c)
		})
	}
	t.Run("race", func(t *testing.T) {
		testManyRace(t, openRedis(t, s, nil, nil), openRedis(t, s, nil, nil), openRedis(t, s, nil, nil))
	})
	t.Run("processes", func(t *testing.T) {
		testProcessesRace(t, openRedis(t, s, nil, nil), "redis:"+s.Address)
	})
}

// TestRedisTwoGateways: what one issues the other takes, and what one revokes the
// other hears of.
func TestRedisTwoGateways(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var heard atomic.Int64
	a := openRedis(t, s, nil, nil)
	b := openRedis(t, s, nil, func(_ *RedisStoreConfig, cfg *StoreConfig) { cfg.OnChange = func() { heard.Add(1) } })
	text, tok := issue(t, a, token(time.Now()))
	_, err := b.Verify(text)
	must(t, err)
	must(t, b.Ring.Rotate())
	later, _ := issue(t, b, token(time.Now()))
	_, err = a.Verify(later)
	must(t, err)
	before := heard.Load()
	must(t, a.Store.Revoke(Revocation{ID: tok.ID, Note: "lost"}))
	_, err = a.Verify(text)
	expect(t, "where it was revoked", err, ErrRevoked)
	redistest.Eventually(t, "the other does not hear of it", func() bool { return heard.Load() > before && b.Store.Revoked(tok.ID, "", tok.Issued) })
	expect(t, "use", b.Store.Use(tok.ID, "x", time.Now()), ErrRevoked)
	must(t, b.Store.Revoke(Revocation{User: "alice"}))
	redistest.Eventually(t, "the first does not hear of it", func() bool { return a.Store.Revoked("X", "alice", time.Now().Add(-time.Minute)) })
	if list := a.Store.Revocations(); len(list) != 2 {
		t.Errorf("%+v", list)
	}
	if note := s.HGet(context.Background(), "test:revoked:notes", "id:"+tok.ID).Val(); note != "lost" {
		t.Errorf("the note is %q", note)
	}
	list, err := b.Store.List()
	if err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	for _, one := range list {
		if one.Revoked != (one.ID == tok.ID) {
			t.Errorf("%s is revoked: %v", one.ID, one.Revoked)
		}
	}
	must(t, a.Ring.Discard())
	redistest.Eventually(t, "discarded keys are good still", func() bool {
		_, err := b.Verify(later)
		return errors.Is(err, tickets.ErrUnknown)
	})
}

// TestRedisCrash: a holder comes back when its gateway is heard of no more.
func TestRedisCrash(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a := openRedis(t, s, nil, nil)
	id := counted(t, a, 1).ID
	cmd := child(t, "redis:"+s.Address, id, "alice")
	in, err := cmd.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	expect(t, "while the other runs", a.Store.Use(id, "alice", time.Now()), ErrRunning)
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	redistest.Eventually(t, "the holder stays out", func() bool { return a.Store.Use(id, "alice", time.Now()) == nil })
	expect(t, "somebody else", a.Store.Use(id, "bob", time.Now()), ErrUsed)
	if got, err := a.Store.Get(id); err != nil || got.Used != 1 || got.Running != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRedisCutOff: one that was cut off for so long that others took it for dead
// finds out that its holder has gone elsewhere.
func TestRedisCutOff(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var heard atomic.Int64
	a := openRedis(t, s, nil, func(_ *RedisStoreConfig, cfg *StoreConfig) { cfg.OnChange = func() { heard.Add(1) } })
	b := openRedis(t, s, nil, nil)
	taken, kept := counted(t, a, 1).ID, counted(t, a, 1).ID
	must(t, a.Store.Use(taken, "alice", time.Now()))
	must(t, a.Store.Use(kept, "alice", time.Now()))
	must(t, a.Store.Holds(taken, "alice"))
	redistest.Eventually(t, "alice does not get in while its gateway seems dead", func() bool {
		s.Del(context.Background(), "test:gate:"+a.Store.instance()) // as if it had not said so in time
		return b.Store.Use(taken, "alice", time.Now()) == nil
	})
	redistest.Eventually(t, "it does not notice", a.Store.lapsed)
	expect(t, "what was taken", a.Store.Holds(taken, "alice"), ErrRunning)
	expect(t, "what was not", a.Store.Holds(kept, "alice"), nil)
	expect(t, "the other", b.Store.Holds(taken, "alice"), nil)
	if heard.Load() == 0 {
		t.Error("nobody was told to look")
	}
}

// TestRedisGone: while Redis cannot be reached nothing that is counted is good,
// sessions go on, and what has happened is told when it is back.
func TestRedisGone(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "appendonly yes", "appendfsync always")
	quick := func(rc *RedisStoreConfig, _ *StoreConfig) { rc.Server.Timeout = time.Second }
	a := openRedis(t, s, nil, quick)
	alone := openRedis(t, s, nil, func(rc *RedisStoreConfig, cfg *StoreConfig) { quick(rc, cfg); rc.Alone = true })
	once, onceTok := issue(t, a, func() Token { one := token(time.Now()); one.Uses = 1; return one }())
	many, manyTok := issue(t, a, token(time.Now()))
	unseen, _ := issue(t, a, token(time.Now()))
	for _, text := range []string{once, many} {
		_, err := alone.Verify(text)
		must(t, err)
	}
	must(t, a.Store.Use(onceTok.ID, "alice", time.Now()))
	s.Kill()

	for _, who := range []*Authority{a, alone} {
		_, err := who.Verify(once)
		unavailable(t, "verify", err)
		unavailable(t, "use", who.Store.Use(onceTok.ID, "bob", time.Now()))
		unavailable(t, "revoke", who.Store.Revoke(Revocation{ID: onceTok.ID}))
		_, _, err = who.Issue(token(time.Now()))
		unavailable(t, "issue", err)
	}
	_, err := a.Verify(many)
	unavailable(t, "verify, closed", err)
	_, err = alone.Verify(many)
	must(t, err)
	must(t, alone.Store.Use(manyTok.ID, "carol", time.Now()))
	must(t, alone.Store.Use(manyTok.ID, "dave", time.Now()))
	must(t, alone.Store.Release(manyTok.ID, "dave", time.Now()))
	_, err = alone.Verify(unseen)
	unavailable(t, "verify what was not seen", err)
	_, err = a.Review(onceTok.Ticket())
	must(t, err)
	must(t, a.Store.Holds(onceTok.ID, "alice"))
	must(t, a.Store.Release(onceTok.ID, "alice", time.Now()))

	s.Start()
	redistest.Eventually(t, "what ended meanwhile is not told", func() bool {
		got, err := a.Store.Get(onceTok.ID)
		return err == nil && got.Running == 0
	})
	redistest.Eventually(t, "the other gateway does not find Redis again", func() bool {
		return !errors.Is(alone.Store.Usable(onceTok.ID, "bob", time.Now()), ErrUnavailable)
	})
	expect(t, "somebody else", alone.Store.Use(onceTok.ID, "bob", time.Now()), ErrUsed)
	must(t, alone.Store.Use(onceTok.ID, "alice", time.Now()))
	redistest.Eventually(t, "the uses of one that is not counted are not told", func() bool {
		got, err := a.Store.Get(manyTok.ID)
		return err == nil && got.Used == 2 && got.Running == 1
	})
}

func unavailable(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, tickets.ErrUnknown) {
		t.Errorf("%s: %v, want that nobody can be asked", what, err)
	}
}

// TestRedisAnswerLost: a use that may have been counted though nobody was told so
// is taken back when Redis answers again.
func TestRedisAnswerLost(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a := openRedis(t, s, nil, nil)
	id := counted(t, a, 1).ID
	now := time.Now()
	must(t, a.Store.Use(id, "alice", now))
	a.Store.owe(id, func(r *record) error { return r.undo("alice", a.Store.instance(), now.Add(time.Second)) })
	a.Store.owe(id, func(r *record) error { return r.undo("bob", a.Store.instance(), now) })
	keeperOf(a).pay()
	expect(t, "what somebody else owes", a.Store.Use(id, "alice", now), ErrRunning)
	a.Store.owe(id, func(r *record) error { return r.undo("alice", a.Store.instance(), now) })
	keeperOf(a).pay()
	expect(t, "after it was taken back", a.Store.Use(id, "alice", time.Now()), nil)
	for range 3 {
		a.Store.owe("NOSUCH", func(*record) error { return nil })
	}
	keeperOf(a).pay()
	if left := len(keeperOf(a).owed); left != 0 {
		t.Errorf("%d are owed of a token that there is not", left)
	}
}

// TestRedisHoldsNoSecret: neither tokens nor holders nor keys can be read there.
func TestRedisHoldsNoSecret(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a := openRedis(t, s, nil, nil)
	text, tok := issue(t, a, token(time.Now()))
	must(t, a.Store.Use(tok.ID, "the-holders-cookie", time.Now()))
	ctx := context.Background()
	keys := s.Keys(ctx, "*").Val()
	if len(keys) < 4 {
		t.Errorf("there is little: %q", keys)
	}
	for _, key := range keys {
		value := s.Get(ctx, key).Val()
		for _, secret := range []string{text, "the-holders-cookie", `"seed"`, "a secret of"} {
			if strings.Contains(value, secret) {
				t.Errorf("%s holds %q", key, secret)
			}
		}
	}
	stranger, err := OpenRedis(func() RedisStoreConfig {
		rc := redisStoreAt(s.Address)
		rc.Secret = []byte("another secret of 32 characters or so")
		return rc
	}(), StoreConfig{}, RingConfig{})
	must(t, err)
	defer stranger.Store.Close()
	if _, err := stranger.Verify(text); !errors.Is(err, ErrUnavailable) || errors.Is(err, tickets.ErrUnknown) {
		t.Errorf("verified with another secret: %v", err)
	}
	if err := stranger.Ring.Fault(); !errors.Is(err, ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "another secret") {
		t.Errorf("keys of another secret: %v", err)
	}
	if err := a.Ring.Fault(); err != nil {
		t.Error(err)
	}
	if _, _, err := stranger.Issue(token(time.Now())); err == nil || !strings.Contains(err.Error(), "another secret") {
		t.Errorf("issued with another secret: %v", err)
	}
}

func TestRedisSweep(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := newClock()
	a := openRedis(t, s, c.Now, nil)
	_, old := issue(t, a, token(c.Now()))
	must(t, a.Store.Revoke(Revocation{ID: old.ID}))
	c.pass(2 * time.Hour)
	_, fresh := issue(t, a, token(c.Now()))
	must(t, a.Store.Sweep())
	if left := s.ZRange(context.Background(), "test:tokens", 0, -1).Val(); len(left) != 1 || left[0] != fresh.ID {
		t.Errorf("%q are listed", left)
	}
	redistest.Eventually(t, "a revocation of nothing is kept", func() bool { return len(a.Store.Revocations()) == 0 })
	if ttl := s.TTL(context.Background(), "test:token:"+fresh.ID).Val(); ttl <= time.Hour || ttl > 3*time.Hour {
		t.Errorf("the record lasts %v", ttl)
	}
	must(t, s.Set(context.Background(), "test:token:"+fresh.ID, "{}", 0).Err())
	if _, err := a.Store.List(); err == nil || !strings.Contains(err.Error(), fresh.ID) {
		t.Errorf("a record that is malformed: %v", err)
	}
}

func TestRedisStoreConfiguration(t *testing.T) {
	for says, change := range map[string]func(*RedisStoreConfig){
		"no prefix":      func(rc *RedisStoreConfig) { rc.Prefix = "" },
		"openssl rand":   func(rc *RedisStoreConfig) { rc.Secret = rc.Secret[:31] },
		"at least 1s":    func(rc *RedisStoreConfig) { rc.Expire = time.Millisecond },
		"is no address;": func(rc *RedisStoreConfig) { rc.Server.Addresses = nil },
	} {
		rc := redisStoreAt("1")
		change(&rc)
		if _, err := OpenRedis(rc, StoreConfig{}, RingConfig{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// FuzzEntry: what is revoked is read as it was written.
func FuzzEntry(f *testing.F) {
	f.Add("ID1", "", int64(0))
	f.Add("", "alice:b", int64(77))
	f.Add("", "", int64(1))
	f.Fuzz(func(t *testing.T, id, user string, before int64) {
		r := Revocation{ID: id, User: user}
		if before > 0 && before <= maxTime {
			r.Before = time.Unix(before, 0)
		}
		if r.check() != nil {
			return
		}
		got, err := parseEntry(r.entry())
		if err != nil || got != r {
			t.Errorf("%q: %+v, %v; want %+v", r.entry(), got, err, r)
		}
	})
}

// FuzzSealedRing: nothing that was not sealed opens.
func FuzzSealedRing(f *testing.F) {
	k := &redisKeeper{rc: redisStoreAt("1")}
	ring := newRedisRing(k, RingConfig{}.complete())
	f.Add("")
	f.Add(strings.Repeat("x", 64))
	f.Add(`{"keys":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := ring.open(text); !errors.Is(err, errSealed) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
