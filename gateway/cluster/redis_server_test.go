package cluster_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/auth/tickets"
	"vncgate/auth/tickets/redistest"
)

// patience is for what has to happen on a machine that has other things to do.
const patience = 60 * time.Second

// clientOf is a client of servers as the program makes it.
func clientOf(t testing.TB, cfg tickets.RedisConfig) redis.UniversalClient {
	t.Helper()
	c, err := cfg.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// of is a client of one server.
func of(t testing.TB, s *redistest.Server) redis.UniversalClient {
	t.Helper()
	return clientOf(t, tickets.RedisConfig{Addresses: []string{s.Address}})
}

func eventually(t testing.TB, otherwise string, done func() bool) {
	t.Helper()
	redistest.Eventually(t, otherwise, done)
}
