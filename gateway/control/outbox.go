package control

import (
	"net"
	"sync"
	"time"
)

const (
	// maxEvents is how many events wait for one client. One more, and the oldest
	// is lost; EVENTS_LOST says how many were.
	maxEvents = 256
	// maxReplies is how many answers wait; one more waits with its command.
	maxReplies = 16
	// unread is how long a client may take nothing of what waits for it.
	unread = time.Minute
)

// outbox is what goes out to one client. Answers are never lost, and slow down
// who asks; events are lost rather than kept for ever.
type outbox struct {
	c       net.Conn
	replies chan []byte
	wake    chan struct{} // there are events
	ended   chan struct{} // nobody writes any more

	mu     sync.Mutex
	open   bool // events are wanted
	events [][]byte
	lost   int
}

func newOutbox(c net.Conn) *outbox {
	return &outbox{c: c, replies: make(chan []byte, maxReplies), wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// reply waits while too many wait already; a client that is gone gets nothing.
func (o *outbox) reply(line []byte) {
	select {
	case o.replies <- line:
	case <-o.ended:
	}
}

// subscribe lets events through from now on.
func (o *outbox) subscribe() {
	o.mu.Lock()
	o.open = true
	o.mu.Unlock()
}

// post adds an event. It never waits.
func (o *outbox) post(line []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open {
		return
	}
	if len(o.events) == maxEvents {
		o.events, o.lost = o.events[1:], o.lost+1
	}
	o.events = append(o.events, line)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take empties the queue of events.
func (o *outbox) take() (lines [][]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lost > 0 {
		lines = append(lines, event(time.Now(), "EVENTS_LOST", map[string]int{"count": o.lost}))
	}
	lines = append(lines, o.events...)
	o.events, o.lost = nil, 0
	return lines
}

// run writes until an error, or until there is no more to answer.
func (o *outbox) run() error {
	defer close(o.ended)
	for {
		select {
		case line, ok := <-o.replies:
			if !ok {
				return nil
			}
			if err := o.write(line); err != nil {
				return err
			}
		case <-o.wake:
			for _, line := range o.take() {
				if err := o.write(line); err != nil {
					return err
				}
			}
		}
	}
}

func (o *outbox) write(line []byte) error {
	_ = o.c.SetWriteDeadline(time.Now().Add(unread))
	_, err := o.c.Write(line)
	return err
}
