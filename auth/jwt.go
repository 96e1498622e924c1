package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Bounds of what a token may say, and of JWTConfig.
const (
	maxSubject     = 256 // bytes of a name or group in a token
	maxTokenGroups = 256
	maxLeeway      = 5 * time.Minute
	defaultLeeway  = 30 * time.Second
)

// JWTConfig says which JSON Web Tokens (RFC 7519, signed as in RFC 7515) are
// good.
type JWTConfig struct {
	// Algorithms are the signatures that are taken: RS256, PS256, ES256 and so
	// on, EdDSA, HS256. There is no default: the token does not get to say how
	// it is checked (RFC 8725, 3.1).
	Algorithms []string
	// KeyFile holds public keys: PEM (public keys or certificates), a JWK or a
	// JWK set. It is read again when it changes.
	KeyFile string
	// Secret is the key of HS256 (32 bytes at least), HS384 (48) and HS512 (64).
	Secret []byte
	// Keys has further keys, asked for at each token with its key ID, "" where it
	// has none. Its error is one of the source of keys, never of the token.
	Keys func(ctx context.Context, id string) (JWTKeys, error)
	// Issuer is what iss must be; "" leaves it unchecked.
	Issuer string
	// Audience is whom aud must name. "" takes only tokens that are for nobody
	// in particular (RFC 7519, 4.1.3).
	Audience string
	// AnyAudience leaves aud unchecked, and Endless takes tokens without exp: for
	// issuers that sign for one purpose alone.
	AnyAudience, Endless bool
	// NameClaim and GroupsClaim are where a token has the user's name, a string,
	// and groups, a string or several; "sub" and "groups" where they are empty.
	// A claim within claims is given as "realm_access.roles".
	NameClaim, GroupsClaim string
	// Leeway is by how much clocks may differ: 0 is 30 s, below 0 nothing, and
	// five minutes are the most.
	Leeway time.Duration
	// Report is told, once for each, of a changed KeyFile that could not be
	// used; the keys stay as they were.
	Report func(error)
}

// JWTVerifier tells good tokens from others. It is safe for concurrent use.
type JWTVerifier struct {
	cfg        JWTConfig
	algorithms []jose.SignatureAlgorithm
	secret     []jwtKey
	file       *watched[[]jwtKey] // nil without KeyFile
}

// NewJWTVerifier reads the keys. Errors say what cannot work, and hold nothing
// of a secret.
func NewJWTVerifier(cfg JWTConfig) (*JWTVerifier, error) {
	v := &JWTVerifier{cfg: cfg}
	if err := v.configure(); err != nil {
		return nil, fmt.Errorf("auth: jwt: %w", err)
	}
	if len(cfg.Secret) > 0 {
		v.secret = []jwtKey{{key: slices.Clone(cfg.Secret)}}
		if !v.usable(v.secret) {
			return nil, errors.New("auth: jwt: the secret is too short for every algorithm that is allowed (HS256 takes 32 bytes, HS384 48, HS512 64)")
		}
	}
	if cfg.KeyFile == "" {
		return v, nil
	}
	v.file = &watched[[]jwtKey]{what: "jwt keys", path: cfg.KeyFile, limit: maxKeyFile, parse: v.parseKeys}
	if err := v.file.open(); err != nil {
		return nil, err
	}
	return v, nil
}

func (v *JWTVerifier) configure() error {
	c := &v.cfg
	if c.KeyFile == "" && len(c.Secret) == 0 && c.Keys == nil {
		return errors.New("there is neither a key file nor a secret")
	}
	if len(c.Algorithms) == 0 {
		return errors.New("no algorithm is allowed: name those that the issuer signs with (RS256, ES256, EdDSA …)")
	}
	for _, name := range c.Algorithms {
		if !slices.Contains(jwtAlgorithms(), jose.SignatureAlgorithm(name)) {
			return fmt.Errorf("unknown algorithm %q", name)
		}
		v.algorithms = append(v.algorithms, jose.SignatureAlgorithm(name))
	}
	if strings.HasPrefix(strings.TrimSpace(string(c.Secret)), "-----BEGIN") {
		return errors.New("the secret is a PEM file, which everybody may know: it belongs into the key file")
	}
	if c.Leeway > maxLeeway {
		return fmt.Errorf("a leeway of %s, at most %s are allowed", c.Leeway, maxLeeway)
	}
	switch {
	case c.Leeway == 0:
		c.Leeway = defaultLeeway
	case c.Leeway < 0:
		c.Leeway = 0
	}
	if c.NameClaim == "" {
		c.NameClaim = "sub"
	}
	if c.GroupsClaim == "" {
		c.GroupsClaim = "groups"
	}
	return nil
}

// JWTClaims are what a token says that was found good.
type JWTClaims struct {
	// Identity is whom the token names, with Method "jwt"; its Name is "" where
	// the token has none.
	Identity Identity
	// Expires is when the token ends; zero if it does not, which only
	// JWTConfig.Endless allows.
	Expires time.Time
	// Payload is the JSON object of all claims.
	Payload []byte
}

// Claims returns what a token says once its signature, its times, its issuer and
// its audience are found good. The token need not name anybody. The error of a
// token that is not good is ErrDenied, as Verify's is; any other is of
// JWTConfig.Keys.
func (v *JWTVerifier) Claims(ctx context.Context, token string) (JWTClaims, error) {
	claims, err := v.check(ctx, token)
	if err != nil {
		return JWTClaims{}, fmt.Errorf("auth: jwt: %w", err)
	}
	return claims, nil
}

// Verify returns whom a token names, Method being "jwt", and when it ends. All
// tokens must name somebody. The error of a token that is not good is ErrDenied with the
// reason for the log, and nothing of the token.
func (v *JWTVerifier) Verify(token string) (id Identity, expires time.Time, err error) {
	if id, expires, err = v.verify(token); err != nil {
		return Identity{}, time.Time{}, fmt.Errorf("auth: jwt: %w", err)
	}
	return id, expires, nil
}

func (v *JWTVerifier) verify(token string) (Identity, time.Time, error) {
	c, err := v.named(token)
	return c.Identity, c.Expires, err
}

// named is what a token says that names somebody.
func (v *JWTVerifier) named(token string) (JWTClaims, error) {
	c, err := v.check(context.Background(), token)
	if err != nil {
		return JWTClaims{}, err
	}
	if c.Identity.Name == "" {
		return JWTClaims{}, denied{"the token has no usable name"}
	}
	return c, nil
}

// bearer is whom a token names, with its end and with all that it says.
func (v *JWTVerifier) bearer(token string) (Identity, error) {
	c, err := v.named(token)
	if err != nil {
		return Identity{}, err
	}
	id := c.Identity
	id.Expires = c.Expires
	if json.Unmarshal(c.Payload, &id.Claims) != nil {
		return Identity{}, denied{"the token's claims are malformed"}
	}
	return id, nil
}

func (v *JWTVerifier) check(ctx context.Context, token string) (JWTClaims, error) {
	payload, err := v.payload(ctx, token)
	if err != nil {
		return JWTClaims{}, err
	}
	return v.claims(payload)
}

// payload checks the signature and returns what it covers.
func (v *JWTVerifier) payload(ctx context.Context, token string) ([]byte, error) {
	if len(token) > maxToken {
		return nil, denied{"the token is too large"}
	}
	signed, err := jose.ParseSignedCompact(token, v.algorithms)
	if unexpected := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &unexpected) {
		return nil, denied{"the token's algorithm is not allowed"}
	}
	if err != nil || len(signed.Signatures) != 1 {
		return nil, denied{"malformed token"}
	}
	header := signed.Signatures[0].Protected
	for name := range header.ExtraHeaders {
		if name == "crit" || name == "b64" { // RFC 7515, 4.1.11; RFC 7797, 7
			return nil, denied{"the token has a header that is critical and unknown"}
		}
	}
	keys, err := v.keys(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	fits := false
	for _, k := range keys {
		if !k.fits(jose.SignatureAlgorithm(header.Algorithm)) || !k.named(header.KeyID) {
			continue
		}
		fits = true
		if payload, err := signed.Verify(k.key); err == nil {
			return payload, nil
		}
	}
	if !fits {
		return nil, denied{"no key for the token"}
	}
	return nil, denied{"the token's signature is wrong"}
}

// claims checks what a signed token says.
func (v *JWTVerifier) claims(payload []byte) (JWTClaims, error) {
	var std jwt.Claims
	var all map[string]any
	if json.Unmarshal(payload, &std) != nil || json.Unmarshal(payload, &all) != nil {
		return JWTClaims{}, denied{"the token's claims are malformed"}
	}
	if err := v.standard(&std); err != nil {
		return JWTClaims{}, err
	}
	id, err := v.identity(all)
	if err != nil {
		return JWTClaims{}, err
	}
	c := JWTClaims{Identity: id, Payload: payload}
	if std.Expiry != nil {
		c.Expires = std.Expiry.Time()
	}
	return c, nil
}

// standard checks the claims of RFC 7519, 4.1.
func (v *JWTVerifier) standard(std *jwt.Claims) error {
	now := time.Now()
	switch {
	case std.Expiry == nil && !v.cfg.Endless:
		return denied{"the token never ends"}
	case std.Expiry != nil && !now.Before(std.Expiry.Time().Add(v.cfg.Leeway)):
		return denied{"the token has expired"}
	case std.NotBefore != nil && now.Before(std.NotBefore.Time().Add(-v.cfg.Leeway)):
		return denied{"the token is not valid yet"}
	case v.cfg.Issuer != "" && std.Issuer != v.cfg.Issuer:
		return denied{"the token has another issuer"}
	case v.cfg.AnyAudience:
		return nil
	case v.cfg.Audience == "" && len(std.Audience) > 0:
		return denied{"the token is for an audience, and none is configured"}
	case v.cfg.Audience != "" && !std.Audience.Contains(v.cfg.Audience):
		return denied{"the token is for another audience"}
	}
	return nil
}

// identity reads whom the token names. A name that is there must be usable.
func (v *JWTVerifier) identity(all map[string]any) (Identity, error) {
	value := claim(all, v.cfg.NameClaim)
	name, ok := value.(string)
	if value != nil && (!ok || !subject(name)) {
		return Identity{}, denied{"the token has no usable name"}
	}
	// OpenID Connect Core, 5.1: who writes an address need not own it.
	if v.cfg.NameClaim == "email" && all["email_verified"] == false {
		return Identity{}, denied{"the token's email address is not verified"}
	}
	groups, ok := tokenGroups(claim(all, v.cfg.GroupsClaim))
	if !ok {
		return Identity{}, denied{"the token has unusable groups"}
	}
	return Identity{Name: name, Method: "jwt", Groups: groups}, nil
}

// claim finds a claim by its name, or else by its path.
func claim(all map[string]any, path string) any {
	if value, ok := all[path]; ok {
		return value
	}
	first, rest, ok := strings.Cut(path, ".")
	inner, isObject := all[first].(map[string]any)
	if !ok || !isObject {
		return nil
	}
	return claim(inner, rest)
}

// tokenGroups reads a claim of groups. One that cannot be read whole is not read
// at all, since a rule might give more to those who lack a group.
func tokenGroups(value any) (groups []string, ok bool) {
	var list []any
	switch value := value.(type) {
	case nil:
		return nil, true
	case string:
		list = []any{value}
	case []any:
		list = value
	default:
		return nil, false
	}
	if len(list) > maxTokenGroups {
		return nil, false
	}
	for _, value := range list {
		group, ok := value.(string)
		if !ok || !subject(group) {
			return nil, false
		}
		groups = append(groups, group)
	}
	return groups, true
}

// subject reports whether a token's name or group can stand in a log and a
// policy. It is the issuer's, so it may be less plain than CheckName's.
func subject(s string) bool {
	return s != "" && len(s) <= maxSubject && utf8.ValidString(s) && s == strings.TrimSpace(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) })
}
