package gateway

import (
	"time"

	"vncgate/rfb"
)

// joinClass counts the session into the class that it is for: by its grant, its
// target or its front, in this order. The error is for the viewer.
func (s *Session) joinClass(target *Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.g.classOf(s.grant.Class, target.Class, s.front.Class)
	if err := c.enter(); err != nil {
		return &rfb.Refusal{Reason: wordsFull, Err: err}
	}
	s.class.Store(c)
	s.inClass = true
	return nil
}

// leaveClass counts it out, once.
func (s *Session) leaveClass() {
	s.mu.Lock()
	c, in := s.class.Load(), s.inClass
	s.inClass = false
	s.mu.Unlock()
	if in {
		c.leave()
	}
}

// running is where the session runs, if it is open.
func (s *Session) running() (*class, *relay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.class.Load(), s.traffic
}

// moveTo has the session run in another class from now on.
func (s *Session) moveTo(of func(*class) *class) {
	s.mu.Lock()
	if !s.inClass {
		s.mu.Unlock()
		return
	}
	old, traffic, times := s.class.Load(), s.traffic, s.times
	to := of(old)
	if to == old {
		s.mu.Unlock()
		return
	}
	to.force()
	s.class.Store(to)
	s.mu.Unlock()
	if traffic != nil {
		traffic.moveTo(to)
		times.rearm()
	}
	old.leave()
}

// rearm has the alarm ring among those of the class that the session is in now.
func (t *times) rearm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arm(time.Now())
}

// moveTo has the directions that rest do so in another class, and the others look
// up to see how long they may be still.
func (r *relay) moveTo(c *class) {
	r.mu.Lock()
	r.class.Store(c)
	var woken []*pump
	for _, p := range []*pump{&r.up, &r.down} {
		p.limitTo(p.perSecond.Load())
		if p.spot.resting && p.spot.raw != nil && r.watch(p) != nil {
			p.spot.resting = false
			woken = append(woken, p)
		}
	}
	moving := r.over.IsZero()
	r.mu.Unlock()
	if moving { // a deadline that has passed is no end
		r.up.lookUp()
		r.down.lookUp()
	}
	r.carry(woken)
}

// lookUp has a Read under way return, so that the next deadline is a new one.
func (p *pump) lookUp() { p.setDeadline(p.src.SetReadDeadline, past) }

// resting counts the directions without a goroutine.
func (r *relay) resting() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range []*pump{&r.up, &r.down} {
		n += count(p.spot.resting)
	}
	return n
}
