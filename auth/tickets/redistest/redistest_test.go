//go:build unix

package redistest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/auth/tickets/redistest"
)

// A server has its address and what it keeps, however it ends; nobody else gets
// its port meanwhile, and nothing answers there.
func TestServerComesBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := redistest.Start(t, "appendonly yes", "appendfsync always")
	for _, end := range []struct {
		name string
		by   func()
	}{{"killed", s.Kill}, {"stopped", s.Stop}} {
		if err := s.Append(ctx, "key", "x").Err(); err != nil {
			t.Fatal(err)
		}
		end.by()
		if c, err := net.Dial("tcp", s.Address); err == nil {
			c.Close()
			t.Errorf("%s: something answers", end.name)
		}
		s.Start()
	}
	if got := s.Get(ctx, "key").Val(); got != "xx" {
		t.Errorf("it has kept %q", got)
	}
	if v := s.Version(); !strings.HasPrefix(v, "redis ") && !strings.HasPrefix(v, "valkey ") {
		t.Errorf("it goes by %q", v)
	}
}

// unlucky is a test that ends at its first Fatal.
type unlucky struct {
	testing.TB
	failed bool
	ends   []func()
}

func (u *unlucky) Helper()            {}
func (u *unlucky) Failed() bool       { return u.failed }
func (u *unlucky) Cleanup(end func()) { u.ends = append(u.ends, end) }
func (u *unlucky) Fatal(...any)       { u.failed = true; runtime.Goexit() }

// A program that cannot be started fails the test, and no more.
func TestServerDoesNotStart(t *testing.T) {
	program := filepath.Join(t.TempDir(), "redis-server")
	if err := os.WriteFile(program, []byte{0}, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv(redistest.Program, program)
	u := &unlucky{TB: t}
	var starting sync.WaitGroup
	starting.Go(func() { redistest.Start(u) })
	starting.Wait()
	for _, end := range slices.Backward(u.ends) {
		end()
	}
	if !u.failed || len(u.ends) == 0 {
		t.Error("it runs")
	}
}

func TestServerHangs(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Pause()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.Address, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1})
	defer client.Close()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("it answers")
	}
	s.Resume()
	redistest.Eventually(t, "it does not go on", func() bool { return client.Ping(context.Background()).Err() == nil })
}

// TLS is for those alone who have a certificate, and trust the server's.
func TestServerWithTLS(t *testing.T) {
	t.Parallel()
	settings, client := redistest.TLS(t)
	s := redistest.StartFor(t, redis.Options{TLSConfig: client, Password: "pw"}, append(settings, "requirepass pw")...)
	for name, cfg := range map[string]*tls.Config{
		"no tls": nil, "no certificate": {RootCAs: client.RootCAs}, "no trust": {Certificates: client.Certificates},
	} {
		c := redis.NewClient(&redis.Options{Addr: s.Address, TLSConfig: cfg, Password: "pw", Protocol: 2, DisableIdentity: true, MaxRetries: -1})
		if err := c.Ping(context.Background()).Err(); err == nil {
			t.Errorf("%s: it answers", name)
		}
		c.Close()
	}
	c := redis.NewClient(&redis.Options{Addr: s.Address, TLSConfig: client, Protocol: 2, DisableIdentity: true})
	defer c.Close()
	if err := c.Ping(context.Background()).Err(); !redis.HasErrorPrefix(err, "NOAUTH") {
		t.Errorf("without the password: %v", err)
	}
}

// The replica follows and takes over, with TLS and a password as without.
func TestSentinel(t *testing.T) {
	t.Parallel()
	settings, client := redistest.TLS(t)
	master, replica, sentinel := redistest.Sentinel(t, redis.Options{TLSConfig: client, Password: "pw"}, settings...)
	if !master.Leads() || replica.Leads() {
		t.Fatal("the replica leads")
	}
	if err := replica.Set(context.Background(), "key", "value", 0).Err(); !redis.HasErrorPrefix(err, "READONLY") {
		t.Errorf("the replica is written to: %v", err)
	}
	master.Kill()
	redistest.Eventually(t, "the replica does not take over", replica.Leads)
	redistest.Eventually(t, "the sentinel does not say so", func() bool {
		at, err := sentinel.Do(context.Background(), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", redistest.Master).StringSlice()
		return err == nil && net.JoinHostPort(at[0], at[1]) == replica.Address
	})
}

// No key is at two servers.
func TestCluster(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	nodes := redistest.Cluster(t)
	owners := 0
	for _, node := range nodes {
		err := node.Set(ctx, "key", "value", 0).Err()
		var moved redis.Error
		switch {
		case err == nil:
			owners++
		case !errors.As(err, &moved) || !redis.HasErrorPrefix(err, "MOVED"):
			t.Error(err)
		}
	}
	if owners != 1 {
		t.Errorf("%d have it", owners)
	}
	if list := redistest.Addresses(nodes...); len(list) != 3 || list[0] == list[1] || list[1] == list[2] {
		t.Errorf("at %v", list)
	}
}
