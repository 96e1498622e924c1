package tunnel

import (
	"errors"
	"net"
	"time"
)

// control is either end's first stream, after the greeting.
type control struct {
	stream net.Conn
	queue  chan message  // what is to be said; a bye is the last
	ended  chan struct{} // closed by write's end
	budget budget
}

// controlQueue is how much may wait to be said. Nothing that is said is so
// frequent that a peer who reads has more waiting.
const controlQueue = 32

func newControl(stream net.Conn) *control {
	return &control{stream: stream, queue: make(chan message, controlQueue), ended: make(chan struct{})}
}

// tell says m as soon as it can, and is false where the peer has not read for so
// long that there is no room for it. It never blocks.
func (c *control) tell(m message) bool {
	select {
	case c.queue <- m:
		return true
	default:
		return false
	}
}

// write says what is queued until a bye, an error, or done.
func (c *control) write(done <-chan struct{}) error {
	defer close(c.ended)
	for {
		select {
		case <-done:
			return nil
		case m := <-c.queue:
			if err := c.stream.SetWriteDeadline(time.Now().Add(tellPatience)); err != nil {
				return err
			}
			if err := writeMessage(c.stream, m, maxControl); err != nil {
				return err
			}
			if m.Bye != nil {
				return nil
			}
		}
	}
}

// errChatter ends a tunnel whose peer says more than there can be to say.
var errChatter = errors.New("tunnel: the peer sends more messages than there is reason for")

// read returns the next message.
func (c *control) read() (message, error) {
	var m message
	if err := readMessage(c.stream, maxControl, &m); err != nil {
		return m, err
	}
	if !c.budget.spend(time.Now()) {
		return m, errChatter
	}
	return m, nil
}

// A budget bounds messages: so many at once, and so many a second in the long
// run.
type budget struct {
	spent float64
	last  time.Time
}

const (
	budgetBurst = 100
	budgetRate  = 5 // a second
)

// spend is false when nothing is left.
func (b *budget) spend(now time.Time) bool {
	if !b.last.IsZero() {
		b.spent = max(0, b.spent-budgetRate*now.Sub(b.last).Seconds())
	}
	b.last = now
	b.spent++
	return b.spent <= budgetBurst
}
