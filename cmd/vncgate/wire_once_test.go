package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"vncgate/auth/capability"
	"vncgate/layers"
)

const onceKey = "4c0b569e4c96df157eee1b65dd0e4d41"

// guacamoleToken is Guacamole's encrypted JSON.
func guacamoleToken(t *testing.T, text string) string {
	t.Helper()
	key, err := hex.DecodeString(onceKey)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	body := append(h.Sum(nil), text...)
	pad := aes.BlockSize - len(body)%aes.BlockSize
	body = append(body, strings.Repeat(string(rune(pad)), pad)...)
	cipher.NewCBCEncrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(body, body)
	return base64.StdEncoding.EncodeToString(body)
}

// A token for one session is used up by the session, not by an upgrade that
// comes to nothing; one that has looked before the other is told.
func TestSingleUse(t *testing.T) {
	at := displaysAt(t, "one")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [g]}
sources:
  - {name: g, guacamole: {key: "`+onceKey+`"}, allow: ["127.0.0.0/8:*"]}
`)
	host, port, _ := net.SplitHostPort(at[0].(string))
	token := guacamoleToken(t, fmt.Sprintf(`{"expires": %d, "singleUse": true, "connections": {"a": {"protocol": "vnc", "parameters": {"hostname": %q, "port": %q}}}}`,
		time.Now().Add(time.Hour).UnixMilli(), host, port))
	path := "/?token=" + url.QueryEscape(token)
	open := func() net.Conn {
		c, err := layers.Stack(visit(t), g.dial(0), layers.WebSocketClient("ws://"+g.address(0)+path, nil))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for range 3 {
		open().Close()
	}
	late := open()
	got, err := g.browser(0, path, nil)
	sees(t, "the first", "one", got, err)
	got, err = look(visit(t), late)
	sees(t, "who looked before", "!not good any more", got, err)
	got, err = g.browser(0, path, nil)
	sees(t, "the second", "!403", got, err)
}

// A link for one session is not spent on a display that cannot be reached, nor
// where there is no place.
func TestSingleUseIsKeptUntilReached(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	away := ln.Addr().String()
	must(t, ln.Close())
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
targets:
  away: {address: %q}
  one: {address: %q}
policy:
  - {who: "*", targets: "*", allow: [all], limits: {per_target: 1, busy: refuse}}
capabilities: {store: %q, grace: 0s}
`, away, displayNamed("one").Listen(t), t.TempDir())
	link := func(target string) (path, id string) {
		text, issued, err := g.capabilities.Issue(capability.Token{Targets: []string{target}, Uses: 1, Expires: time.Now().Add(time.Hour)})
		must(t, err)
		return "/?token=" + text, issued.ID
	}
	unused := func(what, id string) {
		t.Helper()
		if one, err := g.capabilities.Store.Get(id); err != nil || one.Used != 0 {
			t.Errorf("%s: used %d, %v", what, one.Used, err)
		}
	}
	path, id := link("away")
	if _, err := g.browser(0, path, nil); err == nil {
		t.Error("a display that is away was seen")
	}
	unused("away", id)
	first, firstID := link("one")
	s, err := g.webStay(0, first)
	must(t, err)
	path, id = link("one")
	_, err = g.browser(0, path, nil)
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second viewer: %v", err)
	}
	unused("busy", id)
	must(t, s.c.Close())
	eventually(t, "the first has left", func() bool { return len(g.gate.List()) == 0 })
	got, err := g.browser(0, path, nil)
	sees(t, "when there is room", "one", got, err)
	eventually(t, "the session has ended", func() bool { return len(g.gate.List()) == 0 })
	for _, spent := range []struct{ path, id string }{{first, firstID}, {path, id}} {
		got, err = g.browser(0, spent.path, nil)
		sees(t, "a spent link", "!used as often", got, err)
	}
}
