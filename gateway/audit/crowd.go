package audit

import (
	"sync"
	"time"

	"vncgate/gateway"
)

// crowdLen is how many strangers who came to nothing are written down one by one
// in a second. Of more, a record says how many there were, by reason: those who
// knock by the thousand must not fill the disk, nor hide what matters.
const crowdLen = 50

// crowd counts them. The zero value is ready.
type crowd struct {
	mu     sync.Mutex
	second int64
	passed int
	more   map[string]*Record // by reason, of which there are few
}

// admit reports whether the event is to be written by itself.
func (c *crowd) admit(e *gateway.Event) bool {
	stranger := e.Kind == gateway.AgentRefused || e.Kind == gateway.SessionRefused && e.Session != nil && e.Session.Identity.Method == ""
	if !stranger {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := e.Time.Unix(); now != c.second {
		c.second, c.passed = now, 0
	}
	if c.passed < crowdLen {
		c.passed++
		return true
	}
	key := string(e.Kind) + " " + clip(e.Reason)
	r := c.more[key]
	if r == nil {
		if c.more == nil {
			c.more = map[string]*Record{}
		}
		r = &Record{Event: string(e.Kind), Time: e.Time, Reason: clip(e.Reason)}
		c.more[key] = r
	}
	r.Count++
	return false
}

// rest are the records of those who were counted only.
func (c *crowd) rest() (list []Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.more {
		r.Seconds = time.Since(r.Time).Seconds()
		list = append(list, *r)
	}
	c.more = nil
	return list
}
