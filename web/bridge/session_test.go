package bridge_test

import (
	"testing"

	"github.com/gorilla/websocket"

	"vncgate/web/bridge"
)

func TestSession(t *testing.T) {
	address := start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}})
	for _, path := range []string{"/", "/websockify", "/any/path?x=y"} {
		c, _ := open(t, address, path, nil)
		say(t, c, "hello", "hello")
		_ = c.WriteMessage(websocket.BinaryMessage, []byte("quit"))
		if code, words := ended(t, c); code != websocket.CloseNormalClosure || words != "Target closed" {
			t.Errorf("%s: closed with %d %q", path, code, words)
		}
	}
}

func TestTargetDown(t *testing.T) {
	ln := listen(t)
	_ = ln.Close()
	address := start(t, bridge.Config{Route: bridge.Route{Address: ln.Addr().String()}})
	c, _ := open(t, address, "/", nil)
	if code, words := ended(t, c); code != websocket.CloseInternalServerErr || words != "Failed to connect to downstream server" {
		t.Errorf("closed with %d %q", code, words)
	}
}
