package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/gateway"
)

// refresh is how old figures that keep changing, like bytes, may become in what
// others see.
const refresh = 30 * time.Second

// Session is one of some node.
type Session struct {
	Node     string
	Instance string
	gateway.SessionInfo
}

// registryState is what Redis knows of this node's sessions. Only the goroutine
// that writes has to do with it, but for known and the number of written.
type registryState struct {
	known   bool
	written map[string]writtenSession
	figures time.Time // when all figures were written
	dirty   bool
}

// writtenSession is what Redis has of a session.
type writtenSession struct {
	lasting string // without what keeps changing
	all     string
}

// forget has everything written again.
func (r *registryState) forget() { *r = registryState{written: map[string]writtenSession{}} }

// lasting is a session without the figures that keep changing.
func lasting(r sessionRecord) sessionRecord {
	r.BytesUp, r.BytesDown, r.Messages, r.Filtered, r.RTT, r.DisplayRTT = 0, 0, 0, 0, 0, 0
	return r
}

// Changed has the list of this node's sessions be written soon: one has come,
// gone or become another. Publish does it by itself for events of sessions.
func (c *Cluster) Changed() {
	c.mu.Lock()
	c.registry.dirty = true
	c.mu.Unlock()
	poke(c.changes)
}

// writeSessions makes what Redis knows of this node's sessions be what they are.
func (c *Cluster) writeSessions(ctx context.Context) error {
	if c.cfg.Sessions == nil {
		return nil
	}
	c.mu.Lock()
	figures := time.Since(c.registry.figures) >= refresh
	if !c.registry.dirty && !figures && c.registry.known {
		c.mu.Unlock()
		return nil
	}
	c.registry.dirty = false
	life := c.life
	c.mu.Unlock()
	err := c.compareSessions(ctx, life, c.cfg.Sessions(), figures)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil || life != c.life:
		c.registry.dirty = true
	case figures:
		c.registry.figures = time.Now()
	}
	c.registry.known = c.registry.known || err == nil && life == c.life
	return err
}

// compareSessions writes what is another than was written in life.
func (c *Cluster) compareSessions(ctx context.Context, life string, list []gateway.SessionInfo, figures bool) error {
	list = list[:min(len(list), maxSessions)]
	there := make(map[string]bool, len(list))
	changed := map[string]writtenSession{}
	for i := range list {
		r := recordOf(&list[i])
		there[r.ID] = true
		now := writtenSession{lasting: encode(lasting(r))}
		was, known := c.wasWritten(r.ID)
		if known && was.lasting == now.lasting && !figures {
			continue
		}
		if now.all = encode(r); was.all != now.all {
			changed[r.ID] = now
		}
		if len(changed) == batch {
			if err := c.sendSessions(ctx, life, changed, nil); err != nil {
				return err
			}
			changed = map[string]writtenSession{}
		}
	}
	return c.sendSessions(ctx, life, changed, c.goneSessions(there))
}

func (c *Cluster) wasWritten(id string) (writtenSession, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, ok := c.registry.written[id]
	return w, ok
}

// goneSessions are those that were written and are no longer there.
func (c *Cluster) goneSessions(there map[string]bool) (gone []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.registry.written {
		if !there[id] {
			gone = append(gone, id)
		}
	}
	return gone
}

func (c *Cluster) sendSessions(ctx context.Context, life string, changed map[string]writtenSession, gone []string) error {
	if len(changed)+len(gone) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	key := c.keys.sessions(life)
	var number *redis.IntCmd
	_, err := c.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for id, w := range changed {
			p.HSet(ctx, key, id, w.all)
		}
		for some := range slices.Chunk(gone, batch) {
			p.HDel(ctx, key, some...)
		}
		p.PExpire(ctx, key, remember)
		number = p.HIncrBy(ctx, c.keys.writes(), life, 1)
		return nil
	})
	if err != nil {
		return err
	}
	c.wrote(life, number.Val())
	c.mu.Lock()
	defer c.mu.Unlock()
	if life != c.life {
		return nil
	}
	for id, w := range changed {
		c.registry.written[id] = w
	}
	for _, id := range gone {
		delete(c.registry.written, id)
	}
	return nil
}

// Sessions lists those of all nodes that are alive, the oldest first of each
// node; those of this node as they are now. Figures of others are up to half a
// minute old. The error matches ErrAway when only this node's are known.
func (c *Cluster) Sessions(ctx context.Context) ([]Session, error) {
	var list []Session
	if c.cfg.Sessions != nil {
		for _, info := range c.cfg.Sessions() {
			list = append(list, Session{c.cfg.Node, c.instance, info})
		}
	}
	if !c.connected() {
		return list, c.State().Err
	}
	for _, n := range c.others() {
		err := c.eachSession(ctx, n.Life, func(info gateway.SessionInfo) {
			if len(list) < maxList {
				list = append(list, Session{n.Name, n.instance, info})
			}
		})
		if err != nil {
			return list, fmt.Errorf("%w: %w", ErrAway, err)
		}
	}
	slices.SortStableFunc(list, func(a, b Session) int { return a.Since.Compare(b.Since) })
	return list, nil
}

// others are the nodes that are alive beside this one.
func (c *Cluster) others() []node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []node
	for _, n := range c.nodes {
		if n.alive && n.instance != c.instance {
			list = append(list, *n)
		}
	}
	return list
}

// eachSession calls f for the sessions of one life, each once.
func (c *Cluster) eachSession(ctx context.Context, life string, f func(gateway.SessionInfo)) error {
	seen := map[string]bool{}
	return c.eachField(ctx, c.keys.sessions(life), maxSession, maxSessions, func(id, text string) {
		r, err := decodeSession(id, text)
		if err == nil && !seen[id] {
			seen[id] = true
			f(r.info())
		}
	})
}

// eachField reads a hash of this cluster.
func (c *Cluster) eachField(ctx context.Context, key string, longest, most int, f func(name, text string)) error {
	return eachField(ctx, func(ctx context.Context, script *redis.Script, args ...any) (reply, error) {
		return c.run(ctx, script, []string{key}, args...)
	}, longest, most, f)
}

// eachField reads a hash part by part, so that no answer is large; a field may
// come twice (SCAN's guarantees), and has no text where that is too long.
func eachField(ctx context.Context, run func(context.Context, *redis.Script, ...any) (reply, error), longest, most int, f func(name, text string)) error {
	cursor, read := "0", 0
	for {
		page, err := run(ctx, pageScript, cursor, longest)
		if err != nil {
			return err
		}
		for i := 1; i+1 < len(page) && read < most; i += 2 {
			f(page.text(i), page.text(i+1))
			read++
		}
		if cursor = page.text(0); cursor == "0" || cursor == "" || read >= most {
			return nil
		}
	}
}
