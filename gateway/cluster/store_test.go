package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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

// puts makes a text what is given, or has it deleted.
func puts(t *testing.T, s *cluster.Store, name string, text []byte) {
	t.Helper()
	if err := s.Change(context.Background(), name, func([]byte) ([]byte, error) { return text, nil }); err != nil {
		t.Fatal(err)
	}
}

// forgets has what is known of deleted texts be so old that it is forgotten.
func forgets(t *testing.T, server *redistest.Server, s *cluster.Store) {
	t.Helper()
	ctx := context.Background()
	for _, name := range server.ZRange(ctx, "{vncgate}:gone", 0, -1).Val() {
		if err := server.ZAdd(ctx, "{vncgate}:gone", redis.Z{Score: 1, Member: name}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	puts(t, s, "other", []byte("x"))
}

// Nothing is left of texts that have long been deleted.
func TestStoreForgets(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := redistest.Start(t)
	s := cluster.NewStore(of(t, server), "")
	for i := range 50 {
		name := fmt.Sprint("token/", i)
		puts(t, s, name, []byte("1"))
		if i > 0 {
			puts(t, s, name, nil)
		}
	}
	if n := server.HLen(ctx, "{vncgate}:versions").Val(); n != 50 {
		t.Errorf("%d versions are known just after", n)
	}
	forgets(t, server, s)
	if names := server.HKeys(ctx, "{vncgate}:versions").Val(); len(names) != 2 || server.Exists(ctx, "{vncgate}:gone").Val() != 0 {
		t.Errorf("what is left of them: %v", names)
	}
	puts(t, s, "token/9", []byte("again"))
	puts(t, s, "token/9", nil)
	puts(t, s, "token/9", []byte("again"))
	forgets(t, server, s)
	if text, err := s.Read(ctx, "token/9"); string(text) != "again" || err != nil {
		t.Errorf("one that came back: %q, %v", text, err)
	}
	if n := server.HExists(ctx, "{vncgate}:versions", "token/9").Val(); !n {
		t.Error("the version of a text that is there is forgotten")
	}
}

// A text that was deleted, forgotten and made anew is another than the one that a
// change began with, though it may be as young and as often written.
func TestStoreTextMadeAnew(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one, other := cluster.NewStore(of(t, server), ""), cluster.NewStore(of(t, server), "")
	puts(t, one, "token", []byte("old"))
	var met []string
	err := one.Change(context.Background(), "token", func(old []byte) ([]byte, error) {
		if met = append(met, string(old)); len(met) == 1 {
			puts(t, other, "token", nil)
			forgets(t, server, other)
			puts(t, other, "token", []byte("new"))
		}
		return append(old, '+'), nil
	})
	if err != nil || !slices.Equal(met, []string{"old", "new"}) {
		t.Errorf("%v, %v", met, err)
	}
	if text, _ := other.Read(context.Background(), "token"); string(text) != "new+" {
		t.Errorf("left is %q", text)
	}
}

// What was deleted is not written back by those who watch it, also when it is
// forgotten that it was.
func TestStoreDeletedStaysDeleted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := cluster.NewStore(of(t, server), "")
	puts(t, s, "revoked", []byte("1"))
	ctx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	told := make(chan struct{}, 100)
	watch.Go(func() { s.Watch(ctx, "revoked", func() { told <- struct{}{} }) })
	<-told
	puts(t, s, "revoked", nil)
	<-told
	forgets(t, server, s)
	<-told // the version has changed
	if text, err := s.Read(ctx, "revoked"); text != nil || err != nil {
		t.Errorf("it came back: %q, %v", text, err)
	}
}
