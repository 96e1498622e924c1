package cluster_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"vncgate/auth"
	"vncgate/auth/tickets"
	"vncgate/auth/tickets/redistest"
	"vncgate/gateway"
	"vncgate/gateway/cluster"
)

// Over TLS that asks for a certificate, and as the user that the documentation
// has, who may do no more than is needed.
func TestRedisWithTLSAndUser(t *testing.T) {
	t.Parallel()
	settings, client := redistest.TLS(t)
	server := redistest.StartFor(t, redis.Options{TLSConfig: client}, append(settings, redistest.User(t, "../../docs/cluster.md"))...)
	cfg := tickets.RedisConfig{Addresses: []string{server.Address}, User: "vncgate", Password: "pw", TLS: client}
	a, b := joined(t, clientOf(t, cfg), "a"), joined(t, clientOf(t, cfg), "b")
	works(t, a, b)
	keeps(t, cluster.NewStore(clientOf(t, cfg), ""))
	for _, command := range [][]any{{"FLUSHALL"}, {"CONFIG", "GET", "*"}, {"GET", "other"}, {"PUBLISH", "other", "x"}, {"KEYS", "*"}} {
		if err := clientOf(t, cfg).Do(context.Background(), command...).Err(); !redis.HasErrorPrefix(err, "NOPERM") {
			t.Errorf("%v: %v", command, err)
		}
	}
	cfg.Password = "wrong"
	stranger := join(t, clientOf(t, cfg), "c")
	eventually(t, "it is told why", func() bool {
		err := stranger.State().Err
		return err != nil && strings.Contains(err.Error(), "WRONGPASS")
	})
	if strings.Contains(stranger.State().Err.Error(), "wrong\"") {
		t.Error("the error has the password")
	}
}

// A user who may not publish, as those of Redis 7 may not by default, would have
// nodes that hear nothing of each other: it is said at once.
func TestRedisUserWithoutChannels(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "user quiet on >pw ~* resetchannels +@all")
	p := join(t, clientOf(t, tickets.RedisConfig{Addresses: []string{server.Address}, User: "quiet", Password: "pw"}), "a")
	eventually(t, "it is told what is missing", func() bool {
		err := p.State().Err
		return err != nil && strings.Contains(err.Error(), "NOPERM") && strings.Contains(err.Error(), "channel")
	})
	if got := p.enters(seat("1", auth.Limits{})); got != "away" {
		t.Errorf("a newcomer: %s", got)
	}
}

// The server is lost, its replica takes over, and sentinels tell the nodes: all
// that they have is there, over TLS and with passwords as without.
func TestSentinelTakesOver(t *testing.T) {
	t.Parallel()
	settings, client := redistest.TLS(t)
	master, replica, sentinel := redistest.Sentinel(t, redis.Options{TLSConfig: client, Password: "pw"}, settings...)
	cfg := tickets.RedisConfig{
		Addresses: []string{sentinel.Address}, Master: redistest.Master, Password: "pw", SentinelPassword: "pw", TLS: client,
	}
	a, b := joined(t, clientOf(t, cfg), "a"), joined(t, clientOf(t, cfg), "b")
	store := cluster.NewStore(clientOf(t, cfg), "")
	keeps(t, store)
	of := a.held(3, auth.Limits{PerTarget: 3})
	a.AgentHere("lab", []string{"desk"})
	sees := func() bool {
		at, err := b.Where(context.Background(), "lab")
		return b.ids() == "a/a-0 a/a-1 a/a-2" && b.names() == "a b" && err == nil && len(at) == 1
	}
	eventually(t, "b sees all", sees)
	master.Replicate()
	master.Kill()
	eventually(t, "the replica takes over", replica.Leads)
	eventually(t, "both are told", func() bool { return a.State().Connected && b.State().Connected && sees() })
	eventually(t, "the numbers hold", func() bool { return b.enters(seat("more", auth.Limits{PerTarget: 3})) == "no 2" })
	a.leaves(of[0])
	a.closes(of[0].Session)
	eventually(t, "one can come in again", func() bool { return b.enters(seat("more", auth.Limits{PerTarget: 3})) == "in" })
	b.Publish(gateway.Event{Kind: gateway.TargetDown, Reason: "unplugged"})
	eventually(t, "events arrive", func() bool { return a.hears("b TARGET_DOWN unplugged") })
	if text, err := store.Read(context.Background(), "token/1"); !bytes.Equal(text, []byte("1")) || err != nil {
		t.Errorf("the store has %q, %v", text, err)
	}
	if lost := append(a.events(cluster.SessionLost), b.events(cluster.SessionLost)...); len(lost) > 0 {
		t.Errorf("lost: %+v", lost)
	}
}
