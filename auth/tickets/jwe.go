package tickets

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"vncgate/auth"
)

// Bounds of a key file.
const (
	maxKeyText = 1 << 20 // bytes
	maxKeys    = 64
	minRSABits = 2048 // RFC 7518, 4.3
)

// JWEConfig says how tokens are decrypted (RFC 7516).
type JWEConfig struct {
	// KeyAlgorithms are the ways to wrap a token's key that are taken: dir, A128KW
	// to A256KW, A128GCMKW to A256GCMKW, RSA-OAEP, RSA-OAEP-256, ECDH-ES and
	// ECDH-ES+A128KW to +A256KW. There is no default. RSA1_5 is never taken (RFC
	// 8725, 3.2), nor are passwords (PBES2), which cost whatever a token says.
	KeyAlgorithms []string
	// Encryptions are the ciphers of the content that are taken; nil for all:
	// A128CBC-HS256 to A256CBC-HS512, A128GCM to A256GCM.
	Encryptions []string
	// KeyFile holds private keys: PEM, a JWK or a JWK set. It is read again when
	// it changes.
	KeyFile string
	// Secret is the key of the symmetric algorithms, of just their length.
	Secret []byte
	// Report is told, once for each, of a changed KeyFile that could not be
	// used; the keys stay as they were.
	Report func(error)
}

// opener decrypts tokens.
type opener struct {
	algorithms []jose.KeyAlgorithm
	ciphers    []jose.ContentEncryption
	keys       func() []openerKey
}

// openerKey is a []byte, an *rsa.PrivateKey or an *ecdsa.PrivateKey.
type openerKey struct {
	key     any
	id, alg string // "" for any
}

func keyAlgorithms() []jose.KeyAlgorithm {
	return []jose.KeyAlgorithm{
		jose.DIRECT, jose.A128KW, jose.A192KW, jose.A256KW, jose.A128GCMKW, jose.A192GCMKW, jose.A256GCMKW,
		jose.RSA_OAEP, jose.RSA_OAEP_256, jose.ECDH_ES, jose.ECDH_ES_A128KW, jose.ECDH_ES_A192KW, jose.ECDH_ES_A256KW,
	}
}

func contentEncryptions() []jose.ContentEncryption {
	return []jose.ContentEncryption{
		jose.A128CBC_HS256, jose.A192CBC_HS384, jose.A256CBC_HS512, jose.A128GCM, jose.A192GCM, jose.A256GCM,
	}
}

func newOpener(cfg JWEConfig) (*opener, error) {
	o := &opener{ciphers: contentEncryptions()}
	var err error
	if o.algorithms, err = chosen(cfg.KeyAlgorithms, keyAlgorithms()); err != nil {
		return nil, fmt.Errorf("tickets: jwe: key algorithms: %w", err)
	}
	if cfg.Encryptions != nil {
		if o.ciphers, err = chosen(cfg.Encryptions, contentEncryptions()); err != nil {
			return nil, fmt.Errorf("tickets: jwe: content encryptions: %w", err)
		}
	}
	var secret []openerKey
	if len(cfg.Secret) > 0 {
		secret = []openerKey{{key: slices.Clone(cfg.Secret)}}
	}
	switch {
	case cfg.KeyFile == "" && secret == nil:
		return nil, errors.New("tickets: jwe: there is neither a key file nor a secret")
	case cfg.KeyFile == "":
		o.keys = func() []openerKey { return secret }
		return o, o.usable(secret)
	}
	return o, o.watch(cfg, secret)
}

// chosen are the algorithms of those that there are.
func chosen[A ~string](names []string, all []A) ([]A, error) {
	if len(names) == 0 {
		return nil, errors.New("none is allowed: name those that the issuer uses")
	}
	var list []A
	for _, name := range names {
		if !slices.Contains(all, A(name)) {
			return nil, fmt.Errorf("%q is none that is taken (there are: %v)", name, all)
		}
		list = append(list, A(name))
	}
	return list, nil
}

func (o *opener) watch(cfg JWEConfig, secret []openerKey) error {
	file, err := auth.Watch("jwe keys", cfg.KeyFile, maxKeyText, func(text []byte) ([]openerKey, error) {
		keys, err := parseOpenerKeys(text)
		if err == nil {
			err = o.usable(keys)
		}
		return keys, err
	})
	o.keys = func() []openerKey {
		keys, broken := file.Current()
		if broken != nil && cfg.Report != nil {
			cfg.Report(broken)
		}
		return slices.Concat(secret, keys)
	}
	return err
}

// usable reports keys that nothing can be decrypted with.
func (o *opener) usable(keys []openerKey) error {
	for _, k := range keys {
		for _, alg := range o.algorithms {
			if slices.ContainsFunc(o.ciphers, func(enc jose.ContentEncryption) bool { return k.fits(alg, enc) }) {
				return nil
			}
		}
	}
	return errors.New("tickets: jwe: no key fits an algorithm that is allowed, by kind and length")
}

// fits reports whether the key is one of the algorithm's own kind and length.
func (k openerKey) fits(alg jose.KeyAlgorithm, enc jose.ContentEncryption) bool {
	if k.alg != "" && k.alg != string(alg) {
		return false
	}
	switch key := k.key.(type) {
	case []byte:
		if alg == jose.DIRECT {
			return len(key) == contentKeyLen(enc)
		}
		return len(key) == map[jose.KeyAlgorithm]int{
			jose.A128KW: 16, jose.A192KW: 24, jose.A256KW: 32, jose.A128GCMKW: 16, jose.A192GCMKW: 24, jose.A256GCMKW: 32,
		}[alg]
	case *rsa.PrivateKey:
		return alg == jose.RSA_OAEP || alg == jose.RSA_OAEP_256
	case *ecdsa.PrivateKey:
		return strings.HasPrefix(string(alg), string(jose.ECDH_ES))
	}
	return false
}

// contentKeyLen is the length in bytes of a cipher's key (RFC 7518, 5.1).
func contentKeyLen(enc jose.ContentEncryption) int {
	return map[jose.ContentEncryption]int{
		jose.A128CBC_HS256: 32, jose.A192CBC_HS384: 48, jose.A256CBC_HS512: 64, jose.A128GCM: 16, jose.A192GCM: 24, jose.A256GCM: 32,
	}[enc]
}

// open returns what is encrypted in a token. Its errors say no more than that a
// token is not good: why it is not could tell of what is in it.
func (o *opener) open(token string) ([]byte, error) {
	object, err := jose.ParseEncryptedCompact(token, o.algorithms, o.ciphers)
	if err != nil {
		return nil, errors.New("it is malformed, or encrypted in a way that is not allowed")
	}
	enc, _ := object.Header.ExtraHeaders["enc"].(string)
	for _, k := range o.keys() {
		if object.Header.KeyID != "" && k.id != "" && object.Header.KeyID != k.id {
			continue
		}
		if !k.fits(jose.KeyAlgorithm(object.Header.Algorithm), jose.ContentEncryption(enc)) {
			continue
		}
		if plain, err := object.Decrypt(k.key); err == nil && len(plain) <= maxSealed {
			return plain, nil
		}
	}
	return nil, errors.New("it was encrypted with none of our keys")
}

// parseOpenerKeys reads PEM private keys, a JWK or a JWK set. Errors hold
// nothing of the text.
func parseOpenerKeys(text []byte) (keys []openerKey, err error) {
	text = bytes.TrimSpace(text)
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		keys, err = parseOpenerJWKs(text)
	case bytes.HasPrefix(text, []byte("-----BEGIN")):
		keys, err = parseOpenerPEM(text)
	default:
		return nil, errors.New("neither PEM nor a JWK nor a JWK set")
	}
	if err == nil && len(keys) > maxKeys {
		err = fmt.Errorf("more than %d keys", maxKeys)
	}
	return keys, err
}

func parseOpenerPEM(text []byte) (keys []openerKey, err error) {
	for len(text) > 0 {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, errors.New("malformed PEM")
		}
		text = bytes.TrimSpace(rest)
		key, err := privateKey(block)
		if err != nil {
			return nil, err
		}
		keys = append(keys, openerKey{key: key})
	}
	return keys, nil
}

// privateKey reads an RSA or EC key out of a PEM block.
func privateKey(block *pem.Block) (key any, err error) {
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, errors.New("a PEM block that is no private key")
	}
	if err != nil {
		return nil, errors.New("a malformed private key")
	}
	return key, checkOpenerKey(key)
}

func checkOpenerKey(key any) error {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < minRSABits {
			return fmt.Errorf("an RSA key of %d bits, expected %d at least", key.N.BitLen(), minRSABits)
		}
	case *ecdsa.PrivateKey, []byte:
	default:
		return errors.New("a key of a kind that tokens are not decrypted with")
	}
	return nil
}

// parseOpenerJWKs passes over keys that are for signatures.
func parseOpenerJWKs(text []byte) ([]openerKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(text, &set) != nil {
		return nil, errors.New("malformed JSON")
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{text}
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	}
	var keys []openerKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		err := json.Unmarshal(raw, &k)
		switch {
		case errors.Is(err, jose.ErrUnsupportedKeyType) || err == nil && k.Use != "" && k.Use != "enc":
			continue
		case err != nil:
			return nil, errors.New("a malformed JWK")
		}
		if err := checkOpenerKey(k.Key); err != nil {
			return nil, err
		}
		keys = append(keys, openerKey{key: k.Key, id: k.KeyID, alg: k.Algorithm})
	}
	return keys, nil
}
