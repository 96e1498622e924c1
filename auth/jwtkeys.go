package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// Bounds of a key file.
const (
	maxKeyFile = 1 << 20 // bytes
	maxJWTKeys = 64      // a token without a key ID is tried against all that fit
	minRSABits = 2048    // RFC 7518, 3.3
)

// jwtKey is a key that tokens are verified with: []byte, *rsa.PublicKey,
// *ecdsa.PublicKey or ed25519.PublicKey.
type jwtKey struct {
	key any
	id  string // the key ID; "" for any
	alg string // the one algorithm it is for; "" for all that fit
}

func jwtAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.HS256, jose.HS384, jose.HS512,
	}
}

// fits reports whether the key is one of the algorithm's own kind: what is
// public for one kind must never serve as the secret of another (RFC 8725,
// 2.1).
func (k jwtKey) fits(alg jose.SignatureAlgorithm) bool {
	if k.alg != "" && k.alg != string(alg) {
		return false
	}
	switch key := k.key.(type) {
	case []byte:
		least := map[jose.SignatureAlgorithm]int{jose.HS256: 32, jose.HS384: 48, jose.HS512: 64}[alg]
		return least > 0 && len(key) >= least
	case *rsa.PublicKey:
		return slices.Contains([]jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}, alg)
	case *ecdsa.PublicKey:
		curve := map[jose.SignatureAlgorithm]elliptic.Curve{jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521()}[alg]
		return curve != nil && key.Curve == curve
	case ed25519.PublicKey:
		return alg == jose.EdDSA
	}
	return false
}

// named reports whether a token with that key ID may be signed by the key. IDs
// choose among keys; a key or a token without one leaves it open.
func (k jwtKey) named(id string) bool { return id == "" || k.id == "" || k.id == id }

// usable reports whether any of the keys fits an algorithm that is allowed.
func (v *JWTVerifier) usable(keys []jwtKey) bool {
	return slices.ContainsFunc(keys, func(k jwtKey) bool { return slices.ContainsFunc(v.algorithms, k.fits) })
}

// JWTKeys are keys that tokens are verified with. They are never changed.
type JWTKeys struct{ keys []jwtKey }

// ParseJWTKeys reads PEM (public keys or certificates), a JWK or a JWK set, of
// 64 keys at most. Errors hold nothing of a secret.
func ParseJWTKeys(text []byte) (JWTKeys, error) {
	keys, err := parseKeyText(text)
	if err != nil {
		return JWTKeys{}, fmt.Errorf("auth: jwt keys: %w", err)
	}
	return JWTKeys{keys}, nil
}

// NewJWTKeys takes one key: a []byte, an *rsa.PublicKey of 2048 bits at least,
// an *ecdsa.PublicKey or an ed25519.PublicKey.
func NewJWTKeys(key any) (JWTKeys, error) {
	if err := checkKey(key); err != nil {
		return JWTKeys{}, fmt.Errorf("auth: jwt keys: %w", err)
	}
	return JWTKeys{[]jwtKey{{key: key}}}, nil
}

// Len is how many keys there are.
func (k JWTKeys) Len() int { return len(k.keys) }

// Has reports whether one of the keys has the ID.
func (k JWTKeys) Has(id string) bool {
	return slices.ContainsFunc(k.keys, func(key jwtKey) bool { return key.id == id })
}

// keys returns the keys in force for a token with that key ID.
func (v *JWTVerifier) keys(ctx context.Context, id string) ([]jwtKey, error) {
	keys := v.secret
	if v.file != nil {
		inFile, broken := v.file.current()
		if broken != nil && v.cfg.Report != nil {
			v.cfg.Report(broken)
		}
		keys = slices.Concat(keys, inFile)
	}
	if v.cfg.Keys == nil {
		return keys, nil
	}
	more, err := v.cfg.Keys(ctx, id)
	return slices.Concat(keys, more.keys), err
}

// parseKeys reads a key file, of which one key at least must be of use.
func (v *JWTVerifier) parseKeys(text []byte) ([]jwtKey, error) {
	keys, err := parseKeyText(text)
	if err == nil && !v.usable(keys) {
		err = errors.New("no key in it fits an algorithm that is allowed")
	}
	return keys, err
}

// parseKeyText reads keys in one of their forms.
func parseKeyText(text []byte) (keys []jwtKey, err error) {
	text = bytes.TrimSpace(text)
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		keys, err = parseJWKs(text)
	case bytes.HasPrefix(text, []byte("-----BEGIN")):
		keys, err = parsePEMKeys(text)
	default:
		err = errors.New("neither PEM nor a JWK nor a JWK set (a secret is not given here)")
	}
	if err == nil && len(keys) > maxJWTKeys {
		err = fmt.Errorf("more than %d keys", maxJWTKeys)
	}
	return keys, err
}

func parsePEMKeys(text []byte) ([]jwtKey, error) {
	var keys []jwtKey
	for number := 1; ; number++ {
		block, rest := pem.Decode(text)
		if block == nil {
			if len(bytes.TrimSpace(text)) > 0 {
				return nil, fmt.Errorf("PEM block %d: malformed", number)
			}
			return keys, nil
		}
		key, err := parsePEMKey(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", number, err)
		}
		if err := checkKey(key); err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", number, err)
		}
		keys = append(keys, jwtKey{key: key})
		text = rest
	}
}

func parsePEMKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	}
	return nil, fmt.Errorf("a %s where a public key or a certificate is expected", block.Type)
}

// parseJWKs reads a JWK or a JWK set (RFC 7517). Keys of kinds that we do not
// know, and keys for encryption, are passed over (RFC 7517, 5).
func parseJWKs(text []byte) ([]jwtKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(text, &set) != nil {
		return nil, errors.New("malformed JSON")
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{text}
	}
	if len(set.Keys) > maxJWTKeys {
		return nil, fmt.Errorf("more than %d keys", maxJWTKeys)
	}
	var keys []jwtKey
	for i, raw := range set.Keys {
		k, err := parseJWK(raw)
		if err != nil {
			return nil, fmt.Errorf("JWK %d: %w", i+1, err)
		}
		if k != nil {
			keys = append(keys, *k)
		}
	}
	return keys, nil
}

// parseJWK returns nil for a key that is not for signatures.
func parseJWK(raw []byte) (*jwtKey, error) {
	var jwk jose.JSONWebKey
	err := json.Unmarshal(raw, &jwk)
	switch {
	case errors.Is(err, jose.ErrUnsupportedKeyType) || err == nil && jwk.Use != "" && jwk.Use != "sig":
		return nil, nil
	case err != nil:
		return nil, errors.New("malformed") // the library's text may quote it
	}
	if _, symmetric := jwk.Key.([]byte); !symmetric {
		jwk = jwk.Public()
	}
	if err := checkKey(jwk.Key); err != nil {
		return nil, err
	}
	return &jwtKey{key: jwk.Key, id: jwk.KeyID, alg: jwk.Algorithm}, nil
}

// checkKey refuses keys that no algorithm of ours can or should use.
func checkKey(key any) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits {
			return fmt.Errorf("an RSA key of %d bits, expected %d at least", bits, minRSABits)
		}
	case *ecdsa.PublicKey, ed25519.PublicKey, []byte:
	default:
		return errors.New("a key of a kind that tokens are not verified with")
	}
	return nil
}
