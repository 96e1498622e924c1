package layers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// named is a layer that does nothing but have a name.
type named struct {
	net.Conn
	name string
}

func (n named) NetConn() net.Conn { return n.Conn }
func (n named) LayerName() string { return n.name }

func name(s string) layers.Layer {
	return func(_ context.Context, c net.Conn) (net.Conn, error) { return named{c, s}, nil }
}

func Example() {
	near, far := layertest.Pipe()
	defer near.Close()
	defer far.Close()
	ctx := context.Background()
	go func() { _, _ = layers.ProxyClient(1, nil, nil)(ctx, far) }()
	c, err := layers.Stack(ctx, near, layers.ProxyServer(everyone), layers.SASL(countingCodec()))
	fmt.Println(layers.Describe(c), err)
	// Output: pipe→proxy→sasl(ssf=56) <nil>
}

func TestStackStopsAtTheFirstError(t *testing.T) {
	base, far := layertest.Pipe()
	defer base.Close()
	defer far.Close()
	broken := errors.New("broken")
	reached := false
	c, err := layers.Stack(context.Background(), base, name("a"),
		func(context.Context, net.Conn) (net.Conn, error) { return nil, broken },
		func(context.Context, net.Conn) (net.Conn, error) { reached = true; return nil, nil })
	if c != nil || err != broken || reached {
		t.Errorf("Stack = %v, %v; went on: %v", c, err, reached)
	}
	if c, err := layers.Stack(context.Background(), base); c != base || err != nil {
		t.Errorf("empty Stack = %v, %v", c, err)
	}
}

func TestWalkAsAndDescribe(t *testing.T) {
	base, far := layertest.Pipe()
	defer base.Close()
	defer far.Close()
	c, err := layers.Stack(context.Background(), base, name("a"), name(""), name("b"))
	if err != nil {
		t.Fatal(err)
	}
	if got := layers.Describe(c); got != "pipe→a→b" {
		t.Errorf("Describe = %q", got)
	}
	if top, ok := layers.As[named](c); !ok || top.name != "b" {
		t.Errorf("As[named] = %v, %v, want the topmost", top, ok)
	}
	if p, ok := layers.As[*layertest.PipeConn](c); !ok || p != base {
		t.Errorf("As[*PipeConn] = %v, %v", p, ok)
	}
	if _, ok := layers.As[*net.TCPConn](c); ok {
		t.Error("As found a socket in a pipe")
	}
	n := 0
	for range layers.Walk(c) {
		if n++; n == 2 {
			break
		}
	}
	for range layers.Walk(nil) {
		t.Error("Walk(nil) yields")
	}
}

// bypassed is a layer that may step aside.
type bypassed struct {
	net.Conn
	below net.Conn
}

func (b bypassed) Bypass() net.Conn { return b.below }

func TestRaw(t *testing.T) {
	base, far := layertest.Pipe()
	defer base.Close()
	defer far.Close()
	busy := bypassed{Conn: base}
	for _, test := range []struct{ c, want net.Conn }{
		{base, base},
		{bypassed{base, base}, base},
		{bypassed{base, bypassed{base, base}}, base},
		{busy, busy},
		{bypassed{base, busy}, busy},
	} {
		if got := layers.Raw(test.c); got != test.want {
			t.Errorf("Raw(%v) = %v", test.c, got)
		}
	}
}

func TestErrTruncatedIsUnexpectedEOF(t *testing.T) {
	err := fmt.Errorf("reading: %w", layers.ErrTruncated)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, layers.ErrTruncated) || errors.Is(err, io.EOF) {
		t.Errorf("%v does not match what it should", err)
	}
}

func TestInterrupt(t *testing.T) {
	c, far := layertest.Pipe()
	defer c.Close()
	defer far.Close()
	read := func() error {
		_, err := c.Read(make([]byte, 1))
		return err
	}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(time.Millisecond, func() { cancel(stopped) })
	if err := layers.Interrupt(ctx, c, read); err != stopped {
		t.Errorf("interrupted: %v, want the cause", err)
	}
	if err := layers.Interrupt(ctx, c, func() error { t.Error("called"); return nil }); err != stopped {
		t.Errorf("ended before: %v", err)
	}
	_, _ = far.Write([]byte("x"))
	if err := layers.Interrupt(context.Background(), c, read); err != nil {
		t.Errorf("after an interruption: %v", err)
	}
	if err := layers.Interrupt(context.Background(), c, func() error { return io.EOF }); err != io.EOF {
		t.Errorf("own error: %v", err)
	}
}

func TestInterruptKeepsSuccess(t *testing.T) {
	c, far := layertest.Pipe()
	defer c.Close()
	defer far.Close()
	ctx, cancel := context.WithCancel(context.Background())
	err := layers.Interrupt(ctx, c, func() error { cancel(); return nil })
	if err != nil {
		t.Errorf("f succeeded: %v", err)
	}
	_, _ = far.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("the deadline stayed: %v", err)
	}
}

func TestDescribeBareTLS(t *testing.T) {
	certs := layertest.Certificates(t)
	near, far := layertest.Pipe()
	client := tls.Client(near, certs.Client)
	server := tls.Server(far, certs.Server)
	defer client.Close()
	defer server.Close()
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	if got := layers.Describe(server); got != "pipe→tls1.3" {
		t.Errorf("Describe = %q", got)
	}
	if state, ok := layers.TLSState(named{server, "above"}); !ok || state.PeerCertificates[0].Subject.CommonName != "viewer" {
		t.Errorf("TLSState = %v, %v", state.Version, ok)
	}
	if _, ok := layers.TLSState(near); ok {
		t.Error("TLSState of a pipe")
	}
}

// features are what a stack can do beyond net.Conn.
type features struct{ halfClose, files, headroom, seek, peer, bypass bool }

func featuresOf(t *testing.T, c net.Conn) features {
	t.Helper()
	_, headroom := c.(layers.HeadroomWriter)
	_, seek := c.(io.Seeker)
	_, peerErr := layers.PeerCredentials(c)
	filesErr := layers.SendFiles(c, []byte("x"))
	if filesErr != nil && !errors.Is(filesErr, errors.ErrUnsupported) {
		t.Errorf("SendFiles: %v", filesErr)
	}
	if peerErr != nil && !errors.Is(peerErr, errors.ErrUnsupported) {
		t.Errorf("PeerCredentials: %v", peerErr)
	}
	return features{
		headroom: headroom, seek: seek, bypass: layers.Raw(c) != c,
		peer: peerErr == nil, files: filesErr == nil,
		halfClose: !errors.Is(layers.CloseWrite(c), layers.ErrNoHalfClose), // last: it may end things
	}
}

// TestFeatures pins which feature each layer has, alone and on a unix socket:
// half-close and peer identity pass through where the protocol allows it, files
// and seeking never do.
func TestFeatures(t *testing.T) {
	byName := map[string]element{"": {}}
	for _, e := range elements(t) {
		byName[e.name] = e
	}
	for _, test := range []struct {
		base, layer string
		want        features
	}{
		{"pipe", "", features{halfClose: true}},
		{"tcp", "", features{halfClose: true}},
		{"unix", "", features{halfClose: true, files: true, peer: true}},
		{"command", "", features{halfClose: true}},
		{"unix", "proxy", features{halfClose: true, peer: true, bypass: true}},
		{"unix", "tls", features{halfClose: true, peer: true}},
		{"unix", "ws", features{headroom: true, peer: true}},
		{"unix", "sasl", features{halfClose: true, peer: true}},
		{"tcp", "tls", features{halfClose: true}},
		{"tcp", "ws", features{headroom: true}},
	} {
		t.Run(test.base+"-"+test.layer, func(t *testing.T) {
			near, far := layertest.Pipe()
			for _, b := range bases {
				if b.name == test.base && b.pair != nil {
					near, far = b.pair(t)
				}
			}
			e := byName[test.layer]
			c, _ := join(t, near, far, orNothing(e.near), orNothing(e.far))
			if got := featuresOf(t, c); got != test.want {
				t.Errorf("has %+v, want %+v", got, test.want)
			}
		})
	}
}

func orNothing(l layers.Layer) layers.Layer {
	if l == nil {
		return stack()
	}
	return l
}

// TestSASLOverWebSocketHasNoHalfClose: a layer cannot have what the one below
// lacks.
func TestSASLOverWebSocketHasNoHalfClose(t *testing.T) {
	client, _ := websockets(t)
	c, err := layers.SASL(countingCodec())(context.Background(), client)
	if err != nil {
		t.Fatal(err)
	}
	if err := layers.CloseWrite(c); err != layers.ErrNoHalfClose {
		t.Errorf("CloseWrite = %v", err)
	}
}
