package tickets_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

// guacamoleKey is the one that the manual's example has.
const guacamoleKey = "4C0B569E4C96DF157EEE1B65DD0E4D41"

func newGuacamole(t testing.TB) *tickets.Guacamole {
	return ok(tickets.NewGuacamole(tickets.GuacamoleConfig{Key: guacamoleKey}))(t)
}

// guacamole encrypts text by the manual's rules.
func guacamole(t testing.TB, text []byte) string {
	return base64.StdEncoding.EncodeToString(guacamoleSealed(t, macked(t, text)))
}

func macked(t testing.TB, text []byte) []byte {
	h := hmac.New(sha256.New, ok(hex.DecodeString(guacamoleKey))(t))
	h.Write(text)
	body := append(h.Sum(nil), text...)
	pad := aes.BlockSize - len(body)%aes.BlockSize
	return append(body, bytes.Repeat([]byte{byte(pad)}, pad)...)
}

func guacamoleSealed(t testing.TB, body []byte) []byte {
	block := ok(aes.NewCipher(ok(hex.DecodeString(guacamoleKey))(t)))(t)
	out := make([]byte, len(body))
	cipher.NewCBCEncrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(out, body)
	return out
}

// testdata/guacamole/make.sh made the first with openssl, and the second is
// printed in the manual: its time has passed.
func TestGuacamoleVectors(t *testing.T) {
	token := string(ok(os.ReadFile("testdata/guacamole/auth.token"))(t))
	want(t, newGuacamole(t), token, tickets.Ticket{
		Address: "10.0.0.7:5901", Password: "geheim", Rights: auth.Viewing, Identity: by("guacamole", "ada"),
	})
	want(t, newGuacamole(t), strings.ReplaceAll(token, "+", " "), tickets.Ticket{
		Address: "10.0.0.7:5901", Password: "geheim", Rights: auth.Viewing, Identity: by("guacamole", "ada"),
	})
	manual := string(ok(os.ReadFile("testdata/guacamole/manual.token"))(t))
	wantUnknown(t, newGuacamole(t), manual, "expired")
}

func guacamoleJSON(parameters object) object {
	return object{
		"username": "", "expires": time.Now().Add(time.Hour).UnixMilli(),
		"connections": object{"desk": object{"protocol": "vnc", "parameters": with(object{"hostname": "vm", "port": "5901"}, parameters)}},
	}
}

func TestGuacamoleParameters(t *testing.T) {
	g := newGuacamole(t)
	at := tickets.Ticket{Address: "vm:5901"}
	for what, c := range map[string]struct {
		parameters object
		want       tickets.Ticket
	}{
		"plain":         {nil, at},
		"usual port":    {object{"port": nil}, tickets.Ticket{Address: "vm:5900"}},
		"port":          {object{"port": 5902}, tickets.Ticket{Address: "vm:5902"}},
		"log-in":        {object{"username": "u", "password": "p"}, tickets.Ticket{Address: "vm:5901", User: "u", Password: "p"}},
		"read-only":     {object{"read-only": true}, tickets.Ticket{Address: "vm:5901", Rights: auth.Viewing}},
		"not read-only": {object{"read-only": "false"}, at},
		"no copying":    {object{"disable-copy": "true"}, tickets.Ticket{Address: "vm:5901", Rights: auth.AllRights &^ auth.ClipboardOut}},
		"no pasting":    {object{"disable-paste": "true"}, tickets.Ticket{Address: "vm:5901", Rights: auth.AllRights &^ auth.ClipboardIn}},
		"odd values":    {object{"color-depth": []int{1}, "reverse-connect": "false"}, at},
	} {
		t.Run(what, func(t *testing.T) { want(t, g, guacamole(t, toJSON(t, guacamoleJSON(c.parameters))), c.want) })
	}
	for says, parameters := range map[string]object{
		"repeater":          {"dest-host": "other"},
		"reverse":           {"reverse-connect": "true"},
		"host is missing":   {"hostname": ""},
		"1 to 65535":        {"port": "0"},
		"only Guacamole":    {"password": "${GUAC_PASSWORD}"},
		"unix_socket:/run/": {"hostname": "unix_socket", "port": strings.Repeat("p", 200)},
	} {
		wantUnknown(t, g, guacamole(t, toJSON(t, guacamoleJSON(parameters))), says)
	}
}

func TestGuacamoleConnections(t *testing.T) {
	g := newGuacamole(t)
	one := func(host string) object { return object{"protocol": "vnc", "parameters": object{"hostname": host}} }
	d := guacamoleJSON(nil)
	d["connections"] = object{"a": one("a"), "b ~": one("b"), "s": object{"protocol": "ssh"}, "j": object{"protocol": "vnc", "join": "a"}}
	token := guacamole(t, toJSON(t, d))
	want(t, g, token+"~a", tickets.Ticket{Address: "a:5900"})
	want(t, g, token+"~b ~", tickets.Ticket{Address: "b:5900"})
	for _, name := range []string{"~s", "~j", "~", "~none"} {
		wantUnknown(t, g, token+name, "of that name")
	}
	wantUnknown(t, g, token, "~NAME")
	d["connections"] = object{}
	wantUnknown(t, g, guacamole(t, toJSON(t, d)), "just one connection")
}

func TestGuacamoleTimes(t *testing.T) {
	g, d := newGuacamole(t), guacamoleJSON(nil)
	for says, expires := range map[string]any{"expired": time.Now().UnixMilli() - 1, "never expires": nil, "malformed": "soon", "not the JSON": 1.5} {
		wantUnknown(t, g, guacamole(t, toJSON(t, with(d, object{"expires": expires}))), says)
	}
	endless := ok(tickets.NewGuacamole(tickets.GuacamoleConfig{Key: guacamoleKey, Endless: true}))(t)
	forever := with(d, object{"expires": nil})
	want(t, endless, guacamole(t, toJSON(t, forever)), tickets.Ticket{Address: "vm:5901"})
	wantUnknown(t, endless, guacamole(t, toJSON(t, with(forever, object{"singleUse": true}))), "remembered")
}

func TestGuacamoleSingleUse(t *testing.T) {
	g := newGuacamole(t)
	token := guacamole(t, toJSON(t, with(guacamoleJSON(nil), object{"singleUse": true})))
	for range 3 { // looking uses nothing up
		expect(t, g, token, "vm:5901")
	}
	late, err := g.Lookup(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := claim(g, token); err != nil {
		t.Fatal(err)
	}
	if err := late.Claim(t.Context()); !errors.Is(err, tickets.ErrUnknown) {
		t.Errorf("claimed twice: %v", err)
	}
	wantUnknown(t, g, token, "used already")
	wantUnknown(t, g, token+"\n", "used already")
}

// Neither a bad padding nor a bad MAC nor a bad length may be told apart.
func TestGuacamoleForged(t *testing.T) {
	g := newGuacamole(t)
	good := macked(t, toJSON(t, guacamoleJSON(nil)))
	for name, change := range map[string]func(b []byte) []byte{
		"MAC":          func(b []byte) []byte { b[0] ^= 1; return b },
		"text":         func(b []byte) []byte { b[40] ^= 1; return b },
		"padding of 0": func(b []byte) []byte { b[len(b)-1] = 0; return b },
		"padding > 16": func(b []byte) []byte { b[len(b)-1] = 17; return b },
		"no text":      func([]byte) []byte { return macked(t, nil) },
		"a block less": func(b []byte) []byte { return b[:len(b)-16] },
		"MAC alone":    func(b []byte) []byte { return b[:32] },
	} {
		forged := base64.StdEncoding.EncodeToString(guacamoleSealed(t, change(bytes.Clone(good))))
		_, err := g.Lookup(t.Context(), forged)
		if !errors.Is(err, tickets.ErrUnknown) || err.Error() != tickets.ErrUnknown.Error()+": guacamole: it was not made with our key" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"", "~", "AAAA", "*", strings.Repeat("A", 80)} {
		wantUnknown(t, g, bad, "not made with our key")
	}
	wantUnknown(t, g, strings.Repeat("A", 65<<10), "too large")
	wantUnknown(t, g, guacamole(t, []byte("text")), "not the JSON")
	wantUnknown(t, g, guacamole(t, toJSON(t, with(guacamoleJSON(nil), object{"username": "a\x1b"}))), "username")
	for _, key := range []string{"", "00", guacamoleKey + "00", "zz0B569E4C96DF157EEE1B65DD0E4D41"} {
		if _, err := tickets.NewGuacamole(tickets.GuacamoleConfig{Key: key}); err == nil || key != "" && strings.Contains(err.Error(), key) && len(key) > 2 {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

// Any bytes under any encryption: only what has our MAC comes out.
func FuzzGuacamole(f *testing.F) {
	g := newGuacamole(f)
	good := toJSON(f, guacamoleJSON(nil))
	f.Add(good, true)
	f.Add([]byte(`{"connections":{"a":{"protocol":"vnc","parameters":{"port":{}}}}}`), true)
	f.Add(macked(f, good), false)
	f.Fuzz(func(t *testing.T, text []byte, withMAC bool) {
		var token string
		if withMAC {
			token = guacamole(t, text)
		} else {
			token = base64.StdEncoding.EncodeToString(text)
		}
		ticket, err := g.Lookup(context.Background(), token)
		switch {
		case err != nil && !errors.Is(err, tickets.ErrUnknown):
			t.Fatal(err)
		case err == nil && !withMAC:
			t.Fatal("taken without a MAC")
		case err == nil && ticket.Address == "":
			t.Fatal("no address")
		}
	})
}
