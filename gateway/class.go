package gateway

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Class is a named way to treat sessions, so that some cannot starve others. A
// session runs in the class that its grant names, or else its target, or else its
// front; one that none of them names, or that does not exist, runs in the class
// "default". It can be moved while it runs (Gateway.SetClass). Fields that are zero
// bound nothing.
type Class struct {
	Name string
	// Handshakes is how many viewers of fronts of this class may be between
	// accept and ServerInit. The oldest stranger among them makes room.
	Handshakes int
	// Sessions is how many may be open. More are told that the gateway is full.
	Sessions int
	// Buffers is how many bytes of large buffers its relays may hold at once.
	// Where there are no more, a direction goes on with its small one.
	Buffers int64
	// Bandwidth is how many bytes a second all its sessions together may move up,
	// and as many down.
	Bandwidth int64
	// Park is how long nothing moves in a direction before it gives up its
	// buffers and its goroutine (2 s); negative: never.
	Park time.Duration
	// Loops is how many threads of their own wait for directions that rest, which
	// may run on CPUs only (nil: on all) and have the nice value Nice. What a
	// direction does once it is awake runs where Go's scheduler says. 0: no
	// thread, Go's own poller waits.
	Loops int
	CPUs  []int
	Nice  int
}

// DefaultClass is the class of sessions for which none is named. Its settings can
// be stated as those of any other.
const DefaultClass = "default"

// maxLoops bounds the threads of one class.
const maxLoops = 64

// ErrNoClass is for names of classes that do not exist.
var ErrNoClass = errors.New("gateway: no such class")

// ClassStats is what happens in a class.
type ClassStats struct {
	Class
	// Shaking are its viewers in handshakes, Open its open sessions, and Resting
	// the directions of those (two each) that hold no goroutine.
	Shaking, Open, Resting int
	// Lent are the bytes of large buffers that its relays hold.
	Lent int64
}

// class is a Class at work.
type class struct {
	Class
	up, down *rate.Limiter // nil: as fast as can be

	alarms alarms // of its sessions
	lent   atomic.Int64

	mu       sync.Mutex
	sessions int     // that are open, or about to be
	loops    []*loop // none until somebody rests, and once nobody is in
	next     int     // which loop the next one rests in
}

func newClass(settings Class) *class {
	c := &class{Class: settings}
	if c.Park == 0 {
		c.Park = defaultPark
	}
	if c.Bandwidth > 0 {
		c.up, c.down = newLimiter(c.Bandwidth), newLimiter(c.Bandwidth)
	}
	return c
}

// enter counts a session in, or says ErrFull.
func (c *class) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Sessions > 0 && c.sessions >= c.Sessions {
		return ErrFull
	}
	c.sessions++
	return nil
}

// force counts a session in that is there already.
func (c *class) force() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions++
}

// leave counts a session out, none of whose directions rests. The last one takes
// the loops along.
func (c *class) leave() {
	c.mu.Lock()
	var over []*loop
	if c.sessions--; c.sessions <= 0 {
		over, c.loops = c.loops, nil
	}
	c.mu.Unlock()
	for _, l := range over {
		l.close()
	}
}

// loopOf returns the loop in which s is to rest: the one it knows, or the next.
func (c *class) loopOf(s *spot) (*loop, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.loop != nil && slices.Contains(c.loops, s.loop) {
		return s.loop, nil
	}
	if len(c.loops) < max(c.Loops, 1) {
		l, err := newLoop(&c.Class)
		if err != nil {
			return nil, err
		}
		c.loops = append(c.loops, l)
		return l, nil
	}
	c.next++
	return c.loops[c.next%len(c.loops)], nil
}

// lend reports whether there are n bytes for a large buffer.
func (c *class) lend(n int64) bool {
	if c.lent.Add(n) <= c.Buffers || c.Buffers <= 0 {
		return true
	}
	c.lent.Add(-n)
	return false
}

// newLimiter lets perSecond bytes pass.
func newLimiter(perSecond int64) *rate.Limiter {
	burst := min(max(perSecond/burstTime, minBurst), maxBurst)
	return rate.NewLimiter(rate.Limit(perSecond), int(burst))
}

// unlimited is for directions that are bounded by their class alone.
func unlimited() *rate.Limiter { return rate.NewLimiter(rate.Inf, maxBurst) }

// Validate refuses settings that cannot be, here and for this process.
func (c *Class) Validate() error {
	switch {
	case c.Name == "":
		return errors.New("gateway: a class has no name")
	case c.Handshakes < 0, c.Sessions < 0, c.Buffers < 0, c.Bandwidth < 0, c.Loops < 0, c.Loops > maxLoops:
		return fmt.Errorf("gateway: class %s: a number is negative, or more than %d loops", c.Name, maxLoops)
	case c.Loops == 0 && (c.CPUs != nil || c.Nice != 0):
		return fmt.Errorf("gateway: class %s: only loops have CPUs and a nice value", c.Name)
	case c.Nice < -20 || c.Nice > 19:
		return fmt.Errorf("gateway: class %s: nice is from -20 to 19", c.Name)
	case c.Park > 0 && c.Park > math.MaxInt64/4:
		return fmt.Errorf("gateway: class %s: park is too long", c.Name)
	}
	if c.Loops > 0 {
		if err := tryThread(c); err != nil {
			return fmt.Errorf("gateway: class %s: %w", c.Name, err)
		}
	}
	return nil
}

// classes are those there are, by their names. The gateway's lock guards them.
type classes map[string]*class

// of returns the class of a name, or the default.
func (cs classes) of(name string) *class {
	if c, ok := cs[name]; ok {
		return c
	}
	return cs[DefaultClass]
}

// SetClasses has the gateway know these classes, and the default. It may be called
// while sessions run: those of a class whose settings are other ones now go on
// under the new, and those of one that is gone under the default. On an error
// nothing has changed.
func (g *Gateway) SetClasses(list []Class) error {
	for i := range list {
		if err := list[i].Validate(); err != nil {
			return err
		}
	}
	g.mu.Lock()
	g.prepare()
	next := classes{DefaultClass: newClass(Class{Name: DefaultClass})}
	for _, settings := range list {
		next[settings.Name] = newClass(settings)
	}
	for name, c := range next {
		if old, ok := g.classes[name]; ok && reflect.DeepEqual(old.Class, c.Class) {
			next[name] = old
		}
	}
	g.classes = next
	g.mu.Unlock()
	for _, s := range g.all() {
		s.moveTo(func(old *class) *class { return g.classOf(old.Name) })
	}
	return nil
}

// classOf returns a class by its name, or the default.
func (g *Gateway) classOf(names ...string) *class {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepare()
	for _, name := range names {
		if c, ok := g.classes[name]; ok {
			return c
		}
	}
	return g.classes[DefaultClass]
}

// SetClass moves the sessions that match to a class while they run, whatever the
// number of sessions it has, and returns how many these were. The error is
// ErrNoClass.
func (g *Gateway) SetClass(match func(SessionInfo) bool, name string) (int, error) {
	g.mu.Lock()
	g.prepare()
	to, ok := g.classes[name]
	g.mu.Unlock()
	if !ok {
		return 0, fmt.Errorf("%w: %q", ErrNoClass, name)
	}
	moved := 0
	for _, s := range g.all() {
		if info, ok := s.info(); ok && match(info) {
			s.moveTo(func(*class) *class { return to })
			moved++
		}
	}
	return moved, nil
}

// Classes returns what happens in each class, by their names.
func (g *Gateway) Classes() []ClassStats {
	g.mu.Lock()
	g.prepare()
	byClass := map[*class]*ClassStats{}
	for _, c := range g.classes {
		byClass[c] = &ClassStats{Class: c.Class, Lent: c.lent.Load()}
	}
	for e := g.slots.handshakes.Front(); e != nil; e = e.Next() {
		if told := byClass[e.Value.(*Session).entry]; told != nil {
			told.Shaking++
		}
	}
	g.mu.Unlock()
	for _, s := range g.all() {
		if c, traffic := s.running(); traffic != nil && byClass[c] != nil {
			byClass[c].Open++
			byClass[c].Resting += traffic.resting()
		}
	}
	list := make([]ClassStats, 0, len(byClass))
	for _, told := range byClass {
		list = append(list, *told)
	}
	slices.SortFunc(list, func(a, b ClassStats) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list
}
