package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/auth"
	"vncgate/auth/tickets"
	"vncgate/auth/tickets/redistest"
	"vncgate/gateway"
	"vncgate/gateway/cluster"
)

// answering listens at an address where every command gets the same answer.
func answering(t *testing.T, answer string) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { answers(c, answer) })
		}
	})
	t.Cleanup(all.Wait) // the clients close what they have dialled, which comes first
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

// answers reads commands, each an array of strings in RESP, until c ends. To those
// who subscribe it says nothing: what an answer to that is, go-redis decides.
func answers(c net.Conn, answer string) {
	defer c.Close()
	r := bufio.NewReader(c)
	number := func() (int, error) {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	for {
		parts, err := number()
		said := answer
		for ; parts > 0 && err == nil; parts-- {
			var size int
			if size, err = number(); err != nil {
				break
			}
			part := make([]byte, size+len("\r\n"))
			if _, err = io.ReadFull(r, part); strings.HasPrefix(string(part), "subscribe\r\n") {
				said = ""
			}
		}
		if err == nil {
			_, err = io.WriteString(c, said)
		}
		if err != nil {
			return
		}
	}
}

// Whatever answers in the place of Redis, and whatever it says: nobody comes in
// by it, and it is said that nobody could be asked.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"loading": "-LOADING Redis is loading the dataset in memory\r\n", "ok": "+OK\r\n", "one": ":1\r\n", "nothing": "$-1\r\n",
		"no list": "*0\r\n", "lists": "*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n", "deep": "*2\r\n*2\r\n*0\r\n*-1\r\n$2\r\nin\r\n", "no redis": "HTTP/1.1 400 Bad Request\r\n\r\n",
		"huge": "$999999999999\r\n", "no number": "*x\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			soon := func(cfg *cluster.Config) { cfg.Timeout = 300 * time.Millisecond }
			client := clientOf(t, tickets.RedisConfig{Addresses: []string{answering(t, answer)}, Timeout: time.Second})
			p := join(t, client, "a", soon)
			p.opens(session("s1"))
			p.Hold(seat("s1", auth.Limits{}))
			for _, busy := range []auth.BusyAction{auth.BusyUnset, auth.BusyReplace, auth.BusyQueue} {
				if got := p.enters(seat("s2", auth.Limits{PerTarget: 1, Busy: busy})); got != "away" {
					t.Errorf("a newcomer: %s", got)
				}
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := p.Replace(ctx, seat("s3", auth.Limits{PerTarget: 1, Busy: auth.BusyReplace})); err == nil {
				t.Error("one that replaces others is in")
			}
			if granted, _ := p.Exclude(ctx, seat("s4", auth.Limits{})); granted {
				t.Error("one has the target for itself")
			}
			if text, err := cluster.NewStore(client, "").Read(ctx, "token"); text != nil {
				t.Errorf("a token: %q, %v", text, err)
			}
		})
	}
}

// Redis answers, and refuses to write: what is missing is told when it does
// again, and nobody has come in meanwhile.
func TestRedisRefuses(t *testing.T) {
	for _, test := range []struct {
		name         string
		begins, ends []any
		says         string
	}{
		{"full", []any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"}, "OOM"},
		{"a replica", []any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}, "READONLY"},
		{"too few replicas", []any{"CONFIG", "SET", "min-replicas-to-write", "1"}, []any{"CONFIG", "SET", "min-replicas-to-write", "0"}, "NOREPLICAS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			server := redistest.Start(t)
			a, b := joined(t, of(t, server), "a", quick), joined(t, of(t, server), "b", quick)
			in := a.held(2, auth.Limits{PerTarget: 2})
			eventually(t, "b sees them", func() bool { return b.ids() == "a/a-0 a/a-1" && b.names() == "a b" })
			if err := server.Do(ctx, test.begins...).Err(); err != nil {
				t.Fatal(err)
			}
			for _, p := range []*peer{a, b} {
				eventually(t, "it is said why", func() bool {
					err := p.State().Err
					return err != nil && strings.Contains(err.Error(), test.says)
				})
			}
			if got := b.enters(seat("new", auth.Limits{})); got != "away" {
				t.Errorf("a newcomer: %s", got)
			}
			a.leaves(in[0])
			a.closes(in[0].Session)
			a.AgentHere("lab", []string{"desk"})
			if err := server.Do(ctx, test.ends...).Err(); err != nil {
				t.Fatal(err)
			}
			a.connects()
			b.connects()
			eventually(t, "all is told", func() bool {
				at, err := b.Where(ctx, "lab")
				return b.ids() == "a/a-1" && err == nil && len(at) == 1
			})
			for _, want := range []string{"in", "no 2"} {
				if got := b.enters(seat(want, auth.Limits{PerTarget: 2})); got != want {
					t.Errorf("beside one: %s, want %s", got, want)
				}
			}
			if lost := append(a.events(cluster.SessionLost), b.events(cluster.SessionLost)...); len(lost) > 0 {
				t.Errorf("lost: %+v", lost)
			}
		})
	}
}

// Scripts that Redis has forgotten are given to it again.
func TestScriptsForgotten(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := joined(t, of(t, server), "a"), joined(t, of(t, server), "b")
	if err := server.ScriptFlush(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	held := seat("held", auth.Limits{})
	count := func() int64 { return server.ZCard(context.Background(), "{vncgate}:t:desk").Val() }
	a.Hold(held)
	eventually(t, "it is written", func() bool { return count() == 1 })
	if got := b.enters(seat("x", auth.Limits{PerTarget: 1})); got != "no 2" {
		t.Errorf("beside it: %s", got)
	}
	a.leaves(held)
	eventually(t, "it has left", func() bool { return count() == 0 })
	works(t, a, b)
}

// Two clusters in one Redis have nothing to do with each other.
func TestOtherPrefix(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	under := func(prefix string) func(*cluster.Config) {
		return func(cfg *cluster.Config) { cfg.Prefix = prefix }
	}
	a, b := joined(t, of(t, server), "a", under("one")), joined(t, of(t, server), "b", under("one"))
	other := joined(t, of(t, server), "a", under("one:s"))
	eventually(t, "they know each other", func() bool { return a.names() == "a b" && b.names() == "a b" })
	one := auth.Limits{PerTarget: 1, PerUser: 1, PerAddress: 1}
	for _, p := range []*peer{a, other} {
		p.opens(session("s1"))
		if got := p.enters(seat("s1", one)); got != "in" {
			t.Errorf("the first: %s", got)
		}
	}
	eventually(t, "its own are listed", func() bool { return b.ids() == "a/s1" })
	a.Publish(gateway.Event{Kind: gateway.TargetDown, Reason: "unplugged"})
	eventually(t, "the event arrives", func() bool { return b.hears("a TARGET_DOWN unplugged") })
	if other.names() != "a" || other.hears("a TARGET_DOWN unplugged") || len(other.events(cluster.NodeJoined)) != 0 {
		t.Errorf("it knows %s", other.names())
	}
	if text, err := cluster.NewStore(of(t, server), "one:s").Read(context.Background(), "x"); text != nil || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// The clocks of nodes do not matter: that one has left is remembered for as long
// as others need to see it, whenever it says that this was.
func TestClockOfAnother(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := redistest.Start(t)
	const left = `{"name":"z","life":"z.1","since":"2001-01-01T00:00:00Z","left":true,"gone":"2001-01-01T00:00:00Z"}`
	server.HSet(ctx, "{vncgate}:nodes", "z", left, "y", strings.ReplaceAll(left, "2001", "2199"))
	a := joined(t, of(t, server), "a", quick)
	for range 3 {
		was := server.ZScore(ctx, "{vncgate}:alive", a.Instance()).Val()
		eventually(t, "it gives a sign of life", func() bool { return server.ZScore(ctx, "{vncgate}:alive", a.Instance()).Val() > was })
	}
	if n := server.HLen(ctx, "{vncgate}:nodes").Val(); n != 3 || a.names() != "a" {
		t.Errorf("%d nodes are remembered, and there are %s", n, a.names())
	}
}

// manyNodes writes down more nodes that are gone than there may be.
func manyNodes(t *testing.T, server *redistest.Server, more string) {
	t.Helper()
	nodes, writes := map[string]any{}, map[string]any{}
	for i := range 300 {
		id := fmt.Sprint("z", i)
		nodes[id], writes[id+".1"] = fmt.Sprintf(`{"name":"z","life":"%s.1","since":"2001-01-01T00:00:00Z"%s}`, id, more), i
	}
	nodes["zz"] = "{"
	for key, fields := range map[string]map[string]any{"nodes": nodes, "seq": writes} {
		if err := server.HSet(context.Background(), "{vncgate}:"+key, fields).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// Where too many nodes have left, the sessions of one that died are reported all
// the same.
func TestDeathAmongManyThatHaveLeft(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := redistest.Start(t)
	b := joined(t, of(t, server), "b", quick)
	b.opens(session("s1"))
	eventually(t, "its session is written", func() bool { return len(server.Keys(ctx, "{vncgate}:s:*").Val()) == 1 })
	b.die()
	eventually(t, "its time is over", func() bool {
		return server.ZScore(ctx, "{vncgate}:alive", b.Instance()).Val() < float64(server.Time(ctx).Val().UnixMilli())
	})
	manyNodes(t, server, `,"left":true`)
	a := joined(t, of(t, server), "a", quick)
	eventually(t, "its session is reported", func() bool { return len(a.events(cluster.SessionLost)) == 1 })
	if n := server.HLen(ctx, "{vncgate}:nodes").Val(); n != 2 {
		t.Errorf("%d nodes are remembered", n)
	}
}

// Where too many have died, one comes in all the same, and nothing of them stays.
func TestManyDeadNodes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := redistest.Start(t)
	manyNodes(t, server, "")
	a := joined(t, of(t, server), "a", quick)
	eventually(t, "they are forgotten", func() bool { return server.HLen(ctx, "{vncgate}:seq").Val() <= 1 })
	if n := server.HLen(ctx, "{vncgate}:nodes").Val(); n > 257 || a.names() != "a" {
		t.Errorf("%d nodes are remembered, and there are %s", n, a.names())
	}
}

// Whoever waited first waited at a node that dies: the next comes in.
func TestQueueAtADeadNode(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b, c := joined(t, of(t, server), "a", quick), joined(t, of(t, server), "b", quick), joined(t, of(t, server), "c", quick)
	one := auth.Limits{PerTarget: 1, Busy: auth.BusyQueue}
	in, second := seat("in", one), seat("second", one)
	for _, step := range []struct {
		at   *peer
		seat gateway.Seat
		want string
	}{{a, in, "in"}, {b, seat("first", one), "waits"}, {c, second, "waits"}} {
		if got := step.at.enters(step.seat); got != step.want {
			t.Fatal(got)
		}
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() { done <- c.Wait(ctx, second) }()
	b.die()
	a.leaves(in)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := server.HLen(ctx, "{vncgate}:q:desk").Val(); n != 0 {
		t.Errorf("%d wait still", n)
	}
}

// A node of a newer version, or one that lies, may say what it likes of itself.
func TestNodesThatLie(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := redistest.Start(t)
	a := joined(t, of(t, server), "a", quick)
	now := float64(time.Now().Add(time.Hour).UnixMilli())
	for id, text := range map[string]string{
		"one":   `{"name":"b","life":"` + a.Instance() + `.1","since":"2001-01-01T00:00:00Z","sessions":3}`, // with the sessions of another
		"two":   `{"name":"c","life":"two.1","since":"2001-01-01T00:00:00Z","sessions":99999999999}`,
		"three": `{"name":"d","life":"three.1","since":"2001-01-01T00:00:00Z","wings":2}`,
	} {
		server.HSet(ctx, "{vncgate}:nodes", id, text)
		server.ZAdd(ctx, "{vncgate}:alive", redis.Z{Score: now, Member: id})
	}
	a.opens(session("s1"))
	eventually(t, "they are taken for what they say", func() bool { return a.names() == "a b c d" })
	for _, n := range a.Nodes() {
		if n.Sessions > 100_000 {
			t.Errorf("%+v", n)
		}
	}
	eventually(t, "it goes on", func() bool {
		ids := a.ids()
		return strings.HasPrefix(ids, "a/s1") && a.State().Connected
	})
}
