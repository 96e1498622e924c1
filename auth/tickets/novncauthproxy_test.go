package tickets_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vncgate/auth/tickets"
)

func newNoVNCAuthProxy(t testing.TB) *tickets.NoVNCAuthProxy {
	return ok(tickets.NewNoVNCAuthProxy(tickets.NoVNCAuthProxyConfig{Key: hsKey}))(t)
}

// The rules are those of go-novncauthproxy's tools/encode.py and token/jwe.go.
func TestNoVNCAuthProxy(t *testing.T) {
	n := newNoVNCAuthProxy(t)
	claims := object{"vnc": object{"a": "[::1]:5901", "p": "pw"}, "exp": hour().Unix(), "aud": "anyone"}
	text := string(toJSON(t, claims))
	good := tickets.Ticket{Address: "[::1]:5901", Password: "pw"}
	for _, c := range []struct {
		alg jose.KeyAlgorithm
		enc jose.ContentEncryption
	}{{jose.A256KW, jose.A256CBC_HS512}, {jose.A256KW, jose.A256GCM}, {jose.DIRECT, jose.A256GCM}} {
		want(t, n, sealed(t, c.alg, c.enc, hsKey, text), good)
	}
	seal := func(change object) string {
		return sealed(t, jose.A256KW, jose.A256CBC_HS512, hsKey, string(toJSON(t, with(claims, change))))
	}
	good.Identity = by("novncauthproxy", "ada")
	want(t, n, seal(object{"sub": "ada"}), good)
	for says, change := range map[string]object{
		"has expired":     {"exp": time.Now().Unix() - 1},
		"not valid yet":   {"nbf": hour().Unix()},
		"never ends":      {"exp": nil},
		"malformed":       {"vnc": "x"},
		"port is missing": {"vnc": object{"a": "host"}},
		"subject":         {"sub": " a"},
	} {
		wantUnknown(t, n, seal(change), says)
	}
	endless := ok(tickets.NewNoVNCAuthProxy(tickets.NoVNCAuthProxyConfig{Key: hsKey, Endless: true}))(t)
	want(t, endless, seal(object{"exp": nil}), tickets.Ticket{Address: "[::1]:5901", Password: "pw"})
	wantUnknown(t, n, sealed(t, jose.A256KW, jose.A256CBC_HS512, bytes.Repeat([]byte{1}, 32), text), "none of our keys")
	wantUnknown(t, n, sealed(t, jose.A256GCMKW, jose.A256GCM, hsKey, text), "not allowed")
	wantUnknown(t, n, sealed(t, jose.RSA_OAEP, jose.A256GCM, &rsaKey().PublicKey, text), "not allowed")
	wantUnknown(t, n, signed(t, jose.HS256, hsKey, claims), "malformed")
	wantUnknown(t, n, strings.Repeat("a", 65<<10), "too large")
	if _, err := tickets.NewNoVNCAuthProxy(tickets.NoVNCAuthProxyConfig{Key: hsKey[1:]}); err == nil {
		t.Error("a key of 31 bytes was taken")
	}
}

func FuzzNoVNCAuthProxy(f *testing.F) {
	n := newNoVNCAuthProxy(f)
	f.Add(`{"vnc":{"a":"h:1","p":"p"},"exp":4000000000}`)
	f.Add(`{"vnc":[],"exp":1e999,"aud":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		ticket, err := n.Lookup(context.Background(), sealed(t, jose.DIRECT, jose.A256GCM, hsKey, text))
		if err != nil && !errors.Is(err, tickets.ErrUnknown) || err == nil && ticket.Address == "" {
			t.Fatalf("%+v, %v", ticket, err)
		}
		if _, err := n.Lookup(context.Background(), text); err == nil {
			t.Fatal("taken without encryption")
		}
	})
}
