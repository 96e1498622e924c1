package layers

// Protocol flow (RFC 9110, 9.3.6): one request, CONNECT, whose target is here
// not host:port but a path, as the consoles of hypervisors have it; an answer
// with status 200; from then on the display's own bytes both ways.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// HTTPConnect asks the other end by "CONNECT path HTTP/1.1" to hand the
// connection on, with header added, and wants status 200. Unless header names a
// Host, it is the address of the peer. Not a byte behind the answer is touched.
func HTTPConnect(path string, header http.Header) Layer {
	return func(ctx context.Context, below net.Conn) (net.Conn, error) {
		err := Interrupt(ctx, below, func() error { return askConnect(below, path, header) })
		if err != nil {
			return nil, fmt.Errorf("layers: connect: %w", err)
		}
		return &connected{below}, nil
	}
}

func askConnect(below net.Conn, path string, header http.Header) error {
	request, err := connectRequest(path, header, below.RemoteAddr())
	if err != nil {
		return err
	}
	if _, err := below.Write(request); err != nil {
		return err
	}
	head, err := io.ReadAll(&headConn{noDeadlines: noDeadlines{below}})
	if err != nil {
		return err
	}
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		return io.ErrUnexpectedEOF
	}
	asked := &http.Request{Method: http.MethodConnect}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), asked)
	if err != nil {
		return fmt.Errorf("the answer is not HTTP: %w", err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the other end answered %s", res.Status)
	}
	return nil
}

// connectRequest writes the request. A path from a ticket must not smuggle
// lines of its own into it, so anything but visible ASCII is refused.
func connectRequest(path string, header http.Header, peer net.Addr) ([]byte, error) {
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7F }
	if path == "" || strings.ContainsFunc(path, odd) {
		return nil, errors.New("the path is empty or has characters that a request line cannot carry")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\n", path)
	if header.Get("Host") == "" {
		fmt.Fprintf(&b, "Host: %s\r\n", connectHost(peer))
	}
	_ = header.Write(&b) // into memory; it takes line ends out of values
	b.WriteString("\r\n")
	if b.Len() > maxRequestOut {
		return nil, fmt.Errorf("request longer than %d bytes", maxRequestOut)
	}
	return b.Bytes(), nil
}

func connectHost(peer net.Addr) string {
	if a, ok := peer.(*net.TCPAddr); ok {
		return a.String()
	}
	return "localhost"
}

// connected is a connection that has been handed on.
type connected struct{ net.Conn }

// NetConn returns the connection below.
func (c *connected) NetConn() net.Conn { return c.Conn }

// Bypass returns the connection below: it carries the same bytes.
func (c *connected) Bypass() net.Conn { return c.Conn }

// LayerName is "connect".
func (c *connected) LayerName() string { return "connect" }

// CloseWrite ends our direction as the connection below does it.
func (c *connected) CloseWrite() error { return CloseWrite(c.Conn) }
