package layers

import (
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// Turns bounds how many TLS handshakes compute at once. One that waits for its
// peer holds no turn, however many of those there are; so a crowd that begins
// handshakes takes processor time from other crowds, and not from connections
// that carry something already. A nil Turns bounds nothing.
type Turns struct {
	free    chan struct{}
	waiting atomic.Int64
}

const (
	// crowded is how many handshakes wait for their turn when it is a flood that
	// waits, and not people.
	crowded = 32
	// breath is the pause between two turns then. Go looks at the network only
	// when a processor has nothing to run, or every ten milliseconds: without a
	// pause, a relay would hear of its bytes that late.
	breath = 100 * time.Microsecond
)

// NewTurns has n handshakes compute at once; 0 means all processors but one, and
// one at least.
func NewTurns(n int) *Turns {
	if n <= 0 {
		n = max(runtime.GOMAXPROCS(0)-1, 1)
	}
	return &Turns{free: make(chan struct{}, n)}
}

// TLSServer is the Layer of that name, in turn.
func (t *Turns) TLSServer(config *tls.Config) Layer {
	config = tlsConfig(config)
	return func(ctx context.Context, below net.Conn) (net.Conn, error) {
		under := &tlsUnder{Conn: below}
		return t.handshake(ctx, tls.Server(under, config), under)
	}
}

// handshake is tlsHandshake as a server, in turn. The connection that gives turns
// away is below TLS for as long as the handshake takes.
func (t *Turns) handshake(ctx context.Context, c *tls.Conn, under *tlsUnder) (net.Conn, error) {
	if t == nil {
		return tlsHandshake(ctx, c, under, "server")
	}
	turn := &turnConn{Conn: under.Conn, turns: t, over: ctx.Done()}
	if !turn.take() {
		return nil, context.Cause(ctx)
	}
	defer turn.give()
	under.Conn = turn
	made, err := tlsHandshake(ctx, c, under, "server")
	if err == nil { // else crypto/tls may still be closing what is below
		under.Conn = turn.Conn
	}
	return made, err
}

// turnConn gives the turn away while it waits for the peer. Its handshake reads
// and writes in one goroutine.
type turnConn struct {
	net.Conn
	turns *Turns
	over  <-chan struct{} // of the handshake's time
	held  bool
}

func (c *turnConn) Read(b []byte) (int, error) {
	c.give()
	n, err := c.Conn.Read(b)
	c.take()
	return n, err
}

func (c *turnConn) Write(b []byte) (int, error) {
	c.give()
	n, err := c.Conn.Write(b)
	c.take()
	return n, err
}

// take waits for a turn. Without one the handshake is over: crypto/tls looks at
// its context itself.
func (c *turnConn) take() bool {
	c.turns.waiting.Add(1)
	select {
	case c.turns.free <- struct{}{}:
		c.held = true
	case <-c.over:
	}
	c.turns.waiting.Add(-1)
	return c.held
}

func (c *turnConn) give() {
	if !c.held {
		return
	}
	if c.turns.waiting.Load() > crowded {
		time.Sleep(breath)
	}
	<-c.turns.free
	c.held = false
}
