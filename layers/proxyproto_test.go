package layers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

func tcpAddr(s string) *net.TCPAddr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

// TestProxyRoundTrip sends each version's header for each kind of address; what
// follows it is untouched.
func TestProxyRoundTrip(t *testing.T) {
	unixAddr := &net.UnixAddr{Net: "unix", Name: "/run/a"}
	for _, test := range []struct {
		version             int
		source, destination net.Addr
		stated              bool
	}{
		{1, tcpAddr("192.0.2.7:4711"), tcpAddr("192.0.2.1:5900"), true},
		{1, tcpAddr("[2001:db8::7]:4711"), tcpAddr("[2001:db8::1]:5900"), true},
		{2, tcpAddr("192.0.2.7:4711"), tcpAddr("192.0.2.1:5900"), true},
		{2, tcpAddr("[2001:db8::7]:4711"), tcpAddr("[2001:db8::1]:5900"), true},
		{2, unixAddr, unixAddr, true},
		{1, unixAddr, unixAddr, false},
		{1, nil, nil, false},
		{2, nil, nil, false},
		{2, tcpAddr("192.0.2.7:4711"), unixAddr, false},
	} {
		near, far := layertest.Pipe()
		client, server := join(t, near, far, layers.ProxyClient(test.version, test.source, test.destination), layers.ProxyServer(everyone))
		source, destination := far.RemoteAddr(), far.LocalAddr()
		if test.stated {
			source, destination = test.source, test.destination
		}
		if server.RemoteAddr().String() != source.String() || server.LocalAddr().String() != destination.String() {
			t.Errorf("v%d %v to %v: server sees %v to %v", test.version, test.source, test.destination, server.RemoteAddr(), server.LocalAddr())
		}
		if client.RemoteAddr() != near.RemoteAddr() || client.LocalAddr() != near.LocalAddr() {
			t.Error("the client's own addresses changed")
		}
		if layers.Raw(server) != far || layers.Raw(client) != near {
			t.Error("Raw does not lead past the header")
		}
		_, _ = io.WriteString(client, "RFB 003.008\n")
		got := make([]byte, 12)
		if _, err := io.ReadFull(layers.Raw(server), got); err != nil || string(got) != "RFB 003.008\n" {
			t.Errorf("behind the header: %q, %v", got, err)
		}
	}
}

func TestProxyClientVersion(t *testing.T) {
	near, far := layertest.Pipe()
	defer near.Close()
	defer far.Close()
	for _, version := range []int{0, 3, -1, 258} {
		if c, err := layers.ProxyClient(version, nil, nil)(context.Background(), near); c != nil || err == nil {
			t.Errorf("version %d: %v, %v", version, c, err)
		}
	}
	_ = far.Close()
	if c, err := layers.ProxyClient(1, nil, nil)(context.Background(), near); c != nil || err == nil {
		t.Errorf("to a closed peer: %v, %v", c, err)
	}
}

// TestProxyTrust: from anyone but a trusted proxy nothing is read at all.
func TestProxyTrust(t *testing.T) {
	near, far := layertest.TCP(t)
	_, _ = io.WriteString(near, "PROXY TCP4 192.0.2.7 192.0.2.1 4711 5900\r\n")
	var asked netip.Addr
	c, err := layers.ProxyServer(func(a netip.Addr) bool { asked = a; return false })(context.Background(), far)
	if c != nil || err == nil || !strings.Contains(err.Error(), "not a trusted proxy") {
		t.Errorf("untrusted: %v, %v", c, err)
	}
	if asked != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("asked about %v", asked)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(far, b); err != nil || string(b) != "PROXY" {
		t.Errorf("was read: %q, %v", b, err)
	}
	if c, err := layers.ProxyServer(nil)(context.Background(), far); c != nil || err == nil {
		t.Errorf("no rule: %v, %v", c, err)
	}
	unix, peer := layertest.Unix(t)
	_, _ = io.WriteString(peer, "PROXY UNKNOWN\r\n")
	c, err = layers.ProxyServer(func(a netip.Addr) bool { asked = a; return true })(context.Background(), unix)
	if err != nil || asked.IsValid() {
		t.Errorf("unix socket: %v, %v, asked about %v", c, err, asked)
	}
}

func TestProxyBadHeaders(t *testing.T) {
	v2 := string(proxyproto.SIGV2)
	for _, test := range []struct{ name, sent string }{
		{"RFB", "RFB 003.008\n"},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n"},
		{"nothing", ""},
		{"half a signature", v2[:11]},
		{"v1 without end", "PROXY TCP4 192.0.2.7 192.0.2.1 4711 5900" + strings.Repeat(" ", 100)},
		{"v1 cut", "PROXY TCP4 192.0.2.7"},
		{"v1 with LF only", "PROXY TCP4 192.0.2.7 192.0.2.1 4711 5900\n"},
		{"v1 bad port", "PROXY TCP4 192.0.2.7 192.0.2.1 99999 5900\r\n"},
		{"v1 bad address", "PROXY TCP4 192.0.2 192.0.2.1 4711 5900\r\n"},
		{"v1 other protocol", "PROXY UDP4 192.0.2.7 192.0.2.1 4711 5900\r\n"},
		{"v1 other word", "PROXYTCP4 192.0.2.7 192.0.2.1 4711 5900\r\n"},
		{"v2 version 3", v2 + "\x31\x11\x00\x00"},
		{"v2 command 2", v2 + "\x22\x11\x00\x00"},
		{"v2 short addresses", v2 + "\x21\x11\x00\x04abcd"},
		{"v2 too long", v2 + "\x21\x11\xff\xff" + strings.Repeat("x", 70000)},
		{"v2 cut", v2 + "\x21\x11\x00\x0cabcd"},
		{"v2 bad family", v2 + "\x21\x43\x00\x00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			near, far := layertest.Pipe()
			defer near.Close()
			defer far.Close()
			_, _ = io.WriteString(near, test.sent[:min(len(test.sent), 5000)])
			_ = layers.CloseWrite(near)
			c, err := layers.ProxyServer(everyone)(context.Background(), far)
			if c != nil || err == nil || !strings.HasPrefix(err.Error(), "layers: proxy: ") || errors.Is(err, io.EOF) {
				t.Errorf("%v, %v", c, err)
			}
		})
	}
}

// TestProxyOthers takes some peers as they are, whatever they send, and a header
// from the trusted alone.
func TestProxyOthers(t *testing.T) {
	proxy := netip.MustParseAddr("192.0.2.1")
	layer := layers.ProxyConfig{Trusted: func(a netip.Addr) bool { return a == proxy }, Others: true}.Server()
	header := "PROXY TCP4 203.0.113.7 203.0.113.1 4711 5900\r\n"
	for _, test := range []struct {
		ip                 byte
		sent, source, rest string
		refused            bool
	}{
		{1, header + "x", "203.0.113.7:4711", "x", false},
		{1, "no header at all, only words", "", "", true},
		{2, "x", "192.0.2.2:4711", "x", false},
		{2, header + "x", "192.0.2.2:4711", header + "x", false},
	} {
		near, far := layertest.Pipe()
		_, _ = io.WriteString(near, test.sent)
		_ = layers.CloseWrite(near)
		c, err := layer(context.Background(), fromPeer{far, test.ip})
		if (err != nil) != test.refused {
			t.Errorf("%q from %d: %v", test.sent, test.ip, err)
		}
		if err == nil {
			if rest, _ := io.ReadAll(c); c.RemoteAddr().String() != test.source || string(rest) != test.rest {
				t.Errorf("%q from %d: source %v, then %q", test.sent, test.ip, c.RemoteAddr(), rest)
			}
		}
		_, _ = near.Close(), far.Close()
	}
}

// FuzzProxyHeader: whatever comes, nothing behind the header is read, and an
// accepted header is one that go-proxyproto reads the same way.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 192.0.2.1 4711 5900\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte("PROXY UNKNOWN ffff::1 ::1 1 2\r\n"))
	f.Add(append(bytes.Clone(proxyproto.SIGV2), "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x01\x12\x67\x17\x0c"...))
	f.Add(append(bytes.Clone(proxyproto.SIGV2), "\x20\x00\x00\x00"...))
	f.Fuzz(func(t *testing.T, sent []byte) {
		sent = sent[:min(len(sent), 8<<10)]
		near, far := layertest.Pipe()
		defer near.Close()
		defer far.Close()
		_, _ = near.Write(append(bytes.Clone(sent), "RFB 003.008\n"...))
		_ = layers.CloseWrite(near)
		c, err := layers.ProxyServer(everyone)(context.Background(), far)
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(c)
		header := len(sent) + 12 - len(rest)
		if header < 15 || !bytes.HasSuffix(rest, []byte("RFB 003.008\n")[max(0, header-len(sent)):]) {
			t.Fatalf("%q: behind the header %q", sent, rest)
		}
		if c.RemoteAddr() == nil || c.LocalAddr() == nil || c.RemoteAddr().String() == "" {
			t.Errorf("%q: addresses %v, %v", sent, c.RemoteAddr(), c.LocalAddr())
		}
	})
}
