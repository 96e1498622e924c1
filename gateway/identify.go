package gateway

import (
	"crypto/tls"
	"net"
	"os/user"
	"strconv"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// identify collects what a viewer has proved: before the handshake (a log-in
// of the page), by its stack (a client certificate, the owner of a unix
// socket's other end) and by its security type. A connection that proved
// nothing is one anonymous identity, so that a policy can speak of it.
//
// What a Proof says is who was proved, and stays as it is: a token for
// "alice%vm" does not make an alice. A name without a Proof is the one that the
// viewer gave, of which the security type has proved the part before the target.
func identify(front *Front, secured rfb.Secured) []auth.Identity {
	ids := append([]auth.Identity(nil), front.Identities...)
	ids = append(ids, certificates(secured.Conn)...)
	name, _ := front.userNamed(secured.User)
	if id, ok := secured.Proof.(auth.Identity); ok {
		id.Method = secured.Method
		ids = append(ids, id)
	} else if name != "" || !provesNothing(secured.Method) {
		ids = append(ids, auth.Identity{Name: name, Method: secured.Method})
	}
	if len(ids) > 0 {
		return ids
	}
	if peer, ok := unixPeer(secured.Conn); ok {
		return []auth.Identity{peer}
	}
	return []auth.Identity{{Method: "none"}}
}

// Known says who the peer of c is by what lies below RFB: the client
// certificate that was verified, else the owner of a unix socket's other end.
// What a proxy proved that the viewer came through is not the viewer's.
func Known(c net.Conn) (id auth.Identity, ok bool) {
	if ids := certificates(c); len(ids) > 0 {
		return ids[0], true
	}
	return unixPeer(c)
}

func provesNothing(method string) bool {
	return method == "" || method == rfb.TypeNone.String() || method == rfb.TypeX509None.String()
}

// certificates yields one identity for each TLS layer whose client certificate
// was verified, named by its common name.
func certificates(c net.Conn) []auth.Identity {
	var ids []auth.Identity
	for l := range layers.Walk(c) {
		t, ok := l.(interface{ ConnectionState() tls.ConnectionState })
		if !ok {
			continue
		}
		if chains := t.ConnectionState().VerifiedChains; len(chains) > 0 && samePeer(l, c) {
			ids = append(ids, auth.Identity{Name: chains[0][0].Subject.CommonName, Method: "tls-certificate"})
			break // *tls.Conn below our wrapper is the same layer
		}
	}
	return ids
}

// samePeer reports whether nothing above below states another peer, as a
// connection does that a proxy has passed on.
func samePeer(below, c net.Conn) bool {
	a, b := below.RemoteAddr(), c.RemoteAddr()
	return a == nil || b == nil || a.String() == b.String()
}

// proxied reports whether the other end of c's unix socket is not the viewer's
// program: a PROXY header came first, or a WebSocket, which browsers do not
// speak over unix sockets.
func proxied(c net.Conn) bool {
	_, header := layers.As[*layers.ProxyConn](c)
	_, browser := layers.As[*layers.WebSocketConn](c)
	return header || browser
}

func unixPeer(c net.Conn) (auth.Identity, bool) {
	if proxied(c) {
		return auth.Identity{}, false
	}
	cred, err := layers.PeerCredentials(c)
	if err != nil {
		return auth.Identity{}, false
	}
	uid := strconv.Itoa(int(cred.UID))
	id := auth.Identity{Name: "uid:" + uid, Method: "unix-peer"}
	if u, err := user.LookupId(uid); err == nil {
		id.Name = u.Username
	}
	return id, true
}
