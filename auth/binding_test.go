package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
)

// newCertificate makes a self-signed certificate.
func newCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// handshake makes a TLS connection and returns what either end can bind to.
func handshake(t testing.TB, version uint16, cert tls.Certificate) (server, client Binding) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	front := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true})
	back := tls.Client(b, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
	done := make(chan error, 1)
	go func() { done <- front.Handshake() }()
	must(t, back.Handshake())
	must(t, <-done)
	cs := back.ConnectionState()
	return NewBinding(front.ConnectionState(), cert.Leaf), NewBinding(cs, cs.PeerCertificates[0])
}

func TestBindingOfTLS(t *testing.T) {
	cert := newCertificate(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server, client := handshake(t, version, cert)
		if len(server.Exporter) != exporterLen || !bytes.Equal(server.Exporter, client.Exporter) {
			t.Errorf("%x: exporters %x and %x", version, server.Exporter, client.Exporter)
		}
		if want := sha256.Sum256(cert.Certificate[0]); !bytes.Equal(server.EndPoint, want[:]) || !bytes.Equal(client.EndPoint, want[:]) {
			t.Errorf("%x: end points %x and %x", version, server.EndPoint, client.EndPoint)
		}
		other, _ := handshake(t, version, cert)
		if bytes.Equal(other.Exporter, server.Exporter) {
			t.Errorf("%x: two connections export the same", version)
		}
	}
	if b := NewBinding(tls.ConnectionState{}, cert.Leaf); b.available() {
		t.Errorf("a binding without a handshake: %+v", b)
	}
}

// TLS 1.2 tells a context without bytes from no context (RFC 5705, 4).
func TestBindingContext(t *testing.T) {
	cert := newCertificate(t)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	front := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true})
	back := tls.Client(b, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	done := make(chan error, 1)
	go func() { done <- front.Handshake() }()
	must(t, back.Handshake())
	must(t, <-done)
	cs := back.ConnectionState()
	empty, err := cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	must(t, err)
	none, err := cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	must(t, err)
	got := NewBinding(cs, nil)
	if !bytes.Equal(got.Exporter, empty) || bytes.Equal(got.Exporter, none) || got.EndPoint != nil {
		t.Errorf("%+v, want the exporter %x only", got, empty)
	}
}

// RFC 5929, 4.1: the hash of the signature, but never MD5 or SHA-1.
func TestEndPointHashes(t *testing.T) {
	for algorithm, hash := range map[x509.SignatureAlgorithm]crypto.Hash{
		x509.MD5WithRSA: crypto.SHA256, x509.SHA1WithRSA: crypto.SHA256, x509.ECDSAWithSHA1: crypto.SHA256,
		x509.SHA256WithRSA: crypto.SHA256, x509.SHA256WithRSAPSS: crypto.SHA256, x509.ECDSAWithSHA256: crypto.SHA256,
		x509.SHA384WithRSA: crypto.SHA384, x509.ECDSAWithSHA384: crypto.SHA384,
		x509.SHA512WithRSAPSS: crypto.SHA512, x509.ECDSAWithSHA512: crypto.SHA512,
	} {
		h := hash.New()
		h.Write([]byte("der"))
		if got := endPoint(&x509.Certificate{Raw: []byte("der"), SignatureAlgorithm: algorithm}); !bytes.Equal(got, h.Sum(nil)) {
			t.Errorf("%s: %x", algorithm, got)
		}
	}
	for _, algorithm := range []x509.SignatureAlgorithm{x509.PureEd25519, x509.UnknownSignatureAlgorithm, x509.MD2WithRSA} {
		if got := endPoint(&x509.Certificate{Raw: []byte("der"), SignatureAlgorithm: algorithm}); got != nil {
			t.Errorf("%s: %x, want none", algorithm, got)
		}
	}
}

// boundClient is a SCRAM client that binds to b.
func boundClient(t testing.TB, kind scramKind, b Binding) sasl.Client {
	t.Helper()
	c, err := newScramClient(kind, "alice", "wonderland", bound(b))
	must(t, err)
	return c
}

func TestScramPlus(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	cert := newCertificate(t)
	front, back := handshake(t, tls.VersionTLS13, cert)
	_, elsewhere := handshake(t, tls.VersionTLS13, cert)
	_, other := handshake(t, tls.VersionTLS13, newCertificate(t))
	for _, c := range []struct {
		what           string
		server, viewer Binding
		denied         bool
	}{
		{"both", front, back, false},
		{"end point", Binding{EndPoint: front.EndPoint}, Binding{EndPoint: back.EndPoint}, false},
		{"the viewer has the end point only", front, Binding{EndPoint: back.EndPoint}, false},
		{"another connection with the same certificate", front, elsewhere, true},
		{"another certificate", front, Binding{EndPoint: other.EndPoint}, true},
		{"the server has no exporter", Binding{EndPoint: front.EndPoint}, back, true},
		{"an end point as exporter", front, Binding{Exporter: front.EndPoint}, true},
		{"the exporter cut short", front, Binding{Exporter: front.Exporter[:31]}, true},
	} {
		for kind := range scramKinds {
			server, err := Mechanisms{Users: u, Binding: c.server}.New(t.Context(), scramName(kind, true))
			must(t, err)
			_, err = exchange(boundClient(t, kind, c.viewer), server)
			if c.denied != errors.Is(err, ErrDenied) || !c.denied && (err != nil || server.Username() != "alice") {
				t.Errorf("%s: %s: user %q, error %v", c.what, scramName(kind, true), server.Username(), err)
			}
		}
	}
}

// Whoever takes -PLUS out of our list is found out (RFC 5802, 6), and a client
// may neither bind where it said it would not nor the other way round.
func TestScramDowngrade(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	b := Binding{Exporter: []byte("exporter")}
	for _, c := range []struct {
		mechanism string
		binding   Binding // of the server
		client    clientBinding
		denied    bool
	}{
		{ScramSHA256, b, unseen, true},
		{ScramSHA512, b, unseen, true},
		{ScramSHA256, Binding{}, unseen, false},
		{ScramSHA512, Binding{}, unseen, false},
		{ScramSHA256, b, unbound, false},
		{ScramSHA256, b, bound(b), true},
		{ScramSHA256, Binding{}, bound(b), true},
		{ScramSHA256Plus, b, unbound, true},
		{ScramSHA512Plus, b, unseen, true},
		{ScramSHA512Plus, b, bound(b), false},
	} {
		kind, _, _ := scramNamed(c.mechanism)
		client, err := newScramClient(kind, "alice", "wonderland", c.client)
		must(t, err)
		server, err := Mechanisms{Users: u, Binding: c.binding}.New(t.Context(), c.mechanism)
		must(t, err)
		_, err = exchange(client, server)
		if c.denied != errors.Is(err, ErrDenied) || c.denied == (err == nil) {
			t.Errorf("%s with %+v: error %v, want denied %v", c.mechanism, c.binding, err, c.denied)
		}
	}
}
