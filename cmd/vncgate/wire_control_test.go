package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Every way in with a certificate says when that ends, for browsers and natives
// alike.
func TestListenersSayWhenCertificatesEnd(t *testing.T) {
	p := newPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", protocols: [rfb, web], tls: {certificate: %[1]q, key: %[2]q}, security: [x509-none, none], web: {security: [none]}}
  - {address: "127.0.0.1:0", target: one}
  - {address: "127.0.0.1:0", arrivals: {}, tls: {certificate: %[1]q, key: %[2]q, implicit: true}}
targets: {one: {arrives: {id: "1"}}}
`, p.cert, p.key)
	for i, want := range []bool{true, true, false, true} {
		if l := g.controlListeners()[i]; l.TLS != want || l.CertEnds.After(time.Now()) != want {
			t.Errorf("%d: %+v", i, l)
		}
	}
}

// A class that there is not is a mistake in a file of rules, too: at the start and
// when it changes.
func TestPolicyFileNamesClassesThatThereAre(t *testing.T) {
	at, path := displaysAt(t, "one"), filepath.Join(t.TempDir(), "rules.yaml")
	const format = "listeners: [{address: '127.0.0.1:0', web: {}, security: [none]}]\ntargets: {one: {address: %q}}\npolicy_file: %q\nclasses: {bulk: {}}\n"
	must(t, os.WriteFile(path, []byte("- {who: '*', targets: '*', allow: all, class: bulk}\n"), 0o600))
	g := newGate(t, format, at[0], path)
	got, err := g.browser(0, "/?target=one", nil)
	sees(t, "bulk", "one", got, err)
	must(t, os.WriteFile(path, []byte("- {who: '*', targets: '*', allow: all, class: bulky}\n"), 0o600))
	g.logs(`did you mean \"bulk\"`, "rule 1: class")
	got, err = g.browser(0, "/?target=one", nil)
	sees(t, "what was in force", "one", got, err)
}
