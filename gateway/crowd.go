package gateway

import (
	"net/netip"
	"slices"
	"sync"

	"vncgate/auth"
)

// crowd counts who is on which target, and keeps the order of those who wait
// for a place. The zero value is ready.
//
// Each newcomer is measured by its own limits, and by the sessions that have a
// place already. One that may only look, because the target was full, takes no
// place on the target; of its user's and its address's it does.
type crowd struct {
	mu    sync.Mutex
	seats []*seat // oldest first
	queue []*seat // of those who wait, first come first
}

// seat is one session's place.
type seat struct {
	s       *Session
	user    string // "": nobody that could be counted
	target  string
	address netip.Addr   // as oneAddress has it
	limits  *auth.Limits // of its grant, shared

	looks bool          // beside the places
	alone bool          // nobody else comes to the target
	ready chan struct{} // closed when one that waits has its place
	ended bool          // made room, and is still on its way out
	gone  chan struct{} // closed when one that was ended has left

	// Where several gateways count together (Gateway.Seats):
	shared   *Seat // nil elsewhere
	replaces bool  // it is to take a place once its display is reached
	occupied bool  // and somebody was on its target
}

// maxQueue is how many may wait for one target.
const maxQueue = 64

// want is why there is no place.
type want = SeatWant

const (
	wantNothing = SeatFree
	wantAlone   = SeatAlone
	wantTarget  = SeatOfTarget
	wantUser    = SeatOfUser
	wantAddress = SeatOfAddress
)

// outcome is what became of somebody who came.
type outcome struct {
	missing  want // wantNothing: there is a place
	looks    bool // but to look only
	waits    bool // in the queue
	crowded  bool // it would wait, and too many do
	replaces bool // it may take somebody's place, by replace
}

// enter gives n a place, or one in the queue, as its limits say.
func (c *crowd) enter(n *seat) outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	missing := c.missing(n, everybody)
	out := outcome{missing: missing}
	switch n.limits.Busy {
	case auth.BusyReplace:
		out.replaces = missing != wantNothing
	case auth.BusyView:
		if missing == wantTarget {
			missing = c.missingBeside(n)
			n.looks = missing == wantNothing
			out.looks, out.missing = n.looks, missing
		}
	case auth.BusyQueue:
		if missing != wantNothing {
			out.waits = c.wait(n)
			out.crowded = !out.waits
		}
	}
	if missing == wantNothing {
		c.seats = append(c.seats, n)
		out.missing = missing
	}
	return out
}

// wait is false when too many do already.
func (c *crowd) wait(n *seat) bool {
	waiting := 0
	for _, other := range c.queue {
		if other.target == n.target {
			waiting++
		}
	}
	if waiting >= maxQueue {
		return false
	}
	n.ready = make(chan struct{})
	c.queue = append(c.queue, n)
	return true
}

// everybody is for missing: those who were ended count until they have left.
func everybody(*seat) bool { return true }

// stays is for missing: those who were ended no longer count.
func (n *seat) stays() bool { return !n.ended }

// missing says whether there is a place for n beside those who count.
func (c *crowd) missing(n *seat, counts func(*seat) bool) want {
	var user, target, address int
	for _, other := range c.seats {
		if !counts(other) {
			continue
		}
		if other.alone && other.target == n.target {
			return wantAlone
		}
		target += count(!other.looks && other.target == n.target)
		user += count(n.user != "" && other.user == n.user)
		address += count(n.address.IsValid() && other.address == n.address)
	}
	switch l := n.limits; {
	case l.PerTarget > 0 && target >= l.PerTarget:
		return wantTarget
	case l.PerUser > 0 && user >= l.PerUser:
		return wantUser
	case l.PerAddress > 0 && address >= l.PerAddress:
		return wantAddress
	}
	return wantNothing
}

// missingBeside is missing for one that takes no place on the target.
func (c *crowd) missingBeside(n *seat) want {
	beside, limits := *n, *n.limits
	limits.PerTarget = 0
	beside.limits = &limits
	return c.missing(&beside, everybody)
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// replace gives n, which enter has let in for it, the place of those who have
// been there longest. It returns who has to be gone before the display is told
// of n: these, and any that somebody else has ended there. entered is false for
// one that had a place already.
func (c *crowd) replace(n *seat) (leaving []*seat, entered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.seats, n) {
		return nil, false
	}
	for _, other := range c.seats {
		if other.ended && other.target == n.target {
			leaving = append(leaving, other)
		}
	}
	for missing := c.missing(n, (*seat).stays); missing != wantNothing; missing = c.missing(n, (*seat).stays) {
		oldest := c.oldest(n, missing)
		oldest.end()
		leaving = append(leaving, oldest)
	}
	c.seats = append(c.seats, n)
	return leaving, true
}

// oldest is the one that has been there longest among those that n is one too
// many with.
func (c *crowd) oldest(n *seat, missing want) *seat {
	i := slices.IndexFunc(c.seats, func(other *seat) bool {
		switch missing {
		case wantAlone:
			return other.stays() && other.alone && other.target == n.target
		case wantTarget:
			return other.stays() && !other.looks && other.target == n.target
		case wantUser:
			return other.stays() && other.user == n.user
		}
		return other.stays() && other.address == n.address
	})
	return c.seats[i] // missing has counted it
}

// end has n make room: it keeps its place until it has left, and nobody else is
// given it.
func (n *seat) end() {
	n.ended, n.gone = true, make(chan struct{})
}

// couldReplace reports whether n has no place yet, and could have that of
// somebody on the same target.
func (c *crowd) couldReplace(n *seat) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	onTarget := func(other *seat) bool { return other.stays() && other.target == n.target }
	return n.limits.Busy == auth.BusyReplace && !slices.Contains(c.seats, n) && slices.ContainsFunc(c.seats, onTarget)
}

// leave gives the place of n to those who wait.
func (c *crowd) leave(n *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.ended && slices.Contains(c.seats, n) {
		close(n.gone)
	}
	c.seats = slices.DeleteFunc(c.seats, n.is)
	c.queue = slices.DeleteFunc(c.queue, n.is)
	c.queue = slices.DeleteFunc(c.queue, c.admit)
}

func (n *seat) is(other *seat) bool { return other == n }

// admit gives one that waits its place, if there is one.
func (c *crowd) admit(n *seat) bool {
	if c.missing(n, everybody) != wantNothing {
		return false
	}
	c.seats = append(c.seats, n)
	close(n.ready)
	return true
}

// exclude gives n the target for itself, as ClientInit asks for (RFC 6143,
// 7.3.1). Where Busy is unset or BusyReplace, the others are ended: they are
// returned. Otherwise nobody is disturbed, and n gets it only if nobody else is
// there; then nobody comes in beside it. granted says that the display may be
// told.
func (c *crowd) exclude(n *seat) (granted bool, ended []*Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(c.seats), func(o *seat) bool { return o == n || o.target != n.target || o.ended })
	if busy := n.limits.Busy; busy != auth.BusyUnset && busy != auth.BusyReplace {
		n.alone = len(others) == 0
		return n.alone, nil
	}
	for _, o := range others {
		o.end()
		ended = append(ended, o.s)
	}
	return true, ended
}

// oneAddress is what counts as one address: of IPv6 the /64, which one customer
// has.
func oneAddress(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, _ := a.Prefix(64) // it has as many bits
	return p.Addr()
}
