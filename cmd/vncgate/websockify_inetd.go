package main

import (
	"context"
	"io"
	"net"
	"os"
	"sync"

	"vncgate/layers"
)

// inetd passes its socket as standard input, output and error: one that
// listens ("wait"), or a connection that was accepted ("nowait").

// listenInetd takes over standard input, whichever of the two it is.
func listenInetd(ctx context.Context) (net.Listener, error) {
	ln, err := layers.Listen(ctx, "fd:0", layers.ListenConfig{})
	if err == nil {
		return ln, nil
	}
	c, errConn := layers.Inherited(0)
	if errConn != nil {
		return nil, usagef("--inetd: standard input is neither a listening socket nor a connection: inetd or systemd must start this (%w)", err)
	}
	return newOnlyListener(c), nil
}

// besideInetd leaves out what would be written into inetd's socket.
func besideInetd(w io.Writer, file *os.File) io.Writer {
	socket, errIn := os.Stdin.Stat()
	other, errOut := file.Stat()
	if errIn == nil && errOut == nil && os.SameFile(socket, other) {
		return io.Discard
	}
	return w
}

// onlyListener accepts the one connection there is, and ends with it.
type onlyListener struct {
	conn   chan net.Conn
	addr   net.Addr
	closed chan struct{}
	once   sync.Once
}

func newOnlyListener(c net.Conn) *onlyListener {
	l := &onlyListener{conn: make(chan net.Conn, 1), addr: c.LocalAddr(), closed: make(chan struct{})}
	l.conn <- &onlyConn{Conn: c, ended: func() { _ = l.Close() }}
	return l
}

// Accept is net.Listener's.
func (l *onlyListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: l.addr.Network(), Addr: l.addr, Err: net.ErrClosed}
	}
}

// Addr is net.Listener's.
func (l *onlyListener) Addr() net.Addr { return l.addr }

// Close is net.Listener's.
func (l *onlyListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// onlyConn tells its listener when it has ended.
type onlyConn struct {
	net.Conn
	ended func()
}

// NetConn returns the connection below.
func (c *onlyConn) NetConn() net.Conn { return c.Conn }

// LayerName is empty: this adds nothing to the stack.
func (c *onlyConn) LayerName() string { return "" }

// CloseWrite ends our direction as the connection below does it.
func (c *onlyConn) CloseWrite() error { return layers.CloseWrite(c.Conn) }

// Close is net.Conn's.
func (c *onlyConn) Close() error {
	err := c.Conn.Close()
	c.ended()
	return err
}
