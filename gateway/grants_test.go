package gateway_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// authority answers for a policy that changes while sessions run.
type authority struct {
	mu    sync.Mutex
	grant auth.Grant // what everybody gets, but for who and where
	err   error
	asked []auth.Request
}

func (a *authority) authorize(_ context.Context, req auth.Request) (auth.Grant, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, req)
	grant := a.grant
	grant.Identity, grant.Target = req.Identities[0], req.Target
	return grant, a.err
}

func (a *authority) set(change func(*authority)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func (a *authority) rights(r auth.Rights) { a.set(func(a *authority) { a.grant.Rights = r }) }

func (a *authority) questions() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked)
}

// governed is a gateway with a display that keeps what it is sent, and whose
// grants can be changed.
type governed struct {
	*testGateway
	*authority
	display *rfbtest.Display
	shared  chan bool
}

func newGoverned(t *testing.T, grant auth.Grant, front gateway.Front, configure ...func(*gateway.Gateway)) *governed {
	t.Helper()
	if grant.Rights == 0 {
		grant.Rights = auth.AllRights
	}
	g := &governed{authority: &authority{grant: grant}, display: &rfbtest.Display{}}
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) { _ = g.display.Run(c) })
	g.shared = display.shared
	configure = append([]func(*gateway.Gateway){func(gw *gateway.Gateway) { gw.Authorize = g.authorize }}, configure...)
	g.testGateway = newGateway(t, display.target(rfb.None{}), front, configure...)
	return g
}

// overWS is a front for browsers.
func overWS(front gateway.Front) gateway.Front {
	front.Layers = []layers.Layer{layers.WebSocketServer(layers.WebSocketConfig{})}
	return front
}

// browse comes in by WebSocket.
func (g *testGateway) browse(t *testing.T) (*rfb.Conn, error) {
	t.Helper()
	c, err := layers.Stack(context.Background(), g.dial(t), layers.WebSocketClient("ws://localhost/", nil))
	if err != nil {
		t.Fatal(err)
	}
	return viewOver(c)
}

func (g *testGateway) mustBrowse(t *testing.T) *rfb.Conn {
	t.Helper()
	c, err := g.browse(t)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// closing reads to the end and returns the close frame.
func closing(t *testing.T, viewer io.Reader) layers.CloseError {
	t.Helper()
	_, err := io.Copy(io.Discard, viewer)
	var closed *layers.CloseError
	if !errors.As(err, &closed) {
		t.Errorf("ended without a close frame: %v", err)
		return layers.CloseError{}
	}
	return *closed
}

// sees waits until the display has got msg.
func (g *governed) sees(t *testing.T, msg []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := g.display.Wait(ctx, func(got []byte) bool { return bytes.Equal(got, msg) }); err != nil {
		t.Fatalf("the display never saw % x: %v", msg, err)
	}
}

// input returns what the display has seen of keys and pointer.
func (g *governed) input() (seen [][]byte) {
	for _, msg := range g.display.Messages() {
		if msg[0] == rfb.MsgKeyEvent || msg[0] == rfb.MsgPointerEvent {
			seen = append(seen, msg)
		}
	}
	return seen
}

func send(t *testing.T, w io.Writer, messages ...[]byte) {
	t.Helper()
	if _, err := w.Write(bytes.Join(messages, nil)); err != nil {
		t.Fatal(err)
	}
}

func key(down bool, sym uint32) []byte { return rfb.AppendKeyEvent(nil, down, sym) }

func pointer(buttons uint8, x, y uint16) []byte {
	return []byte{rfb.MsgPointerEvent, buttons, byte(x >> 8), byte(x), byte(y >> 8), byte(y)}
}

// mark is a message without effect, by which a test sees how far a viewer's
// messages have come.
func mark(n uint8) []byte { return []byte{rfb.MsgFramebufferUpdateRequest, 1, 0, n, 0, n, 0, 1, 0, 1} }

// within has a test fail by itself and not by the limit of all of them.
func within(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("never happened: " + what)
	}
}

// clientCertificate makes one that vouches for itself.
func clientCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "alice"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
