package auth

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

func newBearer(t testing.TB) *Mechanism {
	t.Helper()
	m, err := Mechanisms{Tokens: secretVerifier(t), Encrypted: true}.New(t.Context(), OAuthBearer)
	must(t, err)
	return m
}

func TestOAuthBearer(t *testing.T) {
	good := signHS(t, map[string]any{"sub": "dave", "exp": inAnHour()})
	expired := signHS(t, map[string]any{"sub": "dave", "exp": 1})
	comma := signHS(t, map[string]any{"sub": "Smith, A=B", "exp": inAnHour()})
	for _, c := range []struct {
		what, response string
		user           string // "" for refused
		denied         bool
	}{
		{"RFC 7628, 4.1", "n,a=dave,\x01host=server.example.com\x01port=143\x01auth=Bearer " + good + "\x01\x01", "dave", false},
		{"no authzid", "n,,\x01auth=Bearer " + good + "\x01\x01", "dave", false},
		{"the scheme in small letters", "n,,\x01auth=bearer " + good + "\x01\x01", "dave", false},
		{"a name with a comma", "n,a=Smith=2C A=3DB,\x01auth=Bearer " + comma + "\x01\x01", "Smith, A=B", false},
		{"for another", "n,a=alice,\x01auth=Bearer " + good + "\x01\x01", "", true},
		{"expired", "n,,\x01auth=Bearer " + expired + "\x01\x01", "", true},
		{"no token", "n,,\x01auth=Bearer \x01\x01", "", true},
		{"discovery (RFC 7628, 4.3)", "n,,\x01auth=\x01\x01", "", false},
		{"a large token", "n,,\x01auth=Bearer " + strings.Repeat("x", maxToken+1) + "\x01\x01", "", true},
		{"nothing", "", "", false},
		{"\\1 first", "\x01", "", false},
		{"two tokens", "n,,\x01auth=Bearer " + expired + "\x01auth=Bearer " + good + "\x01\x01", "", false},
		{"no end", "n,,\x01auth=Bearer " + good + "\x01", "", false},
		{"channel binding", "p=tls-exporter,,\x01auth=Bearer " + good + "\x01\x01", "", false},
		{"y", "y,,\x01auth=Bearer " + good + "\x01\x01", "", false},
		{"header", "n,\x01auth=Bearer " + good + "\x01\x01", "", false},
		{"header with more", "n,a=dave,x\x01auth=Bearer " + good + "\x01\x01", "", false},
		{"another authzid form", "n,dave,\x01auth=Bearer " + good + "\x01\x01", "", false},
		{"Basic", "n,,\x01auth=Basic " + good + "\x01\x01", "", false},
		{"port", "n,,\x01port=99999\x01auth=Bearer " + good + "\x01\x01", "", false},
		{"an unknown key", "n,,\x01x=y\x01auth=Bearer " + good + "\x01\x01", "", false},
		{"no key", "n,,\x01x\x01auth=Bearer " + good + "\x01\x01", "", false},
	} {
		m := newBearer(t)
		challenge, done, err := m.Next([]byte(c.response))
		switch {
		case c.user != "":
			if err != nil || !done || len(challenge) != 0 || m.Username() != c.user {
				t.Errorf("%s: %q, done %v, user %q, %v", c.what, challenge, done, m.Username(), err)
			}
			continue
		case c.denied: // told so in JSON; the failure comes with the next response
			var told struct{ Status string }
			if err != nil || done || json.Unmarshal(challenge, &told) != nil || told.Status != "invalid_token" {
				t.Errorf("%s: %q, done %v, %v", c.what, challenge, done, err)
			}
			_, done, err = m.Next([]byte{1})
		}
		if err == nil || done || errors.Is(err, ErrDenied) != c.denied || m.Username() != "" {
			t.Errorf("%s: done %v, user %q, %v", c.what, done, m.Username(), err)
		} else if strings.Contains(err.Error(), good[:20]) || strings.Contains(err.Error(), "Basic") || len(err.Error()) > 120 {
			t.Errorf("%s: the error quotes the peer: %v", c.what, err)
		}
	}
}

// After a refusal the library panics at an empty response, and takes others for
// something else.
func TestOAuthBearerSecondResponse(t *testing.T) {
	for _, second := range [][]byte{nil, {}, {1}, {0}, []byte("n,,\x01\x01"), []byte(strings.Repeat("x", MaxResponse))} {
		m := newBearer(t)
		if _, done, err := m.Next([]byte("n,,\x01auth=Bearer x\x01\x01")); err != nil || done {
			t.Fatalf("done %v, %v", done, err)
		}
		if _, done, err := m.Next(second); !errors.Is(err, ErrDenied) || done || strings.Contains(err.Error(), "panic") {
			t.Errorf("%.10q: done %v, %v", second, done, err)
		}
	}
	m := newBearer(t)
	if challenge, done, err := m.Next(nil); err != nil || done || challenge == nil || len(challenge) != 0 {
		t.Errorf("no initial response: %q, %v, %v; want an empty challenge", challenge, done, err)
	}
	if _, _, err := m.Next([]byte{}); err == nil || errors.Is(err, ErrDenied) {
		t.Errorf("an empty first response: %v", err)
	}
}

func TestOAuthBearerNeedsEncryption(t *testing.T) {
	if _, err := (Mechanisms{Tokens: secretVerifier(t)}).New(t.Context(), OAuthBearer); err == nil {
		t.Error("a token may be sent in the clear")
	}
}

// Bad tokens count against the address.
func TestOAuthBearerGuard(t *testing.T) {
	v := secretVerifier(t)
	synctest.Test(t, func(t *testing.T) {
		m := Mechanisms{Tokens: v, Encrypted: true, Guard: &Guard{}, From: office}
		for range freePerAddress {
			server, err := m.New(t.Context(), OAuthBearer)
			must(t, err)
			_, _, err = server.Next([]byte("n,,\x01auth=Bearer x\x01\x01"))
			must(t, err)
		}
		if _, ok := m.Guard.Allow(office, ""); ok {
			t.Error("bad tokens can be tried without end")
		}
	})
}

func TestOAuthBearerClient(t *testing.T) {
	for _, token := range []string{"", "a b", "a\x01b", "ü", strings.Repeat("x", maxToken+1)} {
		if c, err := OAuthBearerClient(token); err == nil || c != nil || len(token) > 2 && strings.Contains(err.Error(), token) {
			t.Errorf("%.10q: %v", token, err)
		}
	}
	c, err := OAuthBearerClient("abc.def-_~+/=")
	must(t, err)
	if name, first, err := c.Start(); name != "OAUTHBEARER" || string(first) != "n,,\x01auth=Bearer abc.def-_~+/=\x01\x01" || err != nil {
		t.Errorf("%s %q %v", name, first, err)
	}
	for challenge, want := range map[string]string{
		`{"status":"invalid_token","scope":"x"}`:         `"invalid_token"`,
		`{"status":"` + strings.Repeat("x", 1000) + `"}`: "xxxx",
		`{`: "more than a token", ``: "more than a token", strings.Repeat(" ", MaxResponse+1) + "{}": "more than a token",
	} {
		response, err := c.Next([]byte(challenge))
		if err == nil || response != nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 120 {
			t.Errorf("%.30q: %q, %v", challenge, response, err)
		}
	}
}

// Nobody gets in without a token that is good, and nothing panics.
func FuzzOAuthBearerServer(f *testing.F) {
	for _, s := range []string{
		"n,a=dave,\x01host=x\x01port=1\x01auth=Bearer a.b.c\x01\x01", "n,,\x01auth=Bearer x\x01\x01", "n,,\x01\x01", "", "\x01",
		"n,,\x01auth=bearer eyJhbGciOiJub25lIn0.e30.\x01\x01", "n,a==,\x01auth=\x01\x01",
	} {
		f.Add([]byte(s), []byte{})
		f.Add([]byte(s), []byte{1})
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		m := newBearer(t)
		challenge, done, err := m.Next(first)
		if done || err == nil && !json.Valid(challenge) || m.Username() != "" {
			t.Fatalf("%q, done %v, user %q", challenge, done, m.Username())
		}
		if err != nil {
			return
		}
		if _, done, err := m.Next(second); done || err == nil {
			t.Fatalf("second: done %v, %v", done, err)
		}
	})
}

// The client says nothing more, whatever the display asks.
func FuzzOAuthBearerClient(f *testing.F) {
	f.Add([]byte(`{"status":"invalid_token"}`))
	f.Add([]byte(`{"status":1}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, challenge []byte) {
		c, err := OAuthBearerClient("abcdefghijkl")
		must(t, err)
		response, err := c.Next(challenge)
		if response != nil || err == nil || len(err.Error()) > 500 {
			t.Fatalf("%q, %v", response, err)
		}
	})
}
