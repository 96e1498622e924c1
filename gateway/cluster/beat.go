package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vncgate/gateway"
)

// spacing is the least time between two writings of what has changed.
const spacing = 100 * time.Millisecond

// beat gives signs of life, and writes what has changed, until ctx ends.
func (c *Cluster) beat(ctx context.Context) {
	for {
		err := c.sign(ctx)
		if ctx.Err() != nil {
			return
		}
		c.stand(err)
		pause := time.NewTimer(c.pause(err))
		if !c.between(ctx, pause.C) {
			pause.Stop()
			return
		}
		pause.Stop()
	}
}

// pause is how long until the next sign of life.
func (c *Cluster) pause(err error) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		return min(c.cfg.Expire/3, time.Second)
	case !c.settled:
		return min(c.cfg.Expire/3, time.Second/4)
	}
	return c.cfg.Expire / 3
}

// between writes what changes until the next sign is due; false says that ctx
// has ended.
func (c *Cluster) between(ctx context.Context, due <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-due:
			return true
		case <-c.beats:
			return true
		case <-c.changes:
		}
		if !c.connected() {
			continue
		}
		begun := time.Now()
		if err := c.write(ctx); err != nil {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(c.rests(time.Since(begun))):
		}
	}
}

// rests is how long nothing is written after a writing that took so long: all
// sessions are looked through for it, and of very many that would else be done all
// the time. A sign of life is never late for it.
func (c *Cluster) rests(took time.Duration) time.Duration {
	return max(spacing, min(4*took, c.cfg.Expire/10))
}

func (c *Cluster) connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.here
}

// sign is one sign of life, and all that follows from the answer.
func (c *Cluster) sign(ctx context.Context) error {
	c.begin()
	got, err := c.pulse(ctx)
	if err != nil {
		return err
	}
	if c.returns(got.lapsed); got.lapsed {
		if got, err = c.pulse(ctx); err != nil {
			return err
		}
		c.send(message{Kind: sayNodes}) // if Redis has lost us, it may have lost them
	}
	c.obey(got.due)
	if err := c.write(ctx); err != nil {
		return err
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	dead := c.learn(got.nodes)
	return c.buryAll(ctx, dead)
}

// returns notes whether this is the first sign of life after others have, or may
// have, missed some. Another life begins where they were missed.
func (c *Cluster) returns(lapsed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lapsed {
		c.renew()
	}
	if lapsed || !c.here {
		c.known, c.settled = time.Now(), false
	}
}

// renew begins another life, in which everything is written anew; c.mu is held,
// or nobody else knows c yet.
func (c *Cluster) renew() {
	if c.life != "" {
		c.old = append(c.old, c.life)
	}
	c.lives++
	c.life = fmt.Sprintf("%s.%d", c.instance, c.lives)
	c.number, c.fresh, c.begun = 0, true, time.Now()
	c.moved = map[string]*move{}
	for id, p := range c.held {
		c.moved[id] = &move{Seat: p.Seat}
	}
	c.registry.forget()
	c.shown = map[string]string{}
	poke(c.changes)
}

// begin has the sessions compared at each sign of life, since one may change
// without a word, and another life begin long before Redis would forget what this
// one has written.
func (c *Cluster) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.registry.dirty = true
	if time.Since(c.begun) > remember/3 && !c.fresh {
		c.renew()
	}
}

// settle makes a new life the one that others look into, once everything of it
// is written, and has those before it forgotten.
func (c *Cluster) settle(ctx context.Context) error {
	c.mu.Lock()
	if !c.fresh {
		c.mu.Unlock()
		return nil
	}
	life, old := c.life, c.old
	c.spoken = life
	c.mu.Unlock()
	if _, err := c.pulse(ctx); err != nil {
		return err
	}
	if err := c.retire(ctx, old); err != nil {
		return err
	}
	if err := c.announce(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == life {
		c.fresh, c.old = false, nil
	}
	return nil
}

// announce has the others look at what there is now. It finds out, too, whether
// this node may publish at all: users of Redis 7 may not unless they are told so,
// and a node that nobody hears is not one of them.
func (c *Cluster) announce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	text := encode(message{Kind: sayNodes, Instance: c.instance, Node: c.cfg.Node})
	if err := c.client.Publish(ctx, c.keys.bus(), text).Err(); err != nil {
		return fmt.Errorf("publishing to %s: %w", c.keys.bus(), err)
	}
	return nil
}

// retire forgets lives.
func (c *Cluster) retire(ctx context.Context, lives []string) error {
	keys, args := []string{c.keys.alive(), c.keys.writes()}, []any{}
	for _, life := range lives[max(0, len(lives)-maxNodes):] {
		keys = append(keys, c.keys.sessions(life), c.keys.agents(life))
		args = append(args, life)
	}
	_, err := c.run(ctx, retireScript, keys, args...)
	return err
}

// pulsed is what a sign of life has told.
type pulsed struct {
	lapsed bool // Redis does not know this life, or not all of it
	nodes  map[string]*node
	due    map[string]bool // seats of ours that are to make room; whether they were taken
}

func (c *Cluster) pulse(ctx context.Context) (pulsed, error) {
	c.mu.Lock()
	life, spoken, number, fresh := c.life, c.spoken, c.number, c.fresh
	self := c.self()
	c.mu.Unlock()
	record := nodeRecord{
		Name: self.Name, Address: self.Address, Version: self.Version, Life: spoken, Since: self.Since.Round(0),
		Sessions: self.Sessions, Agents: self.Agents,
	}
	list, err := c.run(ctx, beatScript,
		[]string{c.keys.alive(), c.keys.nodes(), c.keys.writes(), c.keys.ended(), c.keys.sessions(spoken), c.keys.agents(spoken)},
		c.instance, life, encode(record), c.cfg.Expire.Milliseconds(), remember.Milliseconds(), maxNodes, maxNode)
	if err != nil {
		return pulsed{}, err
	}
	if len(list) != 4 {
		return pulsed{}, errAnswer
	}
	alive, known := list.number(0) == 1, list.number(1) >= number
	got := pulsed{lapsed: !(alive || fresh && number == 0) || !known, nodes: map[string]*node{}, due: map[string]bool{}}
	nodes := list.list(2)
	for i := 0; i+2 < len(nodes); i += 3 {
		r, err := decodeNode(nodes.text(i + 1))
		if err == nil && validID(nodes.text(i)) {
			got.nodes[nodes.text(i)] = &node{nodeRecord: r, instance: nodes.text(i), alive: nodes.text(i+2) == "1" && !r.Left && !r.Lost}
		}
	}
	due := list.list(3)
	for i := 0; i+1 < len(due); i += 2 {
		got.due[due.text(i)] = due.text(i+1) == "t"
	}
	return got, nil
}

// wrote notes how many writes of a life Redis knows.
func (c *Cluster) wrote(life string, number int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if life == c.life {
		c.number = max(c.number, number)
	}
}

// obey has sessions make room for which others have taken the place.
func (c *Cluster) obey(due map[string]bool) {
	for seat, taken := range due {
		life, session, _ := strings.Cut(seat, "/")
		if instance, _, _ := strings.Cut(life, "."); instance == c.instance && c.cfg.MakeRoom != nil {
			c.cfg.MakeRoom(session, taken)
		}
	}
}

// write tells Redis what has changed.
func (c *Cluster) write(ctx context.Context) error {
	if err := c.writeMoves(ctx); err != nil {
		return err
	}
	if err := c.writeSessions(ctx); err != nil {
		return err
	}
	return c.writeAgents(ctx)
}

// stand notes whether Redis has everything of ours, and says so when that has
// changed.
func (c *Cluster) stand(err error) {
	now := time.Now()
	c.mu.Lock()
	was, asked, joined := c.here, c.asked, c.joined
	c.here, c.why, c.asked = err == nil, err, true
	c.joined = c.joined || c.here
	away := now.Sub(c.turned)
	if was != c.here {
		c.turned = now
	}
	c.mu.Unlock()
	switch {
	case err != nil && (was || !asked):
		c.cfg.Log.Warn("cluster: redis is away; sessions go on", "newcomers", c.cfg.Alone.String(), "error", err.Error())
		c.emit(gateway.Event{Kind: RedisAway, Reason: c.cfg.Alone.String(), Err: err})
	case err == nil && !joined:
		c.cfg.Log.Info("cluster: joined", "node", c.cfg.Node, "instance", c.instance)
	case err == nil && !was:
		c.cfg.Log.Info("cluster: redis is back, and knows everything of this node", "away", away.Round(time.Millisecond).String())
		c.emit(gateway.Event{Kind: RedisBack, Duration: away})
	}
}

// leaveAll takes this node out: what is left of it says that it left.
func (c *Cluster) leaveAll(ctx context.Context) error {
	c.mu.Lock()
	life, old := c.life, append(c.old, c.life)
	here := c.here
	self := c.self()
	c.here = false
	c.mu.Unlock()
	if !here {
		return nil // it is taken for dead in time
	}
	r := nodeRecord{Name: self.Name, Address: self.Address, Version: self.Version, Life: life, Since: self.Since, Left: true}
	if _, err := c.run(ctx, retireScript, []string{c.keys.alive(), c.keys.writes()}, c.instance); err != nil {
		return fmt.Errorf("cluster: leaving: %w", err)
	}
	_, err := c.run(ctx, entombScript,
		[]string{c.keys.alive(), c.keys.nodes(), c.keys.writes(), c.keys.sessions(life), c.keys.agents(life)}, c.instance, encode(r), life)
	if err == nil {
		err = c.retire(ctx, old)
	}
	if err == nil {
		err = c.announce(ctx)
	}
	if err != nil {
		return fmt.Errorf("cluster: leaving: %w", err)
	}
	return nil
}
