package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/certs"
)

func runCert(t *testing.T, args ...string) (out, hints string, err error) {
	t.Helper()
	cmd := newRootCommand()
	cmd.SetArgs(append([]string{"cert"}, args...))
	var o, e bytes.Buffer
	cmd.SetOut(&o)
	cmd.SetErr(&e)
	err = cmd.Execute()
	return o.String(), e.String(), err
}

func TestCertShowJSON(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := runCert(t, "make", "--dir", dir, "--host", "gate.example"); err != nil {
		t.Fatal(err)
	}
	out, _, err := runCert(t, "show", "--dir", dir, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	chain, err := certs.ReadCertificates(filepath.Join(dir, "server.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Certificates) != 1 || d.Certificates[0].SHA256 != certs.Fingerprint(chain[0]) || d.Certificates[0].Key != "ECDSA P-256" || len(d.Problems) != 1 || !strings.Contains(d.Problems[0], "does not trust the authority") {
		t.Errorf("%+v", d)
	}
}

func TestCertErrorsSayWhatToDo(t *testing.T) {
	empty, made := t.TempDir(), t.TempDir()
	if _, _, err := runCert(t, "make", "--dir", made); err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(made, "ca.crt")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"sign"}, `cert has no command "sign" (there are: agent, export, make, node, show)`},
		{[]string{"show", "--dir", empty}, "'vncgate cert make' makes it"},
		{[]string{"show", "a", "b"}, "takes one FILE"},
		{[]string{"show", filepath.Join(made, "ca.key")}, "are the two files swapped?"},
		{[]string{"make", "extra"}, `takes no argument "extra"`},
		{[]string{"make", "--host", "https://gate.example"}, "without scheme"},
		{[]string{"make", "--dir", made, "--client", "a/b"}, `client name "a/b"`},
		{[]string{"make", "--dir", made, "--client", ""}, `client name ""`},
		{[]string{"make", "--client", "alice", "--host", "x"}, "none of the others can be"},
		{[]string{"export", "--ca", "--dir", empty, "-o", "x"}, "'vncgate cert make' makes it"},
		{[]string{"export", "--ca", "--dir", made}, "give -o FILE"},
		{[]string{"export", "--ca", "--dir", made, "-o", there}, "--force writes over it"},
		{[]string{"export", "--dir", made, "-o", filepath.Join(made, "none", "x")}, "no such file"},
		{[]string{"export", "--format", "p12", "-o", "x"}, "there are: pem, der"},
	} {
		if _, _, err := runCert(t, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %s", c.args, err, c.want)
		}
	}
	// A file that a person names is not one that we make.
	if _, _, err := runCert(t, "show", filepath.Join(empty, "absent")); err == nil || strings.Contains(err.Error(), "cert make") {
		t.Errorf("error %v", err)
	}
}

// The exported authority is all that a viewer needs.
func TestCertExportIsEnoughToTrust(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := runCert(t, "make", "--dir", dir, "--host", "gate.example"); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"pem", "der"} {
		file := filepath.Join(dir, "exported."+format)
		_, hints, err := runCert(t, "export", "--ca", "--dir", dir, "--format", format, "-o", file)
		if err != nil || !strings.Contains(hints, "certutil -addstore -f Root "+file) {
			t.Fatalf("%s, %v", hints, err)
		}
		pool, err := certs.Pool(file)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := certs.ReadCertificates(filepath.Join(dir, "server.crt"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := chain[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: "gate.example"}); err != nil {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestDescribeAuthority(t *testing.T) {
	ca, err := certs.OpenCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	chain := []*x509.Certificate{ca.Certificate()}
	if d := describe("ca.crt", chain, nil, time.Now()); len(d.Problems) != 0 || d.Problems == nil {
		t.Errorf("problems %q; want none, as an empty list", d.Problems)
	}
	if d := describe("ca.crt", chain, nil, time.Now().AddDate(20, 0, 0)); len(d.Problems) != 1 || !strings.Contains(d.Problems[0], "expired") {
		t.Errorf("in twenty years: %q", d.Problems)
	}
}

func TestExplainDir(t *testing.T) {
	if err := explainDir(&os.PathError{Op: "mkdir", Path: "/x", Err: os.ErrPermission}); !strings.Contains(err.Error(), "--dir") {
		t.Errorf("error %v", err)
	}
	other := errors.New("other")
	if err := explainDir(other); err != other {
		t.Errorf("error %v", err)
	}
}
