package certs

import (
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func development(t testing.TB, dir string, hosts ...string) *x509.Certificate {
	t.Helper()
	k, err := Development(dir, hosts)
	must(t, err)
	return k.Leaf()
}

func TestDevelopmentMakesAndKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "vncgate")
	first := development(t, dir)
	names := Names(first)
	for _, want := range []string{"localhost", "127.0.0.1", "::1"} {
		if !slices.Contains(names, want) {
			t.Errorf("names %v lack %s", names, want)
		}
	}
	if host, err := os.Hostname(); err == nil && CheckHost(host) == nil && !slices.Contains(names, strings.ToLower(host)) {
		t.Errorf("names %v lack this machine's, %s", names, host)
	}
	if !development(t, dir).Equal(first) || !development(t, dir, "LOCALHOST", "0:0::1").Equal(first) {
		t.Error("the second run made another certificate")
	}
	for file, mode := range map[string]fs.FileMode{"ca.key": 0o600, "server.key": 0o600, "ca.crt": 0o644, "server.crt": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want mode %v", file, info.Mode(), err, mode)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 4 {
		t.Errorf("%v, %v: want four files", entries, err)
	}
}

func TestDevelopmentCertificates(t *testing.T) {
	dir := t.TempDir()
	leaf := development(t, dir, "gate.example", "10.0.0.1", "*.wild.example")
	ca, err := OpenCA(dir)
	must(t, err)
	root := ca.Certificate()
	if !root.IsCA || root.MaxPathLen != 0 || !root.MaxPathLenZero || root.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("the authority is not bounded: path %d, usage %b", root.MaxPathLen, root.KeyUsage)
	}
	if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("the server's usage: %b, %v", leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 398*24*time.Hour {
		t.Errorf("valid for %v: browsers take at most 398 days", life)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	for _, host := range []string{"gate.example", "10.0.0.1", "any.wild.example", "localhost"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestDevelopmentReissues(t *testing.T) {
	dir := t.TempDir()
	first := development(t, dir, "one.example")
	ca, err := OpenCA(dir)
	must(t, err)

	second := development(t, dir, "two.example")
	if names := Names(second); !slices.Contains(names, "one.example") || !slices.Contains(names, "two.example") {
		t.Errorf("names %v: want the old and the new", names)
	}
	if PublicKeyPin(second) != PublicKeyPin(first) {
		t.Error("the key changed: pins of it are broken")
	}
	if second.CheckSignatureFrom(ca.Certificate()) != nil {
		t.Error("another authority issued it")
	}

	key, err := readKey(filepath.Join(dir, "server.key"))
	must(t, err)
	short := template("x", soon-time.Hour)
	short.DNSNames, short.IPAddresses = second.DNSNames, second.IPAddresses
	ending, err := sign(short, ca.cert, key.Public(), ca.key)
	must(t, err)
	write(t, dir, "server.crt", EncodePEM(ending))
	if third := development(t, dir); third.Equal(ending) || !slices.Contains(Names(third), "two.example") {
		t.Errorf("a certificate that ends within a month was kept, or its names were not: %v", Names(third))
	}

	for what, data := range map[string][]byte{
		"garbage":                      []byte("x"),
		"another key's":                EncodePEM(selfIssued(t, newKey(t), "x.example", nil)),
		"not the authority's, own key": EncodePEM(selfIssued(t, key, "x.example", nil)),
	} {
		write(t, dir, "server.crt", data)
		if leaf := development(t, dir); leaf.CheckSignatureFrom(ca.Certificate()) != nil || slices.Contains(Names(leaf), "x.example") {
			t.Errorf("%s: %v is served", what, Names(leaf))
		}
	}
}

func TestCARenewal(t *testing.T) {
	dir := t.TempDir()
	leaf := development(t, dir)
	ca, err := OpenCA(dir)
	must(t, err)
	ending := template(ca.cert.Subject.CommonName, soon-time.Hour)
	ending.IsCA, ending.BasicConstraintsValid, ending.KeyUsage = true, true, x509.KeyUsageCertSign
	old, err := sign(ending, ending, ca.key.Public(), ca.key)
	must(t, err)
	write(t, dir, "ca.crt", EncodePEM(old))
	renewed, err := OpenCA(dir)
	must(t, err)
	if renewed.cert.Equal(old) || time.Until(renewed.cert.NotAfter) < caLife-time.Hour {
		t.Errorf("not renewed: ends %v", renewed.cert.NotAfter)
	}
	if leaf.CheckSignatureFrom(renewed.cert) != nil {
		t.Error("what the authority issued before is not its any more")
	}
	// A leaf does not outlive its authority.
	brief := &CA{dir: dir, cert: old, key: ca.key}
	cert, err := brief.Issue(newKey(t).Public(), Request{Hosts: []string{"a.example"}})
	must(t, err)
	if cert.NotAfter.After(old.NotAfter) {
		t.Errorf("valid to %v, its authority to %v", cert.NotAfter, old.NotAfter)
	}
}

func TestOpenCAErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenCA(dir)
	must(t, err)
	write(t, dir, "ca.crt", EncodePEM(selfIssued(t, newKey(t), "x", nil)))
	if _, err := OpenCA(dir); err == nil || !strings.Contains(err.Error(), "does not belong to key") {
		t.Errorf("a stranger's certificate: %v", err)
	}
	write(t, dir, "ca.crt", []byte("x"))
	if _, err := OpenCA(dir); err == nil {
		t.Error("garbage for a certificate: no error")
	}
	for what, data := range map[string][]byte{"garbage": []byte("x"), "broken": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")} {
		write(t, dir, "ca.key", data)
		if _, err := OpenCA(dir); err == nil || !strings.HasPrefix(err.Error(), "certs: key ") {
			t.Errorf("%s for a key: %v", what, err)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, "ca.key")); string(got) != string(data) {
			t.Errorf("%s: a key was overwritten", what)
		}
	}
	if _, err := OpenCA(filepath.Join(write(t, dir, "file", nil), "x")); err == nil {
		t.Error("a file for a directory: no error")
	}
}

// Two programs that start at once for the first time end up with one authority.
func TestDevelopmentConcurrently(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	roots := make([]*x509.Certificate, 8)
	for i := range roots {
		wg.Go(func() {
			ca, err := OpenCA(dir)
			if err != nil {
				t.Error(err)
				return
			}
			roots[i] = ca.Certificate()
			if k, err := ca.Server(nil); err != nil {
				t.Error(err)
			} else if err := k.Leaf().CheckSignatureFrom(ca.Certificate()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, root := range roots[1:] {
		if root == nil || !root.Equal(roots[0]) {
			t.Fatal("two authorities in one directory")
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	ca, err := OpenCA(t.TempDir())
	must(t, err)
	many := make([]string, maxHosts+1)
	for i := range many {
		many[i] = strings.Repeat("a", i%50+1) + strings.Repeat("b", i/50+1) + ".example"
	}
	for what, r := range map[string]Request{
		"nothing": {}, "both": {Hosts: []string{"a"}, Client: "b"}, "too many": {Hosts: many}, "bad host": {Hosts: []string{"a b"}},
		"slash": {Client: "../x"}, "dot": {Client: ".x"}, "long": {Client: strings.Repeat("x", 65)}, "umlaut": {Client: "jörg"},
	} {
		if _, err := ca.Issue(newKey(t).Public(), r); err == nil {
			t.Errorf("%s: issued", what)
		}
	}
	if _, err := ca.Server(many); err == nil {
		t.Error("too many hosts were dropped in silence")
	}
	if _, err := ca.Client("a/b"); err == nil {
		t.Error("a client's name became a path")
	}
}

// A directory shared by containers collects their names; the oldest go.
func TestServerDropsOldNames(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		var hosts []string
		for j := range 50 {
			hosts = append(hosts, strings.Repeat("h", j+1)+string(rune('a'+i))+".example")
		}
		names := Names(development(t, dir, hosts...))
		if len(names) > maxHosts || !slices.Contains(names, hosts[49]) {
			t.Fatalf("run %d: %d names, the newest among them: %v", i, len(names), slices.Contains(names, hosts[49]))
		}
	}
}

func TestCheckHost(t *testing.T) {
	for _, h := range []string{"localhost", "a.example", "*.a.example", "10.0.0.1", "::1", "fe80::1", "xn--jrg-sna.example", "my_container", "A.Example"} {
		if err := CheckHost(h); err != nil {
			t.Errorf("%s: %v", h, err)
		}
	}
	for _, h := range []string{"", ".", "a..b", "a b", "a:80", "[::1]", "https://a", "a/b", "jörg.example", "*", "*.", "a.*", "**.a", strings.Repeat("a.", 200) + "a", strings.Repeat("a", 64), "a\x00b", "a\n"} {
		if err := CheckHost(h); err == nil {
			t.Errorf("%q was allowed", h)
		}
	}
}
