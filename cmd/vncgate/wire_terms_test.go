package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"vncgate/auth/capability"
	"vncgate/certs"
)

// A page renews its token as far as that allows, and is then offered no more.
func TestPageRenews(t *testing.T) {
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
targets:
  one: {address: %q}
capabilities: {store: %q}
`, displayNamed("one").Listen(t), t.TempDir())
	now := time.Now()
	text, _, err := g.capabilities.Issue(capability.Token{
		Targets: []string{"one"}, Expires: now.Add(40 * time.Second), Renew: time.Hour, RenewUntil: now.Add(30 * time.Minute),
	})
	must(t, err)
	p, err := g.pageStay(0, "/?notices&token="+text, nil)
	must(t, err)
	if n := p.told("rights", nil); !n.Renewable || n.Left == nil || *n.Left > 40 {
		t.Errorf("begins with %+v", n)
	}
	if n := p.told("warning", nil); n.Left == nil || n.Words == "" {
		t.Errorf("little time is left from the start, and the page is told %+v", n)
	}
	if status, answer := p.ask(map[string]any{"renew": true}); status != http.StatusOK {
		t.Fatalf("renewing: %d %v", status, answer)
	}
	later := p.told("rights", func(n pageNotice) bool { return n.Left != nil && *n.Left > 1700 })
	if later.Renewable {
		t.Error("a renewal is offered that would move nothing")
	}
	if status, _ := p.ask(map[string]any{"renew": true}); status != http.StatusConflict {
		t.Errorf("renewing what cannot be: %d", status)
	}
	if strings.Contains(g.log.String(), "level=ERROR") {
		t.Error("that is an error of ours in the log")
	}
}

// A session that has lasted as long as it may is over for its page, which does not
// come back by itself; its user may.
func TestSessionTimeAndIdle(t *testing.T) {
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [none], target: one, limits: {session: 1s}}
  - {address: "127.0.0.1:0", web: {}, security: [none], target: one, limits: {idle: 1s}}
targets:
  one: {address: %q}
`, displayNamed("one").Listen(t))
	for door, words := range []string{"lasted as long as it may", "nothing was done in it"} {
		p, err := g.pageStay(door, "/?notices", nil)
		must(t, err)
		p.ends(t, words)
		if p.err == nil || !strings.Contains(p.err.Error(), words) || !strings.Contains(p.err.Error(), "1008") {
			t.Errorf("the page is told %v, want %q by 1008", p.err, words)
		}
		again, err := g.pageStay(door, "/?notices", nil)
		if err != nil {
			t.Errorf("who comes back after %q: %v", words, err)
			continue
		}
		again.told("rights", nil)
	}
}

// A certificate that ends takes its session along.
func TestCertificateEndsSession(t *testing.T) {
	p := newClientPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", security: [none], tls: {certificate: %q, key: %q, client_ca: %q, implicit: true}, target: one}
targets:
  one: {address: %q}
`, p.cert, p.key, p.pki.ca, displayNamed("one").Listen(t))
	lasting, err := g.certStay(0, p, p.client(t, "bob"))()
	must(t, err)
	end := time.Now().Add(3 * time.Second).Truncate(time.Second)
	short, err := g.certStay(0, p, p.until(t, "alice", end))()
	must(t, err)
	short.ends(t, "the certificate has ended")
	if short.at.Before(end) {
		t.Errorf("it ended %s before its certificate", end.Sub(short.at))
	}
	if lasting.over() {
		t.Errorf("a session by another certificate has ended: %v", lasting.err)
	}
	g.logs("the client certificate ended at")
}

// With crl_fail_closed nobody comes in or stays by a list whose next one is
// overdue; otherwise the list that was there goes on to count.
func TestRevocationListIsOverdue(t *testing.T) {
	for _, closed := range []bool{false, true} {
		p := newClientPKI(t)
		next := time.Now().Add(3 * time.Second).Truncate(time.Second)
		p.list(t, next)
		g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", security: [none], tls: {certificate: %q, key: %q, client_ca: %q, crl: %q, crl_fail_closed: %t, implicit: true}, target: one}
targets:
  one: {address: %q}
`, p.cert, p.key, p.pki.ca, p.crl(), closed, displayNamed("one").Listen(t))
		enter := g.certStay(0, p, p.client(t, "alice"))
		s, err := enter()
		must(t, err)
		if closed {
			s.ends(t, "the list is overdue")
		} else {
			g.logs("revocation list not reloaded")
		}
		if _, err := enter(); (err != nil) != closed {
			t.Errorf("fail closed %t, coming in by an overdue list: %v", closed, err)
		}
		if !closed && s.over() {
			t.Errorf("without fail closed a session has ended: %v", s.err)
		}
	}
}

// until is a client's certificate that ends then.
func (p clientPKI) until(t *testing.T, name string, end time.Time) *certs.KeyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	of := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, of, p.ca.Certificate(), key.Public(), p.signer(t))
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	pair, err := certs.Load(
		fileWith(t, "%s", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		fileWith(t, "%s", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
	)
	must(t, err)
	return pair
}
