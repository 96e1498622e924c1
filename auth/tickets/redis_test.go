package tickets_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"

	"vncgate/auth"
	"vncgate/auth/tickets"
	"vncgate/auth/tickets/redistest"
)

func store(t testing.TB, cfg tickets.RedisConfig) *tickets.Redis {
	t.Helper()
	s, err := tickets.NewRedis(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestRedisConfig(t *testing.T) {
	one := []string{"host:6379"}
	for says, cfg := range map[string]tickets.RedisConfig{
		"there is no address":            {},
		"say which":                      {Addresses: []string{"a:1", "b:1"}},
		"no sentinels":                   {Addresses: one, Cluster: true, Master: "m"},
		"only database 0":                {Addresses: one, Cluster: true, DB: 1},
		"number from 0":                  {Addresses: one, DB: -1},
		"good for one use":               {Addresses: one, Once: true, Keep: time.Second},
		"a user needs a password":        {Addresses: one, User: "u"},
		"is written host:6379 or [::1]:": {Addresses: []string{"unix:/run/redis.sock"}},
	} {
		if _, err := tickets.NewRedis(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

func TestRedisAnswers(t *testing.T) {
	t.Parallel()
	server := redistest.StartFor(t, goredis.Options{Password: "p:w", DB: 3}, "requirepass p:w")
	set(t, server,
		"vnc:plain", "host:5900", "vnc:v6", "::1:5900", "vnc:json", `{"host":"[::1]:5900"}`, "vnc:bad", "<s3cret>", "outside", "host:1",
		"vnc:rich", `{"target":"vm","identity":"alice","groups":["ops"],"rights":["view"],"expires":4102444800}`,
		"vnc:ended", `{"target":"vm","expires":1}`, "vnc:odd\x00 é\r\n*1", "odd:1")
	if err := server.LPush(context.Background(), "vnc:list", "host:1").Err(); err != nil {
		t.Fatal(err)
	}
	s, err := tickets.Plugin("TokenRedis", server.Address+`:3:"p:w":vnc`)
	if err != nil {
		t.Fatal(err)
	}
	defer s.(*tickets.Redis).Close()
	for token, want := range map[string]tickets.Ticket{
		"plain": at("host:5900"), "v6": at("[::1]:5900"), "json": at("[::1]:5900"), "odd\x00 é\r\n*1": at("odd:1"),
		"rich": {Target: "vm", Identity: auth.Identity{Name: "alice", Method: "redis", Groups: []string{"ops"}}, Rights: auth.Viewing, Expires: time.Unix(4102444800, 0)},
	} {
		got, err := s.Lookup(context.Background(), token)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", token, err, diff)
		}
	}
	for _, token := range []string{"", "outside", "nobody's", "list", "ended", strings.Repeat("x", 5000)} {
		expect(t, s, token, "")
	}
	var told reports
	s.(*tickets.Redis).Report = told.add
	expect(t, s, "bad", "")
	told.mu.Lock()
	defer told.mu.Unlock()
	if said := strings.Join(told.said, "\n"); len(told.said) != 1 || !strings.Contains(said, "neither an address") || strings.Contains(said, "s3cret") {
		t.Errorf("reports: %s", said)
	}
	for _, password := range []string{"", "s3cret"} {
		wrong := store(t, tickets.RedisConfig{Addresses: []string{server.Address}, Password: password})
		expectFailure(t, wrong, "s3cret", "")
	}
	server.Kill()
	expectFailure(t, s, "s3cret", "")
}

// TestRedisOnce: of many that come with the same token one gets in.
func TestRedisOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	set(t, server, "token", "host:1", "other", "host:2")
	gateways := []*tickets.Redis{
		store(t, tickets.RedisConfig{Addresses: []string{server.Address}, Once: true}),
		store(t, tickets.RedisConfig{Addresses: []string{server.Address}, Once: true}),
	}
	var in, out atomic.Int64
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			switch err := claim(gateways[i%2], "token"); {
			case err == nil:
				in.Add(1)
			case errors.Is(err, tickets.ErrUnknown):
				out.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 || out.Load() != 15 {
		t.Errorf("%d got in and %d did not", in.Load(), out.Load())
	}
	for range 3 { // looking uses nothing up
		expect(t, gateways[0], "other", "host:2")
	}
	ticket, err := gateways[0].Lookup(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	set(t, server, "other", "host:3")
	if err := ticket.Claim(t.Context()); !errors.Is(err, tickets.ErrUnknown) || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("another display was claimed: %v", err)
	}
	expect(t, gateways[1], "other", "")
}

// claim looks a token up and takes it.
func claim(s tickets.Source, token string) error {
	ticket, err := s.Lookup(context.Background(), token)
	if err != nil {
		return err
	}
	return ticket.Claim(context.Background())
}

func TestRedisKeeps(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	set(t, server, "token", "host:1")
	cfg := tickets.RedisConfig{Addresses: []string{server.Address}, Keep: time.Hour}
	keeping := store(t, cfg)
	cfg.Keep = 0
	asking := store(t, cfg)
	expect(t, keeping, "token", "host:1")
	set(t, server, "token", "host:2")
	expect(t, keeping, "token", "host:1")
	expect(t, asking, "token", "host:2")
	var now atomic.Int64
	now.Store(2)
	hammer(t, asking, now.Load, func() {
		for n := int64(3); n < 300; n++ {
			set(t, server, "token", "host:"+itoa(n))
			now.Store(n)
		}
	})
}

func TestRedisWithTLSAndUser(t *testing.T) {
	t.Parallel()
	settings, client := redistest.TLS(t)
	server := redistest.StartFor(t, goredis.Options{TLSConfig: client}, append(settings,
		"user gate on >pw ~vnc:* resetchannels -@all +get +select +hello +auth +ping +client")...)
	set(t, server, "vnc:token", "host:1", "s3cret", "host:2")
	cfg := tickets.RedisConfig{Addresses: []string{server.Address}, User: "gate", Password: "pw", TLS: client, Namespace: "vnc"}
	expect(t, store(t, cfg), "token", "host:1")
	cfg.Namespace = ""
	expectFailure(t, store(t, cfg), "s3cret", "") // the user may not read it
	cfg.TLS = &tls.Config{RootCAs: client.RootCAs}
	expectFailure(t, store(t, cfg), "s3cret", "")
	cfg.TLS = &tls.Config{}
	expectFailure(t, store(t, cfg), "s3cret", "x509")
}

// TestRedisCluster starts from one node and finds what the others have.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t)
	cluster := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{nodes[0].Address}, Protocol: 2, DisableIdentity: true})
	defer cluster.Close()
	for i := range 30 {
		set(t, cluster, fmt.Sprint("vnc:", i), fmt.Sprint("host:", i+1))
	}
	s := store(t, tickets.RedisConfig{Addresses: []string{nodes[0].Address}, Cluster: true, Namespace: "vnc"})
	once := store(t, tickets.RedisConfig{Addresses: []string{nodes[1].Address, nodes[2].Address}, Cluster: true, Namespace: "vnc", Once: true})
	for i := range 30 {
		expect(t, s, fmt.Sprint(i), fmt.Sprint("host:", i+1))
		if err := claim(once, fmt.Sprint(i)); err != nil {
			t.Error(err)
		}
		expect(t, s, fmt.Sprint(i), "")
	}
	for i, node := range nodes {
		if n := node.Info(context.Background(), "stats").Val(); strings.Contains(n, "keyspace_hits:0") {
			t.Errorf("node %d was not asked:\n%s", i, n)
		}
	}
}

// TestRedisSentinel follows the sentinels to another server when the first is
// gone.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	master, replica, sentinel := redistest.Sentinel(t, goredis.Options{})
	set(t, master, "token", "host:1")
	redistest.Eventually(t, "the value does not reach the replica", func() bool { return replica.Get(context.Background(), "token").Err() == nil })
	s := store(t, tickets.RedisConfig{Addresses: []string{sentinel.Address}, Master: redistest.Master})
	expect(t, s, "token", "host:1")
	expect(t, s, "other", "")
	master.Kill()
	redistest.Eventually(t, "the replica does not take over", replica.Leads)
	set(t, replica, "token", "host:2")
	redistest.Eventually(t, "the source does not find the new server", func() bool {
		got, err := s.Lookup(context.Background(), "token")
		return err == nil && got.Address == "host:2"
	})
}

// set stores values: key, value, key, value …
func set(t testing.TB, c goredis.Cmdable, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := c.Set(context.Background(), pairs[i], pairs[i+1], 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
