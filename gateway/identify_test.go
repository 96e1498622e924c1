package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// Only what a viewer gave for its name is taken apart; what a proof says about
// who it was is not, or a token for "root%x" would make a root.
func TestIdentifyTakesTheTargetOffGivenNamesAlone(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	proof := func(name string) auth.Identity { return auth.Identity{Name: name, Method: "x", Groups: []string{"g"}} }
	for _, test := range []struct {
		name       string
		userTarget bool
		secured    rfb.Secured
		want       string
	}{
		{"plain", true, rfb.Secured{User: "alice%desk", Method: "plain"}, "alice"},
		{"plain without the route", false, rfb.Secured{User: "alice%desk", Method: "plain"}, "alice%desk"},
		{"SCRAM, whose verifier takes it off", true, rfb.Secured{User: "alice%desk", Proof: proof("alice"), Method: "sasl/SCRAM-SHA-256"}, "alice"},
		{"token", true, rfb.Secured{User: "root%x", Proof: proof("root%x"), Method: "sasl/OAUTHBEARER"}, "root%x"},
		{"no name but a target", true, rfb.Secured{User: "%desk", Method: "plain"}, ""},
	} {
		ids := identify(&Front{UserTarget: test.userTarget}, rfb.Secured{Conn: ours, User: test.secured.User, Proof: test.secured.Proof, Method: test.secured.Method})
		if len(ids) != 1 || ids[0].Name != test.want || ids[0].Method != test.secured.Method {
			t.Errorf("%s: %+v", test.name, ids)
		}
	}
}

// acceptUnix is our end of a unix socket, whose other end has said text.
func acceptUnix(t *testing.T, text string) net.Conn {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := peer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return c
}

// The owner of a unix socket's other end is who comes by it, and not those whom
// a proxy there lets through.
func TestOwnerOfAUnixSocketIsNotBehindAProxy(t *testing.T) {
	direct := acceptUnix(t, "")
	if _, err := layers.PeerCredentials(direct); err != nil {
		t.Skip(err)
	}
	if id, ok := Known(direct); !ok || id.Method != "unix-peer" || id.Name == "" {
		t.Errorf("without a proxy: %+v, %v", id, ok)
	}
	proxy := layers.ProxyConfig{Trusted: func(a netip.Addr) bool { return !a.IsValid() }}.Server()
	for said, layer := range map[string]layers.Layer{
		"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n": proxy,
		"PROXY UNKNOWN\r\n":                             proxy,
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n": layers.WebSocketServer(layers.WebSocketConfig{}),
	} {
		c, err := layer(context.Background(), acceptUnix(t, said))
		if err != nil {
			t.Fatalf("%q: %v", said, err)
		}
		if id, ok := Known(c); ok {
			t.Errorf("%q: the viewer is %+v", said, id)
		}
		if ids := identify(&Front{}, rfb.Secured{Conn: c}); len(ids) != 1 || ids[0].Name != "" {
			t.Errorf("%q: %+v", said, ids)
		}
	}
}

// shownConn is a TLS connection whose peer has shown a certificate.
type shownConn struct{ net.Conn }

func (shownConn) ConnectionState() tls.ConnectionState {
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "front.example"}}
	return tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}
}

// passedOn is a connection that a proxy has said whose it is.
type passedOn struct{ net.Conn }

func (passedOn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 4711} }

func (p passedOn) NetConn() net.Conn { return p.Conn }

// A proxy's certificate is not that of those whom it lets through.
func TestCertificateOfAProxy(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	shown := shownConn{ours}
	if id, ok := Known(shown); !ok || id.Name != "front.example" {
		t.Errorf("without a proxy: %+v, %v", id, ok)
	}
	if id, ok := Known(passedOn{shown}); ok {
		t.Errorf("the viewer is %+v", id)
	}
	// Nor does its end end their sessions.
	if certified(shown) == nil || certified(passedOn{shown}) != nil {
		t.Error("the sessions hang on the proxy's certificate")
	}
}
