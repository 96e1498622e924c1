// Package cluster joins several gateways by a Redis that they share (or Valkey,
// whose protocol is the same): each knows which others there are, what sessions
// all of them have and which agents are connected where; the numbers in
// auth.Limits count over all of them; and what happens at one is told at the
// others.
//
//	c, err := cluster.Open(cluster.Config{Client: client, Node: "a", Sessions: g.List, MakeRoom: g.MakeRoom, Emit: g.Emit})
//	g.Seats = c
//	...
//	defer c.Close(ctx)
//
// What a gateway has written belongs to one life of it: a random name, under
// which it is alive for as long as it says so in time. When Redis was away, came
// back empty or older than it was, or took the gateway for dead, the gateway
// begins a new life and writes everything that holds into it. So nothing depends
// on a change having arrived: what is there is the state, never a difference.
package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/gateway"
)

// ErrAway is for what cannot be answered while Redis cannot be asked.
var ErrAway = errors.New("cluster: redis is away")

// Alone is what becomes of newcomers while Redis is away. Sessions that are
// there go on in any case.
type Alone int

const (
	// Closed lets nobody in: no number is ever exceeded.
	Closed Alone = iota
	// Local lets in by the sessions of this node alone.
	Local
)

// ParseAlone reads "closed" or "local"; "" is Closed.
func ParseAlone(text string) (Alone, error) {
	switch text {
	case "", "closed":
		return Closed, nil
	case "local":
		return Local, nil
	}
	return Closed, fmt.Errorf("cluster: alone is closed or local, not %q", text)
}

// String is what ParseAlone reads.
func (a Alone) String() string {
	if a == Local {
		return "local"
	}
	return "closed"
}

// Config says what to join and as whom. Client and Node are needed.
type Config struct {
	// Client is of Redis from 6.2, or Valkey: one server, those behind sentinels
	// or a cluster. It stays the caller's to close, after Close.
	Client redis.UniversalClient
	// Prefix is what the keys begin with, in braces so that a Redis cluster keeps
	// them together; "" is "vncgate".
	Prefix string
	// Node is the name of this node. A process that takes over from another has
	// the same; each is an instance of its own.
	Node string
	// Address is where others reach this node, for hops; "" for nowhere.
	Address string
	// Version is of the program, for people.
	Version string
	// Expire is after how long without a sign of life a node is taken for dead; 0
	// is 10 s. A sign is given three times as often. It is the same at all nodes.
	Expire time.Duration
	// Timeout bounds one question to Redis; 0 is 2 s.
	Timeout time.Duration
	// Alone is what becomes of newcomers while Redis is away.
	Alone Alone

	// Sessions lists those of this node (gateway.Gateway.List). Nil: none.
	Sessions func() []gateway.SessionInfo
	// MakeRoom ends a session of this node (gateway.Gateway.MakeRoom). Nil: none
	// is ended.
	MakeRoom func(session string, taken bool) bool
	// Emit is told of what this package finds out, such as NodeLost
	// (gateway.Gateway.Emit). Nil: nobody.
	Emit func(gateway.Event)
	// Event is told of what another node has published. It returns at once. Nil:
	// nobody.
	Event func(node string, e gateway.Event)
	// Agent is told that an agent has come to a node, or left it: this node
	// included. It returns at once. Nil: nobody.
	Agent func(agent string, at Node, here bool)
	// Log gets a line when Redis goes and returns, and for nodes that come and
	// go; nil discards them.
	Log *slog.Logger
}

// Bounds of what is taken from Redis, and of what is kept for it.
const (
	maxNode     = 4 << 10   // bytes of what a node says of itself
	maxSession  = 32 << 10  // of one session
	maxMessage  = 64 << 10  // of one message
	maxNodes    = 256       // instances
	maxSessions = 100_000   // of one instance
	maxAgents   = 10_000    // of one instance
	maxEvents   = 1024      // that wait to be published
	maxChanges  = 64 << 10  // of places that wait to be written; more begin a new life
	maxSubject  = 256       // bytes of a name in a key; longer ones are hashed
	maxList     = 1_000_000 // sessions in a list of all nodes
)

const (
	defaultPrefix  = "vncgate"
	defaultExpire  = 10 * time.Second
	defaultTimeout = 2 * time.Second
	leastExpire    = 500 * time.Millisecond
	// remember is how long what is written stays in Redis when nobody is left to
	// take it away.
	remember = time.Hour
)

// Cluster is one node's membership. It is gateway.Seats.
type Cluster struct {
	cfg      Config
	client   redis.UniversalClient
	keys     keys
	instance string // of this process
	since    time.Time

	mu      sync.Mutex
	life    string                 // the instance with a number, which changes whenever all is written anew
	lives   int                    // how many there were
	here    bool                   // Redis has everything of ours
	turned  time.Time              // since when it has, or has not
	why     error                  // why not
	asked   bool                   // at all
	known   time.Time              // since when Redis knows this node again, or for the first time
	settled bool                   // all that were there before are there again, or had the time for it
	joined  bool                   // it had, at some time
	nodes   map[string]*node       // by instance, as of the last beat
	held    map[string]*place      // by session: those that have a place
	moved   map[string]*move       // by session: places that Redis is to be told of
	agents  map[string]agentRecord // of this node
	shown   map[string]string      // by agent: what Redis has of it
	number  int64                  // the highest that Redis has given to a write of this life
	fresh   bool                   // not everything of this life has been written
	begun   time.Time              // this life
	spoken  string                 // the life that others look into
	old     []string               // lives that are to be forgotten

	beats    chan struct{} // wants one now
	changes  chan struct{} // wants what has changed written now
	outbox   outbox
	registry registryState
	wakers   wakers
	places   placeCache
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// Open joins. It does not wait for Redis: State says whether it is there. The
// caller must Close it.
func Open(cfg Config) (*Cluster, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	cfg.Expire = cmp.Or(cfg.Expire, defaultExpire)
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	now := time.Now()
	c := &Cluster{
		cfg: cfg, client: cfg.Client, keys: keysUnder(cfg.Prefix), instance: hex.EncodeToString(id[:]), since: now,
		turned: now, why: errors.New("not asked yet"),
		nodes: map[string]*node{}, held: map[string]*place{}, moved: map[string]*move{}, agents: map[string]agentRecord{},
		beats: make(chan struct{}, 1), changes: make(chan struct{}, 1),
	}
	c.outbox.wanted = make(chan struct{}, 1)
	c.renew()
	c.spoken = c.life
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.running.Go(func() { c.beat(ctx) })
	c.running.Go(func() { c.listen(ctx) })
	c.running.Go(func() { c.publish(ctx) })
	return c, nil
}

func (cfg *Config) check() error {
	switch {
	case cfg.Client == nil:
		return errors.New("there is no redis")
	case cfg.Node == "":
		return errors.New("a node needs a name")
	case len(cfg.Node) > maxName || len(cfg.Address) > maxName || len(cfg.Version) > maxName:
		return fmt.Errorf("a node's name, address and version have at most %d bytes", maxName)
	case len(cfg.Prefix) > maxName || strings.ContainsAny(cfg.Prefix, "{}"):
		return fmt.Errorf("a prefix has at most %d bytes, and no braces", maxName)
	case cfg.Expire != 0 && cfg.Expire < leastExpire:
		return fmt.Errorf("a node needs %v at least to be taken for dead", leastExpire)
	case cfg.Timeout < 0:
		return errors.New("a time limit is not negative")
	}
	return nil
}

// Close leaves: others are told, and forget this node with its sessions. It
// returns when everything of it has stopped; ctx bounds how long Redis is asked.
func (c *Cluster) Close(ctx context.Context) error {
	c.stop()
	c.running.Wait()
	return c.leaveAll(ctx)
}

// State is how this node stands.
type State struct {
	// Connected says that Redis knows everything of this node. Since is since
	// when that is so, or is not.
	Connected bool
	Since     time.Time
	// Joined says that Redis knew everything at some time.
	Joined bool
	// Err is why it is not, nil while it is.
	Err error
	// Alone is what becomes of newcomers while it is not.
	Alone Alone
	// Lost is how many events could not be told to others, since there were too
	// many or Redis was away.
	Lost uint64
	// Node is this one.
	Node Node
}

// State says how this node stands.
func (c *Cluster) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := State{Connected: c.here, Since: c.turned, Joined: c.joined, Alone: c.cfg.Alone, Lost: c.outbox.lost.Load(), Node: c.self()}
	if !c.here {
		s.Err = fmt.Errorf("%w: %w", ErrAway, c.why)
	}
	return s
}

// Instance is the name of this process among all that there are.
func (c *Cluster) Instance() string { return c.instance }
