package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/rfb"
	"vncgate/web"
)

// patience is how long a loaded machine may take for what is done at once.
const patience = time.Minute

// stage is a web listener before a gateway with one display that is there.
type stage struct {
	gate *gateway.Gateway
	addr string
	log  lockedBuffer

	mu     sync.Mutex
	rights auth.Rights
	ends   time.Time
}

func newStage(t *testing.T, change func(*stage, *web.Config)) *stage {
	t.Helper()
	s := &stage{rights: auth.AllRights}
	display := newDisplay(t)
	s.gate = &gateway.Gateway{
		Resolve: func(context.Context, string) (*gateway.Target, error) { return display, nil },
		Authorize: func(_ context.Context, req auth.Request) (auth.Grant, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return auth.Grant{Identity: req.Identities[0], Target: req.Target, Rights: s.rights, Expires: s.ends}, nil
		},
	}
	s.addr = serve(t, func(c *web.Config) {
		c.Admit, c.Ready, c.Renew = s.gate.Admit, s.gate.Ready, s.gate.Renew
		c.Log = slog.New(slog.NewTextHandler(&s.log, nil))
		if change != nil {
			change(s, c)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.gate.Shutdown(ctx)
	})
	return s
}

// set changes what the viewers may do.
func (s *stage) set(rights auth.Rights, ends time.Time) {
	s.mu.Lock()
	s.rights, s.ends = rights, ends
	s.mu.Unlock()
	s.gate.Review()
}

// newDisplay shakes hands, and then sends back whatever comes.
func newDisplay(t *testing.T) *gateway.Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { display(c) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); running.Wait() })
	return &gateway.Target{
		Name: "desk",
		Dial: func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", ln.Addr().String())
		},
		Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} },
	}
}

func display(c net.Conn) {
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	viewer, err := rfb.Server(ctx, c, &rfb.ServerConfig{Security: []rfb.Security{rfb.None{}}})
	if err != nil {
		return
	}
	if _, err := viewer.ReadClientInit(ctx); err != nil {
		return
	}
	init := rfb.ServerInit{Width: 64, Height: 48, Format: rfb.Format32(), Name: "a display"}
	if viewer.WriteServerInit(ctx, init) == nil {
		_, _ = io.Copy(viewer, viewer)
	}
}

// told is one notice as it comes over the wire.
type told struct {
	Kind      string   `json:"kind"`
	Words     string   `json:"words"`
	Left      *int     `json:"left"`
	Key       string   `json:"key"`
	Rights    []string `json:"rights"`
	Renewable bool     `json:"renewable"`
	Shareable []string `json:"shareable"`
}

// page is what a browser does: it speaks RFB in binary messages, and collects
// texts.
type page struct {
	*websocket.Conn
	t     *testing.T
	texts chan told
	// binary is what came, and taken what expect has left over of it. Nobody may
	// have to ask for the one kind of message before the other comes.
	binary chan []byte
	taken  []byte
	ended  chan error
}

func newPage(t *testing.T, c *websocket.Conn) *page {
	return &page{Conn: c, t: t, texts: make(chan told, 100), binary: make(chan []byte, 100), ended: make(chan error, 1)}
}

// open comes in, and has the first picture's place when it returns.
func (s *stage) open(t *testing.T, query string) *page {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/websockify"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := newPage(t, c)
	var reading sync.WaitGroup
	reading.Go(p.read)
	t.Cleanup(func() { _ = c.Close(); reading.Wait() })
	p.shake()
	return p
}

func (p *page) read() {
	defer close(p.texts)
	defer close(p.binary)
	for {
		kind, b, err := p.ReadMessage()
		if err != nil {
			p.ended <- err
			return
		}
		if kind == websocket.BinaryMessage {
			p.binary <- b
			continue
		}
		var n told
		if err := json.Unmarshal(b, &n); err != nil {
			p.t.Errorf("text %q: %v", b, err)
		}
		p.texts <- n
	}
}

func (p *page) send(b string) {
	p.t.Helper()
	if err := p.WriteMessage(websocket.BinaryMessage, []byte(b)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) expect(n int) string {
	p.t.Helper()
	for end := time.After(patience); len(p.taken) < n; {
		select {
		case b, ok := <-p.binary:
			if !ok {
				p.t.Fatalf("the session ended after %d bytes of %d", len(p.taken), n)
			}
			p.taken = append(p.taken, b...)
		case <-end:
			p.t.Fatalf("only %d bytes of %d came", len(p.taken), n)
		}
	}
	b := p.taken[:n]
	p.taken = p.taken[n:]
	return string(b)
}

// shake is the RFB handshake (RFC 6143, 7.1 to 7.3).
func (p *page) shake() {
	p.t.Helper()
	p.expect(12)
	p.send("RFB 003.008\n")
	p.expect(2)
	p.send("\x01")
	p.expect(4)
	p.send("\x01")
	p.expect(24 + len("a display"))
}

// next is the next notice of a kind.
func (p *page) next(kind string) told {
	p.t.Helper()
	for end := time.After(patience); ; {
		select {
		case n, ok := <-p.texts:
			if !ok {
				p.t.Fatalf("the session ended before %q", kind)
			}
			if n.Kind == kind {
				return n
			}
		case <-end:
			p.t.Fatalf("no notice of the kind %q", kind)
		}
	}
}

func everyone(gateway.SessionInfo) bool { return true }

func TestNoticesInTheSession(t *testing.T) {
	s := newStage(t, nil)
	p := s.open(t, "?notices=1")
	first := p.next("rights")
	if len(first.Key) < gateway.MinNoticeKey || !slices.Contains(first.Rights, "keyboard") || first.Left != nil || first.Renewable || first.Shareable != nil {
		t.Errorf("the first notice is %+v", first)
	}
	// The stream goes on between the texts.
	const update = "\x03\x00\x00\x00\x00\x00\x00\x40\x00\x30"
	s.gate.Message(everyone, "Down for repairs at noon.")
	p.send(update)
	if got := p.next("message"); got.Words != "Down for repairs at noon." {
		t.Errorf("the message is %+v", got)
	}
	if got := p.expect(len(update)); got != update {
		t.Errorf("the display sent %q", got)
	}
	s.set(auth.AllRights&^auth.Keyboard, time.Now().Add(time.Hour))
	now := p.next("rights")
	if slices.Contains(now.Rights, "keyboard") || now.Left == nil || *now.Left < 1800 || *now.Left > 3600 || now.Key != first.Key {
		t.Errorf("after the change: %+v", now)
	}
	s.gate.End(everyone, gateway.Ending{Reason: "revoked", Words: "Gone."})
	var closed *websocket.CloseError
	if err := <-p.ended; !errors.As(err, &closed) || closed.Code != websocket.ClosePolicyViolation || closed.Text != "Gone." {
		t.Errorf("the end is %v", err)
	}
	if strings.Contains(s.log.String(), first.Key) {
		t.Error("the log holds the key")
	}
}

// Two pages have two keys, and one that does not ask is told nothing: noVNC's
// own would take a text for the display's bytes.
func TestNoticesForWhoAsks(t *testing.T) {
	s := newStage(t, nil)
	plain := s.open(t, "")
	one, two := s.open(t, "?notices=1"), s.open(t, "?notices=1")
	if a, b := one.next("rights").Key, two.next("rights").Key; a == b {
		t.Error("two pages with one key")
	}
	if told := s.gate.Message(everyone, "words"); told != 2 {
		t.Errorf("%d were told", told)
	}
	one.next("message")
	two.next("message")
	plain.send("\x03\x00\x00\x00\x00\x00\x00\x40\x00\x30")
	plain.expect(10)
	if len(plain.texts) != 0 {
		t.Errorf("a page that did not ask was told %+v", <-plain.texts)
	}
}

// What a session's page does not take must not keep the gateway from ending it.
func TestPageThatTakesNothing(t *testing.T) {
	s := newStage(t, nil)
	c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/websockify?notices=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := newPage(t, c)
	handshake := make(chan struct{})
	go func() {
		defer close(handshake)
		defer close(p.binary)
		for {
			kind, b, err := c.ReadMessage()
			if err != nil || kind != websocket.BinaryMessage {
				return // the first notice, and no more is read
			}
			p.binary <- b
		}
	}()
	p.shake()
	<-handshake
	words := strings.Repeat("words ", 8000)
	for range 200 {
		s.gate.Message(everyone, words)
	}
	if n := s.gate.End(everyone, gateway.Ending{}); n != 1 {
		t.Fatalf("%d sessions", n)
	}
	for end := time.Now().Add(patience); s.gate.Sessions() != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the session goes on")
		}
	}
}

// wish POSTs what a page wants, and returns the status and the answer.
func (s *stage) wish(t *testing.T, body string, header ...string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest("POST", "http://"+s.addr+"/websockify", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func TestRenew(t *testing.T) {
	var mu sync.Mutex
	var fault error
	s := newStage(t, func(s *stage, c *web.Config) {
		c.Front.Expires, c.Front.Renewable = time.Now().Add(5*time.Minute), true
		s.gate.Extend = func(context.Context, gateway.SessionInfo) (time.Time, error) {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(time.Hour), fault
		}
	})
	p := s.open(t, "?notices=1")
	first := p.next("rights")
	if !first.Renewable || first.Left == nil || *first.Left > 300 {
		t.Fatalf("the first notice is %+v", first)
	}
	renew := `{"key":"` + first.Key + `","renew":true}`
	if status, answer := s.wish(t, renew); status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	if n := p.next("rights"); n.Left == nil || *n.Left < 3000 {
		t.Errorf("after the renewal: %+v", n)
	}
	mu.Lock()
	fault = errors.New("the key file of " + first.Key + " is gone")
	mu.Unlock()
	if status, _ := s.wish(t, renew); status != http.StatusBadGateway {
		t.Errorf("with a fault: %d", status)
	}
	mu.Lock()
	fault = &web.Refusal{Status: http.StatusForbidden, Words: "Not once more."}
	mu.Unlock()
	if status, answer := s.wish(t, renew); status != http.StatusForbidden || answer["error"] != "Not once more." {
		t.Errorf("refused: %d %v", status, answer)
	}
	if strings.Contains(s.log.String(), first.Key) {
		t.Errorf("the log holds the key:\n%s", s.log.String())
	}
}

// Nobody but a page of ours may ask, and only for its own session.
func TestWishesThatAreRefused(t *testing.T) {
	s := newStage(t, nil)
	p := s.open(t, "?notices=1")
	key := p.next("rights").Key
	renew := `{"key":"` + key + `","renew":true}`
	for _, test := range []struct {
		name, body string
		header     []string
		status     int
	}{
		{"no ticket that could be renewed", renew, nil, http.StatusConflict},
		{"another page", renew, []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"another site by its own words", renew, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"a form", renew, []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		{"a key that was guessed", `{"key":"` + strings.Repeat("A", 26) + `","renew":true}`, nil, http.StatusNotFound},
		{"nothing", `{"key":"` + key + `"}`, nil, http.StatusBadRequest},
		{"no key", `{"renew":true}`, nil, http.StatusBadRequest},
		{"a token where none are taken", `{"token":"x"}`, nil, http.StatusMethodNotAllowed},
		{"no JSON", `renew`, nil, http.StatusBadRequest},
		{"too much", `{"key":"` + strings.Repeat("A", 9000) + `"}`, nil, http.StatusBadRequest},
		{"a link where none are made", `{"key":"` + key + `","share":{"rights":["view"],"seconds":60}}`, nil, http.StatusForbidden},
		{"a link back where none are made", `{"key":"` + key + `","unshare":"x"}`, nil, http.StatusForbidden},
	} {
		if status, answer := s.wish(t, test.body, test.header...); status != test.status || answer["error"] == "" {
			t.Errorf("%s: %d %v, want %d", test.name, status, answer, test.status)
		}
	}
	_ = p.Close()
	for end := time.Now().Add(patience); s.gate.Sessions() != 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if status, answer := s.wish(t, renew); status != http.StatusNotFound {
		t.Errorf("after its end: %d %v", status, answer)
	}
}
