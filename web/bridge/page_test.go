package bridge_test

import (
	"net/http"
	"testing"

	"vncgate/web/bridge"
)

func TestFilesOfAHandler(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a page")) })
	login, err := bridge.NewAuth("BasicHTTPAuth", "u:p")
	if err != nil {
		t.Fatal(err)
	}
	route := bridge.Route{Address: echo(t)}
	address := start(t, bridge.Config{Route: route, Files: page})
	if res, body := get(t, "GET", "http://"+address+"/", nil); res.StatusCode != http.StatusOK || body != "a page" {
		t.Errorf("%s %q", res.Status, body)
	}
	c, _ := open(t, address, "/", nil)
	say(t, c, "hello", "hello")
	address = start(t, bridge.Config{Route: route, Files: page, WebAuth: true, Auths: []bridge.Auth{login}})
	if res, _ := get(t, "GET", "http://"+address+"/", nil); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without log-in: %s", res.Status)
	}
}
