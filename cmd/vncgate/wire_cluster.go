package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/gateway"
	"vncgate/gateway/cluster"
	"vncgate/gateway/control"
	"vncgate/gateway/tunnel"
	"vncgate/rfb"
)

// clusterLeave bounds how long Redis is told that this node ends.
const clusterLeave = 2 * time.Second

// clustered is what a gateway is among others.
type clustered struct {
	*cluster.Cluster
	cfg    *clusterConfig
	node   string
	client redis.UniversalClient
	hops   *hops        // nil: nobody reaches the others
	ln     net.Listener // for them
	moves  moves        // of agents
	closed sync.Once
}

// moves wakes those who wait for an agent to come to some node.
type moves struct {
	mu   sync.Mutex
	next chan struct{}
}

// wait is closed when the next agent comes or goes.
func (m *moves) wait() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == nil {
		m.next = make(chan struct{})
	}
	return m.next
}

func (m *moves) tell() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next != nil {
		close(m.next)
		m.next = nil
	}
}

// openCluster joins the other gateways, where there are some. Redis may come
// later.
func (w *wiring) openCluster(ctx context.Context) error {
	cfg := w.cfg.Cluster
	if cfg == nil {
		return nil
	}
	c := &clustered{cfg: cfg}
	if err := c.open(ctx, w); err != nil {
		c.close()
		return fmt.Errorf("cluster: %w", err)
	}
	w.cluster = c
	w.gate.Seats = c.Cluster
	w.events.to(c.Publish)
	w.log.Info("one of several gateways", "node", c.node, "redis", cfg.Redis.Addresses, "alone", c.State().Alone.String(), "others_reach_it_at", c.State().Node.Address)
	return nil
}

func (c *clustered) open(ctx context.Context, w *wiring) (err error) {
	if c.node, err = c.cfg.node(); err != nil {
		return err
	}
	address, err := c.listen(ctx, w)
	if err != nil {
		return err
	}
	server, err := c.cfg.Redis.server(ctx)
	if err != nil {
		return err
	}
	if c.client, err = server.NewClient(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	if c.hops != nil { // before the first is heard of
		w.events.to(func(e gateway.Event) { c.heard(e, w.log) })
	}
	alone, err := cluster.ParseAlone(c.cfg.Alone)
	if err != nil {
		return err
	}
	c.Cluster, err = cluster.Open(cluster.Config{
		Client: c.client, Prefix: c.cfg.prefix(), Node: c.node, Address: address, Version: versionText(),
		Expire: c.cfg.Expire, Timeout: c.cfg.Redis.Timeout, Alone: alone, Log: w.log,
		Sessions: w.gate.List, MakeRoom: w.gate.MakeRoom, Emit: w.gate.Emit, Event: w.abroad,
		Agent: func(string, cluster.Node, bool) { c.moves.tell() },
	})
	return err
}

// listen opens the socket for the other nodes, and says where they reach it.
func (c *clustered) listen(ctx context.Context, w *wiring) (address string, err error) {
	if c.cfg.Listen == "" {
		return "", nil
	}
	t, err := openHopTLS(c.cfg.Certificates, c.node)
	if err != nil {
		return "", fmt.Errorf("certificates: %w", err)
	}
	t.pair.Report = w.reporter("certificate", c.cfg.Certificates)
	w.pairs = append(w.pairs, t.pair)
	if c.ln, err = w.listen(ctx, &listenerConfig{Address: c.cfg.Listen}); err != nil {
		return "", err
	}
	c.hops = newHops(t, c.node, w.log)
	c.hops.agent = func(ctx context.Context, agent, service string) (net.Conn, error) {
		return w.dialLocalAgent(ctx, agent, service)
	}
	c.hops.page, c.hops.follow, c.hops.look = w.pageHere, w.watchedHere, w.lookFrom
	return c.cfg.reached(c.ln.Addr())
}

// serve takes the other nodes in until close.
func (c *clustered) serve() {
	if c != nil && c.hops != nil {
		_ = c.hops.serve(c.ln)
	}
}

// retire has the others go to the process that has taken over.
func (c *clustered) retire() {
	if c != nil && c.hops != nil {
		c.hops.retired.Store(true)
	}
}

// close leaves the others.
func (c *clustered) close() {
	if c == nil {
		return
	}
	c.closed.Do(func() {
		if c.Cluster != nil {
			ctx, cancel := context.WithTimeout(context.Background(), clusterLeave)
			defer cancel()
			_ = c.Close(ctx) // Redis forgets us anyway
		}
		if c.hops != nil {
			c.hops.close()
		}
		if c.ln != nil {
			_ = c.ln.Close()
		}
		if c.client != nil {
			_ = c.client.Close()
		}
	})
}

// abroad is told of what happens at other nodes: clients of the control socket
// and dashboards are, and nobody who writes down what happens here.
func (w *wiring) abroad(node string, e gateway.Event) {
	e.Node = node
	w.foreign.tell(e)
}

// ready says why no viewer would get in here: nobody does while sessions cannot be
// counted, unless the rule says otherwise.
func (c *clustered) ready() error {
	if c == nil {
		return nil
	}
	if s := c.State(); !s.Connected && s.Alone == cluster.Closed && (!s.Joined || time.Since(s.Since) > redisPatience) {
		return &rfb.Refusal{Reason: "Redis is away, and cluster.alone is closed.", Err: s.Err} // which has addresses that are not for strangers
	}
	return nil
}

// redisPatience is how long Redis may be away before viewers are sent elsewhere:
// as long as it is restarted in, so that not all nodes go at once for nothing.
const redisPatience = 5 * time.Second

// agent tells the others that an agent is connected here, or no longer.
func (c *clustered) agent(name string, services []string, here bool) {
	switch {
	case c == nil:
	case here:
		c.AgentHere(name, services)
	default:
		c.AgentGone(name)
	}
}

// gauges are the figures of the cluster.
func (c *clustered) gauges(list map[string]float64) {
	if c == nil {
		return
	}
	s := c.State()
	list["vncgate_cluster_nodes"] = float64(len(c.Nodes()))
	list["vncgate_cluster_redis_up"] = 0
	if s.Connected {
		list["vncgate_cluster_redis_up"] = 1
	}
	list["vncgate_cluster_events_lost"] = float64(s.Lost)
	if c.hops != nil {
		list["vncgate_cluster_hop_streams"] = float64(c.hops.streams.Load())
		list["vncgate_cluster_hop_bytes_in"] = float64(c.hops.in.Load())
		list["vncgate_cluster_hop_bytes_out"] = float64(c.hops.out.Load())
	}
}

// dialAgent reaches a service of an agent that is connected to this node or, over
// one hop, to another. It waits for the agent until ctx ends, wherever it comes.
// local is for those that are connected here.
func (w *wiring) dialAgent(ctx context.Context, local agentDial, agent, service string) (net.Conn, error) {
	c := w.cluster
	if c == nil || c.hops == nil {
		return local(ctx, agent, service)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		c   net.Conn
		err error
	}
	both := make(chan outcome, 2)
	go func() {
		conn, err := local(ctx, agent, service)
		both <- outcome{conn, err}
	}()
	go func() {
		conn, err := c.dialElsewhere(ctx, agent, service)
		both <- outcome{conn, err}
	}()
	first := <-both
	if errors.Is(first.err, tunnel.ErrNoAgent) { // the other may find it
		second := <-both
		if errors.Is(second.err, tunnel.ErrNoAgent) {
			second.err = fmt.Errorf("%w; %w", first.err, second.err)
		}
		return second.c, second.err
	}
	cancel()
	go func() { // the other one is given up
		if late := <-both; late.c != nil {
			_ = late.c.Close()
		}
	}()
	return first.c, first.err
}

// whereAgain is how often it is asked where an agent is while it is nowhere.
const whereAgain = time.Second

// dialElsewhere reaches an agent at another node, once it is at one. A node that
// does not answer may be dead, and its agents on their way to another.
func (c *clustered) dialElsewhere(ctx context.Context, agent, service string) (net.Conn, error) {
	for {
		moved := c.moves.wait()
		conn, err := c.dialNodes(ctx, agent, service)
		if err == nil || !errors.Is(err, tunnel.ErrNoAgent) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		case <-moved:
		case <-time.After(whereAgain):
		}
	}
}

// dialNodes tries the nodes that have the agent. The error matches
// tunnel.ErrNoAgent if it is at none that answers.
func (c *clustered) dialNodes(ctx context.Context, agent, service string) (net.Conn, error) {
	nodes, _ := c.Where(ctx, agent) // what is not known may come
	failed, away := error(nil), tunnel.ErrNoAgent
	for _, node := range nodes {
		if node.Self || node.Name == c.node {
			continue
		}
		conn, err := c.hops.dialAgent(ctx, node, agent, service)
		switch {
		case err == nil:
			return conn, nil
		case errors.Is(err, errNodeAway):
			away = fmt.Errorf("%w: %w", tunnel.ErrNoAgent, err)
		case !errors.Is(err, tunnel.ErrNoAgent):
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return nil, failed
	}
	return nil, away
}

// nodeList is query-nodes' answer.
type nodeList struct {
	Nodes []nodeInfo `json:"nodes" doc:"by name"`
	Redis string     `json:"redis" doc:"whether it can be asked" enum:"up,away"`
	Since time.Time  `json:"since,omitzero" doc:"since when that is so"`
	Error string     `json:"error,omitempty" doc:"why it cannot be asked"`
	Alone string     `json:"alone,omitempty" doc:"who comes in while it cannot" enum:"closed,local"`
}

// nodeInfo is one gateway of several.
type nodeInfo struct {
	Name     string    `json:"name" doc:"of the node" of:"node"`
	Self     bool      `json:"self,omitempty" doc:"it is the one that answers"`
	Address  string    `json:"address,omitempty" doc:"where the others reach it"`
	Version  string    `json:"version,omitempty" doc:"of its program"`
	Since    time.Time `json:"since,omitzero" doc:"when it began"`
	Sessions int       `json:"sessions" doc:"how many it has"`
	Agents   int       `json:"agents" doc:"how many are connected to it"`
	Answers  bool      `json:"answers" doc:"it can be told and asked from here"`
	Millis   float64   `json:"ms,omitempty" doc:"how long that took, in milliseconds"`
	Error    string    `json:"error,omitempty" doc:"why not"`
}

// clusterCommands are those that there are with several gateways.
func (w *wiring) clusterCommands() []control.Command {
	if w.cluster == nil {
		return nil
	}
	return []control.Command{nodesCommand(w)}
}

func nodesCommand(w *wiring) control.Command {
	return control.New("query-nodes", control.Viewer, "List the gateways that are one together", w.queryNodes)
}

func (w *wiring) queryNodes(ctx context.Context, call *control.Call, _ struct{}) (nodeList, error) {
	c := w.cluster
	s := c.State()
	answer := nodeList{Redis: "up", Since: s.Since.UTC(), Alone: s.Alone.String()}
	if !s.Connected {
		answer.Redis, answer.Error = "away", s.Err.Error()
	}
	nodes := c.Nodes()
	answer.Nodes = make([]nodeInfo, len(nodes))
	var asking sync.WaitGroup
	for i, n := range nodes {
		answer.Nodes[i] = nodeInfo{Name: n.Name, Self: n.Self, Address: n.Address, Version: n.Version, Since: n.Since.UTC(), Sessions: n.Sessions, Agents: n.Agents, Answers: n.Self}
		if n.Self || c.hops == nil {
			continue
		}
		asking.Go(func() {
			begun := time.Now()
			_, err := patiently(ctx, c.hops, n, listTime, true, func(ctx context.Context) (json.RawMessage, error) {
				return c.hops.command(ctx, n, call, "query-version", json.RawMessage("{}"))
			})
			one := &answer.Nodes[i]
			if one.Answers = err == nil; err != nil {
				one.Error = err.Error()
				if advice := trustAdvice(err); advice != "" {
					one.Error += "; " + advice
				}
				return
			}
			one.Millis = float64(time.Since(begun).Microseconds()) / 1000
		})
	}
	asking.Wait()
	return answer, nil
}

// agentHereTime is how long an agent is waited for that is said to be here.
const agentHereTime = time.Second

// agentDial reaches a service of an agent.
type agentDial func(ctx context.Context, agent, service string) (net.Conn, error)

// dialLocalAgent reaches a service of an agent that is connected to this node.
func (w *wiring) dialLocalAgent(ctx context.Context, agent, service string) (net.Conn, error) {
	if w.agentHere == nil {
		return nil, tunnel.ErrNoAgent
	}
	if w.agents != nil { // one that has left meanwhile is waited for where the viewer is
		moment, cancel := context.WithTimeout(ctx, agentHereTime)
		defer cancel()
		if err := w.agents.hub.Await(moment, agent); err != nil {
			return nil, err
		}
	}
	return w.agentHere(ctx, agent, service)
}
