package main

import (
	"context"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"vncgate/layers"
)

// listen opens the address of l. A descriptor that we were started with may
// also be a connection, as inetd has it with "nowait": there is one viewer then,
// and serve ends with it.
func (w *wiring) listen(ctx context.Context, l *listenerConfig) (net.Listener, error) {
	ln, err := w.open(ctx, l.Address, l.listening(w))
	number, ok := strings.CutPrefix(l.Address, "fd:")
	if err == nil || !ok {
		return ln, err
	}
	fd, badNumber := strconv.Atoi(number)
	if badNumber != nil {
		return nil, err
	}
	c, notConnected := layers.Inherited(fd)
	if notConnected != nil {
		return nil, err
	}
	single := &single{c: c, addr: c.LocalAddr(), ended: make(chan struct{}), closed: make(chan struct{})}
	w.single = single.ended
	return single, nil
}

// single is a listener to which one viewer has come, and nobody else will.
type single struct {
	mu     sync.Mutex
	c      net.Conn // nil once it was accepted
	addr   net.Addr
	ended  chan struct{}
	closed chan struct{}
	once   [2]sync.Once
}

// Accept returns the connection, and then waits for Close.
func (s *single) Accept() (net.Conn, error) {
	s.mu.Lock()
	c := s.c
	s.c = nil
	s.mu.Unlock()
	if c != nil {
		return &singleConn{c, s}, nil
	}
	<-s.closed
	return nil, net.ErrClosed
}

func (s *single) end() { s.once[0].Do(func() { close(s.ended) }) }

// Close closes a connection that nobody has accepted.
func (s *single) Close() error {
	s.once[1].Do(func() { close(s.closed) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c != nil {
		_ = s.c.Close()
		s.c = nil
		s.end()
	}
	return nil
}

// Addr is our end of the connection.
func (s *single) Addr() net.Addr { return s.addr }

// singleConn tells its listener when it ends.
type singleConn struct {
	net.Conn
	of *single
}

// Close ends the listener, too.
func (c *singleConn) Close() error {
	defer c.of.end()
	return c.Conn.Close()
}

// CloseWrite ends our direction.
func (c *singleConn) CloseWrite() error { return layers.CloseWrite(c.Conn) }

// NetConn returns the connection below, for layers.Walk.
func (c *singleConn) NetConn() net.Conn { return c.Conn }

// Bypass returns the connection below: it carries the same bytes.
func (c *singleConn) Bypass() net.Conn { return c.Conn }

// LayerName is empty: the connection below names itself.
func (c *singleConn) LayerName() string { return "" }

// quietInetd leaves nobody to talk to where inetd has made the viewer's
// connection our standard error.
func quietInetd() {
	in, inErr := os.Stdin.Stat()
	out, outErr := os.Stderr.Stat()
	if inErr != nil || outErr != nil || in.Mode()&fs.ModeSocket == 0 || !os.SameFile(in, out) {
		return
	}
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = null
	}
}
