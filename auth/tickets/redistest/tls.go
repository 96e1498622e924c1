package redistest

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
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TLS makes certificates that live for one test: the settings of a server that
// demands one of its clients, and the configuration of a client that it takes.
func TLS(t testing.TB) (settings []string, client *tls.Config) {
	t.Helper()
	theirs, ours, dir := selfSigned(t, "redis"), selfSigned(t, "gateway"), t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(theirs.PrivateKey)
	must(t, err)
	place := func(name, kind string, ders ...[]byte) string {
		var text []byte
		for _, der := range ders {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
		}
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, text, 0o600))
		return path
	}
	roots := x509.NewCertPool()
	roots.AddCert(theirs.Leaf)
	// Servers are each other's clients, too.
	return []string{
		"tls-cert-file " + place("cert", "CERTIFICATE", theirs.Certificate[0]),
		"tls-key-file " + place("key", "PRIVATE KEY", key),
		"tls-ca-cert-file " + place("ca", "CERTIFICATE", ours.Certificate[0], theirs.Certificate[0]),
	}, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{ours}}
}

// selfSigned is a certificate for 127.0.0.1 that is its own authority.
func selfSigned(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
