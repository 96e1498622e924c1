package cluster_test

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/auth/tickets"
)

// patience is for what has to happen on a machine that has other things to do.
const patience = 60 * time.Second

// redisServer is a running server. Its data outlast stop and start.
type redisServer struct {
	*redis.Client
	t       testing.TB
	address string
	config  string
	cmd     *exec.Cmd
}

// needRedis asks for Redis's own server.
func needRedis(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("real peers are left out by -short")
	}
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" && runtime.GOOS == "linux" {
		t.Fatal("redis-server is missing: apt install redis-server")
	}
	t.Skip("redis-server is missing: apt install redis-server")
}

// startRedis runs a server with more settings, each "name value".
func startRedis(t testing.TB, settings ...string) *redisServer {
	t.Helper()
	needRedis(t)
	dir, port := t.TempDir(), freePort(t)
	settings = append([]string{`save ""`, "port " + port, "bind 127.0.0.1", "dir " + dir}, settings...)
	s := &redisServer{t: t, address: "127.0.0.1:" + port, config: filepath.Join(dir, "redis.conf")}
	if err := os.WriteFile(s.config, []byte(strings.Join(settings, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Client = redis.NewClient(&redis.Options{Addr: s.address, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() {
		s.Client.Close()
		s.stop()
	})
	s.start()
	return s
}

func (s *redisServer) start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", s.config)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "redis-server does not answer", func() bool { return s.Ping(context.Background()).Err() == nil })
}

// stop ends the server at once.
func (s *redisServer) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// pause has the server hang until resume.
func (s *redisServer) pause()  { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *redisServer) resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// client is one as the program makes it.
func (s *redisServer) client() redis.UniversalClient {
	s.t.Helper()
	c, err := tickets.RedisConfig{Addresses: []string{s.address}}.NewClient()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

var given sync.Map

// freePort finds a port for a server to listen at, below those that systems give
// to outgoing connections.
func freePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		if ln, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

func eventually(t testing.TB, otherwise string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}
