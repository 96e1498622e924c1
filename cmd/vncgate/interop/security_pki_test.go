package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// An authority issues certificates that are wrong in one way, all for one key.
type authority struct {
	dir    string
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	caFile string
	key    *ecdsa.PrivateKey
	serial int64
}

// keyFile is where the key of all its certificates is. QEMU wants it there.
func (a *authority) keyFile() string { return filepath.Join(a.dir, "server-key.pem") }

func newAuthority(s *scope, name string) (*authority, error) {
	dir, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	a := &authority{dir: dir, caFile: filepath.Join(dir, "ca-cert.pem"), serial: 1}
	if a.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	a.ca = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.ca, a.ca, a.caKey.Public(), a.caKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, err
	}
	return a, writePEMs(map[string]*pem.Block{
		a.caFile:    {Type: "CERTIFICATE", Bytes: der},
		a.keyFile(): {Type: "PRIVATE KEY", Bytes: keyDER},
	})
}

// issue writes a certificate for localhost, as change makes it, and returns
// its file and fingerprint.
func (a *authority) issue(name string, change func(leaf, ca *x509.Certificate)) (file, pin string, err error) {
	a.serial++
	leaf, parent, signer := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, *a.ca, a.caKey
	if change != nil {
		change(leaf, &parent)
	}
	if parent.Subject.CommonName == leaf.Subject.CommonName { // its own
		parent, signer = *leaf, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, &parent, a.key.Public(), signer)
	if err != nil {
		return "", "", err
	}
	file = filepath.Join(a.dir, name+".pem")
	sum := sha256.Sum256(der)
	return file, hex.EncodeToString(sum[:]), writePEMs(map[string]*pem.Block{file: {Type: "CERTIFICATE", Bytes: der}})
}

// client is the TLS of a target that shows its own certificate, which the
// authority has signed.
func (a *authority) client() block {
	return block{
		"ca": a.caFile, "name": "localhost",
		"certificate": filepath.Join(a.dir, "server-cert.pem"), "key": a.keyFile(),
	}
}

// behind is a as it would be if by had signed its certificates.
func (a *authority) behind(by *authority) *authority {
	other := *a
	other.ca, other.caKey = by.ca, by.caKey
	return &other
}

var sharedAuthority shared[*authority]

// theAuthority has a directory that QEMU takes.
func theAuthority(t testing.TB) *authority {
	t.Helper()
	return sharedAuthority.get(t, func(s *scope) (*authority, error) {
		a, err := newAuthority(s, "display authority")
		if err == nil {
			_, _, err = a.issue("server-cert", nil)
		}
		return a, err
	})
}
