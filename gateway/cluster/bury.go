package cluster

import (
	"context"
	"time"

	"vncgate/gateway"
)

// keepGone is how long a node sees that another left or was lost before it has
// that forgotten, so that all have seen it, whatever their clocks say.
const keepGone = time.Minute

// buryAll reports the sessions of nodes that died, and forgets nodes that have
// long been gone.
func (c *Cluster) buryAll(ctx context.Context, dead []*node) error {
	for _, n := range dead {
		if err := c.bury(ctx, n); err != nil {
			return err
		}
	}
	c.mu.Lock()
	var gone []string
	for id, n := range c.nodes {
		if !n.alive && (n.Left || n.Lost) && time.Since(n.gone) > keepGone {
			gone = append(gone, id)
		}
	}
	c.mu.Unlock()
	for _, id := range gone {
		if _, err := c.run(ctx, sweepScript, []string{c.keys.alive(), c.keys.nodes()}, id); err != nil {
			return err
		}
	}
	return nil
}

// bury tells of each session of a dead node, if nobody else does. Whoever has
// begun and dies over it is replaced: a session is rather reported twice than
// not at all.
func (c *Cluster) bury(ctx context.Context, n *node) error {
	if mine, err := c.claimBurial(ctx, n.instance); err != nil || !mine {
		return err
	}
	if !n.told {
		c.tellNode(NodeLost, n)
	}
	lost := 0
	err := c.eachSession(ctx, n.Life, func(info gateway.SessionInfo) {
		lost++
		c.emit(gateway.Event{
			Kind: SessionLost, Session: &info, Reason: "node lost",
			Words:   "The gateway that served the session is gone, and how it ended is not known.",
			Details: map[string]string{"node": n.Name, "instance": n.instance},
		})
	})
	if err != nil {
		return err
	}
	c.cfg.Log.Warn("cluster: sessions of a node are lost", "node", n.Name, "instance", n.instance, "sessions", lost)
	r := n.nodeRecord
	r.Lost = true
	_, err = c.run(ctx, entombScript,
		[]string{c.keys.alive(), c.keys.nodes(), c.keys.writes(), c.keys.sessions(n.Life), c.keys.agents(n.Life)},
		n.instance, encode(r), n.Life)
	return err
}

func (c *Cluster) claimBurial(ctx context.Context, instance string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	return c.client.SetNX(ctx, c.keys.bury(instance), c.instance, max(c.cfg.Expire, 2*c.cfg.Timeout)).Result()
}
