package interop

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDisplayCertificates has an Xtigervnc show certificates that are wrong in
// one way each, and targets that trust in different ways. Viewers are told
// nothing of why; the log is.
func TestDisplayCertificates(t *testing.T) {
	needTiger(t)
	s := testScope(t)
	shown := certificatesOf(t, s)
	// Xtigervnc reads its certificate for each connection.
	live := filepath.Join(filepath.Dir(shown["good"].file), "live.pem")
	show := func(name string) {
		text, err := os.ReadFile(shown[name].file)
		if err == nil {
			err = os.WriteFile(live, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	show("good")
	a := theAuthority(t)
	d, err := startTiger(s, tigerConfig{types: "X509None", cert: live, key: a.keyFile()}, a.caFile)
	if err != nil {
		t.Fatal(err)
	}
	set := setup{listeners: map[string]block{}, targets: map[string]block{}}
	for name, tls := range trusts(a, shown) {
		set.targets[name] = block{"address": d.at.address(), "security": []string{"x509-none"}}
		if tls != nil {
			set.targets[name]["tls"] = tls
		}
		set.listeners[name] = listener(t, "none", name)
	}
	g := startSecured(t, set)
	for _, tt := range []struct{ shows, trusts, why string }{
		{"good", "ca", ""}, {"good", "name of the address", ""}, {"good", "insecure", ""}, {"good", "pin good", ""}, {"good", "pin and ca", ""},
		{"good", "system", "unknown authority"}, {"good", "ca, other name", "not display.example"},
		{"good", "pin expired", "is not the pinned one"}, {"good", "pin expired and ca", "is not the pinned one"},
		{"expired", "ca", "expired"}, {"expired", "pin expired", ""}, {"expired", "pin expired and ca", "expired"}, {"expired", "pin good", "is not the pinned one"},
		{"not yet valid", "ca", "not yet valid"},
		{"other name", "ca", "valid for other.example"}, {"other authority", "ca", "unknown authority"},
		{"self-signed", "ca", "unknown authority"}, {"self-signed", "system", "unknown authority"},
		{"self-signed", "pin self-signed", ""}, {"self-signed", "pin good", "is not the pinned one"}, {"self-signed", "insecure", ""},
	} {
		t.Run(tt.shows+", trusts "+tt.trusts, func(t *testing.T) {
			show(tt.shows)
			g.decides(t, tt.trusts, notReached, tt.why)
		})
	}
	if err := g.log.has(0, "the certificate of this display is not checked"); err != nil {
		t.Error(err)
	}
}

// trusts are ways for a target to trust a display, nil the default.
func trusts(a *authority, shown map[string]shownCertificate) map[string]block {
	return map[string]block{
		"ca": {"ca": a.caFile, "name": "localhost"}, "name of the address": {"ca": a.caFile}, "system": nil,
		"ca, other name": {"ca": a.caFile, "name": "display.example"}, "insecure": {"insecure": true},
		"pin good": {"pin": shown["good"].pin}, "pin expired": {"pin": shown["expired"].pin},
		"pin self-signed": {"pin": shown["self-signed"].pin}, "pin and ca": {"ca": a.caFile, "pin": shown["good"].pin},
		"pin expired and ca": {"ca": a.caFile, "pin": shown["expired"].pin},
	}
}

// What the log calls a display that is there and does not want us, and one that
// was not reached: also one that did not prove who it is.
const (
	notWanted  = "display refused us"
	notReached = "display unreachable"
)

// decides comes in by the listener name, which asks nothing: to a session, or
// to a refusal with its reason and why in the log and not at the viewer.
func (g *securedGate) decides(t *testing.T, name, reason, why string) {
	t.Helper()
	said := g.log.len()
	r, err := openRaw(g.ports[name])
	if err != nil {
		t.Fatal(err)
	}
	told, desktop, err := r.enterNone()
	r.Close() // else the gateway waits for it before it logs
	if err != nil {
		t.Fatal(err)
	}
	if why == "" {
		if desktop == "" {
			t.Fatalf("refused: %s; the log: %s", told, g.log.String()[said:])
		}
		g.session(t, said, g.ports[name])
		return
	}
	if told != unwilling || desktop != "" {
		t.Errorf("the viewer is told %q and sees %q", told, desktop)
	}
	if logged := g.refusal(t, said, g.ports[name]); !strings.Contains(logged["error"], why) || logged["reason"] != reason {
		t.Errorf("the log says %q", logged)
	}
}

// A shownCertificate is a certificate of a display, with its SHA-256.
type shownCertificate struct{ file, pin string }

// certificatesOf are certificates for one key, wrong in one way each.
func certificatesOf(t *testing.T, s *scope) map[string]shownCertificate {
	t.Helper()
	other, err := newAuthority(s, "other authority")
	if err != nil {
		t.Fatal(err)
	}
	a := theAuthority(t)
	list := map[string]shownCertificate{}
	for name, change := range map[string]func(leaf, ca *x509.Certificate){
		"good": nil, "other authority": nil,
		"expired": func(leaf, _ *x509.Certificate) {
			leaf.NotBefore, leaf.NotAfter = time.Now().Add(-24*time.Hour), time.Now().Add(-time.Hour)
		},
		"not yet valid": func(leaf, _ *x509.Certificate) { leaf.NotBefore = time.Now().Add(time.Hour) },
		"other name": func(leaf, _ *x509.Certificate) {
			leaf.DNSNames, leaf.IPAddresses = []string{"other.example"}, []net.IP{net.IPv4(192, 0, 2, 1)}
		},
		"self-signed": func(leaf, ca *x509.Certificate) { ca.Subject = leaf.Subject },
	} {
		by := a
		if name == "other authority" {
			by = a.behind(other)
		}
		c := shownCertificate{}
		if c.file, c.pin, err = by.issue(strings.ReplaceAll(name, " ", "-"), change); err != nil {
			t.Fatal(err)
		}
		list[name] = c
	}
	return list
}

// TestOurCertificate goes to a QEMU that demands certificates of its viewers.
// QEMU closes without a word, which is all that the log can say.
func TestOurCertificate(t *testing.T) {
	d, a := theMachine(t)["mutual"], theAuthority(t)
	other, err := newAuthority(testScope(t), "other authority")
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := a.behind(other).issue("foreign-client", nil)
	if err != nil {
		t.Fatal(err)
	}
	wrong := a.client()
	wrong["certificate"] = foreign
	set := setup{listeners: map[string]block{}, targets: map[string]block{}}
	for name, tls := range map[string]block{"with": a.client(), "without": {"ca": a.caFile}, "foreign": wrong} {
		set.targets[name] = block{"address": d.at.address(), "tls": tls}
		set.listeners[name] = listener(t, "none", name)
	}
	g := startSecured(t, set)
	g.decides(t, "with", "", "")
	g.decides(t, "without", notWanted, "display refused: authentication")
	g.decides(t, "foreign", notWanted, "display refused: authentication")
}

// TestDisplayRefuses gives displays wrong secrets, and targets demands that
// they do not meet. What they say of it is for the log.
func TestDisplayRefuses(t *testing.T) {
	tiger, qemu, sasl, old := theTiger(t), theMachine(t), theQEMUSASL(t), theX11vnc(t)
	anonymous, err := startTiger(testScope(t), tigerConfig{types: "TLSNone"}, "")
	if err != nil {
		t.Fatal(err)
	}
	set := setup{listeners: map[string]block{}, targets: map[string]block{}}
	cases := []struct {
		name    string
		display *display
		more    block
		why     string
	}{
		{"vnc", tiger, block{"security": []string{"vnc"}, "password": secrets.wrongOnes}, "Authentication fail"},
		{"x509-vnc", qemu["x509-vnc"], block{"password": secrets.wrongOnes}, "Authentication fail"},
		{"x509-plain", tiger, block{"security": []string{"x509-plain"}, "user": "alice", "password": secrets.wrongOnes}, "invalid password"},
		{"x509-plain, unknown user", tiger, block{"security": []string{"x509-plain"}, "user": "mallory", "password": secrets.wrongOnes}, "invalid password or username"},
		{"x509-sasl", sasl, block{"password": secrets.wrongOnes}, "authentication"},
		{"x509-sasl, unknown user", sasl, block{"user": "mallory"}, "authentication"},
		{"anonymous tls", anonymous, nil, "enable an X509 type on the display"},
		{"minimum over vnc", old, block{"minimum": "x509-none"}, "no common security"},
		{"minimum over none", qemu["none"], block{"minimum": "vnc"}, "no common security"},
		{"minimum over x509-none", qemu["x509-none"], block{"minimum": "x509-vnc"}, "no common security"},
		{"minimum that is met", tiger, block{"minimum": "x509-vnc"}, ""},
		{"minimum that is just met", old, block{"minimum": "vnc"}, ""},
	}
	for _, tt := range cases {
		b := target(tt.display, "")
		for key, value := range tt.more {
			b[key] = value
		}
		set.targets[tt.name], set.listeners[tt.name] = b, listener(t, "none", tt.name)
	}
	g := startSecured(t, set)
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) { g.decides(t, tt.name, notWanted, tt.why) })
	}
}
