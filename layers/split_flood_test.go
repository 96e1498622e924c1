package layers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// TestSplitFlood opens a thousand connections that say nothing of use, in every
// way, and then lets good ones in. Nothing is left behind.
func TestSplitFlood(t *testing.T) {
	layertest.CheckLeaks(t)
	certs := layertest.Certificates(t)
	address := splitServer(t, layers.SplitConfig{
		TLS: certs.Server, NoRaw: true, Timeout: time.Minute, HandshakeTimeout: time.Minute, Max: 32,
	})
	halves := []string{"", "G", "\x16", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x80", "GET / HTTP/1.1\r\n"}
	for i := range 1000 {
		c := dialTCP(t, address)
		_, _ = io.WriteString(c, halves[i%len(halves)])
	}
	if got := say(t, dialTCP(t, address), request); !strings.Contains(got, "plain") {
		t.Errorf("after the flood: %q", got)
	}
	if got := say(t, dialTLS(t, address, certs.Client), request); !strings.Contains(got, "tls gate.test") {
		t.Errorf("over TLS after the flood: %q", got)
	}
}

// pipeListener hands over what is put in.
type pipeListener struct {
	conns chan net.Conn
	errs  chan error
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), errs: make(chan error), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.errs:
		return nil, err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5900} }

// fromPeer is a connection with a peer of our choice.
type fromPeer struct {
	net.Conn
	ip byte
}

func (f fromPeer) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, f.ip), Port: 4711}
}

// TestSplitCrowd has one peer with many half-open connections and one with a
// single one, the oldest of all: the many lose.
func TestSplitCrowd(t *testing.T) {
	ln := newPipeListener()
	s := layers.NewSplit(ln, layers.SplitConfig{NoRaw: true, Timeout: time.Minute, Max: 4})
	defer s.Close()
	knock := func(ip byte) net.Conn {
		near, far := layertest.Pipe()
		ln.conns <- fromPeer{far, ip}
		return near
	}
	lonely := knock(1)
	var many []net.Conn
	for range 20 {
		many = append(many, knock(2))
	}
	for i, c := range many[:17] {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("connection %d of many: %v", i, err)
		}
	}
	for _, c := range append(many[17:], lonely) {
		_, _ = io.WriteString(c, request)
		taken, err := s.HTTP().Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = taken.Close()
	}
}

// firstRead tells when it is read from, which is after its header has counted.
type firstRead struct {
	net.Conn
	once  sync.Once
	began chan struct{}
}

func (f *firstRead) Read(b []byte) (int, error) {
	f.once.Do(func() { f.began <- struct{}{} })
	return f.Conn.Read(b)
}

// TestSplitCrowdBehindProxy has the same two behind one balancer, whose address
// all connections have until their headers have been read.
func TestSplitCrowdBehindProxy(t *testing.T) {
	ln := newPipeListener()
	read := make(chan struct{})
	below := layers.ProxyConfig{Trusted: func(netip.Addr) bool { return true }}.Server()
	s := layers.NewSplit(ln, layers.SplitConfig{NoRaw: true, Timeout: time.Minute, Max: 4, Below: func(ctx context.Context, c net.Conn) (net.Conn, error) {
		c, err := below(ctx, c)
		return &firstRead{Conn: c, began: read}, err
	}})
	defer s.Close()
	knock := func(ip string) net.Conn {
		near, far := layertest.Pipe()
		ln.conns <- fromPeer{far, 1}
		_, _ = io.WriteString(near, "PROXY TCP4 "+ip+" 192.0.2.9 4711 443\r\n")
		<-read
		return near
	}
	lonely := knock("203.0.113.1")
	for range 20 {
		knock("203.0.113.2")
	}
	_, _ = io.WriteString(lonely, request)
	taken, err := s.HTTP().Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if from := taken.RemoteAddr().String(); from != "203.0.113.1:4711" {
		t.Errorf("%s got in", from)
	}
}

// TestSplitErrors gives the listener below errors: those that pass are waited
// out, another ends both sides.
func TestSplitErrors(t *testing.T) {
	layertest.CheckLeaks(t)
	ln := newPipeListener()
	s := layers.NewSplit(ln, layers.SplitConfig{Silence: time.Millisecond})
	defer s.Close()
	ln.errs <- &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
	near, far := layertest.Pipe()
	defer near.Close()
	ln.conns <- far
	c, err := s.Raw().Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	fatal := errors.New("the cable is out")
	ln.errs <- fatal
	for _, side := range []net.Listener{s.HTTP(), s.Raw()} {
		if _, err := side.Accept(); !errors.Is(err, fatal) {
			t.Errorf("Accept: %v", err)
		}
	}
}

// TestSplitClose closes with connections in every state.
func TestSplitClose(t *testing.T) {
	layertest.CheckLeaks(t)
	certs := layertest.Certificates(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := layers.SplitConfig{TLS: certs.Server, Silence: time.Millisecond, Timeout: time.Minute, HandshakeTimeout: time.Minute}
	s := layers.NewSplit(ln, config)
	address := ln.Addr().String()
	waits := dialTCP(t, address)
	waits2 := dialTLS(t, address, certs.Client)
	half := dialTCP(t, address)
	_, _ = io.WriteString(half, "GE")
	ready := dialTCP(t, address)
	_, _ = io.WriteString(ready, request)
	accepting := make(chan error)
	go func() {
		c, err := s.HTTP().Accept()
		if err == nil {
			_ = c.Close()
			_, err = s.HTTP().Accept()
		}
		accepting <- err
	}()
	_, _ = ready.Read(make([]byte, 1)) // it has been accepted and closed
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	for _, c := range []net.Conn{waits, waits2, half} {
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("a connection outlives the Split: %d, %v", n, err)
		}
		_ = c.Close()
	}
	if err := s.HTTP().Close(); err != nil {
		t.Error(err)
	}
}

// TestSplitSides closes one side, which refuses its own, and then the other.
func TestSplitSides(t *testing.T) {
	layertest.CheckLeaks(t)
	ln := newPipeListener()
	s := layers.NewSplit(ln, layers.SplitConfig{Silence: time.Millisecond})
	_ = s.HTTP().Close()
	_ = s.HTTP().Close()
	if _, err := s.HTTP().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	near, far := layertest.Pipe()
	_, _ = io.WriteString(near, request)
	ln.conns <- far
	if _, err := near.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("HTTP with its side closed: %v", err)
	}
	near, far = layertest.Pipe()
	ln.conns <- far
	c, err := s.Raw().Accept()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Close(), near.Close()
	_ = s.Raw().Close()
	<-ln.done
	if s.Raw().Addr() != nil && s.Raw().Addr().String() != "192.0.2.1:5900" {
		t.Errorf("Addr = %v", s.Raw().Addr())
	}
}

// TestSplitUnaccepted leaves a side alone: what comes is closed after a while.
func TestSplitUnaccepted(t *testing.T) {
	ln := newPipeListener()
	s := layers.NewSplit(ln, layers.SplitConfig{Silence: time.Millisecond, HandshakeTimeout: 10 * time.Millisecond})
	defer s.Close()
	near, far := layertest.Pipe()
	ln.conns <- far
	if _, err := near.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("nobody accepts: %v", err)
	}
}

// TestSplitLayer runs the conformance suite on what the raw side hands over,
// over TLS and not, with and without a look inside TLS.
func TestSplitLayer(t *testing.T) {
	certs := layertest.Certificates(t)
	for name, test := range map[string]struct {
		near   layers.Layer
		config layers.SplitConfig
	}{
		"plain":      {nil, layers.SplitConfig{}},
		"tls":        {layers.TLSClient(certs.Client), layers.SplitConfig{TLS: certs.Server, TLSOnly: true}},
		"tls alone":  {layers.TLSClient(certs.Client), layers.SplitConfig{TLS: certs.Server, TLSOnly: true, NoHTTP: true}},
		"tls, proxy": {stack(layers.ProxyClient(1, nil, nil), layers.TLSClient(certs.Client)), layers.SplitConfig{TLS: certs.Server, TLSOnly: true, Below: layers.ProxyServer(everyone)}},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.Silence = time.Millisecond
			layertest.TestLayer(t, layertest.Subject{
				Base: layertest.TCP, Near: test.near, Far: splitting(test.config), EndMark: test.near != nil,
			})
		})
	}
}

// splitting makes a layer of a Split: what its raw side hands over.
func splitting(config layers.SplitConfig) layers.Layer {
	return func(_ context.Context, c net.Conn) (net.Conn, error) {
		ln := newPipeListener()
		s := layers.NewSplit(ln, config)
		defer s.Close()
		ln.conns <- c
		return s.Raw().Accept()
	}
}

// TestSplitTLSBytes has TLS come byte by byte, with the request right behind the
// handshake: net/http gets the *tls.Conn, and not a byte is lost.
func TestSplitTLSBytes(t *testing.T) {
	certs := layertest.Certificates(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, chunk := range []int{0, 1, 7, 1000} {
			client := certs.Client.Clone()
			client.MaxVersion = version
			ln := newPipeListener()
			s := layers.NewSplit(ln, layers.SplitConfig{TLS: certs.Server, Silence: time.Minute, Timeout: time.Minute})
			near, far := layertest.Pipe()
			near.(*layertest.PipeConn).Chunk(chunk)
			ln.conns <- far
			sent := request + strings.Repeat("x", 40000)
			done := make(chan error, 1)
			go func() {
				c, err := layers.TLSClient(client)(context.Background(), near)
				if err == nil {
					_, err = io.WriteString(c, sent)
				}
				done <- err
			}()
			c, err := s.HTTP().Accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := c.(*tls.Conn); !ok {
				t.Errorf("a %T is nothing to net/http", c)
			}
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(c, got); string(got) != sent || err != nil {
				t.Errorf("by %d: %q, %v", chunk, got[:20], err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			if state, ok := layers.TLSState(c); !ok || state.Version != version || state.ServerName != layertest.ServerName {
				t.Errorf("TLSState: %v, %v", state.ServerName, ok)
			}
			if p, ok := layers.As[*layertest.PipeConn](c); !ok || p != far {
				t.Error("the stack ends above the connection")
			}
			_, _, _ = near.Close(), c.Close(), s.Close()
		}
	}
}

// TestSplitWebSocket upgrades through both sides of TLS, as a browser does and
// as a program without ALPN, and echoes.
func TestSplitWebSocket(t *testing.T) {
	t.Parallel()
	certs := layertest.Certificates(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := layers.NewSplit(ln, layers.SplitConfig{TLS: certs.Server, Silence: slowly})
	stacks := make(chan string, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := layers.WebSocketUpgrade(w, r, layers.WebSocketConfig{})
		if err != nil {
			return
		}
		defer c.Close()
		stacks <- layers.Describe(c)
		_, _ = io.Copy(c, c)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(s.HTTP())
	}()
	defer func() {
		_ = server.Close()
		_ = s.Close()
		<-done
	}()
	browser := certs.Client.Clone()
	browser.NextProtos = []string{"http/1.1"}
	for stack, tlsClient := range map[string]layers.Layer{
		"tcp→ws": nil, "tcp→tls1.3→ws": layers.TLSClient(certs.Client), "tcp→tls1.3→ws ": layers.TLSClient(browser),
	} {
		c := dialTCP(t, ln.Addr().String())
		if tlsClient != nil {
			if c, err = tlsClient(context.Background(), c); err != nil {
				t.Fatal(err)
			}
		}
		if c, err = layers.WebSocketClient(wsURL, nil)(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		if got := <-stacks; got != strings.TrimSpace(stack) {
			t.Errorf("stack %q, want %q", got, stack)
		}
		_, _ = io.WriteString(c, "there and back")
		b := make([]byte, 14)
		if _, err := io.ReadFull(c, b); string(b) != "there and back" || err != nil {
			t.Errorf("%s: %q, %v", stack, b, err)
		}
		_ = c.Close()
	}
}
