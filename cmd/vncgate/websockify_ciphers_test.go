package main

import (
	"crypto/tls"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestParseCiphers(t *testing.T) {
	names := func(suites []uint16) string {
		var list []string
		for _, s := range openSSLSuites() {
			if slices.Contains(suites, s.id) {
				list = append(list, s.name)
			}
		}
		return strings.Join(list, ":")
	}
	gcm := "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
	for list, want := range map[string]string{
		"ECDHE-RSA-AES128-GCM-SHA256":        "ECDHE-RSA-AES128-GCM-SHA256",
		"ECDHE+AESGCM":                       gcm,
		"ECDHE+AESGCM:!aNULL:!MD5:@STRENGTH": gcm,
		"AESGCM,!kRSA":                       gcm,
		"AESGCM -RSA":                        gcm,
		"!RSA:AESGCM:RSA":                    gcm,
		"-RSA:AES128-SHA":                    "AES128-SHA",
		"3DES":                               "ECDHE-RSA-DES-CBC3-SHA:DES-CBC3-SHA",
		"HIGH:!ECDHE:!TLSv1.2":               "AES128-SHA:AES256-SHA",
		"DHE-RSA-AES256-GCM-SHA384:AES256-GCM-SHA384": "AES256-GCM-SHA384",
		"+HIGH:CHACHA20+aECDSA":                       "ECDHE-ECDSA-CHACHA20-POLY1305",
		"AES128-SHA:AES128-SHA":                       "AES128-SHA",
	} {
		suites, _, err := parseCiphers(list)
		if got := names(suites); err != nil || got != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", list, got, err, want)
		}
	}
	for _, list := range []string{"", "aNULL", "HIGH:!ALL", "nonsense", ":::", "!", "-"} {
		if suites, _, err := parseCiphers(list); err == nil {
			t.Errorf("%q leaves %v", list, suites)
		}
	}
	_, unknown, err := parseCiphers("HIGH:NONSENSE:!aNULL:DHE-RSA-AES128-SHA")
	if err != nil || !slices.Equal(unknown, []string{"NONSENSE", "DHE-RSA-AES128-SHA"}) {
		t.Errorf("unknown: %q, %v", unknown, err)
	}
	if words := cipherWarning(unknown); !strings.Contains(words, "NONSENSE, DHE-RSA-AES128-SHA") {
		t.Error(words)
	}
}

// TestCiphersAsOpenSSL asks an installed openssl what it makes of lists, and
// compares as far as Go has the suites.
func TestCiphersAsOpenSSL(t *testing.T) {
	needPeer(t, "openssl", "openssl")
	for _, list := range []string{"ALL:@SECLEVEL=0", "HIGH:!aNULL", "ECDHE+AESGCM:ECDHE+CHACHA20", "AES128:!SHA256", "ECDSA", "kRSA+AES:!SHA", "AES:-kRSA:AES256-SHA"} {
		out, err := exec.Command("openssl", "ciphers", list).Output()
		if err != nil {
			t.Fatalf("%s: %v", list, err)
		}
		theirs := strings.Split(strings.TrimSpace(string(out)), ":")
		ours, _, err := parseCiphers(list)
		if err != nil {
			t.Errorf("%s: %v", list, err)
		}
		for _, s := range openSSLSuites() {
			if strings.Contains(s.name, "DES-CBC3") {
				continue // openssl is built without them
			}
			if slices.Contains(theirs, s.name) != slices.Contains(ours, s.id) {
				t.Errorf("%s: %s: openssl takes it: %v", list, s.name, slices.Contains(theirs, s.name))
			}
		}
	}
}

// TestEverySuiteOfGo holds that none is forgotten.
func TestEverySuiteOfGo(t *testing.T) {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		known := slices.ContainsFunc(openSSLSuites(), func(o openSSLSuite) bool { return o.id == s.ID })
		if !known && slices.Contains(s.SupportedVersions, tls.VersionTLS12) && !strings.Contains(s.Name, "RC4") {
			t.Errorf("%s has no name of OpenSSL's", s.Name)
		}
	}
}

func FuzzParseCiphers(f *testing.F) {
	for _, seed := range []string{"HIGH:!aNULL:!MD5", "ECDHE+AESGCM", "!", "@SECLEVEL=2", "+:-:++", "a+b+c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		suites, _, err := parseCiphers(list)
		if (err == nil) != (len(suites) > 0) {
			t.Fatalf("%q: %v, %v", list, suites, err)
		}
		slices.Sort(suites)
		if len(slices.Compact(slices.Clone(suites))) != len(suites) {
			t.Fatalf("%q: one is there twice", list)
		}
	})
}
