package layers

import (
	"errors"
	"net"
	"sync"
)

// A Group is one listener made of several: its Accept returns the connections
// of all of them.
type Group struct {
	members  []net.Listener
	accepted chan accepted
	closed   chan struct{}
	once     sync.Once
	work     sync.WaitGroup
	err      error // of Close
}

type accepted struct {
	c   net.Conn
	err error
}

// NewGroup takes the listeners over, at least one. A single one is returned as
// it is.
func NewGroup(members ...net.Listener) net.Listener {
	if len(members) == 1 {
		return members[0]
	}
	g := &Group{members: members, accepted: make(chan accepted), closed: make(chan struct{})}
	for _, ln := range members {
		g.work.Go(func() { g.acceptFrom(ln) })
	}
	return g
}

// acceptFrom passes on what ln accepts, and its errors, each to one Accept.
func (g *Group) acceptFrom(ln net.Listener) {
	for {
		c, err := ln.Accept()
		select {
		case g.accepted <- accepted{c, err}:
		case <-g.closed:
			if err == nil {
				_ = c.Close()
			}
			return
		}
		if err != nil && !passes(err) {
			return
		}
	}
}

// Accept returns the next connection of any member, or a member's error.
func (g *Group) Accept() (net.Conn, error) {
	select {
	case a := <-g.accepted:
		return a.c, a.err
	case <-g.closed:
		return nil, &net.OpError{Op: "accept", Net: g.Addr().Network(), Addr: g.Addr(), Err: net.ErrClosed}
	}
}

// Addr is the address of the first member.
func (g *Group) Addr() net.Addr { return g.members[0].Addr() }

// Addrs are the addresses of all members.
func (g *Group) Addrs() []net.Addr {
	list := make([]net.Addr, len(g.members))
	for i, ln := range g.members {
		list[i] = ln.Addr()
	}
	return list
}

// Close closes all members.
func (g *Group) Close() error {
	g.once.Do(func() {
		close(g.closed)
		for _, ln := range g.members {
			g.err = errors.Join(g.err, ln.Close())
		}
		g.work.Wait()
	})
	return g.err
}

var _ net.Listener = (*Group)(nil)
