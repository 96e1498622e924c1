package capability

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/auth/tickets"
	"vncgate/auth/tickets/redistest"
)

// follow opens revocations of the server's set "revoked".
func follow(t testing.TB, s *redistest.Server, change func(*RedisConfig)) (*RedisRevocations, *atomic.Int64) {
	t.Helper()
	var changes atomic.Int64
	cfg := RedisConfig{Server: tickets.RedisConfig{Addresses: []string{s.Address}}, Key: "revoked", OnChange: func() { changes.Add(1) }}
	if change != nil {
		change(&cfg)
	}
	r, err := OpenRedisRevocations(cfg)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r, &changes
}

func TestRedisSet(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	ctx := context.Background()
	must(t, s.SAdd(ctx, "revoked", "id:first").Err())
	r, changes := follow(t, s, nil)
	if !r.Revoked("first", "", time.Now()) || r.Revoked("second", "", time.Now()) {
		t.Fatal("the set was not read at the start")
	}
	before := changes.Load()
	must(t, s.SAdd(ctx, "revoked", "id:second", "user:a:b", "before:1000", "before:2000:user:carol").Err())
	redistest.Eventually(t, "an addition is not seen", func() bool { return r.Revoked("second", "", time.Now()) })
	for _, c := range []struct {
		id, user string
		issued   int64
		want     bool
	}{
		{"x", "a:b", 9999, true}, {"x", "b", 9999, false}, {"x", "", 1000, true}, {"x", "", 1001, false},
		{"x", "carol", 2000, true}, {"x", "carol", 2001, false}, {"x", "dave", 2000, false},
	} {
		if got := r.Revoked(c.id, c.user, time.Unix(c.issued, 0)); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if changes.Load() == before {
		t.Error("nobody was told")
	}
	must(t, s.SRem(ctx, "revoked", "id:first").Err())
	redistest.Eventually(t, "a removal is not seen", func() bool { return !r.Revoked("first", "", time.Now()) })
}

// TestRedisChannel: what is published counts at once, and what happened while
// the server was away is caught up with.
func TestRedisChannel(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	ctx := context.Background()
	r, changes := follow(t, s, func(c *RedisConfig) { c.Channel = "news" })
	publish := func(what string) {
		t.Helper()
		redistest.Eventually(t, "nobody subscribes", func() bool { return s.Publish(ctx, "news", what).Val() > 0 })
	}
	publish("id:one")
	redistest.Eventually(t, "a message does not count", func() bool { return r.Revoked("one", "", time.Now()) })
	if changes.Load() == 0 {
		t.Error("nobody was told")
	}
	publish("look again, please")
	s.Kill()
	s.Start()
	must(t, s.SAdd(ctx, "revoked", "id:meanwhile").Err())
	redistest.Eventually(t, "what came meanwhile is missing", func() bool { return r.Revoked("meanwhile", "", time.Now()) })
	if !r.Revoked("one", "", time.Now()) {
		t.Error("what was only published is forgotten")
	}
	publish("user:late")
	redistest.Eventually(t, "no message comes after the server was away", func() bool { return r.Revoked("x", "late", time.Now()) })
}

func TestRedisDown(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	ctx := context.Background()
	must(t, s.SAdd(ctx, "revoked", "id:one").Err())
	var said atomic.Int64
	report := func(c *RedisConfig) { c.Report = func(error) { said.Add(1) } }
	keeps, _ := follow(t, s, report)
	closes, changes := follow(t, s, func(c *RedisConfig) { c.FailClosed, c.Patience = true, time.Millisecond })
	if closes.Revoked("two", "", time.Now()) {
		t.Error("closed while the server answers")
	}
	s.Kill()
	redistest.Eventually(t, "it does not close", func() bool { return closes.Revoked("two", "", time.Now()) })
	redistest.Eventually(t, "nothing is reported", func() bool { return said.Load() > 0 })
	if !keeps.Revoked("one", "", time.Now()) || keeps.Revoked("two", "", time.Now()) {
		t.Error("what was read last is not kept")
	}
	late, _ := follow(t, s, func(c *RedisConfig) { c.FailClosed = true })
	if !late.Revoked("two", "", time.Now()) {
		t.Error("one that never read the set is open")
	}
	before := changes.Load()
	s.Start()
	redistest.Eventually(t, "it does not open again", func() bool {
		return !closes.Revoked("two", "", time.Now()) && !late.Revoked("two", "", time.Now())
	})
	if changes.Load() == before {
		t.Error("nobody was told")
	}
}

// TestRedisReports: what is no revocation is said, and not quoted, as it may be
// a token.
func TestRedisReports(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	ctx := context.Background()
	must(t, s.SAdd(ctx, "revoked", "eyJs3cret", "before:x", "id:good").Err())
	must(t, s.Set(ctx, "text", "x", 0).Err())
	var said atomic.Value
	report := func(c *RedisConfig) { c.Report = func(err error) { said.Store(err.Error()) } }
	r, _ := follow(t, s, report)
	if text, _ := said.Load().(string); !strings.Contains(text, "2 entries") || strings.Contains(text, "s3cret") || !r.Revoked("good", "", time.Now()) {
		t.Errorf("said %q", text)
	}
	follow(t, s, func(c *RedisConfig) { report(c); c.Key = "text" })
	if text, _ := said.Load().(string); !strings.Contains(text, "WRONGTYPE") {
		t.Errorf("said %q", text)
	}
}

func TestRedisConfiguration(t *testing.T) {
	for says, cfg := range map[string]RedisConfig{
		"there is no key":     {Server: tickets.RedisConfig{Addresses: []string{"a:1"}}},
		"there is no address": {Key: "k"},
	} {
		if _, err := OpenRedisRevocations(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

func TestPublishedIsBounded(t *testing.T) {
	r := &RedisRevocations{}
	r.state.Store(&redisState{all: (&revocations{}).index()})
	r.published = make([]string, maxPublished)
	r.publish("id:new")
	r.publish("id:new")
	r.publish("nothing")
	if len(r.published) != maxPublished || !r.Revoked("new", "", time.Time{}) {
		t.Errorf("%d published", len(r.published))
	}
}

func FuzzParseEntry(f *testing.F) {
	for _, seed := range []string{"id:abc", "user:a:b", "before:1", "before:9:user:x", "before:9:user:", "before::", "id:", ":", "", "before:-1", "before:253402300800"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		r, err := parseEntry(entry)
		if err == nil && r.check() != nil {
			t.Errorf("%q is taken and is none: %+v", entry, r)
		}
	})
}
