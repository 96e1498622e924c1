package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestJWTClaimsOfNobody(t *testing.T) {
	v := secretVerifier(t)
	claims, err := v.Claims(t.Context(), signHS(t, map[string]any{"exp": inAnHour(), "host": "h"}))
	if err != nil || claims.Identity.Name != "" || claims.Expires.Before(time.Now()) {
		t.Errorf("%+v, %v", claims, err)
	}
	var said struct{ Host string }
	if json.Unmarshal(claims.Payload, &said) != nil || said.Host != "h" {
		t.Errorf("payload: %s", claims.Payload)
	}
	if _, err := v.Claims(t.Context(), signHS(t, map[string]any{"exp": inAnHour(), "sub": " "})); !errors.Is(err, ErrDenied) {
		t.Errorf("an unusable name: %v", err)
	}
}

func TestJWTEndlessForAnyAudience(t *testing.T) {
	token := signHS(t, map[string]any{"aud": "somebody else"})
	if _, err := secretVerifier(t).Claims(t.Context(), token); !errors.Is(err, ErrDenied) {
		t.Errorf("taken without being allowed: %v", err)
	}
	v := newVerifier(t, JWTConfig{Algorithms: []string{"HS256"}, Secret: jwtSecret, AnyAudience: true, Endless: true})
	if claims, err := v.Claims(t.Context(), token); err != nil || !claims.Expires.IsZero() {
		t.Errorf("%+v, %v", claims, err)
	}
	if _, err := v.Claims(t.Context(), signHS(t, map[string]any{"exp": 1})); !errors.Is(err, ErrDenied) {
		t.Errorf("expired: %v", err)
	}
}

func TestJWTKeysByID(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	keys, err := NewJWTKeys(&key.PublicKey)
	must(t, err)
	unreachable := errors.New("the keys' server is down")
	v := newVerifier(t, JWTConfig{Algorithms: []string{"ES256"}, Keys: func(_ context.Context, id string) (JWTKeys, error) {
		if id != "k1" {
			return JWTKeys{}, unreachable
		}
		return keys, nil
	}})
	signed := func(id string) string {
		return signWith(t, jose.ES256, jose.JSONWebKey{Key: key, KeyID: id}, nil, map[string]any{"sub": "dave", "exp": inAnHour()})
	}
	if id, _, err := v.Verify(signed("k1")); err != nil || id.Name != "dave" {
		t.Errorf("%+v, %v", id, err)
	}
	if _, _, err := v.Verify(signed("k2")); !errors.Is(err, unreachable) || errors.Is(err, ErrDenied) {
		t.Errorf("the source's error: %v", err)
	}
}

func TestParseJWTKeys(t *testing.T) {
	keys, err := ParseJWTKeys([]byte(`{"keys":[{"kty":"oct","kid":"a","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}]}`))
	if err != nil || !keys.Has("a") || keys.Has("b") {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "text", "{", `{"kty":"oct"}`, "-----BEGIN NOTHING-----"} {
		if _, err := ParseJWTKeys([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := NewJWTKeys("text"); err == nil {
		t.Error("a key of no kind was taken")
	}
}

func TestWatch(t *testing.T) {
	path := writeFile(t, "one")
	parse := func(text []byte) (string, error) {
		if len(text) == 0 {
			return "", errors.New("empty")
		}
		return string(text), nil
	}
	w, err := Watch("words", path, 8, parse)
	must(t, err)
	must(t, os.WriteFile(path, []byte("three"), 0o600))
	if value, fresh := w.Current(); value != "three" || fresh != nil {
		t.Errorf("%q, %v", value, fresh)
	}
	must(t, os.WriteFile(path, nil, 0o600))
	if value, fresh := w.Current(); value != "three" || fresh == nil {
		t.Errorf("%q, %v", value, fresh)
	}
	if _, err := Watch("words", path+".none", 8, parse); err == nil {
		t.Error("no file, no error")
	}
}
