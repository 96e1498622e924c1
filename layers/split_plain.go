package layers

import (
	"container/list"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
)

// judgePlain refuses a connection without TLS that is not wanted here.
func (s *Split) judgePlain(ctx context.Context, kind Kind, c net.Conn) error {
	switch {
	case s.config.TLSOnly:
		if kind == KindHTTP {
			refusePlainHTTP(ctx, c)
		}
		return errors.New("only TLS is taken here, and it came without")
	case s.config.NoRaw: // the HTTP server has an answer for all
		return nil
	case kind == KindUnknown:
		return errors.New("it speaks first, and neither TLS nor HTTP")
	case kind == KindHTTP && s.config.NoHTTP:
		return errors.New("HTTP is not spoken here")
	}
	return nil
}

// plainWords are what a browser without TLS is told.
const plainWords = "This address speaks TLS only: use https:// or wss:// instead of http:// or ws://.\n"

// refusePlainHTTP answers an HTTP request that came without TLS, whatever it
// asks, and waits a moment for the client to hang up: what it still sends
// unread would reset the connection, and a reset can overtake the answer.
func refusePlainHTTP(ctx context.Context, c net.Conn) {
	ctx, cancel := context.WithTimeout(ctx, linger)
	defer cancel()
	_ = Interrupt(ctx, c, func() error {
		_, err := io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"+
			"Content-Length: "+strconv.Itoa(len(plainWords))+"\r\nConnection: close\r\n\r\n"+plainWords)
		if err == nil {
			_ = CloseWrite(c)
			_, err = io.Copy(io.Discard, io.LimitReader(c, maxRequestHead))
		}
		return err
	})
}

// halfOpen are the connections under examination, oldest first.
type halfOpen struct {
	mu     sync.Mutex
	max    int
	order  list.List // of *halfConn
	counts map[netip.Addr]int
}

type halfConn struct {
	from  netip.Addr
	evict func()
	at    *list.Element // nil: left
}

// add takes a connection up. If that makes too many, the address that has most
// of them loses its oldest: a flood costs the flooder.
func (h *halfOpen) add(from netip.Addr, evict func()) *halfConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts == nil {
		h.counts = map[netip.Addr]int{}
	}
	c := &halfConn{from: from, evict: evict}
	c.at = h.order.PushBack(c)
	h.counts[from]++
	if h.order.Len() > h.max {
		loser := h.loser()
		h.drop(loser)
		loser.evict()
	}
	return c
}

// loser is the oldest connection of the address that has most.
func (h *halfOpen) loser() *halfConn {
	var loser *halfConn
	for e := h.order.Front(); e != nil; e = e.Next() {
		c := e.Value.(*halfConn)
		if loser == nil || h.counts[c.from] > h.counts[loser.from] {
			loser = c
		}
	}
	return loser
}

// move counts c for the address that its proxy has stated: whoever floods a
// balancer would else push out all that come through it.
func (h *halfOpen) move(c *halfConn, from netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.at == nil {
		return
	}
	h.discount(c.from)
	c.from = from
	h.counts[from]++
}

// remove forgets c; an evicted one has been forgotten already.
func (h *halfOpen) remove(c *halfConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(c)
}

func (h *halfOpen) drop(c *halfConn) {
	if c.at == nil {
		return
	}
	h.order.Remove(c.at)
	c.at = nil
	h.discount(c.from)
}

func (h *halfOpen) discount(from netip.Addr) {
	if h.counts[from]--; h.counts[from] == 0 {
		delete(h.counts, from)
	}
}
