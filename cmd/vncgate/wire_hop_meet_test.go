package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"

	"vncgate/certs"
	"vncgate/gateway/cluster"
	"vncgate/gateway/control"
)

// nodeTLS is the certificate of a node, of the CA in dir.
func nodeTLS(t *testing.T, dir, name string) *hopTLS {
	t.Helper()
	ca, err := certs.OpenCA(dir)
	must(t, err)
	_, err = ca.Node(name, []string{"127.0.0.1"})
	must(t, err)
	own, err := openHopTLS(dir, name)
	must(t, err)
	return own
}

// TestNodesOfTwoCAs: that nodes do not trust each other is told as they meet, at both.
func TestNodesOfTwoCAs(t *testing.T) {
	r := startSharedRedis(t)
	display := heldDisplay(t)
	a := r.node("a", t.TempDir(), display, nodeMore{})
	b := r.node("b", t.TempDir(), display, nodeMore{})
	for _, g := range []*steered{a, b} {
		g.logs("a node is there that cannot be asked", "is not of the CA in this node's ca.crt", "vncgate cert node NAME")
		out, err := g.ctl("nodes")
		must(t, err)
		if !strings.Contains(out, "is not of the CA in this node's ca.crt") || !strings.Contains(out, "vncgate cert node NAME") {
			t.Errorf("nodes at %s:\n%s", g.cluster.node, out)
		}
	}
}

// TestAdviceAboutCertificates: it is given where a certificate is what is wrong.
func TestAdviceAboutCertificates(t *testing.T) {
	for words, want := range map[string]bool{
		"layers: tunnel lost: remote error: tls: bad certificate":               true,
		"layers: tunnel lost: remote error: tls: unknown certificate authority": true,
		"remote error: tls: expired certificate":                                true,
		"remote error: tls: certificate required":                               true,
		"remote error: tls: internal error":                                     false,
		"remote error: tls: protocol version not supported":                     false,
		"node b: connection refused":                                            false,
	} {
		if got := trustAdvice(errors.New(words)) != ""; got != want {
			t.Errorf("%s: advice is %v", words, got)
		}
	}
}

// TestNodeWithForeignCertificate: one that knows the CA and has a certificate of
// another is told that it is not taken.
func TestNodeWithForeignCertificate(t *testing.T) {
	dir, strange := t.TempDir(), t.TempDir()
	own, foreign := nodeTLS(t, dir, "a"), nodeTLS(t, strange, "b")
	foreign.ca = own.ca
	h := newHops(own, "a", slog.New(slog.DiscardHandler))
	h.run = func(context.Context, *control.Call, string, json.RawMessage) (any, error) { return struct{}{}, nil }
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go func() { _ = h.serve(ln) }()
	defer h.close()
	at := cluster.Node{Name: "a", Address: ln.Addr().String()}
	stranger := newHops(foreign, "b", slog.New(slog.DiscardHandler))
	defer stranger.close()
	eventually(t, "it is told", func() bool { // the alert may be lost with the connection
		_, err := stranger.command(visit(t), at, boss, "query-version", nil)
		return strings.HasPrefix(trustAdvice(err), "it does not take this node's certificate")
	})
}
