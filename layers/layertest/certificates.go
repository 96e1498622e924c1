package layertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// ServerName is a name that the server's certificate of Certificates is good
// for, beside localhost, 127.0.0.1 and ::1.
const ServerName = "gate.test"

// TLSPair is a certification authority that lives for one test, and what it
// issued.
type TLSPair struct {
	// CA verifies both certificates; CAPEM is its certificate in PEM.
	CA    *x509.CertPool
	CAPEM []byte
	// Server has a certificate for ServerName and asks for one of the client
	// without demanding it.
	Server *tls.Config
	// Client trusts CA, expects ServerName and shows a certificate with the
	// common name "viewer".
	Client *tls.Config
}

// Certificates makes a throwaway authority with a server and a client.
func Certificates(t testing.TB) *TLSPair {
	t.Helper()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "layertest CA"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	ca := issue(t, authority, authority, nil)
	server := issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: ServerName},
		DNSNames:    []string{ServerName, "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca.Leaf, ca.PrivateKey.(*ecdsa.PrivateKey))
	client := issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "viewer"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca.Leaf, ca.PrivateKey.(*ecdsa.PrivateKey))
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	return &TLSPair{
		CA:    pool,
		CAPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate[0]}),
		Server: &tls.Config{
			Certificates: []tls.Certificate{server},
			ClientAuth:   tls.VerifyClientCertIfGiven, ClientCAs: pool,
		},
		Client: &tls.Config{Certificates: []tls.Certificate{client}, RootCAs: pool, ServerName: ServerName},
	}
}

// issue makes a key and a certificate for it; without a signer it signs itself.
func issue(t testing.TB, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer == nil {
		signer = key
	}
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(24 * time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
