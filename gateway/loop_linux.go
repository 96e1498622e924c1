package gateway

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// loopEvents is how many wake-ups a loop takes from the kernel at once.
const loopEvents = 128

// loop watches the sockets of directions that rest, in an epoll set of its own:
// a socket may be in several, and Go's poller goes on knowing it. An entry fires
// once and is then armed anew, so that nothing is woken that moves already.
//
// The set is itself a descriptor that becomes readable, so that Go's poller can
// wait for it: the loop is a goroutine that rests too, and no thread.
type loop struct {
	set  *os.File // in Go's poller
	raw  syscall.RawConn
	over chan struct{} // closed when run has returned
	bell *os.File      // ends the wait of a loop on a thread of its own; else nil

	mu     sync.Mutex
	pumps  map[uint64]*pump // by the numbers that the kernel gives back
	last   uint64           // number that was given: none is given twice
	closed bool
}

func newLoop(settings *Class) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("gateway: event loop: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or os would not poll it
		_ = unix.Close(fd)
		return nil, fmt.Errorf("gateway: event loop: %w", err)
	}
	l := &loop{set: os.NewFile(uintptr(fd), "epoll"), over: make(chan struct{}), pumps: map[uint64]*pump{}}
	if l.raw, err = l.set.SyscallConn(); err != nil {
		_ = l.set.Close()
		return nil, fmt.Errorf("gateway: event loop: %w", err)
	}
	if settings.Loops > 0 {
		return l, l.runThread(settings)
	}
	go l.run()
	return l, nil
}

// watch has p woken when its socket can be read, or has ended; in a pause, only
// when it has ended. The lock of p's relay is held.
func (l *loop) watch(p *pump, paused bool) error {
	s := &p.spot
	op := unix.EPOLL_CTL_MOD
	if s.loop != l {
		s.leave()
		if !l.enter(p) {
			return net.ErrClosed
		}
		op = unix.EPOLL_CTL_ADD
	}
	events := uint32(unix.EPOLLRDHUP | unix.EPOLLONESHOT)
	if !paused {
		events |= unix.EPOLLIN
	}
	err := l.control(s, op, &unix.EpollEvent{Events: events, Fd: int32(uint32(s.id)), Pad: int32(uint32(s.id >> 32))})
	if err != nil {
		s.leave()
	}
	return err
}

// enter gives p a number.
func (l *loop) enter(p *pump) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.last++
	p.spot.loop, p.spot.id = l, l.last
	l.pumps[l.last] = p
	return true
}

// control changes the entry of a socket. Neither it nor the set can be closed
// meanwhile, so that no number of a descriptor stands for another one.
func (l *loop) control(s *spot, op int, event *unix.EpollEvent) error {
	var err error
	failed := l.raw.Control(func(set uintptr) {
		failed := s.raw.Control(func(fd uintptr) {
			err = unix.EpollCtl(int(set), op, int(fd), event)
		})
		err = errors.Join(failed, err)
	})
	return errors.Join(failed, err)
}

// leave takes the socket out of the set that it is in. Events of it that are
// under way find nobody.
func (s *spot) leave() {
	l := s.loop
	if l == nil {
		return
	}
	l.mu.Lock()
	delete(l.pumps, s.id)
	l.mu.Unlock()
	_ = l.control(s, unix.EPOLL_CTL_DEL, nil) // it may be closed, and is out then
	s.loop = nil
}

// close ends the loop, in which nobody rests any more.
func (l *loop) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	if l.bell != nil {
		_, _ = l.bell.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0}) // an eventfd counts it
		<-l.over
		_ = l.bell.Close()
	}
	_ = l.set.Close()
	<-l.over
}

// run wakes until the set is closed.
func (l *loop) run() {
	defer close(l.over)
	var events [loopEvents]unix.EpollEvent
	n := 0
	ready := func(set uintptr) bool {
		n, _ = unix.EpollWait(int(set), events[:], 0)
		return n > 0
	}
	for l.raw.Read(ready) == nil {
		for i := range events[:n] {
			l.wake(&events[i])
		}
	}
}

func (l *loop) wake(event *unix.EpollEvent) {
	l.mu.Lock()
	p := l.pumps[uint64(uint32(event.Fd))|uint64(uint32(event.Pad))<<32]
	l.mu.Unlock()
	if p != nil {
		p.relay.wake(p, event.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
	}
}
