package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
	"golang.org/x/crypto/argon2"
)

// What new secrets are made with.
const (
	// argon2id as OWASP's password storage sheet gives it: one lane, so that
	// one hash is one core's work, and little enough memory for a sidecar.
	hashMemory  = 19 * 1024 // KiB
	hashPasses  = 2
	hashLanes   = 1
	hashKeyLen  = 32
	hashSaltLen = 16

	// The viewer does the iterations. Cyrus SASL (plugins/scram.c), which
	// gtk-vnc and libvncclient use, refuses to do more than 0x10000.
	scramIterations = 0x10000

	minIterations = 4096
	maxIterations = 1 << 20
)

// cost is what a password is hashed with. Tests take a small one.
type cost struct {
	memory, passes  uint32
	lanes           uint8
	scramIterations int
}

func defaultCost() cost { return cost{hashMemory, hashPasses, hashLanes, scramIterations} }

// hash is an argon2id hash as a PHC string writes it:
// $argon2id$v=19$m=19456,t=2,p=1$salt$key.
type hash struct {
	memory, passes uint32
	lanes          uint8
	salt, key      []byte
}

func newHash(c cost, prepared string) hash {
	h := hash{memory: c.memory, passes: c.passes, lanes: c.lanes, salt: randomBytes(hashSaltLen), key: make([]byte, hashKeyLen)}
	h.key = h.derive(prepared)
	return h
}

func (h hash) derive(prepared string) []byte {
	return argon2.IDKey([]byte(prepared), h.salt, h.passes, h.memory, h.lanes, uint32(len(h.key)))
}

// matches does the work of one hash and compares in constant time.
func (h hash) matches(prepared string) bool {
	return subtle.ConstantTimeCompare(h.derive(prepared), h.key) == 1
}

func (h hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

var errHashForm = errors.New("not an argon2id hash ($argon2id$v=19$m=…,t=…,p=…$salt$key)")

// parseHash reads a PHC string. Its parameters are bounded, since each look-up
// spends them: 256 MiB, 16 passes, 16 lanes.
func parseHash(s string) (hash, error) {
	f := strings.Split(s, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return hash{}, errHashForm
	}
	var h hash
	if n, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes); err != nil || n != 3 {
		return hash{}, errHashForm
	}
	if f[3] != fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.passes, h.lanes) {
		return hash{}, errHashForm
	}
	if h.memory < 8 || h.memory > 256*1024 || h.passes < 1 || h.passes > 16 || h.lanes < 1 || h.lanes > 16 {
		return hash{}, errors.New("argon2id parameters out of range (m 8 to 262144, t 1 to 16, p 1 to 16)")
	}
	var err error
	if h.salt, err = decodeBetween(base64.RawStdEncoding, f[4], 8, 64); err != nil {
		return hash{}, fmt.Errorf("argon2id salt: %w", err)
	}
	if h.key, err = decodeBetween(base64.RawStdEncoding, f[5], 16, 64); err != nil {
		return hash{}, fmt.Errorf("argon2id key: %w", err)
	}
	return h, nil
}

// scramKind is a hash function that SCRAM is used with; the users file has the
// keys in this order.
type scramKind int

const (
	scram256 scramKind = iota
	scram512
	scramKinds // how many there are
)

// mechanism is the name without -PLUS, which the users file has, too.
func (k scramKind) mechanism() string { return [...]string{ScramSHA256, ScramSHA512}[k] }

func (k scramKind) hash() scram.HashGeneratorFcn {
	return [...]scram.HashGeneratorFcn{scram.SHA256, scram.SHA512}[k]
}

// keyLen is the length of StoredKey and ServerKey in bytes.
func (k scramKind) keyLen() int { return [...]int{sha256.Size, sha512.Size}[k] }

// scramKeys are a user's keys by kind; nil where there are none.
type scramKeys [scramKinds]*scram.StoredCredentials

// newScramKeys derives the keys of RFC 5802, 3 for every kind.
func newScramKeys(c cost, prepared string) (scramKeys, error) {
	var keys scramKeys
	for kind := range scramKinds {
		k, err := newScramKey(kind, c, prepared)
		if err != nil {
			return keys, fmt.Errorf("auth: %s keys: %w", kind.mechanism(), err)
		}
		keys[kind] = &k
	}
	return keys, nil
}

func newScramKey(kind scramKind, c cost, prepared string) (scram.StoredCredentials, error) {
	client, err := kind.hash().NewClientUnprepped("", prepared, "")
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(randomBytes(hashSaltLen)), Iters: c.scramIterations})
}

// formatScramKeys writes keys as PostgreSQL does (pg_authid.rolpassword):
// SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, and SHA-512's likewise.
func formatScramKeys(kind scramKind, k scram.StoredCredentials) string {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", kind.mechanism(), k.Iters, b64([]byte(k.Salt)), b64(k.StoredKey), b64(k.ServerKey))
}

func parseScramKeys(kind scramKind, s string) (scram.StoredCredentials, error) {
	var k scram.StoredCredentials
	rest, ok := strings.CutPrefix(s, kind.mechanism()+"$")
	factors, keys, ok2 := strings.Cut(rest, "$")
	iters, salt, ok3 := strings.Cut(factors, ":")
	stored, server, ok4 := strings.Cut(keys, ":")
	if !ok || !ok2 || !ok3 || !ok4 {
		return k, fmt.Errorf("not SCRAM keys (%s$iterations:salt$StoredKey:ServerKey)", kind.mechanism())
	}
	n, err := parseIterations(iters)
	if err != nil {
		return k, err
	}
	k.Iters = n
	rawSalt, err := decodeBetween(base64.StdEncoding, salt, 8, 64)
	if err != nil {
		return k, fmt.Errorf("SCRAM salt: %w", err)
	}
	k.Salt = string(rawSalt)
	if k.StoredKey, err = decodeBetween(base64.StdEncoding, stored, kind.keyLen(), kind.keyLen()); err != nil {
		return k, fmt.Errorf("SCRAM StoredKey: %w", err)
	}
	if k.ServerKey, err = decodeBetween(base64.StdEncoding, server, kind.keyLen(), kind.keyLen()); err != nil {
		return k, fmt.Errorf("SCRAM ServerKey: %w", err)
	}
	return k, nil
}

// parseIterations reads an iteration count of 4096 (the least that RFC 7677, 4
// allows) to 2²⁰: the most that a display may make us do.
func parseIterations(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < minIterations || n > maxIterations || s != strconv.Itoa(n) {
		return 0, fmt.Errorf("SCRAM iterations are not a number from %d to %d", minIterations, maxIterations)
	}
	return n, nil
}

// decodeBetween decodes base64 of low to high bytes. Errors hold nothing of s.
func decodeBetween(enc *base64.Encoding, s string, low, high int) ([]byte, error) {
	if len(s) > enc.EncodedLen(high) {
		return nil, fmt.Errorf("more than %d bytes", high)
	}
	b, err := enc.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("not base64")
	}
	if len(b) < low || len(b) > high {
		return nil, fmt.Errorf("%d bytes, expected %d to %d", len(b), low, high)
	}
	return b, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand, Go 1.24)
	return b
}
