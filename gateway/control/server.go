package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"vncgate/gateway"
	"vncgate/layers"
)

const (
	// maxClients is how many may be connected at once.
	maxClients = 128
	// adminPlaces of them are for admins: those who may only look cannot keep those
	// out who are to end something.
	adminPlaces = 16
)

// Server speaks QMP on unix sockets. Its fields are set before the first call
// and not changed afterwards.
type Server struct {
	// Table is what there is to run.
	Table *Table
	// Version is told in the greeting.
	Version Version
	// Permit says what a peer may do, by what the kernel says of it. Nil lets
	// root and our own user do all, and nobody else anything.
	Permit func(peer layers.Credentials) Role
	// Log is told of those who are turned away; nil discards.
	Log *slog.Logger

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
	clients   map[*client]struct{}
	looking   map[int]int // how many of a user wait for what they may do
	running   sync.WaitGroup
	limits    rateLimits
}

// Serve accepts clients on ln, a unix socket, until Close or an error that is not
// of one connection. It closes ln, and returns gateway.ErrClosed after Close.
func (s *Server) Serve(ln net.Listener) error {
	if !s.track(ln) {
		_ = ln.Close()
		return gateway.ErrClosed
	}
	defer s.untrack(ln)
	for {
		c, err := ln.Accept()
		switch {
		case err == nil:
			s.welcome(c)
		case s.isClosed():
			return gateway.ErrClosed
		case errors.Is(err, net.ErrClosed):
			return err
		default: // out of descriptors, most likely: nobody is helped by an end
			s.log().Warn("control socket: accept failed, trying again", "error", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// Close closes the listeners and the connections, and returns when no command
// runs any more.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for ln := range s.listeners {
		_ = ln.Close()
	}
	for c := range s.clients {
		c.cancel()
	}
	s.mu.Unlock()
	s.running.Wait()
	s.limits.stop()
}

// Clients returns how many are connected.
func (s *Server) Clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

// Commands returns how many commands in band run or wait, of all clients. Of a
// client that has maxInBand nothing more is read.
func (s *Server) Commands() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		n += len(c.places)
	}
	return n
}

// welcome has a connection taken in, or told why not. What its user may do is asked
// for beside: a directory that answers slowly holds up nobody else.
func (s *Server) welcome(conn net.Conn) {
	peer, err := layers.PeerCredentials(conn)
	if err == nil {
		err = s.looks(peer)
	}
	if err != nil {
		s.turnAway(conn, err)
		return
	}
	go func() {
		c, err := s.newClient(conn, peer)
		if err != nil {
			s.turnAway(conn, err)
			return
		}
		defer s.running.Done()
		c.serve()
	}()
}

func (s *Server) turnAway(conn net.Conn, err error) {
	s.log().Warn("control socket: turned away", "peer", peerText(conn), "reason", err)
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write(answer(nil, nil, err))
	_ = conn.Close()
}

// looks counts a connection of which it is not known yet what it may do.
func (s *Server) looks(peer layers.Credentials) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looking[peer.UID] >= maxClients-adminPlaces {
		return errors.New("too many of this user wait already; try again in a moment")
	}
	if s.looking == nil {
		s.looking = map[int]int{}
	}
	s.looking[peer.UID]++
	return nil
}

// looked is the end of looks; s.mu is held.
func (s *Server) looked(peer layers.Credentials) {
	if s.looking[peer.UID]--; s.looking[peer.UID] == 0 {
		delete(s.looking, peer.UID)
	}
}

// newClient takes a connection in that looks has counted. It is counted in running
// then.
func (s *Server) newClient(conn net.Conn, peer layers.Credentials) (*client, error) {
	role := s.permit(peer)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked(peer)
	u, ok := conn.(*net.UnixConn)
	switch {
	case !ok:
		return nil, errors.New("the control protocol is spoken on unix sockets, where the kernel says who calls")
	case role == Nobody:
		return nil, &Error{Class: ClassGeneric, Err: ErrForbidden,
			Desc: fmt.Sprintf("user %d may not use this control socket; control: in the gateway's configuration says who may", peer.UID)}
	case s.closed:
		return nil, gateway.ErrClosed
	case len(s.clients) >= placesFor(role):
		return nil, fmt.Errorf("there are %d clients already; end one of them ('ss -xp' shows whose they are)", len(s.clients))
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &client{
		s: s, c: u, out: newOutbox(u), ctx: ctx, cancel: cancel,
		queue: make(chan *request, maxInBand), places: make(chan struct{}, maxInBand),
		call: Call{Role: role, Actor: fmt.Sprintf("uid:%d", peer.UID), Files: &Files{}},
	}
	if s.clients == nil {
		s.clients = map[*client]struct{}{}
	}
	s.clients[c] = struct{}{}
	s.running.Add(1)
	return c, nil
}

func placesFor(role Role) int {
	if role == Admin {
		return maxClients
	}
	return maxClients - adminPlaces
}

func (s *Server) permit(peer layers.Credentials) Role {
	switch {
	case s.Permit != nil:
		return s.Permit(peer)
	case ownPeer(peer):
		return Admin
	}
	return Nobody
}

func (s *Server) forget(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

func (s *Server) track(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.listeners == nil {
		s.listeners = map[net.Listener]struct{}{}
	}
	s.listeners[ln] = struct{}{}
	return true
}

func (s *Server) untrack(ln net.Listener) {
	_ = ln.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

func peerText(c net.Conn) string {
	peer, err := layers.PeerCredentials(c)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("uid:%d pid:%d", peer.UID, peer.PID)
}
