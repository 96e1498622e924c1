package auth

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

var jwtSecret = []byte("0123456789abcdef0123456789abcdef")

// secretVerifier takes HS256 tokens signed with jwtSecret.
func secretVerifier(t testing.TB) *JWTVerifier {
	t.Helper()
	v, err := NewJWTVerifier(JWTConfig{Algorithms: []string{"HS256"}, Secret: jwtSecret})
	must(t, err)
	return v
}

func inAnHour() int64 { return time.Now().Add(time.Hour).Unix() }

// signHS signs claims with jwtSecret.
func signHS(t testing.TB, claims map[string]any) string {
	t.Helper()
	return signWith(t, jose.HS256, jwtSecret, claims)
}

func signWith(t testing.TB, alg jose.SignatureAlgorithm, key any, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	must(t, err)
	return signBy(t, signer, claims)
}

func signBy(t testing.TB, signer jose.Signer, claims any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	must(t, err)
	signed, err := signer.Sign(payload)
	must(t, err)
	token, err := signed.CompactSerialize()
	must(t, err)
	return token
}
