package screentest

import (
	"context"
	"net"
	"sync"
	"testing"

	"vncgate/rfb"
)

// A Follower is handed what passes in a session, as by a gateway.
type Follower interface {
	Display(b []byte) error
	Viewer(b []byte) error
}

// Tapped is Watch, with all that passes behind ServerInit handed to what follow
// returns as well. Hold it to have nothing pass.
func Tapped(t *testing.T, serve func(context.Context, net.Conn) error, follow func(rfb.ServerInit) Follower) (*Watcher, *Tap) {
	t.Helper()
	tap := &Tap{}
	w := Watch(t, func(ctx context.Context, c net.Conn) error {
		tap.Conn = c
		return serve(ctx, tap)
	})
	to := follow(w.Init)
	tap.Lock()
	defer tap.Unlock()
	tap.to = to
	return w, tap
}

// A Tap is the display's end of a session's connection.
type Tap struct {
	net.Conn
	sync.Mutex
	to Follower // nil: the handshake is under way
}

// Read hands on what the viewer says.
func (c *Tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.Lock()
	defer c.Unlock()
	if c.to != nil && n > 0 {
		_ = c.to.Viewer(b[:n])
	}
	return n, err
}

// Write hands on what the display says.
func (c *Tap) Write(b []byte) (int, error) {
	c.Lock()
	if c.to != nil {
		_ = c.to.Display(b)
	}
	c.Unlock()
	return c.Conn.Write(b)
}
