package cluster

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/gateway"
)

// outbox is what waits to be told to the others. The oldest make room.
type outbox struct {
	mu      sync.Mutex
	waiting []string
	wanted  chan struct{}
	lost    atomic.Uint64
}

func (o *outbox) add(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) >= maxEvents {
		o.waiting = o.waiting[1:]
		o.lost.Add(1)
	}
	o.waiting = append(o.waiting, text)
	poke(o.wanted)
}

func (o *outbox) take() (texts []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	texts, o.waiting = o.waiting, nil
	return texts
}

// Publish tells the other nodes of an event, soon and if they can be reached:
// those that wait are bounded (State.Lost). What all nodes find out by
// themselves, such as NodeLost, is not told, and neither is what happened at
// another. It returns at once.
func (c *Cluster) Publish(e gateway.Event) {
	switch e.Kind {
	case NodeJoined, NodeLeft, NodeLost, RedisAway, RedisBack:
		return
	}
	if e.Node != "" {
		return
	}
	if e.Session != nil && e.Kind != SessionLost {
		c.Changed()
	}
	c.send(message{Kind: sayEvent, Event: eventOf(&e)})
}

func (c *Cluster) send(m message) {
	m.Instance, m.Node = c.instance, c.cfg.Node
	if text := encode(m); len(text) <= maxMessage {
		c.outbox.add(text)
	} else {
		c.outbox.lost.Add(1)
	}
}

// publish tells the others what waits to be told, until ctx ends.
func (c *Cluster) publish(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.outbox.wanted:
		}
		texts := c.outbox.take()
		if err := c.publishAll(ctx, texts); err != nil {
			c.outbox.lost.Add(uint64(len(texts)))
			if !errors.Is(err, ErrAway) {
				poke(c.beats)
			}
		}
	}
}

func (c *Cluster) publishAll(ctx context.Context, texts []string) error {
	if !c.connected() {
		return ErrAway
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	_, err := c.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, text := range texts {
			p.Publish(ctx, c.keys.bus(), text)
		}
		return nil
	})
	return err
}

// listen takes up what others tell, until ctx ends. The client subscribes again
// by itself; what was missed meanwhile, the next sign of life makes good.
func (c *Cluster) listen(ctx context.Context) {
	sub := c.client.Subscribe(ctx, c.keys.bus())
	defer sub.Close()
	said := sub.ChannelWithSubscriptions(redis.WithChannelHealthCheckInterval(c.cfg.Expire / 3))
	for {
		select {
		case <-ctx.Done():
			return
		case m, open := <-said:
			if !open {
				return
			}
			if m, ok := m.(*redis.Message); ok {
				c.hear(m.Payload)
				continue
			}
			poke(c.beats)
			c.wakers.wake()
		}
	}
}

// hear takes up one message. What is not as it should be is left alone.
func (c *Cluster) hear(text string) {
	m, err := decodeMessage(text)
	if err != nil || m.Instance == c.instance {
		return
	}
	switch m.Kind {
	case sayNodes:
		poke(c.beats)
	case sayEvent:
		if m.Event != nil && c.cfg.Event != nil {
			c.cfg.Event(m.Node, m.Event.event())
		}
	case sayWake:
		c.wakers.wake()
	case sayEnd:
		c.obey(map[string]bool{m.Seat: m.Taken})
	case sayAgent:
		c.hearAgent(&m)
	}
}

// wakers are those who wait for a place, or for others to leave theirs.
type wakers struct {
	mu   sync.Mutex
	next chan struct{}
}

// woken is closed by the next wake.
func (w *wakers) woken() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == nil {
		w.next = make(chan struct{})
	}
	return w.next
}

func (w *wakers) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next != nil {
		close(w.next)
		w.next = nil
	}
}

// rest waits for a wake, and for no longer than d, since a message may be lost.
func rest(ctx context.Context, woken <-chan struct{}, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-woken:
	case <-over.C:
	}
	return nil
}
