package tickets

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"vncgate/auth"
)

// JWTConfig says which JSON Web Tokens name a display, and how they are checked.
type JWTConfig struct {
	// Signed says whose signatures are good, for whom and until when.
	Signed auth.JWTConfig
	// JWKS fetches keys that Signed has not, nil for none.
	JWKS *JWKS
	// Encrypted says how tokens are decrypted that hold a signed token; nil takes
	// none that are encrypted.
	Encrypted *JWEConfig
	// EncryptedOnly refuses tokens that are not encrypted.
	EncryptedOnly bool
	// OnlyStart reads exp as the time until which a session may begin, rather
	// than as the time when it must end.
	OnlyStart bool
}

// JWT is a source whose tokens hold all that there is to know: a JWS (RFC 7515),
// or one in a JWE (RFC 7516). The claims are
//
//	host, port   the display; port is a number or a string
//	address      the same in one: "host:port"
//	target       or the name of a display that is configured here
//	tls          true if the display speaks TLS from the first byte
//	username     the display's own log-in,
//	password     which must be encrypted: a password in a plain JWS spoils it
//	rights       what the bearer may do at most, as a policy writes it
//	sub, groups  whom the token was made for
//
// and iss, aud, exp and nbf as RFC 7519 has them. A token that has been
// encrypted but not signed is not taken: with a public key, anybody can encrypt.
type JWT struct {
	verifier *auth.JWTVerifier
	opener   *opener // nil takes no JWE
	cfg      JWTConfig
}

// NewJWT reads the keys. Errors say what cannot work, and hold nothing of a
// secret.
func NewJWT(cfg JWTConfig) (*JWT, error) {
	if cfg.EncryptedOnly && cfg.Encrypted == nil {
		return nil, errors.New("tickets: jwt: only encrypted tokens are to be taken, and there is no key to decrypt them")
	}
	if cfg.JWKS != nil {
		cfg.Signed.Keys = cfg.JWKS.Keys
	}
	j := &JWT{cfg: cfg}
	var err error
	if j.verifier, err = auth.NewJWTVerifier(cfg.Signed); err != nil {
		return nil, fmt.Errorf("tickets: %w", err)
	}
	if cfg.Encrypted != nil {
		if j.opener, err = newOpener(*cfg.Encrypted); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// Lookup checks the token and reads what it says.
func (j *JWT) Lookup(ctx context.Context, token string) (Ticket, error) {
	if len(token) > maxSealed {
		return Ticket{}, refused("jwt", "it is too large")
	}
	encrypted := strings.Count(token, ".") == 4 // RFC 7516, 9
	switch {
	case encrypted && j.opener == nil:
		return Ticket{}, refused("jwt", "it is encrypted, and there is no key to decrypt it")
	case encrypted:
		signed, err := j.opener.open(token)
		if err != nil {
			return Ticket{}, refused("jwt", err.Error())
		}
		token = string(signed)
	case j.cfg.EncryptedOnly:
		return Ticket{}, refused("jwt", "it is not encrypted")
	}
	said, err := j.verifier.Claims(ctx, token)
	if errors.Is(err, auth.ErrDenied) {
		return Ticket{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if err != nil {
		return Ticket{}, fmt.Errorf("tickets: %w", err)
	}
	return j.ticket(said, encrypted)
}

func (j *JWT) ticket(said auth.JWTClaims, encrypted bool) (Ticket, error) {
	var c claims
	if json.Unmarshal(said.Payload, &c) != nil {
		return Ticket{}, refused("jwt", "its claims of the display are malformed")
	}
	t, err := c.ticket(encrypted)
	if err != nil {
		return Ticket{}, refused("jwt", err.Error())
	}
	if said.Identity.Name != "" {
		t.Identity = said.Identity
	}
	if json.Unmarshal(said.Payload, &t.Claims) != nil {
		return Ticket{}, refused("jwt", "its claims are malformed")
	}
	delete(t.Claims, "password") // the display's
	if !j.cfg.OnlyStart {
		t.Expires = said.Expires
	}
	return t, nil
}

// NewWebsockifyJWT is websockify's JWTTokenApi: keyFile is PEM with an RSA or EC
// key, public or private, or else the text of a symmetric key as a JWK's k
// (base64url, 32 bytes at least), read again when it changes. The claims host
// and port name the display; exp and nbf are checked where there are any, aud
// and iss are not, and a session goes on when its token ends. The same key opens
// encrypted tokens and checks the signature of what is in them
// (websockify:websockify/token_plugins.py).
func NewWebsockifyJWT(keyFile string) (Source, error) {
	file, err := auth.Watch("jwt key", keyFile, maxKeyText, parseWebsockifyKey)
	if err != nil {
		return nil, fmt.Errorf("tickets: %w", err)
	}
	current := func() websockifyKey { key, _ := file.Current(); return key }
	verifier, err := auth.NewJWTVerifier(auth.JWTConfig{
		Algorithms:  []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256", "HS384", "HS512"},
		Keys:        func(context.Context, string) (auth.JWTKeys, error) { return current().verify, nil },
		AnyAudience: true, Endless: true, Leeway: -1,
	})
	if err != nil {
		return nil, fmt.Errorf("tickets: %w", err)
	}
	open := &opener{algorithms: keyAlgorithms(), ciphers: contentEncryptions(), keys: func() []openerKey { return current().open }}
	return &JWT{verifier: verifier, opener: open, cfg: JWTConfig{OnlyStart: true}}, nil
}

// websockifyKey is one key in both its uses; open is empty for a public one.
type websockifyKey struct {
	verify auth.JWTKeys
	open   []openerKey
}

func parseWebsockifyKey(text []byte) (websockifyKey, error) {
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, []byte("-----BEGIN")) {
		return symmetricKey(string(text))
	}
	block, _ := pem.Decode(text)
	if block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
		verify, err := auth.ParseJWTKeys(text)
		return websockifyKey{verify: verify}, err
	}
	private, err := privateKey(block)
	if err != nil {
		return websockifyKey{}, err
	}
	verify, err := auth.NewJWTKeys(private.(crypto.Signer).Public())
	return websockifyKey{verify, []openerKey{{key: private}}}, err
}

func symmetricKey(text string) (websockifyKey, error) {
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(key) < 32 {
		return websockifyKey{}, errors.New("neither PEM nor a key of 32 bytes or more in base64url: make one with openssl rand -base64 32 | tr +/ -_")
	}
	verify, err := auth.NewJWTKeys(key)
	return websockifyKey{verify, []openerKey{{key: key}}}, err
}
