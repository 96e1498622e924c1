package gateway

import (
	"errors"
	"net"
	"slices"
)

// arrival is a display that waits for a viewer.
type arrival struct {
	*watched
	target, id string
	stop       func() // of watching it
	taken      bool   // Arrivals.mu
}

// key is what a newcomer replaces the oldest of.
func (a *arrival) key() string {
	if a.id != "" {
		return "id " + a.id
	}
	host, _, err := net.SplitHostPort(a.RemoteAddr().String())
	if err != nil {
		host = a.RemoteAddr().String()
	}
	return "from " + host
}

// keep hands the display to a viewer that waits for it, or has it wait.
func (a *Arrivals) keep(d *arrival) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	log := a.log().With("target", d.target, "display", addressOf(d), "id", d.id)
	if list := a.wanted[d.target]; len(list) > 0 {
		d.stop = func() {}
		list[0] <- d
		a.want(d.target, list[1:])
		log.Info("display dialled in")
		return nil
	}
	a.makeRoom(d)
	if len(a.waiting) >= orDefault(a.Max, 256) {
		return errors.New("gateway: arrivals: too many displays wait")
	}
	a.waiting = append(a.waiting, d)
	d.stop = d.watch(func(error) { a.lost(d) })
	log.Info("display dialled in and waits")
	return nil
}

// makeRoom closes the oldest that d replaces; a.mu is held.
func (a *Arrivals) makeRoom(d *arrival) {
	most := perAddress
	if d.id != "" {
		most = 1
	}
	oldest, n := -1, 0
	for i, w := range a.waiting {
		if w.target == d.target && w.key() == d.key() {
			if n++; oldest < 0 {
				oldest = i
			}
		}
	}
	if n >= most {
		a.drop(oldest)
	}
}

// drop closes a waiting display; a.mu is held. Closing it ends the watch.
func (a *Arrivals) drop(i int) {
	d := a.waiting[i]
	a.waiting = slices.Delete(a.waiting, i, i+1)
	d.taken = true
	_ = d.Close()
	a.log().Info("display replaced by a newer one", "target", d.target, "display", addressOf(d), "id", d.id)
}

// lost forgets a display that has left while it waited.
func (a *Arrivals) lost(d *arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.taken {
		return
	}
	a.waiting = slices.DeleteFunc(a.waiting, func(w *arrival) bool { return w == d })
	d.taken = true
	_ = d.Close()
	a.log().Info("display left before a viewer came", "target", d.target, "display", addressOf(d), "id", d.id)
}

// take returns the display that came last, or a channel on which the next one
// comes.
func (a *Arrivals) take(target string) (*arrival, chan *arrival, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, nil, ErrClosed
	}
	for i := len(a.waiting) - 1; i >= 0; i-- {
		if d := a.waiting[i]; d.target == target {
			a.waiting = slices.Delete(a.waiting, i, i+1)
			d.taken = true
			return d, nil, nil
		}
	}
	if a.wanted == nil {
		a.wanted = map[string][]chan *arrival{}
	}
	wait := make(chan *arrival, 1)
	a.wanted[target] = append(a.wanted[target], wait)
	return nil, wait, nil
}

// want sets who waits for target; a.mu is held.
func (a *Arrivals) want(target string, list []chan *arrival) {
	if len(list) == 0 {
		delete(a.wanted, target) // which may be nil after Close
		return
	}
	a.wanted[target] = list
}

// unwant gives up waiting; what came at the last moment is returned.
func (a *Arrivals) unwant(target string, wait chan *arrival) *arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.DeleteFunc(a.wanted[target], func(w chan *arrival) bool { return w == wait })
	a.want(target, list)
	select {
	case got := <-wait:
		return got
	default:
		return nil
	}
}

// enter counts c among those that have not said what they are; the oldest
// makes room. After Close it closes c and says no.
func (a *Arrivals) enter(c net.Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		_ = c.Close()
		return false
	}
	a.running.Add(1)
	a.halfOpen = append(a.halfOpen, c)
	if len(a.halfOpen) > maxHalfOpen {
		_ = a.halfOpen[0].Close()
		a.halfOpen = a.halfOpen[1:]
	}
	return true
}

func (a *Arrivals) leave(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.halfOpen = slices.DeleteFunc(a.halfOpen, func(o net.Conn) bool { return o == c })
}
