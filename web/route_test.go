package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/gateway"
	"vncgate/rfb"
	"vncgate/web"
)

// The tokens of the tests. None may show up in any log.
const (
	deskToken  = "tok-desk-5f0c"
	labToken   = "tok/lab+5f0c=" // is for lab/build
	downToken  = "tok-down-5f0c"
	leakyToken = "tok-leaky 5f0c"
	shortToken = "tok-short-5f0c"
	deadToken  = "tok-dead-5f0c"
)

var allTokens = []string{deskToken, labToken, downToken, leakyToken, shortToken, deadToken, "5f0c"}

// tickets knows the tokens above.
func tickets(_ context.Context, token, _ string) (gateway.Front, error) {
	front := gateway.Front{Name: "web", Security: noSecurity}
	switch token {
	case deskToken:
		front.Target = "desk"
	case labToken:
		front.Target = "lab/build"
	case shortToken:
		front.Target, front.Expires = "desk", time.Now().Add(90*time.Second)
	case downToken:
		return front, errors.New("source is down")
	case leakyToken:
		return front, errors.New("no answer from /tokens/" + url.QueryEscape(token))
	case deadToken:
		return front, context.DeadlineExceeded
	default:
		return front, &web.Refusal{Status: http.StatusForbidden, Words: "This token opens nothing."}
	}
	return front, nil
}

func noSecurity(net.Conn, string) []rfb.Security { return []rfb.Security{rfb.None{}} }

// house is a web listener that remembers for which display it let viewers in,
// and what it logged.
type house struct {
	addr string
	log  lockedBuffer

	mu     sync.Mutex
	fronts []gateway.Front
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newHouse(t *testing.T, change func(*web.Config)) *house {
	t.Helper()
	h := &house{}
	h.addr = serve(t, func(c *web.Config) {
		c.Front.Target = ""
		c.Tickets = tickets
		c.Hosts = []string{"{target}.vnc.example"}
		c.PathPrefix = "/vnc/"
		c.Log = slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		if change != nil {
			change(c)
		}
		admit := c.Admit
		c.Admit = func(f gateway.Front) (*gateway.Session, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.fronts = append(h.fronts, f)
			return admit(f)
		}
	})
	return h
}

// chosen is the display of the last viewer that was let in.
func (h *house) chosen() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.fronts) == 0 {
		return ""
	}
	return h.fronts[len(h.fronts)-1].Target
}

// enter tries an upgrade and returns its status and the display.
func (h *house) enter(t *testing.T, path string, header ...string) (status int, target string) {
	t.Helper()
	h.mu.Lock()
	h.fronts = nil
	h.mu.Unlock()
	request := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		request.Add(header[i], header[i+1])
	}
	c, resp, err := websocket.DefaultDialer.Dial("ws://"+h.addr+path, request)
	if resp == nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err == nil {
		_ = c.Close()
	}
	return resp.StatusCode, h.chosen()
}

func TestWhichDisplay(t *testing.T) {
	plain := newHouse(t, nil)
	only := newHouse(t, func(c *web.Config) { c.TokensOnly = true; c.Front.Target = "default" })
	fixed := newHouse(t, func(c *web.Config) { c.Front.Target = "default" })
	without := newHouse(t, func(c *web.Config) { c.Tickets = nil; c.Front.Target = "default" })
	const in, bad, no, none = 101, 400, 403, 404
	lab := url.QueryEscape(labToken)
	for _, test := range []struct {
		name   string
		h      *house
		path   string
		header []string
		status int
		target string
	}{
		{"a token", plain, "/websockify?token=" + deskToken, nil, in, "desk"},
		{"a token at the root", plain, "/?token=" + deskToken, nil, in, "desk"},
		{"a token that is escaped", plain, "/websockify?token=" + lab, nil, in, "lab/build"},
		{"a token that is not good", plain, "/websockify?token=wrong", nil, no, ""},
		{"an empty token", plain, "/websockify?token=", nil, none, ""},
		{"a token twice", plain, "/websockify?token=" + deskToken + "&token=" + deskToken, nil, in, "desk"},
		{"two tokens", plain, "/websockify?token=" + deskToken + "&token=" + lab, nil, bad, ""},
		{"a name", plain, "/websockify?target=desk", nil, in, "desk"},
		{"two names", plain, "/websockify?target=desk&target=lab", nil, bad, ""},
		{"a path", plain, "/vnc/desk", nil, in, "desk"},
		{"a path with an escaped slash", plain, "/vnc/lab%2Fbuild", nil, in, "lab/build"},
		{"a path with a slash", plain, "/vnc/lab/build", nil, in, "lab/build"},
		{"a path with strange letters", plain, "/vnc/%C3%BC%20%25", nil, in, "ü %"},
		{"the folder of paths", plain, "/vnc/", nil, none, ""},
		{"a path and the same name", plain, "/vnc/desk?target=desk", nil, in, "desk"},
		{"a path and another name", plain, "/vnc/desk?target=lab", nil, bad, ""},
		{"a host", plain, "/websockify", []string{"Host", "desk.vnc.example"}, in, "desk"},
		{"a host and another path", plain, "/vnc/lab", []string{"Host", "desk.vnc.example"}, bad, ""},
		{"another host", plain, "/websockify", []string{"Host", "desk.example"}, none, ""},
		{"a token for the path's display", plain, "/vnc/desk?token=" + deskToken, nil, in, "desk"},
		{"a token for another than the path's", plain, "/vnc/desk?token=" + lab, nil, bad, ""},
		{"a token for another than the host's", plain, "/?token=" + lab, []string{"Host", "desk.vnc.example"}, bad, ""},
		{"nova's cookie", plain, "/websockify", []string{"Cookie", "token=" + deskToken}, in, "desk"},
		{"nova's cookie, escaped", plain, "/websockify", []string{"Cookie", "token=" + lab}, in, "lab/build"},
		{"nova's cookie that is not good", plain, "/websockify", []string{"Cookie", "token=wrong"}, no, ""},
		{"a name before nova's cookie", plain, "/vnc/desk", []string{"Cookie", "token=" + lab}, in, "desk"},
		{"a token before nova's cookie", plain, "/?token=" + deskToken, []string{"Cookie", "token=" + lab}, in, "desk"},
		{"a pass without its cookie", plain, "/websockify?pass=abc", nil, no, ""},
		{"nothing", plain, "/websockify", nil, none, ""},

		{"tokens only: a name", only, "/websockify?target=desk", nil, no, ""},
		{"tokens only: nothing", only, "/websockify", nil, no, ""},
		{"tokens only: a token", only, "/websockify?token=" + deskToken, nil, in, "desk"},
		{"tokens only: nova's cookie", only, "/vnc/desk", []string{"Cookie", "token=" + deskToken}, in, "desk"},
		{"tokens only: nova's cookie for another", only, "/vnc/desk", []string{"Cookie", "token=" + lab}, bad, ""},

		{"a listener's own display", fixed, "/websockify", nil, in, "default"},
		{"a listener's own display before nova's cookie", fixed, "/websockify", []string{"Cookie", "token=" + deskToken}, in, "default"},
		{"a token before the listener's own", fixed, "/websockify?token=" + deskToken, nil, in, "desk"},
		{"a name before the listener's own", fixed, "/vnc/desk", nil, in, "desk"},

		{"no tokens are taken", without, "/websockify?token=" + deskToken, []string{"Cookie", "token=x"}, in, "default"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, target := test.h.enter(t, test.path, test.header...)
			if status != test.status || target != test.target {
				t.Errorf("%s: %d %q, want %d %q", test.path, status, target, test.status, test.target)
			}
		})
	}
}

// A page learns the words by a plain question; the log learns no token, however
// a source or a request looks.
func TestWordsOfLookUps(t *testing.T) {
	h := newHouse(t, nil)
	for _, test := range []struct {
		token  string
		status int
		words  string
	}{
		{deskToken, http.StatusUpgradeRequired, "for WebSocket"},
		{"wrong-5f0c", http.StatusForbidden, "This token opens nothing."},
		{downToken, http.StatusBadGateway, "could not be looked up"},
		{leakyToken, http.StatusBadGateway, "could not be looked up"},
		{deadToken, http.StatusBadGateway, "could not be looked up"},
	} {
		path := "/websockify?token=" + url.QueryEscape(test.token)
		resp, body := ask(t, http.DefaultClient, "GET", "http://"+h.addr+path, "Accept", "application/json", "Referer", "http://x/?token="+test.token)
		if resp.StatusCode != test.status || !strings.Contains(body, test.words) || strings.Contains(body, "5f0c") {
			t.Errorf("%s: %d %s", test.token, resp.StatusCode, body)
		}
		_, _ = h.enter(t, path, "Cookie", "token="+deskToken)
		_, _ = h.enter(t, path+"&x;y=%zz", "Sec-WebSocket-Protocol", "base64")
	}
	_, _ = ask(t, http.DefaultClient, "GET", "http://"+h.addr+"/"+deskToken+"/..%2f?token="+deskToken)
	log := h.log.String()
	if !strings.Contains(log, "source is down") || !strings.Contains(log, "viewer refused") {
		t.Errorf("the log does not say what happened:\n%s", log)
	}
	for _, secret := range allTokens {
		if strings.Contains(log, secret) || strings.Contains(log, url.QueryEscape(secret)) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
}

// oVirt's tickets are base64, with slashes and all, and the whole path.
func TestTokenAsPath(t *testing.T) {
	ticket := "eyJh//b+c/5f0c=="
	take := func(c *web.Config) {
		c.TokenPath = true
		c.Tickets = func(_ context.Context, token, _ string) (gateway.Front, error) {
			if token != ticket {
				return gateway.Front{}, &web.Refusal{Status: 403, Words: "no"}
			}
			return gateway.Front{Name: "web", Target: "ovirt", Security: noSecurity}, nil
		}
	}
	h := newHouse(t, take)
	for path, want := range map[string]int{"/" + ticket: 101, "/other": 403, "/vnc/desk": 101, "/websockify?target=x": 101} {
		if status, target := h.enter(t, path); status != want {
			t.Errorf("%s: %d %q", path, status, target)
		}
	}
	if resp, _ := ask(t, http.DefaultClient, "GET", "http://"+h.addr+"/other"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a page at a ticket's place: %d", resp.StatusCode)
	}
	if status, _ := newHouse(t, nil).enter(t, "/other"); status != http.StatusNotFound {
		t.Errorf("without TokenPath: %d", status)
	}
}

// Whoever watches over the gateway is told of each token that is refused, with
// where it came from.
func TestRefusedTokensAreTold(t *testing.T) {
	no := &web.Refusal{Status: 403, Words: "no"}
	var mu sync.Mutex
	var told []string
	h := newHouse(t, func(c *web.Config) {
		c.Tickets = func(_ context.Context, token, _ string) (gateway.Front, error) {
			if token == "broken" {
				return gateway.Front{}, errors.New("nobody can say")
			}
			return gateway.Front{}, no
		}
		c.Refused = func(what *web.Refusal, from string) {
			mu.Lock()
			defer mu.Unlock()
			if what != no {
				t.Errorf("told of %v", what)
			}
			told = append(told, from)
		}
	})
	for path, want := range map[string]int{"/websockify?token=x": 403, "/websockify?token=broken": 502} {
		if status, _ := h.enter(t, path); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 1 || !strings.HasPrefix(told[0], "127.0.0.1:") {
		t.Errorf("told of %q", told)
	}
}

func TestLookUpsAreBounded(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	h := newHouse(t, func(c *web.Config) {
		c.Tickets = func(context.Context, string, string) (gateway.Front, error) {
			asked <- struct{}{}
			<-answer
			return gateway.Front{}, &web.Refusal{Status: 403, Words: "no"}
		}
	})
	client := &http.Client{}
	t.Cleanup(client.CloseIdleConnections)
	var running sync.WaitGroup
	for range web.MaxLookups {
		running.Go(func() {
			resp, err := client.Get("http://" + h.addr + "/websockify?token=x")
			if err == nil {
				_ = resp.Body.Close()
			}
		})
		<-asked
	}
	resp, body := ask(t, http.DefaultClient, "GET", "http://"+h.addr+"/websockify?token=x")
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "busy") {
		t.Errorf("one too many: %d %s", resp.StatusCode, body)
	}
	close(answer)
	running.Wait()
}

func TestWaitingIsTold(t *testing.T) {
	since := time.Now().Add(-90 * time.Second)
	h := newHouse(t, func(c *web.Config) {
		c.Waiting = func(target string) (string, time.Time, bool) { return "It is starting.", since, target == "desk" }
	})
	resp, body := ask(t, http.DefaultClient, "GET", "http://"+h.addr+"/vnc/desk", "Accept", "application/json")
	var got struct {
		Waiting string
		Since   time.Time
		Seconds int
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || got.Waiting != "It is starting." || got.Seconds < 90 || got.Since.Unix() != since.Unix() {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if status, _ := h.enter(t, "/vnc/desk"); status != http.StatusSwitchingProtocols {
		t.Errorf("a viewer that wants to wait: %d", status)
	}
	if resp, _ := ask(t, http.DefaultClient, "GET", "http://"+h.addr+"/vnc/lab", "Accept", "application/json"); resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("another display: %d", resp.StatusCode)
	}
}

// An address of a display with a slash too many leads to the one without, by way
// of any proxy that has cut the path.
func TestTrailingSlash(t *testing.T) {
	h := newHouse(t, func(c *web.Config) { c.PathPrefix = "/vnc/" })
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableKeepAlives: true},
	}
	for at, want := range map[string]string{
		"/vnc/north/": "../north", "/vnc/lab/build/?a=b&c=%20": "../build?a=b&c=%20", "/vnc/%C3%BC%2F%20/": "../%C3%BC%2F%20",
		"/vnc/": "", "/vnc/north": "",
	} {
		resp, err := client.Get("http://" + h.addr + at)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Location"); got != want || (resp.StatusCode == http.StatusTemporaryRedirect) != (want != "") {
			t.Errorf("%s: %d to %q, want %q", at, resp.StatusCode, got, want)
		}
	}
}
