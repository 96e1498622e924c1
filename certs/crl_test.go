package certs

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// revoker is an authority that issues lists.
type revoker struct {
	*CA
	number int64
}

func newRevoker(t testing.TB) *revoker {
	t.Helper()
	ca, err := OpenCA(t.TempDir())
	must(t, err)
	return &revoker{CA: ca}
}

// list is one that ends after life and revokes certificates.
func (r *revoker) list(t testing.TB, life time.Duration, revoked ...*x509.Certificate) []byte {
	t.Helper()
	return r.custom(t, life, nil, revoked...)
}

func (r *revoker) custom(t testing.TB, life time.Duration, change func(*x509.RevocationList), revoked ...*x509.Certificate) []byte {
	t.Helper()
	r.number++
	l := &x509.RevocationList{Number: big.NewInt(r.number), ThisUpdate: time.Now().Add(-48 * time.Hour), NextUpdate: time.Now().Add(life)}
	for _, cert := range revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: time.Now()})
	}
	if change != nil {
		change(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, r.cert, r.key)
	must(t, err)
	return der
}

func crlPEM(lists ...[]byte) []byte {
	var out []byte
	for _, der := range lists {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	return out
}

func (r *revoker) client(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	pair, err := r.Client(name)
	must(t, err)
	return pair.Leaf()
}

func loadCRLs(t testing.TB, cfg CRLConfig) *CRLs {
	t.Helper()
	c, err := LoadCRLs(cfg)
	must(t, err)
	return c
}

func TestCRLs(t *testing.T) {
	r, other := newRevoker(t), newRevoker(t)
	good, bad, elsewhere := r.client(t, "good"), r.client(t, "bad"), other.client(t, "elsewhere")
	dir := t.TempDir()
	der := r.list(t, time.Hour, bad)
	for what, data := range map[string][]byte{"der": der, "pem": crlPEM(der), "two": crlPEM(r.list(t, time.Hour), other.list(t, time.Hour), r.list(t, time.Hour, bad))} {
		cfg := CRLConfig{Files: []string{write(t, dir, what, data)}, Authorities: []string{r.CertFile(), other.CertFile()}}
		c := loadCRLs(t, cfg)
		if c.Revoked(good) || !c.Revoked(bad) || c.Revoked(elsewhere) {
			t.Errorf("%s: good %v, bad %v, elsewhere %v", what, c.Revoked(good), c.Revoked(bad), c.Revoked(elsewhere))
		}
		cfg.FailClosed = true
		c = loadCRLs(t, cfg)
		if c.Revoked(good) || !c.Revoked(bad) || c.Revoked(elsewhere) != (what != "two") {
			t.Errorf("%s, closed: good %v, bad %v, elsewhere %v", what, c.Revoked(good), c.Revoked(bad), c.Revoked(elsewhere))
		}
	}
}

// TestCRLReload: lists count as soon as they are in place, and a broken file
// leaves the old ones in force.
func TestCRLReload(t *testing.T) {
	r := newRevoker(t)
	one, two := r.client(t, "one"), r.client(t, "two")
	file := write(t, t.TempDir(), "list", crlPEM(r.list(t, time.Hour, one)))
	var said []string
	c := loadCRLs(t, CRLConfig{Files: []string{file}, Authorities: []string{r.CertFile()}, Report: func(err error) { said = append(said, err.Error()) }})
	version := c.Version()
	whole := crlPEM(r.list(t, time.Hour, one, two))
	must(t, writeFile(file, whole[:len(whole)/2], 0o644))
	if c.Revoked(two) || !c.Revoked(one) || !c.Revoked(one) {
		t.Error("half a file counts")
	}
	if len(said) != 1 || !strings.Contains(said[0], "of which 0 are whole") || c.Version() != version {
		t.Errorf("said %q, version %d after %d", said, c.Version(), version)
	}
	must(t, os.Remove(file))
	if !c.Revoked(one) || len(said) != 2 {
		t.Errorf("without the file: %q", said)
	}
	must(t, writeFile(file, whole, 0o644))
	if !c.Revoked(two) || c.Version() == version || len(said) != 2 {
		t.Errorf("the new list: %v, version %d, said %q", c.Revoked(two), c.Version(), said)
	}
}

func TestCRLOverdue(t *testing.T) {
	r := newRevoker(t)
	good, bad := r.client(t, "good"), r.client(t, "bad")
	file := write(t, t.TempDir(), "list", crlPEM(r.list(t, -time.Hour, bad)))
	said := ""
	cfg := CRLConfig{Files: []string{file}, Authorities: []string{r.CertFile()}, Report: func(err error) { said += err.Error() }}
	open := loadCRLs(t, cfg)
	if open.Revoked(good) || !open.Revoked(bad) {
		t.Error("an overdue list does not count on")
	}
	if open.Revoked(good); strings.Count(said, "fetch it") != 1 {
		t.Errorf("said %q", said)
	}
	cfg.FailClosed = true
	if closed := loadCRLs(t, cfg); !closed.Revoked(good) || !closed.Revoked(bad) {
		t.Error("an overdue list is trusted")
	}
	l := &crl{authority: r.cert, nextUpdate: time.Now().Add(time.Hour)}
	c := &CRLs{lists: []*crl{l}}
	if c.refresh(time.Now()); c.version != 0 {
		t.Error("a list became another by itself")
	}
	if c.refresh(time.Now().Add(2 * time.Hour)); c.version != 1 {
		t.Error("nobody can see that a list became overdue")
	}
}

func TestCRLRefused(t *testing.T) {
	r := newRevoker(t)
	stranger := &revoker{CA: &CA{cert: &x509.Certificate{Subject: pkix.Name{CommonName: "stranger"}, SubjectKeyId: []byte{1}, KeyUsage: x509.KeyUsageCRLSign}, key: newKey(t)}}
	impostor := &revoker{CA: &CA{cert: &x509.Certificate{RawSubject: r.cert.RawSubject, Subject: r.cert.Subject, SubjectKeyId: r.cert.SubjectKeyId, KeyUsage: r.cert.KeyUsage}, key: newKey(t)}}
	delta := r.custom(t, time.Hour, func(l *x509.RevocationList) {
		l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}
	})
	indirect := r.custom(t, time.Hour, func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: time.Now(), ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{48, 0}}}}}
	})
	dir := t.TempDir()
	for says, data := range map[string][]byte{
		"neither PEM":                []byte("x"),
		"holds a CERTIFICATE and no": EncodePEM(r.Certificate()),
		"list no. 1":                 pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte("x")}),
		"not among the authorities":  stranger.list(t, time.Hour),
		"not that of the authority":  impostor.list(t, time.Hour),
		"2.5.29.27":                  delta,
		"2.5.29.29":                  indirect,
		"of which 1 are whole":       append(crlPEM(r.list(t, time.Hour)), "-----BEGIN X509 CRL-----\nMII"...),
	} {
		_, err := LoadCRLs(CRLConfig{Files: []string{write(t, dir, "list", data)}, Authorities: []string{r.CertFile()}})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
	for _, cfg := range []CRLConfig{{}, {Files: []string{"none"}, Authorities: []string{r.CertFile()}}, {Files: []string{"none"}, Authorities: []string{"none"}}} {
		if _, err := LoadCRLs(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

// TestCRLChains: of several ways to a root one must be free of revoked
// certificates, and the root itself is not looked up.
func TestCRLChains(t *testing.T) {
	r := newRevoker(t)
	good, bad, root := r.client(t, "good"), r.client(t, "bad"), r.Certificate()
	file := write(t, t.TempDir(), "list", r.list(t, time.Hour, bad, root))
	c := loadCRLs(t, CRLConfig{Files: []string{file}, Authorities: []string{r.CertFile()}})
	for _, test := range []struct {
		chains [][]*x509.Certificate
		good   bool
	}{
		{nil, true}, {[][]*x509.Certificate{{}}, true}, {[][]*x509.Certificate{{good, root}}, true}, {[][]*x509.Certificate{{bad, root}}, false},
		{[][]*x509.Certificate{{good, bad, root}, {good, root}}, true}, {[][]*x509.Certificate{{good, bad, root}}, false}, {[][]*x509.Certificate{{bad}}, false},
	} {
		if err := c.Check(test.chains); (err == nil) != test.good || err != nil && !errors.Is(err, ErrRevoked) {
			t.Errorf("%d chains: %v", len(test.chains), err)
		}
	}
	if err := c.VerifyConnection(tls.ConnectionState{PeerCertificates: []*x509.Certificate{bad}}); !errors.Is(err, ErrRevoked) {
		t.Errorf("a certificate that was asked for and not verified: %v", err)
	}
}

// TestCRLHandshake refuses a revoked certificate in TLS, at once when the file
// is there.
func TestCRLHandshake(t *testing.T) {
	r := newRevoker(t)
	server, err := r.Server(nil)
	must(t, err)
	client, err := r.Client("alice")
	must(t, err)
	pool, err := Pool(r.CertFile())
	must(t, err)
	file := write(t, t.TempDir(), "list", crlPEM(r.list(t, time.Hour)))
	c := loadCRLs(t, CRLConfig{Files: []string{file}, Authorities: []string{r.CertFile()}})
	front := &tls.Config{GetCertificate: server.GetCertificate, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, VerifyConnection: c.VerifyConnection}
	viewer := &tls.Config{GetClientCertificate: client.GetClientCertificate, RootCAs: pool, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	if _, err := handshake(t, front, viewer); err != nil {
		t.Fatal(err)
	}
	must(t, writeFile(file, crlPEM(r.list(t, time.Hour, client.Leaf())), 0o644))
	if _, err := handshake(t, front, viewer); err == nil {
		t.Error("a revoked certificate gets in")
	}
}

// TestCRLsConcurrently looks up while the file changes.
func TestCRLsConcurrently(t *testing.T) {
	r := newRevoker(t)
	bad := r.client(t, "bad")
	file := write(t, t.TempDir(), "list", crlPEM(r.list(t, time.Hour, bad)))
	c := loadCRLs(t, CRLConfig{Files: []string{file}, Authorities: []string{r.CertFile()}, Report: func(err error) { t.Error(err) }})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				if !c.Revoked(bad) {
					t.Error("a revoked certificate was good for a moment")
					return
				}
			}
		})
	}
	for range 10 {
		must(t, writeFile(file, crlPEM(r.list(t, time.Hour, bad)), 0o644))
	}
	all.Wait()
}

// TestOpensslCRL reads a list that OpenSSL made.
func TestOpensslCRL(t *testing.T) {
	if testing.Short() {
		t.Skip("real peers are left out by -short")
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" && runtime.GOOS == "linux" {
			t.Fatal("openssl is missing: apt install openssl")
		}
		t.Skip("openssl is missing: apt install openssl")
	}
	r := newRevoker(t)
	good, bad := r.client(t, "good"), r.client(t, "bad")
	dir := t.TempDir()
	write(t, dir, "bad.crt", EncodePEM(bad))
	write(t, dir, "index.txt", nil)
	write(t, dir, "number", []byte("01\n"))
	write(t, dir, "ca.cnf", []byte("[ca]\ndefault_ca=x\n[x]\ndatabase="+dir+"/index.txt\ncrlnumber="+dir+"/number\ndefault_md=sha256\ndefault_crl_days=7\n"))
	openssl := func(args ...string) {
		t.Helper()
		key := filepath.Join(filepath.Dir(r.CertFile()), caKeyFile)
		args = append([]string{"ca", "-config", filepath.Join(dir, "ca.cnf"), "-keyfile", key, "-cert", r.CertFile()}, args...)
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	openssl("-revoke", filepath.Join(dir, "bad.crt"), "-crl_reason", "keyCompromise")
	openssl("-gencrl", "-out", filepath.Join(dir, "list.pem"))
	c := loadCRLs(t, CRLConfig{Files: []string{filepath.Join(dir, "list.pem")}, Authorities: []string{r.CertFile()}, FailClosed: true})
	if c.Revoked(good) || !c.Revoked(bad) {
		t.Errorf("good %v, bad %v", c.Revoked(good), c.Revoked(bad))
	}
}

func FuzzParseCRLs(f *testing.F) {
	r := newRevoker(f)
	der := r.list(f, time.Hour, r.client(f, "bad"))
	for _, seed := range [][]byte{der, crlPEM(der, der), crlPEM(der)[:99], []byte("-----BEGIN X509 CRL-----"), nil} {
		f.Add(seed)
	}
	c := &CRLs{authorities: []*x509.Certificate{r.cert}}
	f.Fuzz(func(t *testing.T, data []byte) {
		lists, err := c.add(nil, "f", data)
		if (err == nil) == (len(lists) == 0) {
			t.Errorf("%d lists, %v", len(lists), err)
		}
	})
}
