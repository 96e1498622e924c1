package main

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
	"strings"
	"testing"
	"time"

	"vncgate/certs"
	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// authority is a CA for a test, with its certificate in a file.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	pair := a.issue(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	writePEM(t, a.file, "CERTIFICATE", a.cert.Raw)
	return a
}

// issue signs template, or lets it sign itself while there is no key.
func (a *authority) issue(t *testing.T, template x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	}
	parent, signer := a.cert, a.key
	if signer == nil {
		parent, signer = &template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pairFor is an authority and a server's certificate.
type pairFor struct {
	ca   *authority
	cert tls.Certificate
}

func certificatesFor(t *testing.T, names ...string) *pairFor {
	ca := newAuthority(t)
	return &pairFor{ca: ca, cert: ca.issue(t, x509.Certificate{DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})}
}

// server runs the server's side of a TLS handshake.
func (p *pairFor) server(c net.Conn, cfg *tls.Config) error {
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.Certificates = []tls.Certificate{p.cert}
	return tls.Server(c, cfg).Handshake()
}

// x509Display offers VeNCrypt X509None with a certificate.
func x509Display(cfg *tls.Config) *rfbtest.Display {
	return &rfbtest.Display{Config: rfb.ServerConfig{Security: []rfb.Security{rfb.ServerVeNCrypt{Subtypes: []rfb.Security{
		rfb.ServerX509{TLS: rfb.Upgrade(layers.TLSServer(cfg)), Inner: rfb.None{}},
	}}}}}
}

// TestUnknownDevelopmentCA names the command that writes our own authority.
func TestUnknownDevelopmentCA(t *testing.T) {
	pair, err := certs.Development(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	f := trust{roots: x509.NewCertPool()}.unknown([]*x509.Certificate{pair.Leaf()})
	if advice := strings.Join(f.advice, " "); !strings.Contains(advice, "'vncgate cert export --ca -o ca.pem'") || strings.Contains(advice, "append") {
		t.Errorf("%+v", f)
	}
}

func TestDoctorJudgesCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	past, future := time.Now().Add(-48*time.Hour), time.Now().Add(48*time.Hour)
	for _, tt := range []struct {
		name            string
		cert            tls.Certificate
		args            []string
		summary, advice string // of the failure; none: it is in order
	}{
		{"in order", ca.issue(t, x509.Certificate{IPAddresses: loopback}), []string{"--ca", ca.file}, "", ""},
		{"by another name", ca.issue(t, x509.Certificate{DNSNames: []string{"vm.example"}}), []string{"--ca", ca.file, "--name", "vm.example"}, "", ""},
		{"unknown CA", ca.issue(t, x509.Certificate{IPAddresses: loopback}), nil, "its issuer test authority is not among this machine's authorities", "--target-ca FILE"},
		{"another CA", ca.issue(t, x509.Certificate{IPAddresses: loopback}), []string{"--ca", other.file}, "not among the given CA file's", "certificate of test authority"},
		{"wrong name", ca.issue(t, x509.Certificate{DNSNames: []string{"vm.example"}}), []string{"--ca", ca.file}, "it is for vm.example, not for 127.0.0.1", "--target-name vm.example"},
		{"no name", ca.issue(t, x509.Certificate{Subject: pkix.Name{CommonName: "127.0.0.1"}}), []string{"--ca", ca.file}, "names no host", "subjectAltName"},
		{"expired", ca.issue(t, x509.Certificate{IPAddresses: loopback, NotBefore: past, NotAfter: past.Add(time.Hour)}), []string{"--ca", ca.file}, "expired on", "renew"},
		{"not yet valid", ca.issue(t, x509.Certificate{IPAddresses: loopback, NotBefore: future, NotAfter: future.Add(time.Hour)}), []string{"--ca", ca.file}, "not valid before", "clock"},
		{"signed by itself", (&authority{}).issue(t, x509.Certificate{IPAddresses: loopback}), []string{"--ca", ca.file}, "signed by itself", "fingerprint"},
		{"not for servers", ca.issue(t, x509.Certificate{IPAddresses: loopback, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}), []string{"--ca", ca.file}, "key usage", ""},
		{"all at once", ca.issue(t, x509.Certificate{DNSNames: []string{"vm.example"}, NotBefore: past, NotAfter: past.Add(time.Hour)}), nil, "expired", "--target-name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := x509Display(&tls.Config{Certificates: []tls.Certificate{tt.cert}})
			r := diagnose(t, append(tt.args, d.Listen(t))...)
			if tt.summary == "" {
				if !r.OK {
					t.Errorf("%s", r.text())
				}
			} else {
				r.failsAt(t, "certificate", tt.summary, tt.advice)
			}
			if s := r.step(t, "certificate"); !strings.Contains(strings.Join(s.Notes, "\n"), certs.Fingerprint(tt.cert.Leaf)) {
				t.Errorf("no fingerprint in %q", s.Notes)
			}
		})
	}
}

func TestDoctorGoesOnWhenInsecure(t *testing.T) {
	pair := certificatesFor(t, "vm.example")
	r := diagnose(t, x509Display(&tls.Config{Certificates: []tls.Certificate{pair.cert}}).Listen(t), "--insecure")
	if s := r.step(t, "certificate"); !r.OK || !strings.Contains(s.Summary, "not checked, as you asked") || len(s.Advice) == 0 {
		t.Errorf("%s", r.text())
	}
}

// TestDoctorKnowsPins takes a certificate that is known by itself.
func TestDoctorKnowsPins(t *testing.T) {
	pair := certificatesFor(t, "vm.example")
	address := x509Display(&tls.Config{Certificates: []tls.Certificate{pair.cert}}).Listen(t)
	r := diagnose(t, address, "--pin", certs.Fingerprint(pair.cert.Leaf))
	if s := r.step(t, "certificate"); !r.OK || !strings.Contains(s.Summary, "the pinned one") {
		t.Errorf("%s", r.text())
	}
	diagnose(t, address, "--pin", certs.Fingerprint(pair.ca.cert)).failsAt(t, "certificate", "not the pinned one", "")
}

// TestDoctorClientCertificate meets servers that demand one, as TLS 1.2 and 1.3
// say so, and as QEMU does, which just leaves.
func TestDoctorClientCertificate(t *testing.T) {
	pair := certificatesFor(t)
	pool := x509.NewCertPool()
	pool.AddCert(pair.ca.cert)
	client := pair.ca.issue(t, x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "client.crt"), filepath.Join(dir, "client.key")
	der, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, certFile, "CERTIFICATE", client.Certificate[0])
	writePEM(t, keyFile, "PRIVATE KEY", der)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			address := x509Display(&tls.Config{
				Certificates: []tls.Certificate{pair.cert}, MaxVersion: version,
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
			}).Listen(t)
			r := diagnose(t, address, "--ca", pair.ca.file)
			if !strings.Contains(r.text(), "demands a client certificate") || r.OK {
				t.Errorf("%s", r.text())
			}
			if r := diagnose(t, address, "--ca", pair.ca.file, "--cert", certFile, "--key", keyFile); !r.OK {
				t.Errorf("%s", r.text())
			}
		})
	}
	t.Run("leaving", func(t *testing.T) {
		address := listen(t, func(c net.Conn) {
			talks(c, "RFB 003.008\n\x01\x13\x00\x02", 15, "\x00\x01\x00\x00\x01\x04", 4, "\x01")
			_ = pair.server(c, &tls.Config{ClientAuth: tls.RequestClientCert})
		})
		diagnose(t, address, "--ca", pair.ca.file).failsAt(t, "authentication", "after asking for a client certificate", "--target-cert")
	})
}

func TestDoctorImplicitTLS(t *testing.T) {
	pair := certificatesFor(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair.cert}})
	if err != nil {
		t.Fatal(err)
	}
	d := &rfbtest.Display{}
	d.Attach(t, ln)
	r := diagnose(t, ln.Addr().String(), "--tls", "--ca", pair.ca.file)
	if !r.OK || r.names() != "settings connect tls certificate greeting security authentication screen" {
		t.Errorf("%s", r.text())
	}
	diagnose(t, ln.Addr().String(), "--tls").failsAt(t, "certificate", "not among this machine's authorities", "--target-ca")
}

func TestDoctorFindsNoTLS(t *testing.T) {
	t.Parallel()
	pair := certificatesFor(t)
	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	for _, tt := range []struct {
		name            string
		serve           func(net.Conn)
		summary, advice string
	}{
		{"rfb", says("RFB 003.008\n"), "does not speak TLS here (the peer sent plain RFB)", "leave --target-tls out"},
		{"http", says("HTTP/1.1 400 Bad\r\n\r\n"), "(the peer sent plain HTTP)", "ws://"},
		{"closing", func(c net.Conn) { talks(c, 9) }, "closed the connection in the TLS handshake", "key cannot be read"},
		{"silence", says(""), "no answer to the TLS handshake", "waits in silence"},
		{"too old", func(c net.Conn) { _ = pair.server(c, old) }, "another TLS version", "TLS 1.2 or 1.3"},
		{"nothing in common", says("\x15\x03\x03\x00\x02\x02\x28"), "nothing in common", "anonymous"},
		{"another alert", says("\x15\x03\x03\x00\x02\x02\x50"), "internal error", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			timeout := "10s"
			if tt.name == "silence" {
				timeout = "500ms"
			}
			diagnose(t, listen(t, tt.serve), "--tls", "--timeout", timeout).failsAt(t, "tls", tt.summary, tt.advice)
		})
	}
}

// TestTrustJudges is about what a handshake with Go's own TLS does not show.
func TestTrustJudges(t *testing.T) {
	ca := newAuthority(t)
	now := time.Now()
	leaf := ca.issue(t, x509.Certificate{DNSNames: []string{"vm.example"}}).Leaf
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	if faults := (trust{roots: roots, name: "vm.example"}).judge(nil, now); len(faults) != 1 {
		t.Errorf("no certificate: %v", faults)
	}
	if faults := (trust{pinned: true}).judge([]*x509.Certificate{leaf}, now.Add(999*time.Hour)); len(faults) != 0 {
		t.Errorf("pinned: %v", faults)
	}
	faults := (trust{roots: roots, name: "vm.example"}).judge([]*x509.Certificate{leaf, ca.cert}, now.Add(48*time.Hour))
	if len(faults) != 2 || !strings.Contains(faults[1].words, "test authority expired") {
		t.Errorf("a chain that has expired: %v", faults)
	}
	long := &x509.Certificate{Subject: pkix.Name{CommonName: "vm"}, NotBefore: now.Add(-300 * 24 * time.Hour), NotAfter: now.Add(10*24*time.Hour + time.Hour)}
	if got := ending([]*x509.Certificate{long}, now); !strings.Contains(got, "vm ends in 10 days") {
		t.Errorf("%q", got)
	}
	if got := ending([]*x509.Certificate{leaf}, now); got != "" {
		t.Errorf("a certificate of a day: %q", got)
	}
}
