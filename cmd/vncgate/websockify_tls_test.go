package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"

	"vncgate/certs"
)

// bridgeCertificate is made for tests: the files, and one file with both.
func bridgeCertificate(t *testing.T) (ca, cert, key, both string) {
	t.Helper()
	dir := t.TempDir()
	authority, err := certs.OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Server([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	cert, key = pair.Files()
	a, errA := os.ReadFile(cert)
	b, errB := os.ReadFile(key)
	both = filepath.Join(dir, "both.pem")
	if err := errors.Join(errA, errB, os.WriteFile(both, append(b, a...), 0o600)); err != nil {
		t.Fatal(err)
	}
	return authority.CertFile(), cert, key, both
}

func TestBridgeTLSConfig(t *testing.T) {
	ca, cert, key, both := bridgeCertificate(t)
	var log bytes.Buffer
	for name, tt := range map[string]struct {
		options websockifyOptions
		check   func(*tls.Config) bool
		says    string
	}{
		"none":           {websockifyOptions{}, func(c *tls.Config) bool { return c == nil }, ""},
		"missing":        {websockifyOptions{cert: "/none.pem"}, func(c *tls.Config) bool { return c == nil }, "TLS is off"},
		"none to verify": {websockifyOptions{verifyClient: true}, func(c *tls.Config) bool { return c == nil }, "TLS is off"},
		"one file":       {websockifyOptions{cert: both}, func(c *tls.Config) bool { return c.MinVersion == tls.VersionTLS12 }, ""},
		"two files":      {websockifyOptions{cert: cert, key: key}, func(c *tls.Config) bool { return c.ClientAuth == tls.NoClientCert }, ""},
		"1.1":            {websockifyOptions{cert: both, sslVersion: "tlsv1_1"}, func(c *tls.Config) bool { return c.MinVersion == tls.VersionTLS11 }, ""},
		"1.2":            {websockifyOptions{cert: both, sslVersion: "tlsv1_2"}, func(c *tls.Config) bool { return c.MinVersion == tls.VersionTLS12 }, ""},
		"1.3":            {websockifyOptions{cert: both, sslVersion: "tlsv1_3"}, func(c *tls.Config) bool { return c.MinVersion == tls.VersionTLS13 }, ""},
		"ciphers":        {websockifyOptions{cert: both, sslCiphers: "AES128-SHA:X"}, func(c *tls.Config) bool { return len(c.CipherSuites) == 1 }, "X: not known here"},
		"verify, system": {websockifyOptions{cert: both, verifyClient: true}, func(c *tls.Config) bool {
			return c.ClientAuth == tls.RequireAndVerifyClientCert && c.ClientCAs == nil
		}, "--ssl-only keeps them out"},
		"verify": {websockifyOptions{cert: both, verifyClient: true, sslOnly: true, cafile: ca}, func(c *tls.Config) bool { return c.ClientCAs != nil }, ""},
	} {
		log.Reset()
		config, err := tt.options.serverTLS(slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil || !tt.check(config) || !strings.Contains(log.String(), tt.says) {
			t.Errorf("%s: %+v, %v, %s", name, config, err, &log)
		}
		if tt.says == "" && log.Len() > 0 {
			t.Errorf("%s: the log says %s", name, &log)
		}
	}
}

func TestBridgeTLSConfigFails(t *testing.T) {
	_, cert, key, both := bridgeCertificate(t)
	for name, tt := range map[string]struct {
		options websockifyOptions
		words   string
		usage   bool
	}{
		"TLS only, without": {websockifyOptions{sslOnly: true, cert: "/none.pem"}, "/none.pem is not there", true},
		"no key":            {websockifyOptions{cert: cert}, "private key", false},
		"no certificate":    {websockifyOptions{cert: key}, "certificate", false},
		"key missing":       {websockifyOptions{cert: cert, key: "/none.key"}, "/none.key", false},
		"ciphers":           {websockifyOptions{cert: both, sslCiphers: "aNULL"}, "--ssl-ciphers: it leaves no cipher suite", true},
		"CAs":               {websockifyOptions{cert: both, verifyClient: true, cafile: "/none.ca"}, "--cafile", false},
	} {
		_, err := tt.options.serverTLS(slog.New(slog.DiscardHandler))
		var usage *usageError
		if err == nil || !strings.Contains(err.Error(), tt.words) || errors.As(err, &usage) != tt.usage {
			t.Errorf("%s: %v (usage %v)", name, err, errors.As(err, &usage))
		}
	}
}

func TestBridgeKeyPassword(t *testing.T) {
	_, cert, key, _ := bridgeCertificate(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pkcs8.MarshalPrivateKey(pair.PrivateKey, []byte("tasty-word"), nil)
	if err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(t.TempDir(), "locked.pem")
	if err := os.WriteFile(locked, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	o := websockifyOptions{cert: cert, key: locked, keyPassword: "tasty-word"}
	if _, err := o.serverTLS(slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"", "tasty-wort"} {
		o.keyPassword = wrong
		if _, err := o.serverTLS(slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "tasty") {
			t.Errorf("with %q: %v", wrong, err)
		}
	}
}

// TestBridgeTLSAndPlain has both come in on one port, and a renewed
// certificate be the one that is shown.
func TestBridgeTLSAndPlain(t *testing.T) {
	_, _, _, both := bridgeCertificate(t)
	b := runOnLine(t, "--cert", both, "127.0.0.1:0", greeter(t, "tcp", "127.0.0.1:0"))
	b.greets(t, "/")
	shown := func() string {
		c, err := tls.Dial("tcp", b.address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := shown()
	_, _, _, renewed := bridgeCertificate(t)
	if err := os.Rename(renewed, both); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the renewed certificate", func() bool { return shown() != before })
}

// TestSecretFilesAreNotServed asks for what lies in the folder and is ours.
func TestSecretFilesAreNotServed(t *testing.T) {
	o := websockifyOptions{cert: "c.pem", key: "k.pem", tokenSource: "tokens", logFile: "log"}
	for _, want := range []string{"c.pem", "k.pem", "tokens", "log"} {
		if !strings.Contains(strings.Join(o.secretFiles(), " "), want) {
			t.Errorf("%s would be served", want)
		}
	}
	if files := (&websockifyOptions{}).secretFiles(); strings.Join(files, " ") != "self.pem self.pem" {
		t.Errorf("without options: %q", files)
	}
}
