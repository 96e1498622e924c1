package gateway

import (
	"time"

	"vncgate/rfb"
)

// joinClass counts the session into the class that it is for: by its grant, its
// target or its front, in this order. The error is for the viewer.
func (s *Session) joinClass(target *Target) error {
	s.moving.Lock() // none of the classes that SetClasses takes away is entered behind its back
	defer s.moving.Unlock()
	c := s.g.classOf(s.granted().Class, target.Class, s.kept.class)
	if err := c.enter(); err != nil {
		return &rfb.Refusal{Reason: wordsFull, Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
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

// moveTo has the session run in another class from now on: in the one that of
// returns for the one it is in. of may take the gateway's lock.
func (s *Session) moveTo(of func(*class) *class) {
	s.moving.Lock() // a move that is overtaken would leave the relay where nobody counts it
	defer s.moving.Unlock()
	old := s.class.Load()
	to := of(old)
	if to == old {
		return
	}
	traffic, times, in := s.enter(to)
	if !in {
		return
	}
	if traffic != nil {
		traffic.moveTo(to)
		times.rearm()
	}
	old.leave()
}

// enter counts the session into another class, if it is in one, and returns what
// else has to move. s.moving is held.
func (s *Session) enter(to *class) (traffic *relay, times *times, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.inClass {
		return nil, nil, false
	}
	to.force()
	s.class.Store(to)
	return s.traffic, s.times, true
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
