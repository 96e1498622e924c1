package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"vncgate/auth"
	"vncgate/auth/tickets"
	"vncgate/auth/tickets/redistest"
	"vncgate/gateway"
	"vncgate/gateway/cluster"
)

// All that is asked of Redis can be asked of a cluster of it, where a script sees
// the keys of one server alone.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	shards := tickets.RedisConfig{Addresses: redistest.Addresses(redistest.Cluster(t)...), Cluster: true}
	client := func() redis.UniversalClient { return clientOf(t, shards) }
	a, b := joined(t, client(), "a"), joined(t, client(), "b")
	works(t, a, b)
	keeps(t, cluster.NewStore(client(), ""))
}

// keeps uses a store once.
func keeps(t *testing.T, store *cluster.Store) {
	t.Helper()
	if err := store.Change(context.Background(), "token/1", func([]byte) ([]byte, error) { return []byte("1"), nil }); err != nil {
		t.Error(err)
	}
	if all, err := store.List(context.Background(), "token/"); len(all) != 1 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

// works uses everything once.
func works(t *testing.T, a, b *peer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	eventually(t, "they know each other", func() bool { return a.names() == "a b" && b.names() == "a b" })
	a.opens(session("s1"))
	eventually(t, "the other lists it", func() bool { return b.ids() == "a/s1" })
	a.AgentHere("lab", []string{"desk", "log"})
	eventually(t, "the other finds the agent", func() bool {
		at, err := b.Where(ctx, "lab")
		return err == nil && len(at) == 1 && at[0].Name == "a"
	})
	b.Publish(gateway.Event{Kind: gateway.TargetDown, Reason: "unplugged"})
	eventually(t, "the event arrives", func() bool { return a.hears("b TARGET_DOWN unplugged") })
	first, newcomer := seat("first", auth.Limits{}), seat("new", auth.Limits{PerTarget: 1, Busy: auth.BusyReplace})
	a.enters(first)
	if got := b.enters(newcomer); got != "replaces" {
		t.Fatal(got)
	}
	done := make(chan error, 1)
	go func() { done <- b.Replace(ctx, newcomer) }()
	eventually(t, "it is told to make room", func() bool { made, _ := a.hasMade("first"); return made })
	a.leaves(first)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	waits := seat("waits", auth.Limits{PerTarget: 1, Busy: auth.BusyQueue})
	if got := a.enters(waits); got != "waits" {
		t.Fatal(got)
	}
	go func() { done <- a.Wait(ctx, waits) }()
	b.leaves(newcomer)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if granted, err := a.Exclude(ctx, waits); !granted || err != nil {
		t.Errorf("%v, %v", granted, err)
	}
}

func (p *peer) hears(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, heard := range p.heard {
		if heard == what {
			return true
		}
	}
	return false
}

func TestAgents(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	came := make(chan string, 100)
	a := joined(t, of(t, server), "a", quick)
	b := joined(t, of(t, server), "b", quick, func(cfg *cluster.Config) {
		cfg.Agent = func(agent string, at cluster.Node, here bool) { came <- fmt.Sprint(agent, " ", at.Name, " ", here) }
	})
	eventually(t, "they know each other", func() bool { return b.names() == "a b" })
	ctx := context.Background()
	a.AgentHere("lab", []string{"desk"})
	if got := <-came; got != "lab a true" {
		t.Errorf("told %q", got)
	}
	b.AgentHere("lab", []string{"desk"})
	at, err := b.Where(ctx, "lab")
	if err != nil || len(at) != 2 || !at[0].Self || at[1].Name != "a" {
		t.Errorf("%+v, %v", at, err)
	}
	if all, err := b.Agents(ctx); err != nil || len(all) != 2 || all[0].Node.Name != "a" || all[1].Services[0] != "desk" {
		t.Errorf("%+v, %v", all, err)
	}
	a.AgentHere("lab", []string{"desk", "more"})
	if got := <-came; got != "lab a true" {
		t.Errorf("told %q", got)
	}
	a.AgentGone("lab")
	if got := <-came; got != "lab a false" {
		t.Errorf("told %q", got)
	}
	if at, err := b.Where(ctx, "lab"); err != nil || len(at) != 1 || !at[0].Self {
		t.Errorf("%+v, %v", at, err)
	}
	if at, err := a.Where(ctx, "nobody"); err != nil || len(at) != 0 {
		t.Errorf("%+v, %v", at, err)
	}
	a.AgentHere(strings.Repeat("x", 300), nil)
	if all, err := a.Agents(ctx); err != nil && len(all) != 1 {
		t.Errorf("one with a name that is too long: %+v, %v", all, err)
	}
	a.AgentHere("lone", nil)
	<-came
	a.die()
	eventually(t, "it is gone with its node", func() bool { at, err := b.Where(ctx, "lone"); return err == nil && len(at) == 0 })
}

// Events go to the others, each once, and never round in circles.
func TestEvents(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b, c := joined(t, of(t, server), "a"), joined(t, of(t, server), "b"), joined(t, of(t, server), "c")
	eventually(t, "all listen", func() bool {
		n := server.PubSubNumSub(context.Background(), "{vncgate}:bus").Val()
		return n["{vncgate}:bus"] == 3
	})
	for i := range 50 {
		a.Publish(gateway.Event{Kind: gateway.TargetUp, Reason: fmt.Sprint(i)})
	}
	a.Publish(gateway.Event{Kind: gateway.TargetUp, Node: "b", Reason: "not ours"})
	a.Publish(gateway.Event{Kind: cluster.NodeLost, Reason: "known to all"})
	a.Publish(gateway.Event{Kind: gateway.TargetDown, Reason: "last"})
	eventually(t, "all have heard", func() bool { return b.hears("a TARGET_DOWN last") && c.hears("a TARGET_DOWN last") })
	for _, p := range []*peer{b, c} {
		p.mu.Lock()
		for i, heard := range p.heard {
			if want := fmt.Sprint("a TARGET_UP ", i); heard != want && i < 50 {
				t.Errorf("number %d: %s", i, heard)
			}
		}
		if len(p.heard) != 51 {
			t.Errorf("heard %d", len(p.heard))
		}
		p.mu.Unlock()
	}
	if a.hears("a TARGET_DOWN last") {
		t.Error("it hears itself")
	}
}

// Values of somebody else's are left alone, and nothing of them is taken up.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	ctx := context.Background()
	a, b := joined(t, of(t, server), "a"), joined(t, of(t, server), "b")
	eventually(t, "they know each other", func() bool { return a.names() == "a b" })
	a.opens(session("s1"))
	eventually(t, "it is listed", func() bool { return b.ids() == "a/s1" })
	huge := strings.Repeat("x", 1<<20)
	sessions := "{vncgate}:s:" + a.Instance() + ".1"
	server.HSet(ctx, sessions, "huge", huge, "wrong", "{", "other", `{"ID":"s1"}`, huge, "{}")
	server.HSet(ctx, "{vncgate}:nodes", "x", huge, "y", "{}", huge, "{}", "z", `{"name":"z","life":"z.1"}`)
	server.ZAdd(ctx, "{vncgate}:t:desk", redis.Z{Member: huge}, redis.Z{Member: "a/b/c"}, redis.Z{Member: "z.1/x"}, redis.Z{Member: `"/x`})
	server.HSet(ctx, "{vncgate}:q:desk", "z.1/x", "nonsense", huge, "1 2 3")
	server.HSet(ctx, "{vncgate}:ended", huge, "r", a.Instance()+".1/unknown", "r")
	for _, text := range []string{"", "{", huge, `{"kind":"end","seat":"/"}`, `{"kind":"event","event":null}`, `{"kind":"agent"}`, `{"kind":"?"}`} {
		server.Publish(ctx, "{vncgate}:bus", text)
	}
	b.opens(session("s2"))
	if got := b.enters(seat("s2", auth.Limits{PerTarget: 1, Busy: auth.BusyQueue})); got != "in" {
		t.Errorf("beside nobody: %s", got)
	}
	eventually(t, "all goes on", func() bool { return a.ids() == "a/s1 b/s2" && b.ids() == "a/s1 b/s2" })
	server.Set(ctx, "{vncgate}:t:taken", "a string", 0)
	if got := b.enters(by("x", "taken", "192.0.2.7", seat("2", auth.Limits{}))); got != "away" {
		t.Errorf("where a key is somebody else's: %s", got)
	}
	a.Hold(by("x", "taken", "192.0.2.7", seat("3", auth.Limits{})))
	a.opens(session("s3"))
	eventually(t, "that one alone is not counted", func() bool { return b.ids() == "a/s1 a/s3 b/s2" })
	if !a.State().Connected || !b.State().Connected {
		t.Error("a foreign value has cut a node off")
	}
}

func TestOpenRefuses(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer client.Close()
	for name, cfg := range map[string]cluster.Config{
		"no redis": {Node: "a"}, "no name": {Client: client}, "braces": {Client: client, Node: "a", Prefix: "{x}"},
		"too short": {Client: client, Node: "a", Expire: 1}, "negative": {Client: client, Node: "a", Timeout: -1},
		"long": {Client: client, Node: strings.Repeat("a", 300)},
	} {
		if c, err := cluster.Open(cfg); err == nil {
			t.Errorf("%s: no error", name)
			_ = c.Close(context.Background())
		}
	}
	if _, err := cluster.ParseAlone("open"); err == nil {
		t.Error("alone: open")
	}
	for _, alone := range []cluster.Alone{cluster.Closed, cluster.Local} {
		if got, err := cluster.ParseAlone(alone.String()); got != alone || err != nil {
			t.Errorf("%v: %v, %v", alone, got, err)
		}
	}
}

// Redis is not there when the program starts: it comes up later.
func TestRedisComesLater(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	a := join(t, of(t, server), "a")
	eventually(t, "it says so", func() bool { return len(a.events(cluster.RedisAway)) == 1 })
	if got := a.enters(seat("1", auth.Limits{})); got != "away" {
		t.Errorf("meanwhile: %s", got)
	}
	server.Start()
	a.connects()
	if got := a.enters(seat("1", auth.Limits{})); got != "in" {
		t.Errorf("then: %s", got)
	}
}
