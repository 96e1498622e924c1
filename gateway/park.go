package gateway

import (
	"errors"
	"net"
	"syscall"
	"time"

	"vncgate/layers"
)

// A direction of a relay in which nothing moves for a while rests: it gives up
// its buffers and its goroutine, and a loop of its class watches its socket.
// When something comes, a new goroutine goes on where the old one stopped.
//
// It may rest only behind a Read that has missed its deadline. Every layer hands
// out what it holds before it reads below, so such a Read has emptied all the
// buffers above the socket: what is still to come is to come from there. A TLS
// record or a frame of which a part has come stays where it is, and the rest of
// it wakes the direction. What comes between that Read and the watch is there
// when the watch begins, and counts.
const (
	// defaultPark is how long nothing moves before a direction rests.
	defaultPark = 2 * time.Second
	// glance is how long a direction that was woken waits for bytes of the
	// stream: a pong brings none, and must not keep a goroutine for long.
	glance = 20 * time.Millisecond
	// leastTick is the least read deadline: one that has passed before the Read
	// begins has it read nothing, and the socket wakes the direction again.
	leastTick = time.Millisecond
)

// errResting is how pump.run says that nothing moves, or nothing should.
var errResting = errors.New("gateway: at rest")

// spot is the place where one direction rests. All of it but raw belongs to the
// relay's lock.
type spot struct {
	raw     syscall.RawConn // of the socket that is read from; nil: none to watch
	resting bool
	loop    *loop  // in whose set the socket is, or nil
	id      uint64 // in that set
}

// socketUnder returns the socket whose readiness is that of c, or nil: other
// connections (pipes of commands, those in memory) keep their goroutines.
func socketUnder(c net.Conn) syscall.RawConn {
	var lowest net.Conn
	for l := range layers.Walk(c) {
		lowest = l
	}
	switch socket := lowest.(type) {
	case *net.TCPConn:
		return rawOf(socket)
	case *net.UnixConn:
		return rawOf(socket)
	}
	return nil
}

func rawOf(socket syscall.Conn) syscall.RawConn {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// carry moves bytes until the direction has ended or rests: the work of one
// goroutine.
func (p *pump) carry() {
	defer p.relay.rescue(p)
	for {
		readErr, writeErr := p.run()
		if readErr != errResting {
			p.relay.ended(p, readErr, writeErr)
			return
		}
		if p.relay.park(p) {
			return
		}
	}
}

// canRest reports whether there is a socket to watch, and for how long nothing
// moves before it is.
func (p *pump) canRest() (after time.Duration, ok bool) {
	c := p.relay.class.Load()
	if c == nil || p.spot.raw == nil || c.Park < 0 {
		return 0, false
	}
	return c.Park, true
}

// park has p watched, and reports whether it is: the caller's goroutine has
// nothing to do with it any more then.
func (r *relay) park(p *pump) bool {
	if p == &r.up && r.isPaused() {
		r.lift()
	}
	layers.Rest(p.src) // nobody else reads from it
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over.IsZero() {
		return false
	}
	if r.paused {
		p.spot.resting = true
		r.watch(p)
		return true
	}
	if _, ok := p.canRest(); !ok {
		return false
	}
	p.spot.resting = true
	if r.watch(p) != nil {
		p.spot.resting, p.spot.raw = false, nil // it keeps its goroutine from now on
		return false
	}
	return true
}

// watch has a loop of the class look after the socket of p; r.mu is held. In a
// pause only the peer's leaving counts.
func (r *relay) watch(p *pump) error {
	class := r.class.Load()
	if class == nil || p.spot.raw == nil {
		return errors.ErrUnsupported
	}
	loop, err := class.loopOf(&p.spot)
	if err != nil {
		return err
	}
	return loop.watch(p, r.paused)
}

// wake goes on with p, for which something has come; gone says that its peer may
// have left, which alone counts in a pause: what came before that was taken from
// the kernel may be told only now. Loops call it.
func (r *relay) wake(p *pump, gone bool) {
	r.mu.Lock()
	resting, paused := p.spot.resting, r.paused
	p.spot.resting = resting && paused // an end takes it up
	r.mu.Unlock()
	switch {
	case !resting, paused && !gone:
	case paused:
		r.launch(func() { r.cut(r.leaving(p)) })
	default:
		r.launch(p.carry)
	}
}

// wakeAll returns the directions that rest, for the caller to go on with; r.mu
// is held.
func (r *relay) wakeAll() []*pump {
	var woken []*pump
	for _, p := range []*pump{&r.up, &r.down} {
		if p.spot.resting {
			p.spot.resting = false
			woken = append(woken, p)
		}
	}
	return woken
}

func (r *relay) carry(woken []*pump) {
	for _, p := range woken {
		r.launch(p.carry)
	}
}

// launch starts a goroutine of the session.
func (r *relay) launch(f func()) {
	if r.spawn == nil {
		go f()
		return
	}
	r.spawn(f)
}
