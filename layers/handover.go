package layers

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// A Handover is a listener whose socket another process can go on with. Retire
// ends the accepting here without an error for whoever accepts: what has been
// accepted already is still looked at and let in.
type Handover struct {
	net.Listener
	retired chan struct{}
	closed  chan struct{}
	once    [2]sync.Once
	asked   atomic.Bool  // by Accept, ever
	empty   atomic.Bool  // Accept has found nothing more after Retire
	gone    atomic.Int32 // members that have said so
}

// NewHandover takes ln over.
func NewHandover(ln net.Listener) *Handover {
	return &Handover{Listener: ln, retired: make(chan struct{}), closed: make(chan struct{})}
}

// Accept returns the next connection. Once the listener has retired and all that
// it had accepted is taken, it waits for Close.
func (h *Handover) Accept() (net.Conn, error) {
	h.asked.Store(true)
	for {
		c, err := h.Listener.Accept()
		if err == nil || !h.hasRetired() || !errors.Is(err, net.ErrClosed) {
			return c, err
		}
		if int(h.gone.Add(1)) >= len(members(h.Listener)) { // each member of a group says once that it is closed
			h.empty.Store(true)
			<-h.closed
			return nil, err
		}
	}
}

// Settled reports whether, after Retire, whoever accepts has been handed all that
// had come, and has come back for more: what it was handed is in its books then.
func (h *Handover) Settled() bool { return h.empty.Load() || !h.asked.Load() }

func (h *Handover) hasRetired() bool {
	select {
	case <-h.retired:
		return true
	default:
		return false
	}
}

// Retire closes the socket here, and leaves the file of a unix socket to the
// process that has it now. Accept goes on to wait.
func (h *Handover) Retire() error {
	var err error
	h.once[0].Do(func() {
		close(h.retired)
		OwnFiles(h.Listener, false)
		for _, ln := range members(h.Listener) {
			err = errors.Join(err, ln.Close())
		}
	})
	return err
}

// Close ends the listener.
func (h *Handover) Close() error {
	h.once[1].Do(func() { close(h.closed) })
	if err := h.Listener.Close(); err != nil && !h.hasRetired() {
		return err
	}
	return nil
}

// OwnFiles says whether closing ln removes the files of its unix sockets. It is
// not called beside Close.
func OwnFiles(ln net.Listener, own bool) {
	for _, m := range members(ln) {
		if file, ok := m.(interface{ SetUnlinkOnClose(bool) }); ok {
			file.SetUnlinkOnClose(own)
		}
	}
}

// members are the listeners that ln is made of.
func members(ln net.Listener) []net.Listener {
	switch l := ln.(type) {
	case *Handover:
		return members(l.Listener)
	case *Group:
		return l.members
	}
	return []net.Listener{ln}
}

// Sockets duplicates the sockets of ln, for a process to be started with them. The
// duplicates are the caller's, are not inherited by themselves, and leave ln as it
// is. The error matches errors.ErrUnsupported where there are none.
func Sockets(ln net.Listener) (fds []int, err error) {
	for _, m := range members(ln) {
		fd, err := duplicateSocket(m)
		if err != nil {
			CloseSockets(fds)
			return nil, fmt.Errorf("layers: handing over %s: %w", ln.Addr(), err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// Adopt listens on sockets that this process was started with, at least one, and
// owns their descriptors. The files of unix sockets stay when they are closed,
// unless OwnFiles says otherwise.
func Adopt(fds []int) (net.Listener, error) {
	defer CloseSockets(fds)
	var open []net.Listener
	for _, fd := range fds {
		ln, err := listenFD(fmt.Sprint(fd))
		if err != nil {
			closeListeners(open)
			return nil, fmt.Errorf("layers: %w", err)
		}
		open = append(open, ln)
	}
	if len(open) == 0 {
		return nil, errors.New("layers: no sockets to listen on")
	}
	return NewGroup(open...), nil
}

// Examined returns how many connections are being looked at, or wait for an Accept.
func (s *Split) Examined() int {
	s.half.mu.Lock()
	defer s.half.mu.Unlock()
	return s.half.order.Len()
}

var _ net.Listener = (*Handover)(nil)
