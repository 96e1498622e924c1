package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"vncgate/certs"
	"vncgate/layers"
)

// A hop is what goes from one node to another: a stream to an agent that is
// connected there, or to a session that is looked on in there, or a command for it.
// Nodes reach each other over TLS 1.3, each with a certificate of one CA that says
// that it is a node; whose, nobody has to know, since all nodes may do the same.
//
// Protocol flow, on each stream of a layers.Mux that the asking node has opened:
//
//	asking   4 bytes length, hopRequest as JSON
//	asked    4 bytes length, hopAnswer as JSON
//	both     for an agent or a session: the bytes of the display, until both have ended
//
// A node that is asked looks at itself alone, so that no question goes in circles.
const (
	hopProtocol    = "vncgate-hop/1" // ALPN
	maxHopRequest  = 256 << 10       // bytes
	maxHopAnswer   = 4 << 20
	maxHopWait     = time.Minute // for an agent, or for a command
	hopHandshake   = 10 * time.Second
	hopIdle        = 10 * time.Minute // after which a connection without streams is closed
	maxHopLines    = 256              // connections that others have made
	maxHopStreams  = 10_000           // that one of them has open
	hopMemory      = 256 << 20        // bytes that wait in all of them
	hopAgent       = "agent"
	hopControl     = "control"
	hopPage        = "page"
	hopWatched     = "watched"
	hopWatch       = "watch"
	hopNoAgent     = "no agent"
	hopNoService   = "no service"
	hopMoved       = "moved" // another process has taken over, at the same address
	maxHopMoves    = 3
	nodeFile       = "node"
	caFile         = "ca.crt"
	certificateExt = ".crt"
	keyExt         = ".key"
)

// hopRequest says what a stream is for.
type hopRequest struct {
	Kind string        `json:"kind"`
	Wait time.Duration `json:"wait"` // for how long at most the asking node waits

	Agent   string `json:"agent,omitempty"`
	Service string `json:"service,omitempty"`
	Session string `json:"session,omitempty"` // that is looked on in

	Command string          `json:"command,omitempty"`
	Args    json.RawMessage `json:"args,omitempty"`
	Role    string          `json:"role,omitempty"`
	Actor   string          `json:"actor,omitempty"`
}

// hopAnswer is what came of it.
type hopAnswer struct {
	Return json.RawMessage `json:"return,omitempty"`
	Kind   string          `json:"kind,omitempty"`  // of the error, where the asking node makes a difference
	Class  string          `json:"class,omitempty"` // of a command's error
	Error  string          `json:"error,omitempty"` // "": none
}

// writeHop writes a message: its length in 4 bytes, big endian, and JSON.
func writeHop(w io.Writer, v any, limit int) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("hop: %w", err)
	}
	if len(b) > limit {
		return fmt.Errorf("hop: a message of %d bytes is larger than %d", len(b), limit)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// readHop reads exactly one message. Its errors do not repeat it.
func readHop(r io.Reader, v any, limit int) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > uint32(limit) {
		return fmt.Errorf("hop: a message of %d bytes is larger than %d", n, limit)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("hop: %w", cmp.Or(unexpectedEnd(err), err))
	}
	if err := json.Unmarshal(b, v); err != nil {
		return errors.New("hop: a message is malformed")
	}
	return nil
}

// unexpectedEnd is of a message that ends in its middle.
func unexpectedEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// hopTLS is what a node proves itself by, and asks others for.
type hopTLS struct {
	pair *certs.KeyPair
	ca   string // file
}

// openHopTLS reads a node's files in dir: ca.crt, and node-NAME.crt and .key, or
// node.crt and .key, which nodes without lasting names share.
func openHopTLS(dir, node string) (*hopTLS, error) {
	base := filepath.Join(dir, nodeFile+"-"+node)
	if _, err := os.Stat(base + certificateExt); err != nil {
		if _, err := os.Stat(filepath.Join(dir, nodeFile+certificateExt)); err != nil {
			return nil, fmt.Errorf("there is neither %s nor %s; make it with 'vncgate cert node %s --dir %s'",
				base+certificateExt, nodeFile+certificateExt, node, dir)
		}
		base = filepath.Join(dir, nodeFile)
	}
	pair, err := certs.Load(base+certificateExt, base+keyExt)
	if err != nil {
		return nil, err
	}
	t := &hopTLS{pair: pair, ca: filepath.Join(dir, caFile)}
	if _, err := certs.Pool(t.ca); err != nil {
		return nil, err
	}
	leaf := pair.Leaf()
	if _, err := certs.ParseNode(leaf); err != nil {
		return nil, fmt.Errorf("%s%s is not the certificate of a node: %w", base, certificateExt, err)
	}
	return t, nil
}

// server is for those who come.
func (t *hopTLS) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{hopProtocol}, SessionTicketsDisabled: true,
		GetCertificate: t.pair.GetCertificate, ClientAuth: tls.RequireAnyClientCert,
		VerifyConnection: func(cs tls.ConnectionState) error { return t.verify(cs, x509.ExtKeyUsageClientAuth) },
	}
}

// client is for those who are dialled. Addresses are not looked at: a node may be
// reached by any.
func (t *hopTLS) client() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{hopProtocol},
		GetClientCertificate: t.pair.GetClientCertificate, InsecureSkipVerify: true, // verify does it
		VerifyConnection: func(cs tls.ConnectionState) error { return t.verify(cs, x509.ExtKeyUsageServerAuth) },
	}
}

// verify takes nodes of our CA and nobody else. The CA is read each time: it can
// be exchanged while nodes run.
func (t *hopTLS) verify(cs tls.ConnectionState, use x509.ExtKeyUsage) error {
	if len(cs.PeerCertificates) == 0 || cs.NegotiatedProtocol != hopProtocol {
		return errors.New("hop: it is no node")
	}
	roots, err := certs.Pool(t.ca)
	if err != nil {
		return fmt.Errorf("hop: %w", err)
	}
	between := x509.NewCertPool()
	for _, cert := range cs.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	leaf := cs.PeerCertificates[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
		if _, foreign := errors.AsType[x509.UnknownAuthorityError](err); foreign {
			return fmt.Errorf("hop: %w: %w", errForeignNode, err)
		}
		return fmt.Errorf("hop: %w", err)
	}
	if _, err := certs.ParseNode(leaf); err != nil {
		return fmt.Errorf("hop: the certificate is not that of a node: %w", err)
	}
	return nil
}

// over puts TLS on c; on an error c is closed.
func over(ctx context.Context, c *tls.Conn) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, hopHandshake)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// joinHop moves bytes both ways until both have ended, or one fails; it closes
// both.
func joinHop(a, b net.Conn) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		moveHop(a, b)
	}()
	moveHop(b, a)
	<-ended
	_ = a.Close()
	_ = b.Close()
}

// moveHop passes an end on as one, where that can be; otherwise it ends both.
func moveHop(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if err == nil {
		err = layers.CloseWrite(to)
	}
	if err != nil {
		endHop(to, err)
		endHop(from, err)
	}
}

// endHop has the other end of c know whether a tunnel was lost, at an agent or
// between the nodes, or the display has ended.
func endHop(c net.Conn, why error) {
	if stream, ok := c.(interface{ Abort() error }); ok && errors.Is(why, layers.ErrMuxLost) {
		_ = stream.Abort()
		return
	}
	_ = c.Close()
}
