package tunnel

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"vncgate/layers"
)

// Conn is a stream to an agent's service, made by a Hub's Dial. It is a net.Conn
// in full, with CloseWrite; when its tunnel is lost, its errors are a *LostError.
type Conn struct {
	*layers.MuxStream
	id      uint64
	service string
	tunnel  *hubTunnel
	since   time.Time
	close   sync.Once
}

// Agent is the name of the agent.
func (c *Conn) Agent() string { return c.tunnel.name }

// Service is the name of the service.
func (c *Conn) Service() string { return c.service }

// ID is the stream's number in its hub.
func (c *Conn) ID() uint64 { return c.id }

// Info is what is known of the stream now.
func (c *Conn) Info() StreamInfo {
	info := StreamInfo{ID: c.id, Service: c.service, Since: c.since}
	info.In, info.Out, info.Window, info.Waited = figures(c.MuxStream)
	return info
}

// Stack names the layers of the tunnel, as layers.Describe has them.
func (c *Conn) Stack() string { return c.tunnel.described }

// NetConn returns the stream of the multiplexer. What is below that is others',
// too.
func (c *Conn) NetConn() net.Conn { return c.MuxStream }

// LayerName is empty: the stream below names itself.
func (c *Conn) LayerName() string { return "" }

// RemoteAddr is of network "agent" and reads AGENT/SERVICE.
func (c *Conn) RemoteAddr() net.Addr { return address(c.tunnel.name + "/" + c.service) }

// LocalAddr is of network "agent".
func (c *Conn) LocalAddr() net.Addr { return address("") }

// address is what an agent's services have in place of one.
type address string

func (address) Network() string  { return "agent" }
func (a address) String() string { return string(a) }

// Read reads what the display has sent.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.MuxStream.Read(b)
	return n, c.explain(err)
}

// Write sends to the display.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.MuxStream.Write(b)
	return n, c.explain(err)
}

// CloseWrite ends our direction.
func (c *Conn) CloseWrite() error { return c.explain(c.MuxStream.CloseWrite()) }

// Close ends the stream.
func (c *Conn) Close() error {
	err := c.MuxStream.Close()
	c.close.Do(func() { c.tunnel.closed(c) })
	return err
}

// explain says whose tunnel is lost, and why.
func (c *Conn) explain(err error) error {
	if err != nil && err != io.EOF && errors.Is(err, layers.ErrMuxLost) {
		return c.tunnel.lost()
	}
	return err
}

// A LostError ends the streams of a tunnel that has ended. It matches
// layers.ErrMuxLost.
type LostError struct {
	Agent, Reason string
}

func (e *LostError) Error() string {
	return fmt.Sprintf("tunnel: the tunnel of agent %s is lost: %s", e.Agent, e.Reason)
}
func (e *LostError) Is(target error) bool { return target == layers.ErrMuxLost }
