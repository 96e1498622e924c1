package tickets_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is for servers to come up on a machine that has other things to do.
const patience = 60 * time.Second

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

// redisServer is a running server, and a client to prepare it with.
type redisServer struct {
	*redis.Client
	address string
	cmd     *exec.Cmd
}

// startRedis runs a server with more settings, each "name value". opt is for
// the client beside the address.
func startRedis(t testing.TB, opt redis.Options, settings ...string) *redisServer {
	t.Helper()
	needRedis(t)
	dir := t.TempDir()
	port := freePort(t)
	if opt.TLSConfig == nil {
		settings = append(settings, "port "+port)
	} else {
		settings = append(settings, "port 0", "tls-port "+port)
	}
	settings = append(settings, "bind 127.0.0.1", "dir "+dir)
	config := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(config, []byte(strings.Join(settings, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{config}
	if strings.HasPrefix(settings[0], "sentinel ") {
		args = append(args, "--sentinel")
	}
	s := &redisServer{address: "127.0.0.1:" + port, cmd: exec.Command("redis-server", args...)}
	var said strings.Builder
	s.cmd.Stdout, s.cmd.Stderr = &said, &said
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	opt.Addr, opt.Protocol, opt.DisableIdentity = s.address, 2, true
	s.Client = redis.NewClient(&opt)
	t.Cleanup(func() {
		s.Client.Close()
		s.stop()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	eventually(t, "redis-server does not answer", func() bool { return s.Ping(context.Background()).Err() == nil })
	return s
}

// stop ends the server at once.
func (s *redisServer) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// plainRedis is a server that keeps nothing on disk.
func plainRedis(t testing.TB, settings ...string) *redisServer {
	t.Helper()
	return startRedis(t, redis.Options{}, append([]string{`save ""`}, settings...)...)
}

// given are the ports that freePort has handed out.
var given sync.Map

// freePort finds a port for a server to listen at. It stays below those that
// systems give to outgoing connections, any of which could come first.
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
	for end := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}

// set stores values: key, value, key, value …
func set(t testing.TB, c redis.Cmdable, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := c.Set(context.Background(), pairs[i], pairs[i+1], 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// startCluster runs three masters that share the slots.
func startCluster(t testing.TB) []*redisServer {
	t.Helper()
	ctx := context.Background()
	var nodes []*redisServer
	var buses []string
	for i := range 3 {
		buses = append(buses, freePort(t))
		node := plainRedis(t, "cluster-enabled yes", "cluster-port "+buses[i], "cluster-node-timeout 5000")
		if err := node.ClusterAddSlotsRange(ctx, i*5462, min((i+1)*5462, 16384)-1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, node)
	}
	for i := range 3 {
		host, port, _ := net.SplitHostPort(nodes[i].address)
		if err := nodes[0].Do(ctx, "CLUSTER", "MEET", host, port, buses[i]).Err(); err != nil && i > 0 {
			t.Fatal(err)
		}
	}
	for _, node := range nodes {
		eventually(t, "the cluster does not come up", func() bool {
			info := node.ClusterInfo(ctx).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return nodes
}

// startSentinel runs a server, its replica and a sentinel that knows the pair
// as "vnc".
func startSentinel(t testing.TB) (master, replica, sentinel *redisServer) {
	t.Helper()
	ctx := context.Background()
	master = plainRedis(t)
	host, port, _ := net.SplitHostPort(master.address)
	replica = plainRedis(t, "replicaof "+host+" "+port, "repl-diskless-sync-delay 0")
	sentinel = startRedis(t, redis.Options{},
		fmt.Sprintf("sentinel monitor vnc %s %s 1", host, port),
		"sentinel down-after-milliseconds vnc 1000", "sentinel failover-timeout vnc 3000")
	eventually(t, "the replica does not follow", func() bool {
		return strings.Contains(replica.Info(ctx, "replication").Val(), "master_link_status:up")
	})
	eventually(t, "the sentinel does not see the replica", func() bool {
		list, err := sentinel.Do(ctx, "SENTINEL", "REPLICAS", "vnc").Slice()
		return err == nil && len(list) == 1
	})
	return master, replica, sentinel
}
