package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// signer makes tokens, and the file of its public key.
func signer(t *testing.T) (sign func(claims any) string, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(claims any) string {
		token, err := jwt.Signed(by).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}, fileWith(t, "%s", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Sources of every kind open with the settings that deploy/sources.yaml shows,
// and say what is wrong with those that cannot work.
func TestSourcesOpen(t *testing.T) {
	_, key := signer(t)
	p := newPKI(t)
	for kind, want := range map[string]string{
		`http: {url: "https://portal.example/{token}", tls: {ca: CA, certificate: CERT, key: KEY}, timeout: 1s, keep: 1s}`: "",
		`http: {url: "https://portal.example/"}`:                                           "source s: http:",
		`http: {url: "https://x/{token}", headers: {Authorization: {file: /nonexistent}}}`: "source s: http: headers: Authorization: stat /nonexistent",
		`http: {url: "https://x/{token}", tls: {ca: /nonexistent}}`:                        "source s: http: tls: ca:",
		`redis: {addresses: ["127.0.0.1:1"], password: hush, tls: {ca: CA}}`:               "",
		`redis: {addresses: []}`: "source s: redis:",
		`redis: {addresses: ["a:1"], password: {env: NO_SUCH_VARIABLE}}`:                                            "source s: redis: password: the environment has no variable",
		`jwt: {algorithms: [ES256], keys: PUBLIC}`:                                                                  "",
		`jwt: {algorithms: [ES256], keys_url: "https://portal.example/jwks", tls: {ca: CA}}`:                        "",
		`jwt: {algorithms: [ES256]}`:                                                                                "source s: jwt:",
		`jwt: {algorithms: [ES256], keys: /nonexistent}`:                                                            "source s: jwt:",
		`jwt: {algorithms: [ES256], keys_url: "http://portal.example/jwks"}`:                                        "source s: jwt: keys_url:",
		`jwt: {algorithms: [HS256], secret: "short"}`:                                                               "source s: jwt:",
		`nova: {url: "https://nova.example/v2.1", token: hush, tls: {ca: CA}}`:                                      "",
		`nova: {url: "https://nova.example/v2.1", keystone: {url: "https://k", user: u, project: p, secret: hush}}`: "",
		`nova: {url: "http://nova.example/v2.1", token: hush}`:                                                      "source s: nova:",
		`nova: {url: "https://nova.example/v2.1"}`:                                                                  "source s: nova:",
		`as: targets, proxmox: {url: "https://pve.example:8006", token: "a@b!c=d"}`:                                 "",
		`as: targets, proxmox: {url: "https://pve.example:8006"}`:                                                   "source s: proxmox:",
		`proxmox_tickets: {key: PUBLIC, nodes: {a: 10.0.0.1}}`:                                                      "source s: proxmox_tickets:", // it has to be RSA
		`ovirt: {certificate: CERT}`:                                                                                "",
		`ovirt: {}`:                                                                                                 "source s: ovirt:",
		`novncauthproxy: {key: "0123456789abcdef0123456789abcdef"}`:                                                 "",
		`novncauthproxy: {key: "0123"}`:                                                                             "source s: novncauthproxy:",
		`guacamole: {key: "4c0b569e4c96df157eee1b65dd0e4d41"}`:                                                      "",
		`guacamole: {key: "hush"}`:                                                                                  "source s: guacamole:",
		`file: x, display: {tls: {ca: /nonexistent}}`:                                                               "source s: display: tls: ca:",
	} {
		text := strings.NewReplacer("CA", p.ca, "CERT", p.cert, "KEY", p.key, "PUBLIC", key).Replace(kind)
		taken := ", sources: [s]"
		if strings.Contains(kind, "as: targets") {
			taken = ""
		}
		cfg, err := parseConfig(fmt.Appendf(nil, "listeners: [{address: '127.0.0.1:0', web: {}%s}]\nsources: [{name: s, %s}]\n", taken, text))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		w, err := newWiring(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err == nil {
			w.closeDoors()
			w.closeSources()
		}
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", kind, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error holds a secret: %v", kind, err)
		}
	}
}

// A signed token leads to a display, for as long as it is good.
func TestSignedToken(t *testing.T) {
	at := displaysAt(t, "one")
	sign, key := signer(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [signed]}
sources:
  - {name: signed, jwt: {algorithms: [ES256], keys: %q, issuer: portal, audience: vncgate}, allow: ["127.0.0.0/8:*"]}
`, key)
	claims := func(change map[string]any) map[string]any {
		c := map[string]any{"iss": "portal", "aud": "vncgate", "exp": time.Now().Add(time.Hour).Unix(), "address": at[0], "sub": "alice"}
		for name, value := range change {
			c[name] = value
		}
		return c
	}
	other, _ := signer(t)
	for name, c := range map[string]struct{ token, want string }{
		"good":           {sign(claims(nil)), "one"},
		"expired":        {sign(claims(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()})), "!403"},
		"other audience": {sign(claims(map[string]any{"aud": "other"})), "!403"},
		"other key":      {other(claims(nil)), "!403"},
	} {
		got, err := g.browser(0, "/?token="+c.token, nil)
		sees(t, name, c.want, got, err)
	}
	g.logs("user=alice")
	// A session ends with its token.
	soon := sign(claims(map[string]any{"exp": time.Now().Add(2 * time.Second).Unix()}))
	got, err := g.browser(0, "/?token="+soon, nil)
	sees(t, "soon over", "one", got, err)
}

// What a ticket says of its display comes on top of what the source says of all.
func TestDisplayOfTicket(t *testing.T) {
	withPassword := displayNamed("locked")
	withPassword.Config.Security = passwordOnly("sesame")
	at := withPassword.Listen(t)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, "/") {
		case "bare":
			fmt.Fprint(w, at)
		case "own":
			fmt.Fprintf(w, `{"address": %q, "password": "sesame"}`, at)
		case "wrong":
			fmt.Fprintf(w, `{"address": %q, "password": "other"}`, at)
		}
	}))
	t.Cleanup(api.Close)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [plain]}
  - {address: "127.0.0.1:0", web: {}, sources: [set]}
sources:
  - {name: plain, http: {url: "%[1]s/{token}"}, allow: ["127.0.0.1:*"]}
  - {name: set, http: {url: "%[1]s/{token}"}, allow: ["127.0.0.1:*"], display: {password: sesame}}
`, api.URL)
	for _, c := range []struct {
		door        int
		token, want string
	}{
		{0, "bare", "!did not let the gateway in"}, {0, "own", "locked"}, {0, "wrong", "!did not let the gateway in"},
		{1, "bare", "locked"}, {1, "own", "locked"}, {1, "wrong", "!did not let the gateway in"},
	} {
		got, err := g.browser(c.door, "/?token="+c.token, nil)
		sees(t, fmt.Sprint(c.door, c.token), c.want, got, err)
	}
	if strings.Contains(g.log.String(), "sesame") {
		t.Error("the display's password is in the log")
	}
}
