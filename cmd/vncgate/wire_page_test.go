package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/auth"
	"vncgate/rfb"
)

// page is what a page of ours is to the gateway: a viewer that is told of its
// session in text messages and asks for things by POST.
type page struct {
	*stay
	g    *gate
	door int

	mu   sync.Mutex
	said []pageNotice
}

// pageNotice is one of those messages.
type pageNotice struct {
	Kind, Key, Words  string
	Left              *int
	Rights, Shareable []string
	Renewable         bool
	Playback          bool
	ShareTime         int `json:"share_time"`
}

// pageStay comes in as a page of ours does.
func (g *gate) pageStay(door int, path string, cookie http.Header, security ...rfb.Security) (*page, error) {
	g.t.Helper()
	ws, _, err := websocket.DefaultDialer.DialContext(visit(g.t), "ws://"+g.address(door)+path, cookie)
	if err != nil {
		return nil, err
	}
	p := &page{g: g, door: door}
	g.t.Cleanup(func() { _ = ws.Close() })
	p.stay, err = g.stayed(&pageConn{Conn: ws.NetConn(), ws: ws, page: p}, security...)
	return p, err
}

// pageConn is the stream in the binary messages.
type pageConn struct {
	net.Conn
	ws   *websocket.Conn
	page *page
	rest []byte
}

func (c *pageConn) Read(b []byte) (int, error) {
	for len(c.rest) == 0 {
		kind, message, err := c.ws.ReadMessage()
		switch {
		case err != nil:
			return 0, err
		case kind == websocket.TextMessage:
			c.page.note(message)
		default:
			c.rest = message
		}
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *pageConn) Write(b []byte) (int, error) {
	return len(b), c.ws.WriteMessage(websocket.BinaryMessage, b)
}

func (p *page) note(message []byte) {
	var n pageNotice
	if err := json.Unmarshal(message, &n); err != nil {
		p.g.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, n)
}

// told waits for a notice of that kind that fits, and returns the last one.
func (p *page) told(kind string, fits func(pageNotice) bool) (found pageNotice) {
	p.g.t.Helper()
	eventually(p.g.t, "the page is told of "+kind, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, n := range p.said {
			if n.Kind == kind && (fits == nil || fits(n)) {
				found = n
				return true
			}
		}
		return false
	})
	return found
}

// ask POSTs what the page wants of its session.
func (p *page) ask(what map[string]any) (status int, answer map[string]any) {
	p.g.t.Helper()
	what["key"] = p.told("rights", func(n pageNotice) bool { return n.Key != "" }).Key
	body, err := json.Marshal(what)
	must(p.g.t, err)
	req, err := http.NewRequestWithContext(visit(p.g.t), http.MethodPost, "http://"+p.g.address(p.door)+"/websockify", bytes.NewReader(body))
	must(p.g.t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	must(p.g.t, err)
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	_ = json.Unmarshal(text, &answer)
	return res.StatusCode, answer
}

// shares has the page make a link, and returns its ID and token.
func (p *page) shares(uses int, rights ...string) (id, token string) {
	p.g.t.Helper()
	status, answer := p.ask(map[string]any{"share": map[string]any{"rights": rights, "seconds": 3600, "uses": uses}})
	id, _ = answer["id"].(string)
	token, _ = answer["token"].(string)
	if status != http.StatusOK || id == "" || token == "" {
		p.g.t.Fatalf("a link: %d %v", status, answer)
	}
	return id, token
}

// scramAs logs in by SASL.
func scramAs(user, password string) rfb.Security {
	return rfb.ClientSASL{Choose: func(ctx context.Context, _ []string, _ net.Conn) (rfb.SASLClientMechanism, error) {
		return auth.ChooseClient(ctx, []string{"SCRAM-SHA-256"}, auth.Credentials{
			User: user, Password: func(context.Context) (string, error) { return password, nil },
		})
	}}
}

// ends waits for the end of a session.
func (s *stay) ends(t *testing.T, what string) {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatalf("%s: the session goes on", what)
	}
}
