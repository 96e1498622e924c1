package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

var jwtSecret = []byte("0123456789abcdef0123456789abcdef")

// secretVerifier takes HS256 tokens signed with jwtSecret.
func secretVerifier(t testing.TB) *JWTVerifier {
	t.Helper()
	return newVerifier(t, JWTConfig{Algorithms: []string{"HS256"}, Secret: jwtSecret})
}

func newVerifier(t testing.TB, cfg JWTConfig) *JWTVerifier {
	t.Helper()
	v, err := NewJWTVerifier(cfg)
	must(t, err)
	return v
}

func inAnHour() int64 { return time.Now().Add(time.Hour).Unix() }

// signHS signs claims with jwtSecret.
func signHS(t testing.TB, claims any) string {
	t.Helper()
	return signWith(t, jose.HS256, jwtSecret, nil, claims)
}

func signWith(t testing.TB, alg jose.SignatureAlgorithm, key any, options *jose.SignerOptions, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	must(t, err)
	payload, err := json.Marshal(claims)
	must(t, err)
	signed, err := signer.Sign(payload)
	must(t, err)
	token, err := signed.CompactSerialize()
	must(t, err)
	return token
}

// rawHS signs any header and payload with jwtSecret by HS256.
func rawHS(header, payload string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	mac := hmac.New(sha256.New, jwtSecret)
	mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}

// RFC 7515, A.1 with the key and the token printed there. Its time has passed
// since 2011, so it is looked at in that year.
func TestJWTReference(t *testing.T) {
	const token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	const key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	path := writeFile(t, `{"kty":"oct","k":"`+key+`"}`)
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, JWTConfig{Algorithms: []string{"HS256"}, KeyFile: path, Issuer: "joe", NameClaim: "iss"})
		id, expires, err := v.Verify(token) // in the year 2000
		if err != nil || id.Name != "joe" || expires.Unix() != 1300819380 {
			t.Errorf("%+v, %s, %v", id, expires, err)
		}
		time.Sleep(time.Until(expires) + defaultLeeway - time.Nanosecond)
		if _, _, err := v.Verify(token); err != nil {
			t.Errorf("within the leeway: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, _, err := v.Verify(token); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "expired") {
			t.Errorf("after it: %v", err)
		}
	})
}

func TestJWTClaims(t *testing.T) {
	now := time.Now().Unix()
	good := map[string]any{"sub": "dave", "iss": "https://idp.example", "aud": "vncgate", "exp": now + 3600, "nbf": now - 3600, "groups": []string{"ops", "dev"}}
	many := make([]string, maxTokenGroups+1)
	for i := range many {
		many[i] = fmt.Sprint("g", i)
	}
	for _, c := range []struct {
		what   string
		change map[string]any // nil values delete
		want   string         // the reason; "" for none
	}{
		{"good", nil, ""},
		{"audiences", map[string]any{"aud": []string{"other", "vncgate"}}, ""},
		{"a group", map[string]any{"groups": "ops"}, ""},
		{"no groups", map[string]any{"groups": nil}, ""},
		{"no nbf", map[string]any{"nbf": nil}, ""},
		{"half seconds", map[string]any{"exp": float64(now) + 3600.5}, ""},
		{"expired within the leeway", map[string]any{"exp": now - 5}, ""},
		{"soon valid within the leeway", map[string]any{"nbf": now + 5}, ""},
		{"expired", map[string]any{"exp": now - 60}, "has expired"},
		{"expired in 1970", map[string]any{"exp": 0}, "has expired"},
		{"never ends", map[string]any{"exp": nil}, "never ends"},
		{"ends with words", map[string]any{"exp": "tomorrow"}, "malformed"},
		{"ends after time", map[string]any{"exp": 1e300}, "malformed"},
		{"not yet", map[string]any{"nbf": now + 60}, "not valid yet"},
		{"another issuer", map[string]any{"iss": "https://idp.example/"}, "another issuer"},
		{"no issuer", map[string]any{"iss": nil}, "another issuer"},
		{"another audience", map[string]any{"aud": []string{"vncgate2", "vnc"}}, "another audience"},
		{"no audience", map[string]any{"aud": nil}, "another audience"},
		{"audience of numbers", map[string]any{"aud": []int{1}}, "malformed"},
		{"no name", map[string]any{"sub": nil}, "no usable name"},
		{"empty name", map[string]any{"sub": ""}, "no usable name"},
		{"name is a number", map[string]any{"sub": 7}, "malformed"},
		{"long name", map[string]any{"sub": strings.Repeat("x", maxSubject+1)}, "no usable name"},
		{"name with a line end", map[string]any{"sub": "dave\nadmin"}, "no usable name"},
		{"name with blanks around", map[string]any{"sub": " dave"}, "no usable name"},
		{"name that turns writing around", map[string]any{"sub": "dave\u202e"}, "no usable name"},
		{"groups of numbers", map[string]any{"groups": []any{"ops", 1}}, "unusable groups"},
		{"groups as an object", map[string]any{"groups": map[string]any{"ops": true}}, "unusable groups"},
		{"empty group", map[string]any{"groups": []string{""}}, "unusable groups"},
		{"many groups", map[string]any{"groups": many}, "unusable groups"},
	} {
		claims := map[string]any{}
		for k, v := range good {
			claims[k] = v
		}
		for k, v := range c.change {
			if claims[k] = v; v == nil {
				delete(claims, k)
			}
		}
		v := newVerifier(t, JWTConfig{Algorithms: []string{"HS256"}, Secret: jwtSecret, Issuer: "https://idp.example", Audience: "vncgate"})
		id, expires, err := v.Verify(signHS(t, claims))
		switch {
		case c.want == "" && (err != nil || id.Name != "dave" || id.Method != "jwt" || expires.IsZero()):
			t.Errorf("%s: %+v, %s, %v", c.what, id, expires, err)
		case c.want != "" && (!errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), c.want) || id.Name != ""):
			t.Errorf("%s: %+v, %v; want %s", c.what, id, err, c.want)
		case err != nil && (strings.Contains(err.Error(), "dave") || len(err.Error()) > 120):
			t.Errorf("%s: the error quotes the token: %v", c.what, err)
		}
	}
}

func TestJWTLeewayBelowZero(t *testing.T) {
	v := newVerifier(t, JWTConfig{Algorithms: []string{"HS256"}, Secret: jwtSecret, Leeway: -1})
	if _, _, err := v.Verify(signHS(t, map[string]any{"sub": "dave", "exp": time.Now().Unix() - 1})); !errors.Is(err, ErrDenied) {
		t.Errorf("error %v", err)
	}
	if _, _, err := v.Verify(signHS(t, map[string]any{"sub": "dave", "exp": inAnHour(), "aud": "x"})); err == nil || !strings.Contains(err.Error(), "none is configured") {
		t.Errorf("a token for somebody: %v", err)
	}
}

func TestJWTNameAndGroupsClaims(t *testing.T) {
	for _, c := range []struct {
		name, groups, claims string
		want                 *Identity // nil: denied
	}{
		{"", "", `"sub":"a"`, &Identity{Name: "a"}},
		{"preferred_username", "realm_access.roles", `"preferred_username":"b","realm_access":{"roles":["x","y"]}`, &Identity{Name: "b", Groups: []string{"x", "y"}}},
		{"https://example.com/name", "https://example.com/groups", `"https://example.com/name":"c","https://example.com/groups":["g"]`, &Identity{Name: "c", Groups: []string{"g"}}},
		{"a.b", "", `"a.b":"exact","a":{"b":"path"}`, &Identity{Name: "exact"}},
		{"a.b.c", "", `"a":{"b":{"c":"deep"}}`, &Identity{Name: "deep"}},
		{"a.b", "", `"a":"b"`, nil},
		{"a.", "", `"a":{"":"x"}`, &Identity{Name: "x"}},
		{"email", "", `"email":"a@example.com","email_verified":true`, &Identity{Name: "a@example.com"}},
		{"email", "", `"email":"a@example.com","email_verified":false`, nil},
		{"name", "", `"sub":"a"`, nil},
		{"", "", `"SUB":"a"`, nil},
		{"", "", `"sub":"a","sub":"b"`, nil},
	} {
		v := newVerifier(t, JWTConfig{Algorithms: []string{"HS256"}, Secret: jwtSecret, NameClaim: c.name, GroupsClaim: c.groups})
		id, _, err := v.Verify(rawHS(`{"alg":"HS256"}`, fmt.Sprintf(`{"exp":%d,%s}`, inAnHour(), c.claims)))
		if c.want == nil {
			if !errors.Is(err, ErrDenied) {
				t.Errorf("%s %s: %+v, %v", c.name, c.claims, id, err)
			}
			continue
		}
		c.want.Method = "jwt"
		if diff := cmp.Diff(*c.want, id); diff != "" || err != nil {
			t.Errorf("%s %s: %v %s", c.name, c.claims, err, diff)
		}
	}
}

// jwtKeyPairs are a private and a public key for each kind of algorithm.
func jwtKeyPairs(t testing.TB) map[jose.SignatureAlgorithm][2]any {
	t.Helper()
	pairs := map[jose.SignatureAlgorithm][2]any{jose.HS256: {jwtSecret, jwtSecret}}
	rsaKey, err := rsa.GenerateKey(rand.Reader, minRSABits)
	must(t, err)
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512} {
		pairs[alg] = [2]any{rsaKey, rsaKey.Public()}
	}
	for alg, curve := range map[jose.SignatureAlgorithm]elliptic.Curve{jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		must(t, err)
		pairs[alg] = [2]any{key, key.Public()}
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	pairs[jose.EdDSA] = [2]any{private, public}
	for alg, n := range map[jose.SignatureAlgorithm]int{jose.HS384: 48, jose.HS512: 64} {
		key := randomBytes(n)
		pairs[alg] = [2]any{key, key}
	}
	return pairs
}

// A token is taken under its own algorithm and key, if both are allowed, and
// under no other.
func TestJWTAlgorithms(t *testing.T) {
	claims := map[string]any{"sub": "dave", "exp": inAnHour()}
	pairs := jwtKeyPairs(t)
	if len(pairs) != len(jwtAlgorithms()) {
		t.Fatalf("%d of %d algorithms", len(pairs), len(jwtAlgorithms()))
	}
	for signed, pair := range pairs {
		token := signWith(t, signed, pair[0], nil, claims)
		for allowed, other := range pairs {
			v := &JWTVerifier{cfg: JWTConfig{NameClaim: "sub"}, algorithms: []jose.SignatureAlgorithm{allowed}, secret: []jwtKey{{key: other[1]}}}
			id, _, err := v.Verify(token)
			if signed == allowed && (err != nil || id.Name != "dave") || signed != allowed && !errors.Is(err, ErrDenied) {
				t.Errorf("signed with %s, allowed %s: %+v, %v", signed, allowed, id, err)
			}
			// All algorithms allowed, one key: the kind of the key decides.
			v.algorithms = jwtAlgorithms()
			_, _, err = v.Verify(token)
			if sameKey := cmp.Equal(pair[1], other[1]); sameKey != (err == nil) {
				t.Errorf("signed with %s, key of %s: %v", signed, allowed, err)
			}
		}
	}
}

// The classics (RFC 8725, 2.1): no signature at all, and a public key that
// everybody has as the secret of an HMAC.
func TestJWTAlgorithmConfusion(t *testing.T) {
	pairs := jwtKeyPairs(t)
	public := publicPEM(t, pairs[jose.RS256][1])
	path := writeFile(t, public)
	claims := map[string]any{"sub": "dave", "exp": inAnHour()}
	payload, err := json.Marshal(claims)
	must(t, err)
	b64 := base64.RawURLEncoding.EncodeToString
	v := newVerifier(t, JWTConfig{Algorithms: []string{"RS256"}, KeyFile: path})
	mixed := newVerifier(t, JWTConfig{Algorithms: []string{"RS256", "HS256"}, KeyFile: path, Secret: jwtSecret})
	good := signWith(t, jose.RS256, pairs[jose.RS256][0], nil, claims)
	for _, v := range []*JWTVerifier{v, mixed} {
		if _, _, err := v.Verify(good); err != nil {
			t.Errorf("the good token: %v", err)
		}
		for what, token := range map[string]string{
			"none":                    b64([]byte(`{"alg":"none"}`)) + "." + b64(payload) + ".",
			"None":                    b64([]byte(`{"alg":"None"}`)) + "." + b64(payload) + ".",
			"no algorithm":            b64([]byte(`{}`)) + "." + b64(payload) + ".",
			"HMAC with the PEM":       signWith(t, jose.HS256, []byte(public), nil, claims),
			"HMAC with the PEM's DER": signWith(t, jose.HS256, pemBytes(t, public), nil, claims),
			"a key that it brings":    signWith(t, jose.RS256, jwtKeyPairs(t)[jose.RS256][0], &jose.SignerOptions{EmbedJWK: true}, claims),
			"PS256 with an RSA key":   signWith(t, jose.PS256, pairs[jose.RS256][0], nil, claims),
			"no signature":            good[:strings.LastIndexByte(good, '.')+1],
			"a signature cut short":   good[:len(good)-4],
			"another payload":         strings.Replace(good, b64(payload), b64([]byte(strings.Replace(string(payload), "dave", "root", 1))), 1),
			"critical":                signWith(t, jose.RS256, pairs[jose.RS256][0], (&jose.SignerOptions{}).WithCritical("exp").WithHeader("exp", 1), claims),
			"base64 off":              signWith(t, jose.RS256, pairs[jose.RS256][0], (&jose.SignerOptions{}).WithHeader("b64", false), claims),
			"two parts":               "a.b",
			"four parts":              good + ".x",
			"JSON":                    `{"payload":"` + b64(payload) + `","protected":"","signature":""}`,
			"nothing":                 "",
			"dots":                    "..",
			"blanks":                  " " + good,
			"large":                   strings.Repeat("a", maxToken+1),
		} {
			id, _, err := v.Verify(token)
			if !errors.Is(err, ErrDenied) || id.Name != "" || len(err.Error()) > 120 {
				t.Errorf("%s: %+v, %v", what, id, err)
			}
		}
	}
}

func TestJWTConfigErrors(t *testing.T) {
	pem := writeFile(t, publicPEM(t, jwtKeyPairs(t)[jose.ES256][1]))
	for want, cfg := range map[string]JWTConfig{
		"neither a key file nor a secret": {Algorithms: []string{"RS256"}},
		"no algorithm is allowed":         {KeyFile: pem},
		`unknown algorithm "none"`:        {KeyFile: pem, Algorithms: []string{"none"}},
		`unknown algorithm "rs256"`:       {KeyFile: pem, Algorithms: []string{"rs256"}},
		"at most 5m0s":                    {KeyFile: pem, Algorithms: []string{"ES256"}, Leeway: time.Hour},
		"the secret is too short":         {Secret: jwtSecret[:31], Algorithms: []string{"HS256"}},
		"the secret is too short for":     {Secret: jwtSecret, Algorithms: []string{"HS512", "RS256"}},
		"which everybody may know":        {Secret: []byte("\n-----BEGIN PUBLIC KEY-----\nMIIB..."), Algorithms: []string{"HS256"}},
		"no key in it fits":               {KeyFile: pem, Algorithms: []string{"RS256", "HS256", "ES384"}},
		"no such file":                    {KeyFile: pem + "x", Algorithms: []string{"RS256"}},
	} {
		if v, err := NewJWTVerifier(cfg); err == nil || v != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "0123") || strings.Contains(err.Error(), "MIIB") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Only what carries a signature with our key gets in, and says what was signed.
func FuzzJWT(f *testing.F) {
	v := secretVerifier(f)
	for _, token := range []string{
		signHS(f, map[string]any{"sub": "dave", "exp": 1 << 40}), rawHS(`{"alg":"HS256","kid":"x"}`, `{"sub":"dave","exp":1e12,"groups":"x"}`),
		rawHS(`{"alg":"none"}`, `{}`), "..", "", "eyJhbGciOiJIUzI1NiJ9.e30.", "e30.e30.e30",
	} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, _, err := v.Verify(token)
		if err != nil {
			if !errors.Is(err, ErrDenied) || id.Name != "" || len(err.Error()) > 120 {
				t.Fatalf("%+v, %v", id, err)
			}
			return
		}
		at := strings.LastIndexByte(token, '.')
		mac := hmac.New(sha256.New, jwtSecret)
		mac.Write([]byte(token[:at]))
		signature, _ := base64.RawURLEncoding.DecodeString(token[at+1:])
		if !hmac.Equal(mac.Sum(nil), signature) {
			t.Fatalf("took %s as %+v", token, id)
		}
	})
}

// Claims come from an issuer that is trusted to name people, not to put what it
// likes into logs.
func FuzzJWTClaims(f *testing.F) {
	for _, s := range []string{
		`{"sub":"dave","exp":4000000000,"groups":["a"]}`, `{"sub":"\u202e","exp":4e9}`, `{"exp":1e400}`, `[]`, `null`, `{"sub":null}`,
		`{"sub":"x","exp":4000000000,"aud":["a"],"nbf":-1e18,"a":{"b":{}}}`, `{"sub":"dave","exp":4000000000,"groups":{"a":1}}`,
	} {
		f.Add([]byte(s), "groups")
		f.Add([]byte(s), "a.b.c")
	}
	f.Fuzz(func(t *testing.T, payload []byte, groups string) {
		v := &JWTVerifier{cfg: JWTConfig{NameClaim: "sub", GroupsClaim: groups}}
		c, err := v.claims(payload)
		id, expires := c.Identity, c.Expires
		if err != nil {
			if !errors.Is(err, ErrDenied) {
				t.Fatal(err)
			}
			return
		}
		if id.Name != "" && !subject(id.Name) || slices.ContainsFunc(id.Groups, func(g string) bool { return !subject(g) }) || !expires.After(time.Now()) {
			t.Fatalf("%q: %+v until %s", payload, id, expires)
		}
	})
}
