package tickets_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

var hsKey = []byte("0123456789abcdef0123456789abcdef")

// signed is claims as a JWS.
func signed(t testing.TB, alg jose.SignatureAlgorithm, key any, claims any) string {
	t.Helper()
	signer := ok(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil))(t)
	object := ok(signer.Sign(toJSON(t, claims)))(t)
	return ok(object.CompactSerialize())(t)
}

// sealed is text as a JWE.
func sealed(t testing.TB, alg jose.KeyAlgorithm, enc jose.ContentEncryption, key any, text string) string {
	t.Helper()
	e := ok(jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: key}, nil))(t)
	object := ok(e.Encrypt([]byte(text)))(t)
	return ok(object.CompactSerialize())(t)
}

func newJWT(t testing.TB, cfg tickets.JWTConfig) *tickets.JWT {
	t.Helper()
	if cfg.Signed.Algorithms == nil {
		cfg.Signed = auth.JWTConfig{Algorithms: []string{"HS256"}, Secret: hsKey}
	}
	return ok(tickets.NewJWT(cfg))(t)
}

func TestJWTClaims(t *testing.T) {
	j := newJWT(t, tickets.JWTConfig{})
	exp := hour()
	good := object{"exp": exp.Unix(), "host": "vm", "port": 5900}
	plain := tickets.Ticket{Address: "vm:5900", Expires: exp}
	for what, c := range map[string]struct {
		change object
		want   func(*tickets.Ticket)
	}{
		"host and port": {nil, func(*tickets.Ticket) {}},
		"port as text":  {object{"port": "5901"}, func(t *tickets.Ticket) { t.Address = "vm:5901" }},
		"IPv6":          {object{"host": "::1"}, func(t *tickets.Ticket) { t.Address = "[::1]:5900" }},
		"address":       {object{"host": nil, "port": nil, "address": "[::1]:5900"}, func(t *tickets.Ticket) { t.Address = "[::1]:5900" }},
		"target":        {object{"host": nil, "port": nil, "target": "build"}, func(t *tickets.Ticket) { t.Address, t.Target = "", "build" }},
		"TLS":           {object{"tls": true}, func(t *tickets.Ticket) { t.TLS = true }},
		"whom":          {object{"sub": "ada", "groups": []string{"ops"}}, func(t *tickets.Ticket) { t.Identity = by("jwt", "ada", "ops") }},
		"rights":        {object{"rights": []string{"view", "keyboard"}}, func(t *tickets.Ticket) { t.Rights = auth.Viewing | auth.Keyboard }},
		"rights as text": {object{"rights": "view, pointer"}, func(t *tickets.Ticket) {
			t.Rights = auth.Viewing | auth.Pointer
		}},
		"display's user": {object{"username": "u"}, func(t *tickets.Ticket) { t.User = "u" }},
	} {
		t.Run(what, func(t *testing.T) {
			ticket := plain
			c.want(&ticket)
			want(t, j, signed(t, jose.HS256, hsKey, with(good, c.change)), ticket)
		})
	}
	for what, c := range map[string]struct {
		change object
		says   string
	}{
		"no display":        {object{"host": nil, "port": nil}, "name a display once"},
		"two displays":      {object{"target": "x"}, "name a display once"},
		"no port":           {object{"port": nil}, "port is missing"},
		"port 0":            {object{"port": 0}, "1 to 65535"},
		"half a port":       {object{"port": 5900.5}, "malformed"},
		"a list for a host": {object{"host": []string{"a"}}, "malformed"},
		"plain password":    {object{"password": "secret"}, "everybody can read"},
		"no rights":         {object{"rights": []string{}}, "rights"},
		"unknown right":     {object{"rights": []string{"view", "fly"}}, "rights"},
		"no end":            {object{"exp": nil}, "never ends"},
		"ended":             {object{"exp": 1}, "expired"},
		"not yet":           {object{"nbf": exp.Unix()}, "not valid yet"},
		"audience":          {object{"aud": "other"}, "audience"},
		"unusable name":     {object{"sub": "a\nb"}, "name"},
	} {
		t.Run(what, func(t *testing.T) { wantUnknown(t, j, signed(t, jose.HS256, hsKey, with(good, c.change)), c.says) })
	}
}

func TestJWTAlgorithms(t *testing.T) {
	keys := map[jose.SignatureAlgorithm]struct{ private, public any }{
		jose.RS256: {rsaKey(), &rsaKey().PublicKey}, jose.PS512: {rsaKey(), &rsaKey().PublicKey}, jose.ES256: {ecKey(), &ecKey().PublicKey},
	}
	exp := hour()
	claims := object{"exp": exp.Unix(), "target": "x"}
	for alg, key := range keys {
		path := keyFile(t, publicPEM(t, key.public))
		j := newJWT(t, tickets.JWTConfig{Signed: auth.JWTConfig{Algorithms: []string{string(alg)}, KeyFile: path}})
		want(t, j, signed(t, alg, key.private, claims), tickets.Ticket{Target: "x", Expires: exp})
		// RFC 8725, 2.1: what is public for one algorithm is no other's secret.
		wantUnknown(t, j, signed(t, jose.HS256, []byte(publicPEM(t, key.public)), claims), "not allowed")
	}
}

func TestJWTEncrypted(t *testing.T) {
	exp := hour()
	inner := signed(t, jose.HS256, hsKey, object{"exp": exp.Unix(), "target": "x", "username": "u", "password": "pw"})
	good := tickets.Ticket{Target: "x", User: "u", Password: "pw", Expires: exp}
	secret := func(n int) []byte { return bytes.Repeat([]byte{7}, n) }
	for _, c := range []struct {
		alg     jose.KeyAlgorithm
		enc     jose.ContentEncryption
		encrypt any
		cfg     tickets.JWEConfig
	}{
		{jose.A256KW, jose.A256CBC_HS512, secret(32), tickets.JWEConfig{Secret: secret(32)}},
		{jose.A128GCMKW, jose.A128GCM, secret(16), tickets.JWEConfig{Secret: secret(16)}},
		{jose.DIRECT, jose.A256GCM, secret(32), tickets.JWEConfig{Secret: secret(32)}},
		{jose.RSA_OAEP, jose.A256GCM, &rsaKey().PublicKey, tickets.JWEConfig{KeyFile: keyFile(t, privatePEM(t, rsaKey()))}},
		{jose.RSA_OAEP_256, jose.A128CBC_HS256, &rsaKey().PublicKey, tickets.JWEConfig{KeyFile: keyFile(t, privatePEM(t, rsaKey()))}},
		{jose.ECDH_ES_A128KW, jose.A256GCM, &ecKey().PublicKey, tickets.JWEConfig{KeyFile: keyFile(t, string(toJSON(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ecKey(), Use: "enc"}}})))}},
	} {
		t.Run(string(c.alg), func(t *testing.T) {
			c.cfg.KeyAlgorithms = []string{string(c.alg)}
			j := newJWT(t, tickets.JWTConfig{Encrypted: &c.cfg, EncryptedOnly: true})
			want(t, j, sealed(t, c.alg, c.enc, c.encrypt, inner), good)
			wantUnknown(t, j, inner, "not encrypted")
			// Anybody can encrypt with a public key.
			wantUnknown(t, j, sealed(t, c.alg, c.enc, c.encrypt, `{"target":"x","exp":4000000000}`), "malformed")
			c.cfg.Encryptions = []string{"A192GCM"}
			if j, err := tickets.NewJWT(tickets.JWTConfig{Signed: auth.JWTConfig{Algorithms: []string{"HS256"}, Secret: hsKey}, Encrypted: &c.cfg}); err == nil {
				wantUnknown(t, j, sealed(t, c.alg, c.enc, c.encrypt, inner), "not allowed")
			}
		})
	}
	j := newJWT(t, tickets.JWTConfig{})
	wantUnknown(t, j, sealed(t, jose.A256KW, jose.A256GCM, secret(32), inner), "no key to decrypt")
	j = newJWT(t, tickets.JWTConfig{Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"A256KW"}, Secret: secret(32)}})
	wantUnknown(t, j, sealed(t, jose.A256KW, jose.A256GCM, hsKey, inner), "none of our keys")
	wantUnknown(t, j, sealed(t, jose.DIRECT, jose.A256GCM, secret(32), inner), "not allowed")
	wantUnknown(t, j, "....", "malformed")
	wantUnknown(t, j, strings.Repeat("a", 65<<10), "too large")
}

func TestJWTConfigRefuses(t *testing.T) {
	signer := auth.JWTConfig{Algorithms: []string{"HS256"}, Secret: hsKey}
	for says, cfg := range map[string]tickets.JWTConfig{
		"no algorithm is allowed": {Signed: auth.JWTConfig{Secret: hsKey}},
		"no key to decrypt":       {Signed: signer, EncryptedOnly: true},
		"none is allowed":         {Signed: signer, Encrypted: &tickets.JWEConfig{Secret: hsKey}},
		`"RSA1_5" is none`:        {Signed: signer, Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"RSA1_5"}, Secret: hsKey}},
		`"A1GCM" is none`:         {Signed: signer, Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"dir"}, Encryptions: []string{"A1GCM"}, Secret: hsKey}},
		"neither a key file":      {Signed: signer, Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"dir"}}},
		"by kind and length":      {Signed: signer, Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"A128KW"}, Secret: hsKey}},
		"no such file":            {Signed: signer, Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"dir"}, KeyFile: filepath.Join(t.TempDir(), "none")}},
		"no private key":          {Signed: signer, Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"RSA-OAEP"}, KeyFile: keyFile(t, publicPEM(t, &rsaKey().PublicKey))}},
		"neither PEM nor":         {Signed: signer, Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"RSA-OAEP"}, KeyFile: keyFile(t, "text")}},
		"malformed PEM":           {Signed: signer, Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"RSA-OAEP"}, KeyFile: keyFile(t, "-----BEGIN")}},
		"malformed JSON":          {Signed: signer, Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"RSA-OAEP"}, KeyFile: keyFile(t, "{")}},
		"malformed JWK":           {Signed: signer, Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"RSA-OAEP"}, KeyFile: keyFile(t, `{"kty":"RSA"}`)}},
	} {
		if _, err := tickets.NewJWT(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, expected: %s", err, says)
		}
	}
}

func TestJWEKeysAreHot(t *testing.T) {
	path := keyFile(t, privatePEM(t, rsaKey()))
	var broken error
	j := newJWT(t, tickets.JWTConfig{OnlyStart: true, Encrypted: &tickets.JWEConfig{
		KeyAlgorithms: []string{"RSA-OAEP"}, KeyFile: path, Report: func(err error) { broken = err },
	}})
	inner := signed(t, jose.HS256, hsKey, object{"exp": hour().Unix(), "target": "x"})
	second := sealed(t, jose.RSA_OAEP, jose.A256GCM, &rsaKey2().PublicKey, inner)
	wantUnknown(t, j, second, "none of our keys")
	if err := os.WriteFile(path, []byte(privatePEM(t, rsaKey())+privatePEM(t, rsaKey2())), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, j, second, tickets.Ticket{Target: "x"})
	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, j, second, tickets.Ticket{Target: "x"})
	if broken == nil || strings.Contains(broken.Error(), "nothing") {
		t.Errorf("reported: %v", broken)
	}
}

// The rules are those of websockify:websockify/token_plugins.py, JWTTokenApi.
func TestWebsockifyJWT(t *testing.T) {
	text := base64.RawURLEncoding.EncodeToString(hsKey)
	at := tickets.Ticket{Address: "vm:5900"}
	claims := object{"host": "vm", "port": 5900}
	for what, c := range map[string]struct {
		file  string
		token func(claims any) string
	}{
		"symmetric":   {text + "\n", func(c any) string { return signed(t, jose.HS256, hsKey, c) }},
		"padded":      {base64.URLEncoding.EncodeToString(hsKey), func(c any) string { return signed(t, jose.HS256, hsKey, c) }},
		"RSA":         {publicPEM(t, &rsaKey().PublicKey), func(c any) string { return signed(t, jose.RS256, rsaKey(), c) }},
		"RSA, PSS":    {publicPEM(t, &rsaKey().PublicKey), func(c any) string { return signed(t, jose.PS256, rsaKey(), c) }},
		"EC":          {publicPEM(t, &ecKey().PublicKey), func(c any) string { return signed(t, jose.ES256, ecKey(), c) }},
		"private RSA": {privatePEM(t, rsaKey()), func(c any) string { return signed(t, jose.RS256, rsaKey(), c) }},
		"encrypted": {text, func(c any) string {
			return sealed(t, jose.A256KW, jose.A256CBC_HS512, hsKey, signed(t, jose.HS256, hsKey, c))
		}},
		"encrypted to RSA": {privatePEM(t, rsaKey()), func(c any) string {
			return sealed(t, jose.RSA_OAEP, jose.A256GCM, &rsaKey().PublicKey, signed(t, jose.RS256, rsaKey(), c))
		}},
	} {
		t.Run(what, func(t *testing.T) {
			s := ok(tickets.NewWebsockifyJWT(keyFile(t, c.file)))(t)
			want(t, s, c.token(claims), at)
			want(t, s, c.token(with(claims, object{"aud": "anyone", "iss": "anyone", "exp": hour().Unix(), "nbf": 1})), at)
			wantUnknown(t, s, c.token(with(claims, object{"exp": time.Now().Unix() - 1})), "expired")
			wantUnknown(t, s, c.token(with(claims, object{"nbf": hour().Unix()})), "not valid yet")
			wantUnknown(t, s, c.token(object{"host": "vm"}), "port")
			wantUnknown(t, s, signed(t, jose.HS512, bytes.Repeat([]byte("x"), 64), claims), "jwt")
		})
	}
	public := ok(tickets.NewWebsockifyJWT(keyFile(t, publicPEM(t, &rsaKey().PublicKey))))(t)
	wantUnknown(t, public, signed(t, jose.HS256, []byte(publicPEM(t, &rsaKey().PublicKey)), claims), "no key")
	for _, bad := range []string{"", "c2hvcnQ", "*", "-----BEGIN", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := tickets.NewWebsockifyJWT(keyFile(t, bad)); err == nil {
			t.Errorf("%q was taken for a key", bad)
		}
	}
}

func TestWebsockifyJWTKeyIsHot(t *testing.T) {
	path := keyFile(t, publicPEM(t, &rsaKey().PublicKey))
	s := ok(tickets.NewWebsockifyJWT(path))(t)
	token := signed(t, jose.ES256, ecKey(), object{"host": "vm", "port": "5900"})
	wantUnknown(t, s, token, "no key")
	if err := os.WriteFile(path, []byte(publicPEM(t, &ecKey().PublicKey)), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, s, token, tickets.Ticket{Address: "vm:5900"})
}

// What was signed is what comes out; nothing else does.
func FuzzJWT(f *testing.F) {
	j := newJWT(f, tickets.JWTConfig{Encrypted: &tickets.JWEConfig{KeyAlgorithms: []string{"A256KW", "dir"}, Secret: hsKey}})
	claims := object{"exp": 4000000000, "host": "vm", "port": 5900, "rights": "view"}
	inner := signed(f, jose.HS256, hsKey, claims)
	good := map[string]bool{inner: true}
	for _, s := range []string{inner, sealed(f, jose.A256KW, jose.A256GCM, hsKey, inner), "", "a.b.c", "a.b.c.d.e", "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		ticket, err := j.Lookup(context.Background(), token)
		if err == nil && (ticket.Address != "vm:5900" || ticket.Rights != auth.Viewing) {
			t.Fatalf("forged: %+v", ticket)
		}
		if err != nil && (!errors.Is(err, tickets.ErrUnknown) || good[token]) {
			t.Fatal(err)
		}
	})
}

// Claims come from an issuer that is trusted; what they say must still be usable.
func FuzzJWTClaims(f *testing.F) {
	j := newJWT(f, tickets.JWTConfig{})
	for _, s := range []string{`"host":"vm","port":1`, `"address":"[::1]:5","rights":["view"]`, `"target":"t","tls":true`, `"port":1e3`, `"rights":null,"target":"x"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, more string) {
		signer := ok(jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: hsKey}, nil))(t)
		object := ok(signer.Sign([]byte(`{"exp":4000000000,` + more + `}`)))(t)
		ticket, err := j.Lookup(context.Background(), ok(object.CompactSerialize())(t))
		switch {
		case err != nil && !errors.Is(err, tickets.ErrUnknown):
			t.Fatal(err)
		case err == nil && (ticket.Target == "") == (ticket.Address == ""):
			t.Fatalf("%+v", ticket)
		case err == nil && ticket.Password != "":
			t.Fatal("a password that everybody can read")
		}
	})
}
