package bridge

import (
	"io"
	"net"
	"strconv"
	"sync"

	"vncgate/layers"
)

// legend stands in front of the marks of Config.Traffic.
const legend = `
Traffic marks (with a dot behind: part of a message):
    }  received from a client
    {  received from a target
    >  sent to a target
    <  sent to a client

`

// partial follows the mark of what is not a whole message.
const partial = "."

// lockedWriter lets sessions share a writer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// A tap stands between the two ends of a session and whoever watches it.
type tap struct {
	traffic io.Writer  // may be nil
	record  *recording // may be nil
}

// newTap is nil where nobody watches, so that nothing stands in the way.
func newTap(x *session) *tap {
	t := &tap{traffic: x.cfg.Traffic}
	if x.cfg.Record != "" {
		path := x.cfg.Record + "." + strconv.FormatUint(x.id, 10)
		var err error
		if t.record, err = record(path, x.log); err != nil {
			x.log.Warn("session is not recorded", "error", err)
		} else {
			x.log.Info("session is recorded", "file", path)
		}
	}
	if t.traffic == nil && t.record == nil {
		return nil
	}
	return t
}

// client returns ws as a watched connection.
func (t *tap) client(ws *layers.WebSocketConn) net.Conn {
	if t == nil {
		return ws
	}
	ws.Observe(t.received)
	return &tapped{ws, t, func([]byte) {}, t.sending}
}

// target returns c as a watched connection.
func (t *tap) target(c net.Conn) net.Conn {
	if t == nil || t.traffic == nil {
		return c
	}
	return &tapped{c, t, func([]byte) { t.mark("{") }, func([]byte) { t.mark(">") }}
}

func (t *tap) received(piece []byte, last bool) {
	t.mark("}")
	if !last {
		t.mark(partial)
	}
	if t.record != nil {
		t.record.received(piece, last)
	}
}

func (t *tap) sending(message []byte) {
	t.mark("<")
	if t.record != nil {
		t.record.sent(message)
	}
}

func (t *tap) mark(mark string) {
	if t.traffic != nil {
		_, _ = io.WriteString(t.traffic, mark) // whoever watches may leave
	}
}

func (t *tap) close() {
	if t != nil && t.record != nil {
		t.record.close()
	}
}

// tapped is a connection that tells of its reads afterwards and of its writes
// in advance, so that a cause is always told before its effect.
type tapped struct {
	net.Conn
	tap     *tap
	read    func([]byte)
	writing func([]byte)
}

// NetConn returns the connection that is watched.
func (c *tapped) NetConn() net.Conn { return c.Conn }

// LayerName is "": watching is no protocol.
func (c *tapped) LayerName() string { return "" }

// CloseWrite ends our direction of the connection that is watched.
func (c *tapped) CloseWrite() error { return layers.CloseWrite(c.Conn) }

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.read(b[:n])
	}
	return n, err
}

func (c *tapped) Write(b []byte) (int, error) {
	c.writing(b)
	n, err := c.Conn.Write(b)
	if err != nil {
		c.tap.mark(partial)
	}
	return n, err
}
