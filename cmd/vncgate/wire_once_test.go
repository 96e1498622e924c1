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
