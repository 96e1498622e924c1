package cluster_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
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
	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) {
	tickets.QuietRedis()
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil { // they wait for nodes to die, most of the time
		panic(err)
	}
	layertest.Main(m)
}

// peer is a node with what its gateway would have.
type peer struct {
	*cluster.Cluster
	t    testing.TB
	stop func(context.Context) // the cluster, as if the process had been killed

	mu       sync.Mutex
	sessions map[string]gateway.SessionInfo
	made     map[string]bool // room, by session; whether it was taken
	told     []gateway.Event // of its own
	heard    []string        // "node KIND session"
}

// join opens a node. change is for its configuration.
func join(t testing.TB, client redis.UniversalClient, name string, change ...func(*cluster.Config)) *peer {
	t.Helper()
	p := &peer{t: t, sessions: map[string]gateway.SessionInfo{}, made: map[string]bool{}}
	cfg := cluster.Config{
		Client: client, Node: name, Address: name + ".internal:7443", Version: "1.2.3", Expire: 6 * time.Second,
		Sessions: p.list, MakeRoom: p.makeRoom,
		Emit: func(e gateway.Event) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.told = append(p.told, e)
		},
		Event: func(node string, e gateway.Event) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.heard = append(p.heard, node+" "+string(e.Kind)+" "+e.Reason)
		},
	}
	if os.Getenv("CLUSTER_LOG") != "" {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("at", name)
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if p.Cluster, err = cluster.Open(cfg); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	p.stop = func(ctx context.Context) { once.Do(func() { _ = p.Cluster.Close(ctx) }) }
	t.Cleanup(func() { p.stop(context.Background()) })
	return p
}

// quick is for nodes that are to be taken for dead soon.
func quick(cfg *cluster.Config) { cfg.Expire = 3 * time.Second }

// joined is join that waits until the node is in.
func joined(t testing.TB, client redis.UniversalClient, name string, change ...func(*cluster.Config)) *peer {
	t.Helper()
	p := join(t, client, name, change...)
	p.connects()
	return p
}

func (p *peer) connects() {
	p.t.Helper()
	eventually(p.t, "it does not connect", func() bool { return p.State().Connected })
}

// die ends the node without a word.
func (p *peer) die() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.stop(ctx)
}

func (p *peer) list() []gateway.SessionInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []gateway.SessionInfo
	for _, s := range p.sessions {
		list = append(list, s)
	}
	return list
}

// opens has a session run here.
func (p *peer) opens(s gateway.SessionInfo) {
	p.mu.Lock()
	p.sessions[s.ID] = s
	p.mu.Unlock()
	p.Changed()
}

func (p *peer) closes(id string) {
	p.mu.Lock()
	delete(p.sessions, id)
	p.mu.Unlock()
	p.Changed()
}

// makeRoom leaves soon, as a gateway does.
func (p *peer) makeRoom(session string, taken bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[session] = taken
	return true
}

func (p *peer) hasMade(session string) (made, taken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken, made = p.made[session]
	return made, taken
}

// events are the node's own of a kind.
func (p *peer) events(kind gateway.EventKind) (list []gateway.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.told {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// names are those of the nodes that p knows.
func (p *peer) names() string {
	var names []string
	for _, n := range p.Nodes() {
		names = append(names, n.Name)
	}
	return strings.Join(names, " ")
}

// ids are the sessions that p knows of, as node/session.
func (p *peer) ids() string {
	list, err := p.Sessions(context.Background())
	if err != nil {
		return err.Error()
	}
	var ids []string
	for _, s := range list {
		ids = append(ids, s.Node+"/"+s.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func session(id string) gateway.SessionInfo {
	return gateway.SessionInfo{
		ID: id, Listener: "front", Target: "desk", Identity: auth.Identity{Name: "alice", Method: "plain"},
		From: "192.0.2.1:5", Since: time.Unix(1_700_000_000, 0).UTC(), Rights: auth.AllRights, Open: true,
	}
}

func TestNodesKnowEachOther(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := joined(t, of(t, server), "a")
	b := joined(t, of(t, server), "b")
	eventually(t, "both know both", func() bool { return a.names() == "a b" && b.names() == "a b" })
	at := b.Nodes()[0]
	if at.Address != "a.internal:7443" || at.Version != "1.2.3" || at.Since.IsZero() || at.Self || at.Instance != a.Instance() {
		t.Errorf("%+v", at)
	}
	a.opens(session("s1"))
	b.opens(session("s2"))
	eventually(t, "both list all", func() bool { return a.ids() == "a/s1 b/s2" && b.ids() == "a/s1 b/s2" })
	list, _ := b.Sessions(context.Background())
	got := list[slices.IndexFunc(list, func(s cluster.Session) bool { return s.ID == "s1" })]
	want := session("s1")
	if fmt.Sprintf("%+v", got.SessionInfo) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v\nwant %+v", got.SessionInfo, want)
	}
	a.closes("s1")
	eventually(t, "it is gone everywhere", func() bool { return b.ids() == "b/s2" })

	b.stop(context.Background())
	eventually(t, "one is left", func() bool { return a.names() == "a" && a.ids() == "" })
	if left, lost := a.events(cluster.NodeLeft), a.events(cluster.NodeLost); len(left) != 1 || len(lost) != 0 || left[0].Details["node"] != "b" {
		t.Errorf("left %+v, lost %+v", left, lost)
	}
}

func TestDeathOfANode(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b, c := joined(t, of(t, server), "a", quick), joined(t, of(t, server), "b", quick), joined(t, of(t, server), "c", quick)
	for i := range 3 {
		b.opens(session(fmt.Sprintf("s%d", i)))
	}
	eventually(t, "all are known", func() bool { return a.names() == "a b c" && c.names() == "a b c" && len(strings.Fields(a.ids())) == 3 })
	eventually(t, "their number is", func() bool { return a.Nodes()[1].Sessions == 3 && c.Nodes()[1].Sessions == 3 })
	b.die()
	eventually(t, "its death is noticed", func() bool {
		return len(a.events(cluster.NodeLost)) == 1 && len(c.events(cluster.NodeLost)) == 1 && a.names() == "a c" && c.names() == "a c"
	})
	if e := a.events(cluster.NodeLost)[0]; e.Count != 3 || e.Details["node"] != "b" {
		t.Errorf("%+v", e)
	}
	lost := func() []gateway.Event {
		return append(a.events(cluster.SessionLost), c.events(cluster.SessionLost)...)
	}
	eventually(t, "its sessions are accounted for", func() bool { return len(lost()) == 3 })
	var ids []string
	for _, e := range lost() {
		ids = append(ids, e.Session.ID)
		if cmp.Or(e.Session.Identity.Name, "?") != "alice" || e.Session.Target != "desk" || e.Details["instance"] != b.Instance() {
			t.Errorf("%+v", e)
		}
	}
	if slices.Sort(ids); !slices.Equal(ids, []string{"s0", "s1", "s2"}) {
		t.Errorf("lost %v", ids)
	}
	if a.ids() != "" {
		t.Errorf("still listed: %s", a.ids())
	}
}

// A process takes over from another of the same name: both are there.
func TestTwoInstancesOfANode(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	elder := joined(t, of(t, server), "a")
	elder.opens(session("s1"))
	heir := joined(t, of(t, server), "a")
	heir.opens(session("s2"))
	eventually(t, "both are seen", func() bool { return elder.names() == "a a" && heir.ids() == "a/s1 a/s2" })
	if first := heir.Nodes()[0]; first.Instance != heir.Instance() {
		t.Errorf("the youngest is not the first: %+v", first)
	}
	elder.closes("s1")
	elder.stop(context.Background())
	eventually(t, "one is left", func() bool { return heir.names() == "a" && heir.ids() == "a/s2" })
	if n := len(heir.events(cluster.NodeLost)); n != 0 {
		t.Errorf("%d lost", n)
	}
}

// Gateways that begin and end, over and over, keep no others out.
func TestManyThatAreGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := of(t, server)
	a := joined(t, of(t, server), "a")
	const gone = 300
	records := map[string]any{}
	for i := range gone {
		records[fmt.Sprintf("%016x", i+1)] = fmt.Sprintf(`{"name":"a","address":"a.internal:7443","version":"1","life":"%016x.1","since":"2026-01-02T03:04:05Z","left":true}`, i+1)
	}
	if err := client.HSet(context.Background(), "{vncgate}:nodes", records).Err(); err != nil {
		t.Fatal(err)
	}
	b := joined(t, of(t, server), "b")
	eventually(t, "both know both, and no other", func() bool { return a.names() == "a b" && b.names() == "a b" })
	eventually(t, "those that are gone are forgotten", func() bool {
		return client.HLen(context.Background(), "{vncgate}:nodes").Val() == 2
	})
	if s := a.State(); !s.Connected {
		t.Error(s.Err)
	}
}
