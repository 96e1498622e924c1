package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"vncgate/layers"
)

// client is who sent a request and to where, as far as proxies that are
// trusted say so. It is for logs, limits and the question whether a page is
// ours; never an identity.
type client struct {
	address string         // for the log
	addr    netip.AddrPort // what a proxy states, else invalid
	host    string         // what the browser calls us, maybe with a port
	secure  bool           // the browser came over TLS
	proxied bool           // a trusted proxy said some of this
	no      *Refusal       // what it said cannot be believed
}

// clientOf reads the headers of trusted proxies.
func clientOf(r *http.Request, trusted func(netip.Addr) bool) client {
	c := client{address: r.RemoteAddr, host: r.Host, secure: r.TLS != nil}
	if trusted == nil || !trusted(peerOf(r)) {
		return c
	}
	said, found, no := forwarded(r.Header, trusted)
	if !found {
		c.no = no
		return c
	}
	c.proxied = true
	if said.addr.IsValid() {
		c.addr, c.address = said.addr, said.addr.String()
	}
	if said.host != "" {
		c.host = said.host
	}
	if said.proto != "" {
		c.secure = said.proto == "https"
	}
	return c
}

// Secure reports whether the browser that sent r came over TLS: to here, or, as
// a proxy says that is trusted, to that.
func Secure(r *http.Request, trusted func(netip.Addr) bool) bool { return clientOf(r, trusted).secure }

// From is the address of whoever has sent r: of the peer, or what a proxy that is
// trusted says. The error is for a proxy whose word cannot be believed.
func From(r *http.Request, trusted func(netip.Addr) bool) (net.Addr, error) {
	c := clientOf(r, trusted)
	if c.no != nil {
		return nil, c.no
	}
	if c.addr.IsValid() {
		return net.TCPAddrFromAddrPort(c.addr), nil
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return &net.UnixAddr{Name: r.RemoteAddr, Net: "unix"}, nil
	}
	return net.TCPAddrFromAddrPort(peer), nil
}

// peerOf is the address of whoever opened the connection, the zero Addr for a
// unix socket.
func peerOf(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// allowsOrigin compares what a browser states as the page's origin. A request
// without one is not a browser's and proves nothing either way.
func (e *endpoint) allowsOrigin(r *http.Request, from client) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || e.ownOrigin(r, from) {
		return true
	}
	return slices.ContainsFunc(e.cfg.Origins, func(allowed string) bool {
		return allowed == "*" || strings.EqualFold(strings.TrimSuffix(allowed, "/"), origin)
	})
}

// ownOrigin reports whether the page came from this very listener. Behind TLS
// a page without it is another one. A name that leads to loopback may be
// anybody's (DNS rebinding), so there it must be localhost, an address, a name
// that is configured, or one that a proxy vouches for.
func (e *endpoint) ownOrigin(r *http.Request, from client) bool {
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || !sameHost(origin.Host, from.host, origin.Scheme) || from.secure && origin.Scheme != "https" {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() || from.proxied {
		return true
	}
	_, named := e.hosts.target(origin.Host)
	return named || origin.Hostname() == "localhost" || net.ParseIP(origin.Hostname()) != nil
}

// sameHost compares two hosts with or without the port that scheme has anyway:
// browsers leave it out, and proxies write it.
func sameHost(a, b, scheme string) bool {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

// forwardedConn is a viewer's WebSocket behind a proxy that said whose it is.
type forwardedConn struct {
	*layers.WebSocketConn
	viewer net.Addr
}

// RemoteAddr is the viewer's address as the proxy states it.
func (c *forwardedConn) RemoteAddr() net.Addr { return c.viewer }

// NetConn is the WebSocket, for layers.Walk.
func (c *forwardedConn) NetConn() net.Conn { return c.WebSocketConn }

// LayerName is empty: it is no layer, and the WebSocket names itself.
func (c *forwardedConn) LayerName() string { return "" }

// over puts what a proxy said on the viewer's connection.
func (c client) over(ws *layers.WebSocketConn) net.Conn {
	if !c.addr.IsValid() {
		return ws
	}
	return &forwardedConn{ws, net.TCPAddrFromAddrPort(c.addr)}
}
