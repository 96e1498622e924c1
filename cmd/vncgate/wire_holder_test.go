package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"vncgate/auth/capability"
	"vncgate/layers"
)

// exchange has a new browser open a link, and returns the path by which it
// connects and the cookie that it has got.
func (g *gate) exchange(door int, token string) (path string, cookie http.Header) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(visit(g.t), http.MethodPost, "http://"+g.address(door)+"/websockify", strings.NewReader(`{"token": "`+token+`"}`))
	must(g.t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	must(g.t, err)
	defer res.Body.Close()
	var answer struct{ Pass string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || len(res.Cookies()) != 1 {
		g.t.Fatalf("%s: %v, cookies %v", res.Status, err, res.Cookies())
	}
	c := res.Cookies()[0]
	return "/websockify?pass=" + answer.Pass, http.Header{"Cookie": {c.Name + "=" + c.Value}}
}

// browserStay is webStay from a stated address, with cookies.
func (g *gate) browserStay(from string, door int, path string, cookie http.Header) (*stay, error) {
	g.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := dialer.DialContext(visit(g.t), "tcp", g.address(door))
	must(g.t, err)
	g.t.Cleanup(func() { _ = c.Close() })
	over, err := layers.Stack(visit(g.t), c, layers.WebSocketClient("ws://"+g.address(door)+path, cookie))
	if err != nil {
		return nil, err
	}
	return g.stayed(over)
}

// A link for one session is its browser's: it may come back from another address,
// and another browser behind the same one may not.
func TestLinkKnowsItsBrowser(t *testing.T) {
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
targets:
  one: {address: %q}
capabilities: {store: %q, grace: 1h}
`, displayNamed("one").Listen(t), t.TempDir())
	text, issued, err := g.capabilities.Issue(capability.Token{Targets: []string{"one"}, Uses: 1, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	leaves := func(s *stay) {
		t.Helper()
		must(t, s.c.Close())
		eventually(t, "the use is given back", func() bool {
			one, err := g.capabilities.Store.Get(issued.ID)
			must(t, err)
			return one.Used == 1 && one.Running == 0
		})
	}
	path, mine := g.exchange(0, text)
	_, theirs := g.exchange(0, text)
	s, err := g.browserStay("127.0.0.1", 0, path, mine)
	must(t, err)
	leaves(s)
	refused := func(what, path string, cookie http.Header) {
		t.Helper()
		if _, err := g.browserStay("127.0.0.1", 0, path, cookie); err == nil || !strings.Contains(err.Error(), "used as often") {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("another browser behind the same address", path, theirs)
	refused("whoever has the token alone", "/?token="+text, nil)
	back, err := g.browserStay("127.0.0.2", 0, path, mine)
	if err != nil {
		t.Fatalf("the same browser from elsewhere: %v", err)
	}
	leaves(back)
	if strings.Contains(g.log.String(), strings.SplitN(mine.Get("Cookie"), "=", 2)[1][:26]) {
		t.Error("the log has what a browser is known by")
	}
}
