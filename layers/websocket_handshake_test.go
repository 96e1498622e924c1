package layers_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// wsHead is a request head with lines replaced or added by name.
func wsHead(request string, change map[string]string) string {
	lines := []struct{ name, value string }{
		{"Host", "gate.test"}, {"Upgrade", "websocket"}, {"Connection", "keep-alive, Upgrade"},
		{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, {"Sec-WebSocket-Version", "13"},
		{"Origin", ""}, {"Sec-WebSocket-Origin", ""}, {"Sec-WebSocket-Protocol", ""}, {"Padding", ""},
	}
	b := request + "\r\n"
	for _, l := range lines {
		if v, ok := change[l.name]; ok {
			l.value = v
		}
		if l.value != "" {
			b += l.name + ": " + l.value + "\r\n"
		}
	}
	return b + "\r\n"
}

const getHead = "GET /websockify HTTP/1.1"

// handshakes are request heads and how they are answered. The first five that
// are not requests at all are those of QEMU's test-io-channel-websock.
var handshakes = []struct {
	name, head string
	status     int
	protocol   string
}{
	{"plain", wsHead(getHead, nil), 101, ""},
	{"any path", wsHead("GET /a/b?token=c HTTP/1.1", nil), 101, ""},
	{"binary offered", wsHead(getHead, map[string]string{"Sec-WebSocket-Protocol": "base64, binary"}), 101, "binary"},
	{"same origin", wsHead(getHead, map[string]string{"Origin": "http://gate.test"}), 101, ""},
	{"other case", wsHead(getHead, map[string]string{"Upgrade": "WebSocket", "Connection": "upgrade"}), 101, ""},

	{"no space", "GET\r\n\r\n", 400, ""},
	{"method only", "GET \r\n\r\n", 400, ""},
	{"no version", "GET /\r\n\r\n", 400, ""},
	{"POST", wsHead("POST / HTTP/1.1", nil), 400, ""},
	{"HTTP/1.0", wsHead("GET / HTTP/1.0", nil), 400, ""},

	{"nothing", "\r\n\r\n", 400, ""},
	{"RFB", "RFB 003.008\n\r\n\r\n", 400, ""},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n", 400, ""},
	{"no upgrade", wsHead(getHead, map[string]string{"Upgrade": "", "Connection": "close"}), 400, ""},
	{"other upgrade", wsHead(getHead, map[string]string{"Upgrade": "h2c"}), 400, ""},
	{"no key", wsHead(getHead, map[string]string{"Sec-WebSocket-Key": ""}), 400, ""},
	{"short key", wsHead(getHead, map[string]string{"Sec-WebSocket-Key": "AAAA"}), 400, ""},
	{"version 8", wsHead(getHead, map[string]string{"Sec-WebSocket-Version": "8"}), 101, ""},
	{"version 7", wsHead(getHead, map[string]string{"Sec-WebSocket-Version": "7", "Sec-WebSocket-Protocol": "binary"}), 101, "binary"},
	{"version 8, same origin", wsHead(getHead, map[string]string{"Sec-WebSocket-Version": "8", "Sec-WebSocket-Origin": "http://gate.test"}), 101, ""},
	{"version 8, foreign origin", wsHead(getHead, map[string]string{"Sec-WebSocket-Version": "8", "Sec-WebSocket-Origin": "http://evil.test"}), 403, ""},
	{"version 8, two origins", wsHead(getHead, map[string]string{
		"Sec-WebSocket-Version": "8", "Sec-WebSocket-Origin": "http://gate.test", "Origin": "http://evil.test"}), 403, ""},
	{"version 6", wsHead(getHead, map[string]string{"Sec-WebSocket-Version": "6"}), 426, ""},
	{"version 14", wsHead(getHead, map[string]string{"Sec-WebSocket-Version": "14"}), 426, ""},
	{"no version header", wsHead(getHead, map[string]string{"Sec-WebSocket-Version": ""}), 426, ""},
	{"unknown subprotocols", wsHead(getHead, map[string]string{"Sec-WebSocket-Protocol": "base64, chat"}), 400, ""},
	{"foreign origin", wsHead(getHead, map[string]string{"Origin": "http://evil.test"}), 403, ""},
	{"8 KiB", wsHead(getHead, map[string]string{"Padding": strings.Repeat("x", 8<<10)}), 400, ""},
	{"bytes behind", wsHead(getHead, nil) + "x", 400, ""},
}

func TestWebSocketServerHandshake(t *testing.T) {
	for _, test := range handshakes {
		t.Run(test.name, func(t *testing.T) {
			near, far := layertest.Pipe()
			defer near.Close()
			defer far.Close()
			_, _ = io.WriteString(near, test.head)
			c, err := layers.WebSocketServer(layers.WebSocketConfig{})(context.Background(), far)
			if (err == nil) != (test.status == 101) || (c == nil) != (err != nil) {
				t.Fatalf("layer: %v, %v", c, err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "layers: websocket: ") {
				t.Errorf("error %q", err)
			}
			checkAnswer(t, near, test.status, test.protocol)
			if c != nil && c.(*layers.WebSocketConn).Subprotocol() != test.protocol {
				t.Errorf("Subprotocol = %q", c.(*layers.WebSocketConn).Subprotocol())
			}
		})
	}
}

func checkAnswer(t *testing.T, c net.Conn, status int, protocol string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != status || res.Header.Get("Sec-WebSocket-Protocol") != protocol {
		t.Errorf("answered %s, subprotocol %q", res.Status, res.Header.Get("Sec-WebSocket-Protocol"))
	}
	switch status {
	case 101: // the key and answer of RFC 6455, 1.3
		if got := res.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Errorf("Sec-WebSocket-Accept = %q", got)
		}
	case 426:
		if got := res.Header.Get("Sec-WebSocket-Version"); got != "13, 8, 7" {
			t.Errorf("Sec-WebSocket-Version = %q", got)
		}
	}
}

func TestWebSocketServerNeedsAWholeHead(t *testing.T) {
	near, far := layertest.Pipe()
	defer far.Close()
	_, _ = io.WriteString(near, "GET / HT")
	_ = near.Close()
	if _, err := layers.WebSocketServer(layers.WebSocketConfig{})(context.Background(), far); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error = %v", err)
	}
}

// httpGate is an HTTP server whose every request is upgraded and echoed.
func httpGate(t *testing.T, config layers.WebSocketConfig) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := layers.WebSocketUpgrade(w, r, config)
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestWebSocketUpgrade(t *testing.T) {
	address := httpGate(t, layers.WebSocketConfig{})
	for _, test := range handshakes {
		status := test.status
		switch test.name {
		case "bytes behind", "no space", "method only", "no version", "nothing", "RFB", "8 KiB", "HTTP/2 preface":
			continue // net/http's own
		case "POST":
			status = 405
		}
		t.Run(test.name, func(t *testing.T) {
			c, err := layers.Dial(context.Background(), address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, _ = io.WriteString(c, test.head)
			if test.name == "HTTP/1.0" {
				return // whatever net/http makes of it, it must not hang
			}
			checkAnswer(t, c, status, test.protocol)
		})
	}
}

func TestCheckOrigin(t *testing.T) {
	address := httpGate(t, layers.WebSocketConfig{CheckOrigin: func(r *http.Request) bool {
		return r.Header.Get("Origin") == "https://portal.test"
	}})
	for origin, want := range map[string]bool{"https://portal.test": true, "http://" + address: false} {
		c, err := layers.Dial(context.Background(), address)
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{"Origin": {origin}}
		ws, err := layers.WebSocketClient("ws://"+address+"/", header)(context.Background(), c)
		if (err == nil) != want {
			t.Errorf("%s: %v", origin, err)
		}
		if err != nil && !strings.Contains(err.Error(), "403 Forbidden") {
			t.Errorf("%s: %v", origin, err)
		}
		if ws != nil {
			exchangeEcho(t, ws)
			_ = ws.Close()
		}
		_ = c.Close()
	}
}

func exchangeEcho(t *testing.T, c net.Conn) {
	t.Helper()
	_, _ = io.WriteString(c, "echo")
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "echo" {
		t.Errorf("echo: %q, %v", b, err)
	}
}

// scripted answers a client's request with answer, in which KEY stands for the
// right Sec-WebSocket-Accept, and returns the request's head.
func scripted(t *testing.T, answer string, url string, header http.Header) (net.Conn, *http.Request, error) {
	t.Helper()
	near, far := layertest.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	requests := make(chan *http.Request, 1)
	go func() {
		r, err := http.ReadRequest(bufio.NewReader(far))
		if err == nil {
			accept := acceptKey(r.Header.Get("Sec-WebSocket-Key"))
			_, _ = io.WriteString(far, strings.ReplaceAll(answer, "KEY", accept))
		}
		_ = layers.CloseWrite(far)
		requests <- r
	}()
	c, err := layers.WebSocketClient(url, header)(context.Background(), near)
	if err != nil {
		_ = near.Close()
	}
	return c, <-requests, err
}

const goodAnswer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n"

// TestWebSocketClientKeepsWhatFollows: a display speaks first, maybe in the
// same packet as the answer.
func TestWebSocketClientKeepsWhatFollows(t *testing.T) {
	c, r, err := scripted(t, goodAnswer+"Sec-WebSocket-Protocol: binary\r\n\r\n\x82\x0cRFB 003.008\n", "ws://qemu.test:5700/", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 12)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "RFB 003.008\n" {
		t.Errorf("read %q, %v", got, err)
	}
	if r.Method != "GET" || r.URL.Path != "/" || r.Host != "qemu.test:5700" || r.Header.Get("Sec-WebSocket-Protocol") != "binary" ||
		len(r.Header.Get("Sec-WebSocket-Key")) != 24 {
		t.Errorf("request: %v", r)
	}
}

func TestWebSocketClientRefuses(t *testing.T) {
	long := http.Header{"Padding": {strings.Repeat("x", 4<<10)}}
	for _, test := range []struct {
		name, answer, url string
		header            http.Header
		want              string
	}{
		{"a 404", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", wsURL, nil, "404 Not Found"},
		{"a wrong key", strings.ReplaceAll(goodAnswer, "KEY", "AAAA") + "\r\n", wsURL, nil, "does not fit"},
		{"another subprotocol", goodAnswer + "Sec-WebSocket-Protocol: base64\r\n\r\n", wsURL, nil, `"base64", which was not offered`},
		{"an extension", goodAnswer + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n\r\n", wsURL, nil, "extension"},
		{"RFB", "RFB 003.008\n\r\n\r\n", wsURL, nil, "malformed"},
		{"an endless head", goodAnswer + "X: " + strings.Repeat("x", 9000), wsURL, nil, "longer than 8192"},
		{"half a head", goodAnswer, wsURL, nil, "EOF"},
		{"a long request", goodAnswer + "\r\n", wsURL, long, "longer than 4096"},
		{"no WebSocket URL", goodAnswer + "\r\n", "http://x/", nil, "malformed ws"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if strings.Contains(test.want, "malformed ws") || test.header != nil {
				near, far := layertest.Pipe()
				defer near.Close()
				defer far.Close()
				c, err := layers.WebSocketClient(test.url, test.header)(context.Background(), near)
				if c != nil || err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v, want %q", err, test.want)
				}
				return
			}
			c, _, err := scripted(t, test.answer, test.url, test.header)
			if c != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestWebSocketClientOwnSubprotocol(t *testing.T) {
	header := http.Header{"Sec-Websocket-Protocol": {"v5.stream, binary"}}
	c, r, err := scripted(t, goodAnswer+"Sec-WebSocket-Protocol: v5.stream\r\n\r\n", "wss://x.test/ws", header)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Sec-WebSocket-Protocol"); got != "v5.stream, binary" {
		t.Errorf("offered %q", got)
	}
	if got := c.(*layers.WebSocketConn).Subprotocol(); got != "v5.stream" {
		t.Errorf("Subprotocol = %q", got)
	}
}

// TestGorillaClient is the independent end on a real HTTP server.
func TestGorillaClient(t *testing.T) {
	address := httpGate(t, layers.WebSocketConfig{})
	d := websocket.Dialer{Subprotocols: []string{"binary"}}
	c, _, err := d.Dial("ws://"+address+"/websockify", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Subprotocol() != "binary" {
		t.Errorf("Subprotocol = %q", c.Subprotocol())
	}
	for _, size := range []int{1, 125, 126, 65535, 65536, 200000} {
		if err := c.WriteMessage(websocket.BinaryMessage, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < size; {
			_, b, err := c.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			got += len(b)
		}
	}
	_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""))
	var closed *websocket.CloseError
	if _, _, err := c.ReadMessage(); !errors.As(err, &closed) || closed.Code != 1000 {
		t.Errorf("at the end: %v", err)
	}
}

// FuzzRequestHead: whatever comes, the server answers once in HTTP or stays
// silent because the head never ended, and upgrades only proper requests.
func FuzzRequestHead(f *testing.F) {
	for _, test := range handshakes {
		f.Add([]byte(test.head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		near, far := layertest.Pipe()
		defer near.Close()
		defer far.Close()
		_, _ = near.Write(head[:min(len(head), 32<<10)])
		_ = layers.CloseWrite(near)
		c, err := layers.WebSocketServer(layers.WebSocketConfig{})(context.Background(), far)
		_ = layers.CloseWrite(far)
		answer, _ := io.ReadAll(near)
		upgraded := strings.HasPrefix(string(answer), "HTTP/1.1 101 ")
		if upgraded != (err == nil) || upgraded != (c != nil) {
			t.Fatalf("%q: layer %v, answer %q", head, err, answer)
		}
		if upgraded && !strings.HasPrefix(string(head), "GET ") {
			t.Errorf("%q was upgraded", head)
		}
		if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 ") {
			t.Errorf("%q was answered %q", head, answer)
		}
	})
}

// acceptKey is the answer to a key (RFC 6455, 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
