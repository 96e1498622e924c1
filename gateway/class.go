package gateway

import (
	"sync"
	"time"
)

// class is what sessions have in common that are treated alike.
type class struct {
	name string
	park time.Duration // how long nothing moves before a direction rests; negative: none does

	alarms alarms // of its sessions

	mu       sync.Mutex
	sessions int   // that are open
	loop     *loop // nil until somebody rests, and once nobody is in
	failed   bool  // there can be none
}

// enter counts a session in.
func (c *class) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions++
}

// leave counts a session out; none of its directions rests. The last one takes
// the loop along.
func (c *class) leave() {
	c.mu.Lock()
	c.sessions--
	l := c.loop
	if c.sessions > 0 {
		l = nil
	} else {
		c.loop = nil
	}
	c.mu.Unlock()
	if l != nil {
		l.close()
	}
}

// loopOf returns the loop in which s is to rest.
func (c *class) loopOf(*spot) (*loop, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loop != nil {
		return c.loop, nil
	}
	var err error
	c.loop, err = newLoop()
	return c.loop, err
}
