package cluster

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"vncgate/gateway"
)

// Kinds of events that Config.Emit is told of at this node, each by every node
// for itself; SessionLost by one of them.
const (
	// NodeJoined: a node is there, for the first time or again. Details have
	// "node", "instance" and "address".
	NodeJoined gateway.EventKind = "NODE_JOINED"
	// NodeLeft: a node has gone by itself.
	NodeLeft gateway.EventKind = "NODE_LEFT"
	// NodeLost: nothing is heard of a node any more; Count is how many sessions
	// it had.
	NodeLost gateway.EventKind = "NODE_LOST"
	// SessionLost: a session was at a node that was lost, and its end is not
	// known. Session is what was known of it; Details have "node" and "instance".
	SessionLost gateway.EventKind = "SESSION_LOST"
	// RedisAway and RedisBack: this node has lost touch with the others, or has
	// told them everything anew.
	RedisAway gateway.EventKind = "REDIS_AWAY"
	RedisBack gateway.EventKind = "REDIS_BACK"
)

// Node is one process of one node.
type Node struct {
	// Name is the node's. Two instances of a node are there while one process
	// takes over from another.
	Name     string
	Instance string
	// Address is where it is reached for hops; "" nowhere.
	Address string
	Version string
	// Since is when the process began.
	Since time.Time
	// Sessions and Agents are how many it has, as of its last sign of life.
	Sessions, Agents int
	// Self says that it is this one.
	Self bool
}

// node is what is known of an instance.
type node struct {
	nodeRecord
	instance string
	alive    bool
	told     bool      // that it is lost
	twin     bool      // it was warned of, since it has this node's name
	met      time.Time // since when it is seen alive
	gone     time.Time // since when it is seen that it left or was lost
}

func (n *node) public(self string) Node {
	return Node{
		Name: n.Name, Instance: n.instance, Address: n.Address, Version: n.Version, Since: n.Since,
		Sessions: n.Sessions, Agents: n.Agents, Self: n.instance == self,
	}
}

// Nodes are the instances that are alive, as far as this node knows: by name,
// the youngest of one name first. While Redis is away they are those that were
// there then.
func (c *Cluster) Nodes() []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []Node{c.self()}
	for _, n := range c.nodes {
		if n.alive && n.instance != c.instance {
			list = append(list, n.public(c.instance))
		}
	}
	slices.SortFunc(list, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), b.Since.Compare(a.Since), cmp.Compare(a.Instance, b.Instance))
	})
	return list
}

// self is this node; c.mu is held.
func (c *Cluster) self() Node {
	sessions := len(c.held)
	if c.registry.known {
		sessions = len(c.registry.written)
	}
	return Node{
		Name: c.cfg.Node, Instance: c.instance, Address: c.cfg.Address, Version: c.cfg.Version, Since: c.since,
		Sessions: sessions, Agents: len(c.agents), Self: true,
	}
}

// learn takes up what a beat has found, and tells what is new in it. Those that
// died without a word are returned.
//
// When Redis was away or empty, nobody could give a sign of life: for as long as
// one may take, those that were there before count as being there, nobody is
// dead, and places are not given away before all are back.
func (c *Cluster) learn(found map[string]*node) (dead []*node) {
	before := c.believe(found)
	c.tellTwins()
	for id, n := range found {
		was := before[id]
		switch {
		case id == c.instance:
		case n.alive && (was == nil || !was.alive):
			c.tellNode(NodeJoined, n)
		case !n.alive && was != nil && was.alive:
			c.tellGone(n)
		}
		if !n.alive && !n.Left && !n.Lost && id != c.instance {
			dead = append(dead, n)
		}
	}
	for id, was := range before {
		if found[id] == nil && was.alive && id != c.instance {
			c.tellGone(was)
		}
	}
	if c.inGrace() {
		return nil
	}
	return dead
}

// believe has found be the nodes that there are, with those that only have to
// return, and returns those that there were. Nobody changes a node afterwards.
func (c *Cluster) believe(found map[string]*node) (before map[string]*node) {
	grace := c.inGrace()
	c.mu.Lock()
	defer c.mu.Unlock()
	before = c.nodes
	for id, n := range found {
		n.met, n.gone = time.Now(), time.Now()
		if was := before[id]; was != nil {
			n.told = !n.alive && (was.alive || was.told)
			n.met, n.twin = was.met, was.twin
			if was.Left || was.Lost {
				n.gone = was.gone
			}
		}
	}
	missed := 0
	for id, was := range before {
		n := found[id]
		away := n == nil || !n.alive && !n.Left && !n.Lost
		if grace && away && was.alive && was.met.Before(c.known) && id != c.instance {
			found[id] = was
			missed++
		}
	}
	c.nodes, c.settled = found, missed == 0
	return before
}

// tellTwins warns of others that go by the name of this node and are reached
// elsewhere. While one process takes over from another both are at one place; two
// machines that were given one name by mistake stay beside each other, and each
// takes the other for itself.
func (c *Cluster) tellTwins() {
	var twins []*node
	c.mu.Lock()
	for id, n := range c.nodes {
		elsewhere := n.Name == c.cfg.Node && n.Address != c.cfg.Address && id != c.instance
		if elsewhere && n.alive && !n.twin && time.Since(n.met) > 2*c.cfg.Expire {
			n.twin = true
			twins = append(twins, n)
		}
	}
	c.mu.Unlock()
	for _, n := range twins {
		c.cfg.Log.Warn("cluster: another gateway has the name of this node, so that commands and viewers of agents do not get from one to the other; give each a name of its own (cluster: node)",
			"node", n.Name, "address", c.cfg.Address, "other_address", n.Address, "other_instance", n.instance)
	}
}

// inGrace reports whether others may not have had the time for a sign of life.
func (c *Cluster) inGrace() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.known) < c.cfg.Expire
}

func (c *Cluster) tellGone(n *node) {
	if n.Left {
		c.tellNode(NodeLeft, n)
		return
	}
	c.tellNode(NodeLost, n)
}

func (c *Cluster) tellNode(kind gateway.EventKind, n *node) {
	e := gateway.Event{Kind: kind, Details: map[string]string{"node": n.Name, "instance": n.instance}}
	if n.Address != "" {
		e.Details["address"] = n.Address
	}
	log := c.cfg.Log.Info
	if kind == NodeLost {
		log = c.cfg.Log.Warn
		e.Count = n.Sessions
	}
	log("cluster: "+words[kind], "node", n.Name, "instance", n.instance, "address", n.Address, "sessions", strconv.Itoa(n.Sessions))
	c.emit(e)
}

var words = map[gateway.EventKind]string{
	NodeJoined: "a node is there", NodeLeft: "a node has left", NodeLost: "a node is lost",
}

func (c *Cluster) emit(e gateway.Event) {
	if c.cfg.Emit != nil {
		e.Time = cmp.Or(e.Time, time.Now())
		c.cfg.Emit(e)
	}
}
