package auth

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func publicPEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func pemBytes(t testing.TB, text string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block != nil {
		return block.Bytes
	}
	t.Fatal("no PEM")
	return nil
}

func jwkSet(t testing.TB, keys ...jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	must(t, err)
	return string(text)
}

func TestJWTKeyFiles(t *testing.T) {
	pairs := jwtKeyPairs(t)
	claims := map[string]any{"sub": "dave", "exp": inAnHour()}
	cert := newCertificate(t)
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(pairs[jose.RS256][1].(*rsa.PublicKey))})
	one, err := json.Marshal(jose.JSONWebKey{Key: pairs[jose.EdDSA][1], KeyID: "ed"})
	must(t, err)
	for _, c := range []struct {
		what, text string
		alg        jose.SignatureAlgorithm
		key        any
	}{
		{"a public key", publicPEM(t, pairs[jose.ES384][1]), jose.ES384, pairs[jose.ES384][0]},
		{"the second of two", publicPEM(t, pairs[jose.ES384][1]) + "\n" + publicPEM(t, pairs[jose.EdDSA][1]), jose.EdDSA, pairs[jose.EdDSA][0]},
		{"PKCS 1", string(pkcs1), jose.PS512, pairs[jose.RS256][0]},
		{"a certificate", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})), jose.ES256, cert.PrivateKey},
		{"a JWK", string(one), jose.EdDSA, pairs[jose.EdDSA][0]},
		{"a JWK set", jwkSet(t, jose.JSONWebKey{Key: pairs[jose.ES256][1]}, jose.JSONWebKey{Key: pairs[jose.RS256][1]}), jose.RS384, pairs[jose.RS256][0]},
		{"a private JWK", jwkSet(t, jose.JSONWebKey{Key: pairs[jose.ES512][0]}), jose.ES512, pairs[jose.ES512][0]},
		{"a symmetric JWK", jwkSet(t, jose.JSONWebKey{Key: pairs[jose.HS512][0], Algorithm: "HS512"}), jose.HS512, pairs[jose.HS512][0]},
		{"beside kinds to come", strings.Replace(jwkSet(t, jose.JSONWebKey{Key: pairs[jose.ES256][1]}), "[", `[{"kty":"XYZ"},`, 1), jose.ES256, pairs[jose.ES256][0]},
	} {
		v := newVerifier(t, JWTConfig{Algorithms: []string{string(c.alg)}, KeyFile: writeFile(t, c.text)})
		if id, _, err := v.Verify(signWith(t, c.alg, c.key, nil, claims)); err != nil || id.Name != "dave" {
			t.Errorf("%s: %+v, %v", c.what, id, err)
		}
	}
}

func TestJWTKeyIDs(t *testing.T) {
	a, b := jwtKeyPairs(t)[jose.ES256], jwtKeyPairs(t)[jose.ES256]
	path := writeFile(t, jwkSet(t, jose.JSONWebKey{Key: a[1], KeyID: "a"}, jose.JSONWebKey{Key: b[1], KeyID: "b", Algorithm: "ES256"},
		jose.JSONWebKey{Key: jwtSecret, KeyID: "s", Algorithm: "HS512"}))
	v := newVerifier(t, JWTConfig{Algorithms: []string{"ES256", "HS256"}, KeyFile: path})
	claims := map[string]any{"sub": "dave", "exp": inAnHour()}
	for _, c := range []struct {
		id   string
		key  any
		want string
	}{
		{"a", a[0], ""}, {"b", b[0], ""}, {"", b[0], ""},
		{"a", b[0], "signature is wrong"}, {"c", a[0], "no key"}, {"../a", a[0], "no key"},
	} {
		options := &jose.SignerOptions{}
		if c.id != "" {
			options.WithHeader("kid", c.id)
		}
		_, _, err := v.Verify(signWith(t, jose.ES256, c.key, options, claims))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("key ID %q: %v, want %q", c.id, err, c.want)
		}
	}
	if _, _, err := v.Verify(signHS(t, claims)); !errors.Is(err, ErrDenied) {
		t.Errorf("a key for HS512 was used for HS256: %v", err)
	}
}

func TestJWTKeyFileErrors(t *testing.T) {
	pairs := jwtKeyPairs(t)
	private, err := x509.MarshalPKCS8PrivateKey(pairs[jose.ES256][0])
	must(t, err)
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	must(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	many := make([]jose.JSONWebKey, maxJWTKeys+1)
	for i := range many {
		many[i] = jose.JSONWebKey{Key: pairs[jose.ES256][1]}
	}
	for _, c := range []struct{ text, want string }{
		{"", "neither PEM nor a JWK"},
		{"hunter2hunter2hunter2", "neither PEM nor a JWK"},
		{"{", "malformed JSON"},
		{"{}", "malformed"},
		{`{"keys":[]}`, "no key in it fits"},
		{`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`, "JWK 1: malformed"},
		{`{"keys":{}}`, "malformed JSON"},
		{strings.Replace(jwkSet(t, jose.JSONWebKey{Key: pairs[jose.ES256][1], Use: "enc"}), "[", `[{"kty":"XYZ"},`, 1), "no key in it fits"},
		{jwkSet(t, jose.JSONWebKey{Key: &weak.PublicKey}), "JWK 1: an RSA key of 1024 bits"},
		{publicPEM(t, &weak.PublicKey), "PEM block 1: an RSA key of 1024 bits"},
		{publicPEM(t, x25519.PublicKey()), "a key of a kind"},
		{string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), "a PRIVATE KEY where a public key"},
		{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})), "PEM block 1: "},
		{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})), "PEM block 1: "},
		{publicPEM(t, pairs[jose.ES256][1]) + "junk", "PEM block 2: malformed"},
		{"-----BEGIN", "PEM block 1: malformed"},
		{jwkSet(t, many...), "more than 64 keys"},
		{strings.Repeat(publicPEM(t, pairs[jose.ES256][1]), maxJWTKeys+1), "more than 64 keys"},
		{strings.Repeat(" ", maxKeyFile+1), "larger than"},
		{jwkSet(t, jose.JSONWebKey{Key: jwtSecret[:16]}), "no key in it fits"},
	} {
		path := writeFile(t, c.text)
		_, err := NewJWTVerifier(JWTConfig{Algorithms: []string{"ES256", "HS256"}, KeyFile: path})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.40q: %v, want %s", c.text, err, c.want)
		}
	}
}

// An issuer changes its keys without a restart of ours; a broken file leaves
// the old ones.
func TestJWTKeyFileReload(t *testing.T) {
	before, after := jwtKeyPairs(t)[jose.ES256], jwtKeyPairs(t)[jose.ES256]
	path := writeFile(t, publicPEM(t, before[1]))
	var reports []error
	v := newVerifier(t, JWTConfig{Algorithms: []string{"ES256"}, KeyFile: path, Report: func(err error) { reports = append(reports, err) }})
	taken := func(key any) bool {
		_, _, err := v.Verify(signWith(t, jose.ES256, key, nil, map[string]any{"sub": "dave", "exp": inAnHour()}))
		return err == nil
	}
	if !taken(before[0]) || taken(after[0]) {
		t.Error("at first")
	}
	must(t, os.WriteFile(path, []byte("nonsense"), 0o600))
	for range 2 {
		if !taken(before[0]) {
			t.Error("a broken file took the keys away")
		}
	}
	if len(reports) != 1 || !strings.Contains(reports[0].Error(), path) {
		t.Errorf("with a broken file: reports %v", reports)
	}
	must(t, os.WriteFile(path, []byte(publicPEM(t, after[1])), 0o600))
	if taken(before[0]) || !taken(after[0]) || len(reports) != 1 {
		t.Errorf("after the change: reports %v", reports)
	}
}

// What is read as keys can be used as keys, each for its own algorithms.
func FuzzJWTKeys(f *testing.F) {
	pairs := jwtKeyPairs(f)
	for _, key := range []any{pairs[jose.RS256][1], pairs[jose.ES256][1], pairs[jose.EdDSA][1]} {
		f.Add([]byte(publicPEM(f, key)))
		f.Add([]byte(jwkSet(f, jose.JSONWebKey{Key: key, KeyID: "a", Use: "sig"})))
	}
	f.Add([]byte(`{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},null,1]}`))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		v := &JWTVerifier{algorithms: jwtAlgorithms()}
		keys, err := v.parseKeys(text)
		if (err == nil) != (len(keys) > 0) || len(keys) > maxJWTKeys {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		v.secret = keys
		for _, k := range keys {
			_, symmetric := k.key.([]byte)
			for _, alg := range jwtAlgorithms() {
				if k.fits(alg) && symmetric != strings.HasPrefix(string(alg), "HS") {
					t.Fatalf("%T fits %s", k.key, alg)
				}
			}
		}
		for _, alg := range []string{"HS256", "RS256", "ES512", "EdDSA"} {
			if id, _, err := v.Verify(rawHS(`{"alg":"`+alg+`"}`, `{"sub":"dave","exp":4000000000}`)); err == nil && id.Name != "dave" {
				t.Fatalf("%+v", id)
			}
		}
	})
}
