package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Agent is one that is connected to some node.
type Agent struct {
	Name     string
	Services []string
	Since    time.Time // to that node
	Node     Node
}

// AgentHere says that an agent is connected to this node, and offers services;
// said again, they are others.
func (c *Cluster) AgentHere(name string, services []string) {
	if len(name) > maxName {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	since := time.Now().Round(0)
	if was, here := c.agents[name]; here {
		since = was.Since
	}
	services = services[:min(len(services), maxServices)]
	services = slices.DeleteFunc(slices.Clone(services), func(s string) bool { return len(s) > maxName })
	if len(c.agents) < maxAgents || !c.agents[name].Since.IsZero() {
		c.agents[name] = agentRecord{Services: services, Since: since}
	}
	poke(c.changes)
}

// AgentGone says that an agent is no longer connected to this node.
func (c *Cluster) AgentGone(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.agents, name)
	poke(c.changes)
}

// writeAgents makes what Redis knows of this node's agents be what they are, and
// tells the others which have changed.
func (c *Cluster) writeAgents(ctx context.Context) error {
	c.mu.Lock()
	life := c.life
	changed, gone := map[string]string{}, []string(nil)
	for name, r := range c.agents {
		if text := encode(r); c.shown[name] != text {
			changed[name] = text
		}
	}
	for name := range c.shown {
		if _, here := c.agents[name]; !here {
			gone = append(gone, name)
		}
	}
	c.mu.Unlock()
	if len(changed)+len(gone) == 0 {
		return nil
	}
	if err := c.sendAgents(ctx, life, changed, gone); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if life != c.life {
		return nil
	}
	maps.Copy(c.shown, changed)
	for name := range changed {
		c.send(message{Kind: sayAgent, Agent: name, Here: true})
	}
	for _, name := range gone {
		delete(c.shown, name)
		c.send(message{Kind: sayAgent, Agent: name})
	}
	return nil
}

func (c *Cluster) sendAgents(ctx context.Context, life string, changed map[string]string, gone []string) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	key := c.keys.agents(life)
	var number *redis.IntCmd
	_, err := c.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for name, text := range changed {
			p.HSet(ctx, key, name, text)
		}
		for some := range slices.Chunk(gone, batch) {
			p.HDel(ctx, key, some...)
		}
		p.PExpire(ctx, key, remember)
		number = p.HIncrBy(ctx, c.keys.writes(), life, 1)
		return nil
	})
	if err == nil {
		c.wrote(life, number.Val())
	}
	return err
}

// Where says which nodes an agent is connected to: this one first, then that to
// which it came last. While Redis is away it is what was known last of this
// agent; the error then matches ErrAway if that is nothing.
func (c *Cluster) Where(ctx context.Context, agent string) ([]Node, error) {
	var found []Agent
	here, self := c.ownAgent(agent)
	if here {
		found = append(found, Agent{Node: self})
	}
	if len(agent) > maxName {
		return nil, nil
	}
	if !c.connected() {
		return c.places.last(agent, here, self)
	}
	var others []Agent
	for _, n := range c.others() {
		got, err := c.run(ctx, fieldScript, []string{c.keys.agents(n.Life)}, agent, maxMessage)
		if err != nil {
			poke(c.beats)
			return c.places.last(agent, here, self)
		}
		if r, err := decodeAgent(got.text(0)); err == nil {
			others = append(others, Agent{Since: r.Since, Node: n.public(c.instance)})
		}
	}
	slices.SortFunc(others, func(a, b Agent) int {
		return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(a.Node.Instance, b.Node.Instance))
	})
	nodes := nodesOf(append(found, others...))
	c.places.note(agent, nodesOf(others))
	return nodes, nil
}

func nodesOf(list []Agent) (nodes []Node) {
	for _, a := range list {
		nodes = append(nodes, a.Node)
	}
	return nodes
}

func (c *Cluster) ownAgent(name string) (here bool, self Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, here = c.agents[name]
	return here, c.self()
}

// Agents lists those of all nodes, by name. The error matches ErrAway when only
// this node's are known.
func (c *Cluster) Agents(ctx context.Context) ([]Agent, error) {
	c.mu.Lock()
	var list []Agent
	for name, r := range c.agents {
		list = append(list, Agent{Name: name, Services: slices.Clone(r.Services), Since: r.Since, Node: c.self()})
	}
	c.mu.Unlock()
	var err error
	if !c.connected() {
		err = c.State().Err
	} else {
		for _, n := range c.others() {
			read := c.eachField(ctx, c.keys.agents(n.Life), maxMessage, maxAgents, func(name, text string) {
				if r, err := decodeAgent(text); err == nil && len(list) < maxList {
					list = append(list, Agent{Name: name, Services: r.Services, Since: r.Since, Node: n.public(c.instance)})
				}
			})
			if read != nil {
				err = fmt.Errorf("%w: %w", ErrAway, read)
			}
		}
	}
	slices.SortFunc(list, func(a, b Agent) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node.Name, b.Node.Name), cmp.Compare(a.Node.Instance, b.Node.Instance))
	})
	list = slices.CompactFunc(list, func(a, b Agent) bool { return a.Name == b.Name && a.Node.Instance == b.Node.Instance })
	return list, err
}

// hearAgent passes on that an agent has come to another node, or gone.
func (c *Cluster) hearAgent(m *message) {
	c.mu.Lock()
	n := c.nodes[m.Instance]
	c.mu.Unlock()
	at := Node{Name: m.Node, Instance: m.Instance}
	if n != nil {
		at = n.public(c.instance)
	}
	if c.cfg.Agent != nil {
		c.cfg.Agent(m.Agent, at, m.Here)
	}
}

// maxPlaces is of how many agents is remembered where they were.
const maxPlaces = 10_000

// placeCache is where agents were when that was asked last.
type placeCache struct {
	mu    sync.Mutex
	known map[string][]Node
}

func (p *placeCache) note(agent string, at []Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(at) == 0 {
		delete(p.known, agent)
		return
	}
	if p.known == nil || len(p.known) >= maxPlaces {
		p.known = map[string][]Node{}
	}
	p.known[agent] = at
}

func (p *placeCache) last(agent string, here bool, self Node) ([]Node, error) {
	p.mu.Lock()
	at := slices.Clone(p.known[agent])
	p.mu.Unlock()
	if here {
		at = slices.Insert(at, 0, self)
	}
	if len(at) == 0 {
		return nil, ErrAway
	}
	return at, nil
}
