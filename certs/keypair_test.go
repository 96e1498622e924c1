package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// newPair writes a pair for host to dir.
func newPair(t testing.TB, dir, host string) (certFile, keyFile string) {
	t.Helper()
	key := newKey(t)
	return write(t, dir, "tls.crt", EncodePEM(selfIssued(t, key, host, nil))), write(t, dir, "tls.key", keyPEM(t, key))
}

func load(t testing.TB, certFile, keyFile string) *KeyPair {
	t.Helper()
	k, err := Load(certFile, keyFile)
	must(t, err)
	return k
}

// later lets the second pass that lies between two looks at the files.
func (k *KeyPair) later() {
	k.mu.Lock()
	k.checked = k.checked.Add(-2 * recheck)
	k.mu.Unlock()
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := newPair(t, dir, "one.example")
	k := load(t, certFile, keyFile)
	if name := k.Leaf().DNSNames[0]; name != "one.example" {
		t.Errorf("the leaf is %s's", name)
	}
	if c, key := k.Files(); c != certFile || key != keyFile {
		t.Errorf("files %s, %s", c, key)
	}
	cert, err := os.ReadFile(certFile)
	must(t, err)
	key, err := os.ReadFile(keyFile)
	must(t, err)
	both := write(t, dir, "both.pem", append(key, cert...))
	if load(t, both, both).Leaf() == nil {
		t.Error("no pair in one file")
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	key, other := newKey(t), newKey(t)
	leaf, parent := selfIssued(t, key, "a.example", nil), selfIssued(t, other, "b.example", nil)
	good, goodKey := write(t, dir, "good.crt", EncodePEM(leaf)), write(t, dir, "good.key", keyPEM(t, key))
	absent := filepath.Join(dir, "absent")
	bad := func(name string, data []byte) string { return write(t, dir, name, data) }
	for _, c := range []struct{ cert, key, want string }{
		{absent, goodKey, "certs: certificate " + absent + ": no such file"},
		{good, absent, "certs: key " + absent + ": no such file"},
		{goodKey, good, "are the two files swapped?"},
		{good, good, "the file holds no private key"},
		{good, bad("other.key", keyPEM(t, other)), "does not belong to certificate " + good + " (a.example)"},
		{bad("order.crt", EncodePEM(parent, leaf)), goodKey, "the certificate of the key is no. 2 in the file: put it first"},
		{good, bad("locked.key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})), "passphrase"},
		{good, bad("old.key", []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n")), "passphrase"},
		{good, bad("text.key", []byte("hunter2")), "not PEM"},
		{good, bad("broken.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hunter2")})), "certs: key "},
	} {
		_, err := Load(c.cert, c.key)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "certs: ") {
			t.Errorf("error %v, want %s", err, c.want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
}

func TestKeyPairReload(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := newPair(t, dir, "one.example")
	k := load(t, certFile, keyFile)
	var reports []error
	k.Report = func(err error) { reports = append(reports, err) }

	newPair(t, dir, "two.example")
	if err := k.refresh(k.checked.Add(recheck / 2)); err != nil || k.pair.Leaf.DNSNames[0] != "one.example" {
		t.Errorf("looked twice within a second: %v, %v", k.pair.Leaf.DNSNames, err)
	}
	k.later()
	if name := k.Leaf().DNSNames[0]; name != "two.example" || k.Err() != nil {
		t.Fatalf("after a second: %s, %v", name, k.Err())
	}

	good, err := os.ReadFile(filepath.Join(dir, "tls.key"))
	must(t, err)
	write(t, dir, "tls.key", keyPEM(t, newKey(t)))
	for range 3 {
		k.later()
		if name := k.Leaf().DNSNames[0]; name != "two.example" {
			t.Fatalf("a broken pair took the old one away: %s", name)
		}
	}
	if len(reports) != 1 || !strings.Contains(reports[0].Error(), "does not belong") || k.Err() == nil {
		t.Fatalf("reports %v, Err %v; want one", reports, k.Err())
	}

	must(t, os.Remove(filepath.Join(dir, "tls.key")))
	k.later()
	if k.Leaf() == nil || len(reports) != 2 || !strings.Contains(reports[1].Error(), "no such file") {
		t.Fatalf("reports %v", reports)
	}

	write(t, dir, "tls.key", good)
	k.later()
	if k.Leaf() == nil || k.Err() != nil || len(reports) != 2 {
		t.Fatalf("the good key is back: %v, reports %v", k.Err(), reports)
	}
}

func TestKeyPairServes(t *testing.T) {
	dir := t.TempDir()
	ca, err := OpenCA(dir)
	must(t, err)
	server, err := ca.Server([]string{"gate.example"})
	must(t, err)
	client, err := ca.Client("alice")
	must(t, err)
	roots, err := Pool(ca.CertFile())
	must(t, err)
	serverConfig := &tls.Config{GetCertificate: server.GetCertificate, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}
	for _, host := range []string{"gate.example", "localhost", "127.0.0.1", "::1"} {
		names, err := handshake(t, serverConfig, &tls.Config{RootCAs: roots, ServerName: host, GetClientCertificate: client.GetClientCertificate})
		if err != nil || names != "alice" {
			t.Errorf("%s: client %q, %v", host, names, err)
		}
	}
	if _, err := handshake(t, serverConfig, &tls.Config{RootCAs: roots, ServerName: "other.example", GetClientCertificate: client.GetClientCertificate}); err == nil {
		t.Error("the server passed for a host that it has no name of")
	}
	if _, err := handshake(t, serverConfig, &tls.Config{RootCAs: roots, ServerName: "localhost", GetClientCertificate: server.GetClientCertificate}); err == nil {
		t.Error("the server's certificate passed for a client's")
	}
}

// handshake returns the common name of the client as the server knows it.
func handshake(t *testing.T, server, client *tls.Config) (string, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	var name string
	var serverErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := ln.Accept()
		if err != nil {
			serverErr = err
			return
		}
		defer c.Close()
		s := tls.Server(c, server)
		if serverErr = s.HandshakeContext(t.Context()); serverErr == nil {
			name = s.ConnectionState().PeerCertificates[0].Subject.CommonName
		}
	})
	c, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	defer c.Close()
	err = tls.Client(c, client).HandshakeContext(t.Context())
	if err != nil {
		c.Close()
	}
	wg.Wait()
	if err == nil {
		err = serverErr
	}
	return name, err
}

func TestKeyPairConcurrently(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := newPair(t, dir, "one.example")
	k := load(t, certFile, keyFile)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				k.later()
				if cert, err := k.GetCertificate(nil); err != nil || cert == nil {
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		newPair(t, dir, "two.example")
	}
	wg.Wait()
	k.later()
	if name := k.Leaf().DNSNames[0]; name != "two.example" || k.Err() != nil {
		t.Errorf("in the end %s, %v", name, k.Err())
	}
}

func TestWarning(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := newPair(t, dir, "one.example")
	k := load(t, certFile, keyFile)
	if w := k.Warning(); w != "" {
		t.Errorf("a good pair: %s", w)
	}
	must(t, os.Chmod(keyFile, 0o644))
	if w := k.Warning(); w != "the key can be read by every user of this machine: chmod 600 "+keyFile {
		t.Errorf("a key for all to read: %q", w)
	}
	if w := k.warnings(time.Now().AddDate(1, 0, 0), chainProblems); len(w) != 2 || !strings.Contains(w[0], "one.example expired on ") {
		t.Errorf("in a year: %q", w)
	}
}

func TestClientWarning(t *testing.T) {
	ca, err := OpenCA(t.TempDir())
	must(t, err)
	k, err := ca.Agent("lab", []string{"desk"}, 90*24*time.Hour)
	must(t, err)
	if w := k.ClientWarning(); w != "" {
		t.Errorf("an agent's good pair: %s", w)
	}
	if w := k.Warning(); !strings.Contains(w, "it is not for servers") {
		t.Errorf("an agent's pair for a server: %q", w)
	}
	if w := k.warnings(time.Now().AddDate(1, 0, 0), anyChainProblems); len(w) == 0 || !strings.Contains(w[0], "expired on ") {
		t.Errorf("in a year: %q", w)
	}
}

func TestProblems(t *testing.T) {
	key := newKey(t)
	ca, err := OpenCA(t.TempDir())
	must(t, err)
	issued, err := ca.Issue(key.Public(), Request{Hosts: []string{"a.example"}})
	must(t, err)
	client, err := ca.Issue(key.Public(), Request{Client: "alice"})
	must(t, err)
	self := selfIssued(t, key, "self.example", nil)
	nameless := selfIssued(t, key, "cn.example", func(c *x509.Certificate) { c.DNSNames = nil })
	now := time.Now()
	for _, c := range []struct {
		what  string
		chain []*x509.Certificate
		at    time.Time
		want  []string // how each problem goes, in order
	}{
		{"nothing", nil, now, []string{"there is no certificate"}},
		{"self-signed", []*x509.Certificate{self}, now, []string{"signed by itself"}},
		{"expired", []*x509.Certificate{self}, now.AddDate(1, 0, 0), []string{"self.example expired on 20", "signed by itself"}},
		{"soon", []*x509.Certificate{self}, self.NotAfter.Add(-36 * time.Hour), []string{"in 2 days", "signed by itself"}},
		{"early", []*x509.Certificate{self}, now.AddDate(-1, 0, 0), []string{"not valid before", "signed by itself"}},
		{"no names", []*x509.Certificate{nameless}, now, []string{"it names no host", "signed by itself"}},
		{"own authority", []*x509.Certificate{issued, ca.Certificate()}, now, []string{"does not trust the authority that issued it (vncgate development CA"}},
		{"incomplete", []*x509.Certificate{issued}, now, []string{"neither in the file nor trusted"}},
		{"wrong order", []*x509.Certificate{issued, self}, now, []string{"certificate no. 2 (self.example) did not issue the one before it (a.example)", "does not trust"}},
		{"an authority", []*x509.Certificate{ca.Certificate()}, now, []string{"names no host", "authority's, not a server's", "signed by itself"}},
		{"a client", []*x509.Certificate{client}, now, []string{"names no host", "not for servers", "neither in the file"}},
	} {
		got := Problems(c.chain, c.at)
		if len(got) != len(c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s: %q, want %q", c.what, got[i], want)
			}
		}
	}
}

func TestSubject(t *testing.T) {
	key := newKey(t)
	for want, change := range map[string]func(*x509.Certificate){
		"cn":          func(c *x509.Certificate) { c.Subject.CommonName = "cn" },
		"san.example": func(c *x509.Certificate) { c.Subject.CommonName = ""; c.DNSNames = []string{"san.example"} },
		"O=Acme": func(c *x509.Certificate) {
			c.Subject.CommonName, c.DNSNames, c.Subject.Organization = "", nil, []string{"Acme"}
		},
		"serial number 7": func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = "", nil },
	} {
		if got := Subject(selfIssued(t, key, "x", change)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
