package cluster_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"vncgate/auth/tickets/redistest"
	"vncgate/gateway/cluster"
	"vncgate/gateway/tunnel"
	"vncgate/gateway/tunnel/tunneltest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tunneltest.Store(t, func(*testing.T) tunnel.Store { return cluster.NewStore(of(t, server), "") })
}

// What every gateway watches outlasts a Redis that forgets.
func TestStoreRemembersForRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one, other := cluster.NewStore(of(t, server), "x"), cluster.NewStore(of(t, server), "x")
	ctx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	seen := make(chan string, 100)
	watch.Go(func() {
		one.Watch(ctx, "revoked", func() {
			text, _ := one.Read(ctx, "revoked")
			seen <- string(text)
		})
	})
	put := func(name, text string) {
		if err := other.Change(ctx, name, func([]byte) ([]byte, error) { return []byte(text), nil }); err != nil {
			t.Fatal(err)
		}
	}
	put("token/1", "1")
	for range 2 { // what was read when the first was told may have been newer than what is watched
		put("revoked", "second")
		for text := ""; text != "second"; {
			select {
			case text = <-seen:
			case <-time.After(2 * time.Second): // it was there when the watch began
				put("revoked", "second")
			}
		}
	}
	server.Kill()
	server.Start()
	eventually(t, "it is written back", func() bool {
		got, err := other.Read(ctx, "revoked")
		return err == nil && string(got) == "second"
	})
	if got, err := other.Read(ctx, "token/1"); got != nil || err != nil {
		t.Errorf("a token came back: %q, %v", got, err)
	}
	put("revoked", "third")
	eventually(t, "it goes on from there", func() bool {
		got, _ := one.Read(ctx, "revoked")
		return string(got) == "third"
	})
}
