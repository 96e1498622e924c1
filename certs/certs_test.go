package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// selfIssued is a certificate of key by itself for host, changed by change.
func selfIssued(t testing.TB, key crypto.Signer, host string, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour),
	}
	if change != nil {
		change(tmpl)
	}
	cert, err := sign(tmpl, tmpl, key.Public(), key)
	must(t, err)
	return cert
}

func keyPEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func write(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	must(t, os.WriteFile(file, data, 0o600))
	return file
}

func TestFingerprints(t *testing.T) {
	cert := selfIssued(t, newKey(t), "a.example", nil)
	sum := sha256.Sum256(cert.Raw)
	if got := strings.ToLower(strings.ReplaceAll(Fingerprint(cert), ":", "")); got != hex.EncodeToString(sum[:]) {
		t.Errorf("fingerprint %s", got)
	}
	if f := Fingerprint(cert); len(f) != 32*3-1 || f != strings.ToUpper(f) {
		t.Errorf("fingerprint %q is not pairs of upper-case digits", f)
	}
	spki, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	must(t, err)
	sum = sha256.Sum256(spki)
	if got := PublicKeyPin(cert); got != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Errorf("pin %s", got)
	}
}

func TestReadCertificates(t *testing.T) {
	dir := t.TempDir()
	a, b := selfIssued(t, newKey(t), "a.example", nil), selfIssued(t, newKey(t), "b.example", nil)
	mixed := append([]byte("some text\n"), EncodePEM(a)...)
	mixed = append(mixed, keyPEM(t, newKey(t))...)
	mixed = append(mixed, EncodePEM(b)...)
	for name, data := range map[string][]byte{"der": a.Raw, "pem": EncodePEM(a), "mixed": mixed} {
		certs, err := ReadCertificates(write(t, dir, name, data))
		if err != nil || !certs[0].Equal(a) || name == "mixed" && (len(certs) != 2 || !certs[1].Equal(b)) {
			t.Errorf("%s: %d certificates, %v", name, len(certs), err)
		}
	}
	for want, data := range map[string][]byte{
		"are the two files swapped?":              keyPEM(t, newKey(t)),
		"holds a CERTIFICATE REQUEST":             pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST"}),
		"neither PEM":                             []byte("hello"),
		"neither PEM (-----BEGIN CERTIFICATE----": nil,
		"certificate no. 2: x509":                 append(EncodePEM(a), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})...),
		"larger than 1048576 bytes":               make([]byte, maxFile+1),
	} {
		file := write(t, dir, "bad", data)
		if _, err := ReadCertificates(file); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "certs: certificate "+file) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	absent := filepath.Join(dir, "absent")
	if _, err := ReadCertificates(absent); err == nil || err.Error() != "certs: certificate "+absent+": no such file or directory" {
		t.Errorf("error %v", err)
	}
	if _, err := ReadCertificates(dir); err == nil {
		t.Error("read a directory")
	}
}

func TestPool(t *testing.T) {
	dir := t.TempDir()
	a, b := selfIssued(t, newKey(t), "a.example", nil), selfIssued(t, newKey(t), "b.example", nil)
	pool, err := Pool(write(t, dir, "a", a.Raw), write(t, dir, "b", EncodePEM(b)))
	must(t, err)
	want := x509.NewCertPool()
	want.AddCert(a)
	want.AddCert(b)
	if !pool.Equal(want) {
		t.Error("the pool does not hold the two certificates alone")
	}
	if pool, err := Pool(); pool != nil || err != nil {
		t.Errorf("no files gave %v, %v; want nil for the machine's roots", pool, err)
	}
	if _, err := Pool(filepath.Join(dir, "a"), filepath.Join(dir, "absent")); err == nil {
		t.Error("an absent file was passed over")
	}
}

// Whatever is in the file, what comes out was in it as a certificate.
func FuzzReadCertificates(f *testing.F) {
	cert := selfIssued(f, newKey(f), "a.example", nil)
	f.Add(EncodePEM(cert))
	f.Add(cert.Raw)
	f.Add(keyPEM(f, newKey(f)))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := ReadCertificates(write(t, dir, "f", data))
		if (err == nil) != (len(certs) > 0) {
			t.Fatalf("%d certificates, %v", len(certs), err)
		}
		checkKeyFile(data)
		Problems(certs, time.Now())
		for _, c := range certs {
			if Subject(c) == "" {
				t.Error("a certificate without a name for people")
			}
		}
	})
}
