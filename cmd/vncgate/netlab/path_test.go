package netlab

import (
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// conditions are what a path does to packets, the same in both directions.
type conditions struct {
	delay time.Duration // from one end to the other, added to the time of sending
	rate  int64         // bits a second; 0: as fast as it goes
	queue time.Duration // how long a packet may wait for its turn to be sent; those that would wait longer are dropped
	loss  float64       // the part of the packets that is lost, from 0 to 1
}

// A path carries packets between two ends, in order. An end is a TUN device, or
// anything else that takes and gives one packet with each call.
type path struct {
	conditions conditions
	pulled     atomic.Bool // nothing passes while the cable is out

	up, down lane // from the first end to the second, and back
	done     sync.WaitGroup
}

// newPath carries packets until both ends are closed, which is the caller's to
// do. The same seed loses the same packets.
func newPath(first, second io.ReadWriter, head int, c conditions, seed uint64) *path {
	p := new(path)
	p.conditions = c
	p.up.init(p, first, second, head, rand.New(rand.NewPCG(seed, 1)))
	p.down.init(p, second, first, head, rand.New(rand.NewPCG(seed, 2)))
	for _, l := range []*lane{&p.up, &p.down} {
		p.done.Add(2)
		go l.take()
		go l.give()
	}
	return p
}

// pull takes the cable out: what is under way is lost too. put puts it back.
func (p *path) pull() { p.pulled.Store(true) }
func (p *path) put()  { p.pulled.Store(false) }

// wait returns when both ends have been closed.
func (p *path) wait() { p.done.Wait() }

// maxPacket is what one read of a TUN device may give: the largest IP packet
// behind the header of an offloaded one.
const maxPacket = 65535 + 16

// maxFlight bounds the packets that are under way in one direction.
const maxFlight = 1 << 17

// A lane is one direction of a path.
type lane struct {
	path     *path
	from, to interface{ io.ReadWriter }
	head     int // bytes before each packet that are not sent: the header of an offloaded one
	dice     *rand.Rand
	flight   chan packet
	free     time.Time // when the sender has sent all it has

	carried, bytes, lost, dropped atomic.Int64
}

type packet struct {
	due time.Time
	b   []byte
}

func (l *lane) init(p *path, from, to io.ReadWriter, head int, dice *rand.Rand) {
	l.path, l.from, l.to, l.head, l.dice = p, from, to, head, dice
	l.flight = make(chan packet, maxFlight)
}

// take reads packets and decides when each arrives.
func (l *lane) take() {
	defer l.path.done.Done()
	defer close(l.flight)
	b := make([]byte, maxPacket)
	for {
		n, err := l.from.Read(b)
		if err != nil {
			return
		}
		c := &l.path.conditions
		due, ok := l.schedule(c, time.Now(), n-l.head)
		if !ok {
			continue
		}
		select {
		case l.flight <- packet{due, append([]byte(nil), b[:n]...)}:
		default:
			l.dropped.Add(1)
		}
	}
}

// schedule says when a packet of n bytes that is handed over now arrives, or
// that it never does.
func (l *lane) schedule(c *conditions, now time.Time, n int) (time.Time, bool) {
	if l.path.pulled.Load() {
		l.lost.Add(1)
		return now, false
	}
	start := now
	if l.free.After(now) {
		start = l.free
	}
	if c.rate > 0 {
		if c.queue > 0 && start.Sub(now) > c.queue {
			l.dropped.Add(1)
			return now, false
		}
		start = start.Add(time.Duration(float64(n) * 8 * float64(time.Second) / float64(c.rate)))
	}
	l.free = start
	// What is lost has taken its time of the wire as well.
	if c.loss > 0 && l.dice.Float64() < c.loss {
		l.lost.Add(1)
		return now, false
	}
	return start.Add(c.delay), true
}

// give writes each packet when it is due. The timers of Go may be one
// millisecond late; what is due by then goes at once.
func (l *lane) give() {
	defer l.path.done.Done()
	for p := range l.flight {
		if early := time.Until(p.due); early > 0 {
			time.Sleep(early)
		}
		if l.path.pulled.Load() {
			l.lost.Add(1)
			continue
		}
		// An end that takes nothing loses it, as a cable to a machine that is off.
		if _, err := l.to.Write(p.b); err != nil {
			l.lost.Add(1)
			continue
		}
		l.carried.Add(1)
		l.bytes.Add(int64(len(p.b) - l.head))
	}
}
