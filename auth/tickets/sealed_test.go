package tickets_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"github.com/go-jose/go-jose/v4"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

// ok is for what cannot fail in a test.
func ok[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// keyFile writes a file of that text.
func keyFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Keys are made once: RSA's take their time.
var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
	rsaKey2 = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
	ecKey   = sync.OnceValue(func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k })
)

func publicPEM(t testing.TB, key any) string {
	return pemText("PUBLIC KEY", ok(x509.MarshalPKIXPublicKey(key))(t))
}

func privatePEM(t testing.TB, key any) string {
	return pemText("PRIVATE KEY", ok(x509.MarshalPKCS8PrivateKey(key))(t))
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// want looks a token up that is good.
func want(t testing.TB, s tickets.Source, token string, good tickets.Ticket) {
	t.Helper()
	got, err := s.Lookup(context.Background(), token)
	if err != nil {
		t.Error(err)
		return
	}
	got.Claims = nil // TestJWTClaimsForPolicies
	if diff := cmp.Diff(good, got); diff != "" {
		t.Error(diff)
	}
}

// What a token says is there for conditions, but for the secret in it.
func TestJWTClaimsForPolicies(t *testing.T) {
	j := newJWT(t, tickets.JWTConfig{})
	got, err := j.Lookup(context.Background(), signed(t, jose.HS256, hsKey, object{"exp": hour().Unix(), "target": "x", "level": 3, "team": "a"}))
	if err != nil || got.Claims["level"] != 3.0 || got.Claims["team"] != "a" {
		t.Errorf("claims %v, %v", got.Claims, err)
	}
}

// wantUnknown looks a token up that is good for nothing, with the reason that
// the log has.
func wantUnknown(t testing.TB, s tickets.Source, token, says string) {
	t.Helper()
	got, err := s.Lookup(context.Background(), token)
	switch {
	case !errors.Is(err, tickets.ErrUnknown):
		t.Errorf("%v, expected ErrUnknown (%s); %+v", err, says, got)
	case !strings.Contains(err.Error(), says):
		t.Errorf("%v, expected: %s", err, says)
	case len(token) > 12 && strings.Contains(err.Error(), token):
		t.Errorf("the error has the token: %v", err)
	}
}

// wantFailure looks a token up when its source cannot say, and must not tell a
// secret while saying so.
func wantFailure(t testing.TB, s tickets.Source, token, says string, secrets ...string) {
	t.Helper()
	_, err := s.Lookup(context.Background(), token)
	if err == nil || errors.Is(err, tickets.ErrUnknown) || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, expected a failure of the source: %s", err, says)
		return
	}
	for _, secret := range append(secrets, token) {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error has a secret: %v", err)
		}
	}
}

func toJSON(t testing.TB, value any) []byte { return ok(json.Marshal(value))(t) }

// hour is a time in an hour, in whole seconds as tokens have them.
func hour() time.Time { return time.Unix(time.Now().Unix()+3600, 0) }

// object is JSON's.
type object = map[string]any

// with is base with some claims changed; nil takes one away.
func with(base object, change object) object {
	all := object{}
	for k, v := range base {
		all[k] = v
	}
	for k, v := range change {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	return all
}

func by(method, name string, groups ...string) auth.Identity {
	return auth.Identity{Name: name, Method: method, Groups: groups}
}
