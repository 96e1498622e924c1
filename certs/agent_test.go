package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func newAuthority(t testing.TB) *CA {
	t.Helper()
	ca, err := OpenCA(t.TempDir())
	must(t, err)
	return ca
}

func TestAgentCertificateSaysWhatWasAllowed(t *testing.T) {
	ca := newAuthority(t)
	issued := time.Now().Add(-time.Hour).Truncate(time.Second)
	want := Agent{Name: "lab-1.x", Services: []string{"desk", "desk-*", "?", `[a-c]*`, `a\*b`, "*"}}
	cert, err := ca.Issue(newKey(t).Public(), Request{Agent: want.Name, Services: want.Services, Life: 90 * 24 * time.Hour, Issued: issued})
	must(t, err)
	got, err := ParseAgent(cert)
	must(t, err)
	want.Serial, want.Issued, want.Expires = Serial(cert), issued.UTC(), cert.NotAfter
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := cert.URIs[0].String() + " " + cert.URIs[2].String() + " " + cert.URIs[3].String(); got != "vncgate:agent:lab-1.x vncgate:service:desk-* vncgate:service:%3F" {
		t.Errorf("the URIs are %s", got)
	}
	if days := time.Until(cert.NotAfter).Hours() / 24; days < 89 || days > 90 {
		t.Errorf("it lasts %v days", days)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: ca.pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: ca.pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("an agent can be a server")
	}
}

func (ca *CA) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

func TestAgentMayAnnounce(t *testing.T) {
	a := Agent{Services: []string{"desk-?", "[ab]*", "exact"}}
	for service, want := range map[string]bool{
		"desk-1": true, "desk-12": false, "bench": true, "cat": false, "exact": true, "exac": false, "": false,
		"a/b": false, "a b": false, "-": false, "desk-?": false, strings.Repeat("a", 65): false,
	} {
		if got := a.May(service); got != want {
			t.Errorf("%q: %v, want %v", service, got, want)
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	ca, key := newAuthority(t), newKey(t)
	desk := []string{"desk"}
	for name, r := range map[string]Request{
		"nothing":               {},
		"an agent that serves":  {Agent: "a", Services: desk, Hosts: []string{"h"}},
		"an agent and a client": {Agent: "a", Services: desk, Client: "c"},
		"an agent and a node":   {Agent: "a", Services: desk, Node: "n"},
		"no services":           {Agent: "a"},
		"a node of no host":     {Node: "n"},
		"a node with a slash":   {Node: "n/m", Hosts: []string{"h"}},
		"an agent with a slash": {Agent: "a/b", Services: desk},
		"an agent with a dot":   {Agent: ".a", Services: desk},
		"a pattern with a /":    {Agent: "a", Services: []string{"a/b"}},
		"a pattern that is not": {Agent: "a", Services: []string{"[a"}},
		"an empty pattern":      {Agent: "a", Services: []string{""}},
		"a long pattern":        {Agent: "a", Services: []string{strings.Repeat("a", 65)}},
		"many patterns":         {Agent: "a", Services: strings.Split(strings.Repeat("a,", MaxServices)+"a", ",")},
		"no time":               {Agent: "a", Services: desk, Life: -1},
	} {
		if _, err := ca.Issue(key.Public(), r); err == nil {
			t.Errorf("%s was issued", name)
		}
	}
	if _, err := ca.Agent("../x", desk, 0); err == nil {
		t.Error("an agent's name that is a path")
	}
	if _, err := ca.Agent("x", nil, 0); err == nil {
		t.Error("an agent without services")
	}
	if _, err := ca.Node("../x", desk); err == nil {
		t.Error("a node's name that is a path")
	}
}

// A certificate of somebody else is not an agent's, nor a node's, though the
// same authority issued it.
func TestOthersAreNoAgents(t *testing.T) {
	ca := newAuthority(t)
	client, err := ca.Client("lab")
	must(t, err)
	server, err := ca.Server(nil)
	must(t, err)
	node, err := ca.Node("a", []string{"a.internal", "10.0.0.1"})
	must(t, err)
	agent, err := ca.Agent("lab", []string{"*"}, 0)
	must(t, err)
	for name, cert := range map[string]*x509.Certificate{"client": client.Leaf(), "server": server.Leaf(), "node": node.Leaf(), "authority": ca.Certificate()} {
		if a, err := ParseAgent(cert); err == nil || a.Name != "" {
			t.Errorf("the %s is an agent: %+v", name, a)
		}
	}
	for name, cert := range map[string]*x509.Certificate{"client": client.Leaf(), "server": server.Leaf(), "agent": agent.Leaf(), "authority": ca.Certificate()} {
		if _, err := ParseNode(cert); err == nil {
			t.Errorf("the %s is a node", name)
		}
	}
	if name, err := ParseNode(node.Leaf()); name != "a" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
}

// TestForgedAgents: what an authority of somebody else's making may have put
// into a certificate.
func TestForgedAgents(t *testing.T) {
	ca, key := newAuthority(t), newKey(t)
	opaque := func(texts ...string) (list []*url.URL) {
		for _, text := range texts {
			u, err := url.Parse(text)
			must(t, err)
			list = append(list, u)
		}
		return list
	}
	good := opaque("vncgate:agent:a", "vncgate:service:desk")
	for name, change := range map[string]func(*x509.Certificate){
		"":                  func(*x509.Certificate) {},
		"two names":         func(c *x509.Certificate) { c.URIs = append(c.URIs, opaque("vncgate:agent:b")...) },
		"another subject":   func(c *x509.Certificate) { c.Subject.CommonName = "b" },
		"another scheme":    func(c *x509.Certificate) { c.URIs = opaque("evil:agent:a", "vncgate:service:desk") },
		"a query":           func(c *x509.Certificate) { c.URIs = opaque("vncgate:agent:a?b", "vncgate:service:desk") },
		"a fragment":        func(c *x509.Certificate) { c.URIs = opaque("vncgate:agent:a#b", "vncgate:service:desk") },
		"a slash":           func(c *x509.Certificate) { c.URIs = opaque("vncgate:agent:a%2Fb", "vncgate:service:desk") },
		"a bad escape":      func(c *x509.Certificate) { c.URIs = opaque("vncgate:agent:a%2", "vncgate:service:desk") },
		"no services":       func(c *x509.Certificate) { c.URIs = opaque("vncgate:agent:a") },
		"a bad pattern":     func(c *x509.Certificate) { c.URIs = opaque("vncgate:agent:a", "vncgate:service:%5Ba") },
		"one bad, one good": func(c *x509.Certificate) { c.URIs = append(c.URIs, opaque("vncgate:service:")...) },
		"for servers":       func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
		"for any use":       func(c *x509.Certificate) { c.ExtKeyUsage = nil },
		"an authority's":    func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true },
		"a name in a host":  func(c *x509.Certificate) { c.URIs = opaque("vncgate://agent/a", "vncgate:service:desk") },
		"more than is allowed": func(c *x509.Certificate) {
			c.URIs = append(c.URIs, opaque(strings.Split(strings.Repeat("vncgate:service:x ", MaxServices)+"vncgate:service:y", " ")...)...)
		},
	} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(255), Subject: pkix.Name{CommonName: "a"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
			URIs: good, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		change(template)
		der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
		if err != nil {
			continue // Go itself does not make it
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		if a, err := ParseAgent(cert); (err == nil) != (name == "") || name == "" && a.Serial != "FF" {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// The pairs of a folder are kept: the keys always, the certificates until they
// are to say something else.
func TestAgentAndNodePairs(t *testing.T) {
	ca := newAuthority(t)
	first, err := ca.Agent("lab", []string{"desk"}, 0)
	must(t, err)
	again, err := ca.Agent("lab", []string{"desk"}, 0)
	must(t, err)
	other, err := ca.Agent("lab", []string{"desk", "bench"}, 0)
	must(t, err)
	less, err := ca.Agent("lab", []string{"desk"}, 60*24*time.Hour)
	must(t, err)
	switch {
	case !again.Leaf().Equal(first.Leaf()):
		t.Error("the same was issued twice")
	case other.Leaf().Equal(first.Leaf()) || !sameKey(other.Leaf(), first.Certificate().PrivateKey.(crypto.Signer)):
		t.Error("more services are not in a new certificate for the old key")
	case less.Leaf().Equal(other.Leaf()) || time.Until(less.Leaf().NotAfter) > 61*24*time.Hour:
		t.Error("fewer services and a shorter time are not in a new certificate")
	}
	node, err := ca.Node("a", []string{"A.internal"})
	must(t, err)
	more, err := ca.Node("a", []string{"10.0.0.1"})
	must(t, err)
	if got := strings.Join(Names(more.Leaf()), " "); got != "a.internal 10.0.0.1" || node.Leaf().Equal(more.Leaf()) {
		t.Errorf("the node's names are %s", got)
	}
	certFile, keyFile := node.Files()
	if filepath.Base(certFile)+" "+filepath.Base(keyFile) != "node-a.crt node-a.key" {
		t.Errorf("%s, %s", certFile, keyFile)
	}
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestKeyRequests(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	must(t, err)
	for name, one := range map[string]struct {
		key  crypto.Signer
		good bool
	}{"P-256": {newKey(t), true}, "Ed25519": {ed, true}, "RSA": {rsa2048, true}, "P-224": {p224, false}} {
		der, err := NewKeyRequest(one.key)
		must(t, err)
		got, err := ParseKeyRequest(der)
		if (err == nil) != one.good {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		cert, err := newAuthority(t).Issue(got.Public, Request{Agent: "a", Services: []string{"*"}})
		must(t, err)
		if KeyFingerprint(cert) != got.Fingerprint || !sameKey(cert, one.key) {
			t.Errorf("%s: the certificate is for another key", name)
		}
	}
	der, err := NewKeyRequest(newKey(t))
	must(t, err)
	der[len(der)-1] ^= 1
	if _, err := ParseKeyRequest(der); err == nil {
		t.Error("a request of who does not have the key")
	}
	if _, err := ParseKeyRequest(make([]byte, MaxRequest+1)); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a large one: %v", err)
	}
}

// A request asks for names and powers; nothing of that is in the certificate.
func TestNothingOfARequestIsCopied(t *testing.T) {
	ca, key := newAuthority(t), newKey(t)
	evil, err := url.Parse("vncgate:agent:root")
	must(t, err)
	isCA, err := asn1.Marshal(struct{ CA bool }{true})
	must(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "root"}, DNSNames: []string{GatewayName}, URIs: []*url.URL{evil}, IPAddresses: []net.IP{net.IPv4(1, 2, 3, 4)},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: isCA}},
	}, key)
	must(t, err)
	request, err := ParseKeyRequest(der)
	must(t, err)
	cert, err := ca.Issue(request.Public, Request{Agent: "lab", Services: []string{"desk"}})
	must(t, err)
	if cert.Subject.CommonName != "lab" || len(cert.DNSNames)+len(cert.IPAddresses) > 0 || len(cert.URIs) != 2 || cert.IsCA {
		t.Errorf("%v %v %v %v CA %v", cert.Subject, cert.DNSNames, cert.IPAddresses, cert.URIs, cert.IsCA)
	}
}

// greet is the handshake of a client with a server, as the client sees it.
func greet(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	var served sync.WaitGroup
	served.Go(func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = tls.Server(c, server).Handshake()
	})
	defer served.Wait()
	c, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	defer c.Close()
	return tls.Client(c, client).Handshake()
}

// Who knows the fingerprint of an authority's key knows the gateway, and takes
// nobody else for it.
func TestPinnedClient(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	serve := func(pair *KeyPair, more ...*x509.Certificate) *tls.Config {
		c := *pair.Certificate()
		for _, cert := range more {
			c.Certificate = append(c.Certificate[:len(c.Certificate):len(c.Certificate)], cert.Raw)
		}
		return &tls.Config{Certificates: []tls.Certificate{c}}
	}
	gateway, err := ca.Gateway()
	must(t, err)
	foreign, err := other.Gateway()
	must(t, err)
	server, err := ca.Server(nil)
	must(t, err)
	agent, err := ca.Agent("a", []string{"*"}, 0)
	must(t, err)
	for name, one := range map[string]struct {
		server *tls.Config
		want   error
		good   bool
	}{
		"the gateway":                         {serve(gateway), nil, true},
		"of another authority":                {serve(foreign), ErrOtherAuthority, false},
		"of another, with ours beside it":     {serve(foreign, ca.cert), nil, false},
		"a server of ours under another name": {serve(server, ca.cert), nil, false},
		"an agent":                            {serve(agent, ca.cert), nil, false},
		"without its authority's":             {serve(server), ErrOtherAuthority, false},
	} {
		err := greet(t, PinnedClient(GatewayName, KeyFingerprint(ca.Certificate())), one.server)
		if (err == nil) != one.good || one.want != nil && !errors.Is(err, one.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if verifyPinned(nil, GatewayName, KeyFingerprint(ca.cert), time.Now()) == nil {
		t.Error("no certificate at all")
	}
	if err := verifyPinned([]*x509.Certificate{gateway.Leaf(), ca.cert}, GatewayName, KeyFingerprint(ca.cert), time.Now().Add(20*365*24*time.Hour)); err == nil {
		t.Error("an expired one")
	}
}

func TestVerifyIssued(t *testing.T) {
	ca, other, key := newAuthority(t), newAuthority(t), newKey(t)
	pin := KeyFingerprint(ca.cert)
	issue := func(ca *CA, public crypto.PublicKey, r Request) *x509.Certificate {
		cert, err := ca.Issue(public, r)
		must(t, err)
		return cert
	}
	agent := Request{Agent: "lab", Services: []string{"desk"}}
	good := issue(ca, key.Public(), agent)
	got, err := VerifyIssued(EncodePEM(good, ca.cert), pin, key.Public())
	if err != nil || got.Name != "lab" || string(got.Leaf) != string(EncodePEM(good)) || string(got.CA) != string(EncodePEM(ca.cert)) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, chain := range map[string][]byte{
		"nothing":              nil,
		"garbage":              []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		"no authority":         EncodePEM(good),
		"another key's":        EncodePEM(issue(ca, newKey(t).Public(), agent), ca.cert),
		"a client's":           EncodePEM(issue(ca, key.Public(), Request{Client: "lab"}), ca.cert),
		"another authority's":  EncodePEM(issue(other, key.Public(), agent), other.cert),
		"another's, with ours": EncodePEM(issue(other, key.Public(), agent), ca.cert),
	} {
		if _, err := VerifyIssued(chain, pin, key.Public()); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// FuzzParseAgent: whatever a certificate holds, the names that come out are
// names.
func FuzzParseAgent(f *testing.F) {
	ca := newAuthority(f)
	for _, r := range []Request{{Agent: "a", Services: []string{"*", "[a-c]?"}}, {Client: "a"}, {Node: "n", Hosts: []string{"h"}}} {
		cert, err := ca.Issue(newKey(f).Public(), r)
		must(f, err)
		f.Add(cert.Raw)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		if a, err := ParseAgent(cert); err == nil && (CheckWord(a.Name) != nil || CheckServices(a.Services) != nil || a.May("a/b") || a.May("")) {
			t.Errorf("%+v", a)
		}
		if name, err := ParseNode(cert); err == nil && CheckWord(name) != nil {
			t.Errorf("%q", name)
		}
	})
}

// FuzzURI: what goes into a certificate comes out of it.
func FuzzURI(f *testing.F) {
	f.Add("desk-*")
	f.Add("[a]?#%/")
	f.Add(`\é `)
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(uri(serviceURI, text).String())
		if err != nil {
			t.Fatal(err)
		}
		if got := ours(&x509.Certificate{URIs: []*url.URL{u}}, serviceURI); len(got) != 1 || got[0] != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// FuzzParseKeyRequest: what is taken can be issued to.
func FuzzParseKeyRequest(f *testing.F) {
	der, err := NewKeyRequest(newKey(f))
	must(f, err)
	f.Add(der)
	ca := newAuthority(f)
	f.Fuzz(func(t *testing.T, der []byte) {
		request, err := ParseKeyRequest(der)
		if err != nil {
			return
		}
		if _, err := ca.Issue(request.Public, Request{Agent: "a", Services: []string{"*"}}); err != nil {
			t.Error(err)
		}
	})
}
