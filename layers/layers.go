// Package layers stacks byte-stream protocols on one connection: sockets, TLS,
// WebSocket, SASL security layers, PROXY headers, spawned commands.
//
// A [Layer] turns the connection below into the connection that carries its
// payload, and knows nothing of what that payload is. A stack is built bottom
// first; everything it is made of can be found again with [Walk] and [As]:
//
//	c, err := layers.Stack(ctx, socket,
//		layers.TLSServer(config),
//		layers.WebSocketServer(layers.WebSocketConfig{}))
//	fmt.Println(layers.Describe(c)) // tcp→tls1.3→ws
//
// Every connection made here keeps the net.Conn contract in full (concurrent
// Read, Write and Close; deadlines; Close wakes a blocked Read), which package
// layertest checks for each layer and each stack of them.
package layers

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"net"
	"slices"
	"strings"
	"time"
)

// A Layer runs one protocol over below and returns the connection that carries
// its payload. ctx bounds the handshake only. The result owns below and closes
// it; on error the caller still owns it.
type Layer func(ctx context.Context, below net.Conn) (net.Conn, error)

// ErrNoHalfClose is returned by CloseWrite where the protocol of a layer
// cannot end one direction alone (WebSocket, RFC 6455, 7.1.2).
var ErrNoHalfClose = errors.New("layers: protocol has no half-close")

// ErrTruncated is what a Read returns when the connection below ended without
// the end-of-stream mark of the layer's protocol: TLS without close_notify, a
// WebSocket without a close frame, a SASL token cut short. It matches
// io.ErrUnexpectedEOF.
var ErrTruncated error = truncated{}

type truncated struct{}

func (truncated) Error() string        { return "layers: stream cut short without its end mark" }
func (truncated) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// Stack runs ls over c, bottom first, and returns the topmost connection. On
// error c is still the caller's; closing it releases what was stacked on it.
func Stack(ctx context.Context, c net.Conn, ls ...Layer) (net.Conn, error) {
	for _, l := range ls {
		above, err := l(ctx, c)
		if err != nil {
			return nil, err
		}
		c = above
	}
	return c, nil
}

// Walk yields c and then each connection below it, found by NetConn, which
// every layer has (as crypto/tls.Conn does).
func Walk(c net.Conn) iter.Seq[net.Conn] {
	return func(yield func(net.Conn) bool) {
		for c != nil && yield(c) {
			over, ok := c.(interface{ NetConn() net.Conn })
			if !ok {
				return
			}
			c = over.NetConn()
		}
	}
}

// As finds the topmost connection of the stack under c that is a T, in the
// manner of errors.As.
func As[T any](c net.Conn) (T, bool) {
	for l := range Walk(c) {
		if t, ok := l.(T); ok {
			return t, true
		}
	}
	var none T
	return none, false
}

// Raw returns the lowest connection that carries the same bytes as c: a layer
// that is done (a PROXY header that has been read) steps aside through a Bypass
// method, which returns nil while it still holds bytes of its own.
func Raw(c net.Conn) net.Conn {
	for {
		b, ok := c.(interface{ Bypass() net.Conn })
		if !ok {
			return c
		}
		below := b.Bypass()
		if below == nil {
			return c
		}
		c = below
	}
}

// CloseWrite ends the direction away from us and leaves the other open. It
// returns ErrNoHalfClose where the topmost protocol has no way to say so.
func CloseWrite(c net.Conn) error {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return ErrNoHalfClose
}

// Interrupt runs f, whose reads and writes on c fail as soon as ctx ends; the
// error is then ctx's cause. When ctx outlives f, the deadlines of c are as if
// never touched, so f must not set any itself.
func Interrupt(ctx context.Context, c net.Conn, f func() error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.SetDeadline(past)
		close(fired)
	})
	err := f()
	if stop() {
		return err
	}
	<-fired
	_ = c.SetDeadline(time.Time{})
	if err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// past is a deadline that has been missed already.
var past = time.Unix(1, 0)

// Describe names the stack under c for people, bottom first: "tcp→tls1.3→ws".
// A layer names itself with a LayerName method; "" leaves it out.
func Describe(c net.Conn) string {
	var names []string
	for l := range Walk(c) {
		if name := layerName(l); name != "" {
			names = append(names, name)
		}
	}
	slices.Reverse(names)
	return strings.Join(names, "→")
}

// layerName names one connection. A bare *tls.Conn, as net/http hands over, is
// named like our own TLS layer.
func layerName(c net.Conn) string {
	switch c := c.(type) {
	case interface{ LayerName() string }:
		return c.LayerName()
	case *tls.Conn:
		return tlsName(c.ConnectionState().Version)
	}
	if a := c.LocalAddr(); a != nil {
		return a.Network()
	}
	return ""
}
