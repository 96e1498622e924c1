package auth

import (
	"testing"
)

var jwtSecret = []byte("0123456789abcdef0123456789abcdef")

// secretVerifier takes HS256 tokens signed with jwtSecret.
func secretVerifier(t testing.TB) *JWTVerifier {
	t.Helper()
	v, err := NewJWTVerifier(JWTConfig{Algorithms: []string{"HS256"}, Secret: jwtSecret})
	must(t, err)
	return v
}
