package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// shards is how many servers a cluster has: fewer cannot agree on anything.
const shards = 3

// slots is how many there are, whatever the cluster.
const slots = 16384

// Cluster runs three servers that share the slots of a Redis cluster, and returns
// when each knows of all.
func Cluster(t testing.TB, settings ...string) []*Server {
	t.Helper()
	ctx := context.Background()
	settings = append([]string{enabled, "cluster-node-timeout 5000"}, settings...)
	var nodes []*Server
	for i := range shards {
		node := Start(t, settings...)
		must(t, node.ClusterAddSlotsRange(ctx, slots*i/shards, slots*(i+1)/shards-1).Err())
		must(t, node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		nodes = append(nodes, node)
	}
	for _, node := range nodes[1:] {
		host, port, _ := net.SplitHostPort(node.Address)
		must(t, nodes[0].Do(ctx, "CLUSTER", "MEET", host, port, node.ports[1].number).Err())
	}
	for _, node := range nodes {
		Eventually(t, "the cluster does not come up", func() bool {
			info := node.ClusterInfo(ctx).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprint("cluster_known_nodes:", shards))
		})
	}
	return nodes
}

const enabled = "cluster-enabled yes"

func (s *Server) isShard() bool { return slices.Contains(s.settings, enabled) }

// Addresses are those of servers.
func Addresses(servers ...*Server) (list []string) {
	for _, s := range servers {
		list = append(list, s.Address)
	}
	return list
}

// Master is the name under which the sentinel of Sentinel knows its servers.
const Master = "vnc"

// Sentinel runs a server, its replica and a sentinel that has the replica take
// over soon after the server was lost. The password and the TLS of client are those
// of all three; settings are for all three, too.
func Sentinel(t testing.TB, client redis.Options, settings ...string) (master, replica, sentinel *Server) {
	t.Helper()
	ctx := context.Background()
	watch := slices.Clone(settings)
	if client.TLSConfig != nil {
		settings, watch = append(settings, "tls-replication yes"), append(watch, "tls-replication yes")
	}
	if client.Password != "" {
		settings = append(settings, "requirepass "+client.Password, "masterauth "+client.Password)
		watch = append(watch, "requirepass "+client.Password)
	}
	settings = append(settings, "repl-diskless-sync-delay 0") // no other replica comes
	master = StartFor(t, client, settings...)
	host, port, _ := net.SplitHostPort(master.Address)
	replica = StartFor(t, client, append(slices.Clone(settings), "replicaof "+host+" "+port)...)
	watch = append(watch, fmt.Sprintf("sentinel monitor %s %s %s 1", Master, host, port),
		"sentinel down-after-milliseconds "+Master+" 1000", "sentinel failover-timeout "+Master+" 3000")
	if client.Password != "" {
		watch = append(watch, "sentinel auth-pass "+Master+" "+client.Password)
	}
	sentinel = run(t, &Server{settings: watch, tls: client.TLSConfig != nil, sentinel: true}, client)
	Eventually(t, "the replica does not follow", func() bool {
		return strings.Contains(replica.Info(ctx, "replication").Val(), "master_link_status:up")
	})
	Eventually(t, "the sentinel does not see the replica", func() bool {
		list, err := sentinel.Do(ctx, "SENTINEL", "REPLICAS", Master).Slice()
		return err == nil && len(list) == 1
	})
	return master, replica, sentinel
}

// Leads reports whether the server is one that is written to.
func (s *Server) Leads() bool {
	return strings.Contains(s.Info(context.Background(), "replication").Val(), "role:master")
}

// Replicate returns when a replica has all that was written until now.
func (s *Server) Replicate() {
	s.t.Helper()
	ctx := context.Background()
	conn := s.Conn() // WAIT is about what its own connection has written
	defer conn.Close()
	must(s.t, conn.Set(ctx, "redistest:mark", "", patience).Err())
	if n, err := conn.Wait(ctx, 1, patience).Result(); n != 1 || err != nil {
		s.t.Fatalf("the replica is behind: %d, %v", n, err)
	}
}

// User is the setting for the user "vncgate" that a page of the documentation has
// operators make, with the password "pw".
func User(t testing.TB, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	must(t, err)
	line := regexp.MustCompile(`(?m)^ *user vncgate on >PASSWORD .*$`).FindString(string(text))
	if line == "" {
		t.Fatalf("%s has no user vncgate", page)
	}
	return strings.Replace(strings.TrimSpace(line), "PASSWORD", "pw", 1)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
