package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// status is what an Auth answers a request with these headers; 0 lets it in.
func status(t *testing.T, auth Auth, r *http.Request) int {
	t.Helper()
	err := auth(r)
	if err == nil {
		return 0
	}
	var no *Refusal
	if !errors.As(err, &no) {
		t.Fatalf("not a refusal: %v", err)
	}
	if no.Status == http.StatusUnauthorized && no.Header.Get("WWW-Authenticate") != `Basic realm="Websockify"` {
		t.Errorf("challenge %v", no.Header)
	}
	return no.Status
}

func request(name, value string) *http.Request {
	r := &http.Request{Header: http.Header{}}
	if name != "" {
		r.Header.Set(name, value)
	}
	return r
}

func basic(credentials string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
}

func TestBasicHTTPAuth(t *testing.T) {
	auth, err := NewAuth("BasicHTTPAuth", "jörg:pä:ss wörd")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		header string
		want   int
	}{
		{basic("jörg:pä:ss wörd"), 0},
		{basic("j\xf6rg:p\xe4:ss w\xf6rd"), 0},
		{strings.Replace(basic("jörg:pä:ss wörd"), "Basic", "bAsIc", 1), 0},
		{basic("jörg:pä:ss wörd") + " ", 0},
		{basic("j\xf6rg:pä:ss wörd"), 401}, // each header is in one character set
		{basic("jörg:pä"), 401},
		{basic("jörg:"), 401},
		{basic("jörg:pä:ss wörd\x00"), 401},
		{basic(":"), 401},
		{"", 401},
		{"Basic", 403},
		{"Basic !!!", 403},
		{"Bearer " + basic("jörg:pä:ss wörd")[6:], 403},
		{basic("without colon"), 403},
	} {
		r := request("", "")
		if c.header != "" {
			r = request("Authorization", c.header)
		}
		if got := status(t, auth, r); got != c.want {
			t.Errorf("%q: %d, want %d", c.header, got, c.want)
		}
	}
}

func TestExpectOrigin(t *testing.T) {
	auth, err := NewAuth("websockify.auth_plugins.ExpectOrigin", " https://a.example\thttps://b.example:8443\n")
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]int{
		"https://a.example": 0, "https://b.example:8443": 0,
		"https://a.example:443": 403, "http://a.example": 403, "https://A.example": 403, "https://a.example.evil": 403, "null": 403, "": 403,
	} {
		if got := status(t, auth, request("Origin", origin)); got != want {
			t.Errorf("%q: %d, want %d", origin, got, want)
		}
	}
	if got := status(t, auth, request("", "")); got != 403 {
		t.Errorf("without Origin: %d", got)
	}
	if err := auth(request("", "")); !strings.Contains(err.Error(), "Invalid Origin") {
		t.Errorf("words: %v", err)
	}
}

func TestClientCertCNAuth(t *testing.T) {
	auth, err := NewAuth("ClientCertCNAuth", `alice "Bob Builder" "say \"hi\" \\"`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{
		"alice": 0, "Bob Builder": 0, `say "hi" \`: 0, "Bob": 403, "Builder": 403, "Alice": 403, "": 403, `"Bob`: 403,
	} {
		r := request("SSL_CLIENT_S_DN_CN", "alice")
		if got := status(t, auth, r); got != 403 {
			t.Fatalf("a header was believed: %d", got)
		}
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Subject: pkix.Name{CommonName: name}}}}
		if got := status(t, auth, r); got != 403 {
			t.Errorf("%q, not verified: %d", name, got)
		}
		r.TLS.VerifiedChains = [][]*x509.Certificate{r.TLS.PeerCertificates}
		if got := status(t, auth, r); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
}

func TestNewAuthErrors(t *testing.T) {
	for _, c := range []struct{ class, source, words string }{
		{"BasicHTTPAuth", "", "user:password"},
		{"BasicHTTPAuth", "secret", "user:password"},
		{"BasicHTTPAuth", "user:", "empty"},
		{"ExpectOrigin", " ", "no origin"},
		{"ClientCertCNAuth", "", "no certificate"},
		{"ClientCertCNAuth", `"Bob`, "never closed"},
		{"mycompany.plugins.LDAP", "x", "ExpectOrigin"},
		{"websockify.auth_plugins.Nope", "x", "Python classes"},
		{"", "", "Python classes"},
	} {
		_, err := NewAuth(c.class, c.source)
		if err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s %q: %v, want words on %q", c.class, c.source, err, c.words)
		}
	}
}

// FuzzBasicCredentials holds the parser to RFC 7617: whatever it lets through
// is what was encoded.
func FuzzBasicCredentials(f *testing.F) {
	for _, s := range []string{"Basic dTpw", "basic  dTpw ", "Basic", "", "Basic dTpw=", "Basic dTp3Og==", "Bearer x", "Basic \xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, ok := basicCredentials(header)
		if !ok {
			return
		}
		again, ok := basicCredentials(basic(got))
		if !ok || again != got || !strings.Contains(got, ":") {
			t.Errorf("%q: %q, then %q", header, got, again)
		}
		if l := latin1(got); utf8.RuneCountInString(l) != len(got) {
			t.Errorf("%q has %d characters in ISO-8859-1", got, utf8.RuneCountInString(l))
		}
	})
}

// FuzzQuotedFields: what is quoted comes back as it was, whatever is in it.
func FuzzQuotedFields(f *testing.F) {
	f.Add("alice", "Bob Builder")
	f.Add(`"`, `\`)
	f.Add("", "\t\n")
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, a, b string) {
		_, _ = quotedFields(a)
		got, err := quotedFields(`"` + quote.Replace(a) + `" "` + quote.Replace(b) + `"`)
		if err != nil || !slices.Equal(got, []string{a, b}) {
			t.Errorf("%q and %q became %q, %v", a, b, got, err)
		}
	})
}
