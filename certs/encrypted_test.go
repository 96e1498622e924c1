package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestLoadEncrypted(t *testing.T) {
	ca, err := OpenCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	cert, key := pair.Files()
	if _, err := LoadEncrypted(cert, key, "not needed"); err != nil {
		t.Errorf("a key without protection: %v", err)
	}
	for name, args := range map[string][]string{
		"pkcs8":        {"pkcs8", "-topk8", "-v2", "aes-256-cbc"},
		"pkcs8 scrypt": {"pkcs8", "-topk8", "-scrypt"},
		"pkcs8 3des":   {"pkcs8", "-topk8", "-v2", "des3"},
		"traditional":  {"ec", "-aes128"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("openssl"); err != nil {
				if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" && runtime.GOOS == "linux" {
					t.Fatal("openssl is missing: apt install openssl")
				}
				t.Skip("openssl is missing: apt install openssl")
			}
			locked := filepath.Join(t.TempDir(), "locked.pem")
			args := append(args, "-in", key, "-out", locked, "-passout", "pass:sesame")
			if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if _, err := LoadEncrypted(cert, locked, "sesame"); err != nil {
				t.Error(err)
			}
			_, err := LoadEncrypted(cert, locked, "tasty-secret")
			if err == nil || !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "tasty") {
				t.Errorf("a wrong password: %v", err)
			}
			if _, err := Load(cert, locked); err == nil {
				t.Error("taken without a password")
			}
		})
	}
}

func FuzzDecryptKey(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}))
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, err := decryptKey(data, []byte("sesame"))
		if err != nil {
			return
		}
		for rest := plain; ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				return
			}
			if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
				t.Fatal("what was decrypted is still encrypted")
			}
		}
	})
}
