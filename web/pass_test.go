package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/web"
)

// exchange brings a token as the page does, and returns the pass.
func exchange(t *testing.T, client *http.Client, url, token string, header ...string) (*http.Response, string, string) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"token": token})
	req, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Pass, Error string }
	_ = json.NewDecoder(resp.Body).Decode(&answer)
	return resp, answer.Pass, answer.Error
}

func TestPass(t *testing.T) {
	h := newHouse(t, nil)
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	t.Cleanup(browser.CloseIdleConnections)
	base := "http://" + h.addr
	dialer := websocket.Dialer{Jar: jar}
	enter := func(path string) (int, string) {
		c, resp, err := dialer.Dial("ws://"+h.addr+path, http.Header{"Origin": {base}})
		if err == nil {
			_ = c.Close()
		}
		return resp.StatusCode, h.chosen()
	}
	passes := map[string]string{}
	for _, token := range []string{deskToken, labToken} {
		resp, pass, words := exchange(t, browser, base+"/websockify", token, "Origin", base, "Sec-Fetch-Site", "same-origin")
		if resp.StatusCode != http.StatusOK || pass == "" || strings.Contains(pass, "5f0c") {
			t.Fatalf("%d %q %q", resp.StatusCode, pass, words)
		}
		c := resp.Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.MaxAge <= 0 || !strings.Contains(c.Name, pass) {
			t.Errorf("the cookie is %v", c)
		}
		passes[token] = pass
	}
	// Two tabs of one browser, each with its own display.
	for token, want := range map[string]string{deskToken: "desk", labToken: "lab/build"} {
		if status, target := enter("/websockify?pass=" + passes[token]); status != 101 || target != want {
			t.Errorf("the pass for %s: %d %q", want, status, target)
		}
	}
	if status, _ := enter("/vnc/desk?pass=" + passes[labToken]); status != http.StatusBadRequest {
		t.Errorf("a pass for another display than the path's: %d", status)
	}
	if status, _ := enter("/websockify?pass=" + passes[labToken] + "&pass=" + passes[deskToken]); status != http.StatusBadRequest {
		t.Errorf("two passes: %d", status)
	}
	if status, _ := h.enter(t, "/websockify?pass="+passes[deskToken]); status != http.StatusForbidden {
		t.Errorf("another browser with the same address: %d", status)
	}
	if log := h.log.String(); strings.Contains(log, "5f0c") {
		t.Errorf("the log holds a token:\n%s", log)
	}
}

func TestPassEndsWithItsToken(t *testing.T) {
	h := newHouse(t, nil)
	resp, _, _ := exchange(t, http.DefaultClient, "http://"+h.addr+"/", shortToken)
	if c := resp.Cookies()[0]; c.MaxAge > 90 || c.MaxAge < 60 {
		t.Errorf("a token for 90 s makes a cookie for %d s", c.MaxAge)
	}
}

func TestPassIsRefused(t *testing.T) {
	h := newHouse(t, func(c *web.Config) { c.Origins = []string{"https://portal.example"} })
	own := "http://" + h.addr
	for _, test := range []struct {
		name   string
		path   string
		token  string
		header []string
		status int
	}{
		{"a good one", "/vnc/desk", deskToken, []string{"Origin", own}, 200},
		{"not a browser", "/websockify", deskToken, nil, 200},
		{"a bad token", "/websockify", "wrong", nil, 403},
		{"no token", "/websockify", "", nil, 400},
		{"another display", "/vnc/desk", labToken, nil, 400},
		{"two displays", "/vnc/desk?target=lab", labToken, nil, 400},
		{"a source that is down", "/websockify", downToken, nil, 502},
		{"a page from elsewhere", "/websockify", deskToken, []string{"Origin", "https://evil.example"}, 403},
		{"a page that may connect, but brings its own token", "/websockify", deskToken, []string{"Origin", "https://portal.example"}, 403},
		{"another site by its own words", "/websockify", deskToken, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"a form", "/websockify", deskToken, []string{"Content-Type", "text/plain"}, 415},
		{"a token that no browser keeps", "/websockify", strings.Repeat("x", 4000), nil, 413},
		{"a token that is far too long", "/websockify", strings.Repeat("x", 9000), nil, 400},
	} {
		resp, pass, words := exchange(t, http.DefaultClient, own+test.path, test.token, test.header...)
		if resp.StatusCode != test.status || (pass != "") != (test.status == 200) || (words != "") == (test.status == 200) {
			t.Errorf("%s: %d %q %q", test.name, resp.StatusCode, pass, words)
		}
		if test.status != 200 && len(resp.Cookies()) != 0 {
			t.Errorf("%s: a cookie all the same", test.name)
		}
	}
	if resp, _, _ := exchange(t, http.DefaultClient, "http://"+serve(t, nil)+"/websockify", deskToken); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("where no tokens are taken: %d", resp.StatusCode)
	}
	locked := newHouse(t, func(c *web.Config) { c.Logins = &auth.Links{} })
	if resp, _, _ := exchange(t, http.DefaultClient, "http://"+locked.addr+"/", deskToken); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a browser that is not logged in: %d", resp.StatusCode)
	}
}

// A browser that opens many links must not end up with requests that are too
// long to be answered.
func TestOldPassesGo(t *testing.T) {
	h := newHouse(t, func(c *web.Config) {
		c.Tickets = func(context.Context, string, string) (gateway.Front, error) {
			return gateway.Front{Name: "web", Target: "desk", Security: noSecurity}, nil
		}
	})
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	t.Cleanup(browser.CloseIdleConnections)
	base, _ := url.Parse("http://" + h.addr)
	var last string
	for i := range 30 {
		resp, pass, words := exchange(t, browser, base.String(), strings.Repeat(string(rune('a'+i%26)), 1500+i))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("link %d: %d %s", i, resp.StatusCode, words)
		}
		last = pass
	}
	size := 0
	for _, c := range jar.Cookies(base) {
		size += len(c.Name) + len(c.Value)
	}
	if size > 7000 {
		t.Errorf("the browser keeps %d bytes", size)
	}
	c, _, err := (&websocket.Dialer{Jar: jar}).Dial("ws://"+h.addr+"/?pass="+last, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// The name of a pass is the same for a reload, and another one elsewhere: it cannot
// be computed from a token that somebody guesses. After a restart the cookie is
// still good under its old name.
func TestPassNames(t *testing.T) {
	one, two := newHouse(t, nil), newHouse(t, nil)
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	t.Cleanup(browser.CloseIdleConnections)
	_, first, _ := exchange(t, browser, "http://"+one.addr+"/", deskToken)
	_, again, _ := exchange(t, browser, "http://"+one.addr+"/", deskToken)
	_, other, _ := exchange(t, http.DefaultClient, "http://"+two.addr+"/", deskToken)
	if first == "" || first != again || first == other {
		t.Errorf("%q, %q and elsewhere %q", first, again, other)
	}
	c, _, err := (&websocket.Dialer{Jar: jar}).Dial("ws://"+two.addr+"/?pass="+first, nil)
	if err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	_ = c.Close()
}

// Each browser is known by something of its own with a token, which it keeps when
// it opens the link once more, and which no other can make up.
func TestHolders(t *testing.T) {
	var holders []string
	var mu sync.Mutex
	h := newHouse(t, func(c *web.Config) {
		c.Tickets = func(ctx context.Context, token, holder string) (gateway.Front, error) {
			mu.Lock()
			defer mu.Unlock()
			holders = append(holders, holder)
			return tickets(ctx, token, holder)
		}
	})
	last := func() string {
		mu.Lock()
		defer mu.Unlock()
		return holders[len(holders)-1]
	}
	var seen []string
	var browser *http.Client
	var pass string
	for range 2 {
		jar, _ := cookiejar.New(nil)
		browser = &http.Client{Jar: jar}
		t.Cleanup(browser.CloseIdleConnections)
		var resp *http.Response
		resp, pass, _ = exchange(t, browser, "http://"+h.addr+"/", deskToken)
		first := last()
		if len(resp.Cookies()) != 1 || !strings.HasPrefix(resp.Cookies()[0].Value, first) || len(first) != 26 {
			t.Fatalf("holder %q, cookies %v", first, resp.Cookies())
		}
		c, _, err := (&websocket.Dialer{Jar: jar}).Dial("ws://"+h.addr+"/?pass="+pass, nil)
		if err != nil || last() != first {
			t.Fatalf("connecting: %q after %q, %v", last(), first, err)
		}
		_ = c.Close()
		if exchange(t, browser, "http://"+h.addr+"/", deskToken); last() != first {
			t.Errorf("the link once more: %q after %q", last(), first)
		}
		if exchange(t, browser, "http://"+h.addr+"/", labToken); last() == first {
			t.Error("another token has the same holder")
		}
		seen = append(seen, first)
	}
	if seen[0] == seen[1] {
		t.Errorf("two browsers are both %q", seen[0])
	}
	name := "vncgate-pass-" + pass
	for value, want := range map[string]string{
		seen[0] + "!" + deskToken:           seen[0],
		deskToken:                           "", // of before there were holders
		"192.0.2.1!" + deskToken:            "",
		strings.Repeat("A", 99) + deskToken: "no such token",
	} {
		mu.Lock()
		before := len(holders)
		mu.Unlock()
		c, _, err := websocket.DefaultDialer.Dial("ws://"+h.addr+"/?pass="+pass, http.Header{"Cookie": {name + "=" + value}})
		if err == nil {
			_ = c.Close()
		}
		mu.Lock()
		asked := len(holders) - before
		mu.Unlock()
		if asked != 1 || (err == nil) != (want != "no such token") || err == nil && last() != want {
			t.Errorf("a cookie %q: %q, %v", value, last(), err)
		}
	}
}
