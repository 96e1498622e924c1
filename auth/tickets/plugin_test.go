package tickets_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"vncgate/auth/tickets"
)

func TestPlugin(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "key.pem"), publicKey(t))
	write(t, filepath.Join(dir, "tokens"), "a: host:1\n")
	for class, source := range map[string]string{
		"TokenFile":                 filepath.Join(dir, "tokens"),
		"ReadOnlyTokenFile":         filepath.Join(dir, "tokens"),
		"TokenFileName":             dir,
		"UnixDomainSocketDirectory": dir,
		"BaseTokenAPI":              "http://localhost/%s",
		"JSONTokenApi":              "https://localhost/?token=%s",
		"JWTTokenApi":               filepath.Join(dir, "key.pem"),
		"TokenRedis":                "localhost",
	} {
		for _, class := range []string{class, "websockify.token_plugins." + class} {
			got, err := tickets.Plugin(class, source)
			if err != nil {
				t.Errorf("%s: %v", class, err)
				continue
			}
			if c, ok := got.(io.Closer); ok {
				c.Close()
			}
		}
		if _, err := tickets.Plugin(class, ""); err == nil || !strings.Contains(err.Error(), "--token-source is missing") {
			t.Errorf("%s without a source: %v", class, err)
		}
		if _, err := tickets.Plugin(strings.ToLower(class), source); err == nil || !strings.Contains(err.Error(), "write it "+class) {
			t.Errorf("%s in small letters: %v", class, err)
		}
	}
	source, err := tickets.Plugin("TokenFile", filepath.Join(dir, "tokens"))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, source, "a", "host:1")
}

func TestPluginRefuses(t *testing.T) {
	for _, tt := range []struct{ class, source, says string }{
		{"mycompany.plugins.Tokens", "s3cret", "a Python class cannot be loaded; serve what it knows over HTTP and use JSONTokenApi"},
		{"websockify.token_plugins.sub.TokenFile", "s3cret", "a Python class cannot be loaded"},
		{"websockify.auth_plugins.BasicHTTPAuth", "s3cret", "a Python class cannot be loaded"},
		{"Tokens", "s3cret", "there are ReadOnlyTokenFile, TokenFile, "},
		{"", "s3cret", "there is none of that name"},
		{"websockify.token_plugins.", "s3cret", "there is none of that name"},
		{"BaseTokenAPI", "http://host/s3cret", "no place for the token"},
		{"TokenRedis", "host:port:0:s3cret", "host and a port"},
		{"JWTTokenApi", "/nowhere/at/all", "no such file"},
	} {
		got, err := tickets.Plugin(tt.class, tt.source)
		if got != nil || err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, %v; want %q", tt.class, got, err, tt.says)
		}
	}
}

func publicKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func ExamplePlugin() {
	_, err := tickets.Plugin("mycompany.tokens.Database", "db.sqlite")
	fmt.Println(err)
	// Output:
	// tickets: token plugin "mycompany.tokens.Database": a Python class cannot be loaded; serve what it knows over HTTP and use JSONTokenApi with its URL, or write it to a file and use TokenFile
}
