package layers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
)

const (
	// maxRequestOut is the longest request QEMU takes.
	maxRequestOut = 4 << 10
	// maxResponseHead bounds the answer.
	maxResponseHead = 8 << 10
)

// WebSocketClient asks the server for an upgrade of url (ws or wss; TLS is the
// layer below's), with header added to the request, which must stay below 4 KiB.
// It offers the subprotocol "binary" unless header names others. Not a byte
// behind the server's answer is touched: a display speaks first.
func WebSocketClient(url string, header http.Header) Layer {
	return func(ctx context.Context, below net.Conn) (net.Conn, error) {
		var c *WebSocketConn
		err := Interrupt(ctx, below, func() (err error) {
			c, err = askUpgrade(below, url, header)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("layers: websocket: %w", err)
		}
		return c, nil
	}
}

func askUpgrade(below net.Conn, url string, header http.Header) (*WebSocketConn, error) {
	offered := header.Values("Sec-WebSocket-Protocol")
	dialer := websocket.Dialer{ReadBufferSize: 1024, WriteBufferSize: 1024}
	if offered == nil {
		offered = []string{binaryProtocol}
		dialer.Subprotocols = offered
	}
	dial := func(context.Context, string, string) (net.Conn, error) {
		return &headConn{noDeadlines: noDeadlines{below}}, nil
	}
	dialer.NetDialContext, dialer.NetDialTLSContext = dial, dial
	// Interrupt bounds the exchange, so the library needs no context.
	_, res, err := dialer.DialContext(context.Background(), url, header)
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, refusal(res)
	}
	if err != nil {
		return nil, err
	}
	return acceptUpgrade(below, res, offered)
}

// refusal tells the cases of ErrBadHandshake apart.
func refusal(res *http.Response) error {
	if res.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the server answered %s", res.Status)
	}
	return errors.New("the server's answer does not fit the request (Upgrade, Connection or Sec-WebSocket-Accept)")
}

// acceptUpgrade checks what gorilla leaves to its caller (RFC 6455, 4.1).
func acceptUpgrade(below net.Conn, res *http.Response, offered []string) (*WebSocketConn, error) {
	if res.Header.Get("Sec-WebSocket-Extensions") != "" {
		return nil, errors.New("the server chose an extension that was not offered")
	}
	chosen := res.Header.Get("Sec-WebSocket-Protocol")
	names := strings.FieldsFunc(strings.Join(offered, ","), func(r rune) bool { return r == ',' || r == ' ' })
	if chosen != "" && !slices.Contains(names, chosen) {
		return nil, fmt.Errorf("the server chose the subprotocol %q, which was not offered", chosen)
	}
	return newWebSocket(below, true, chosen), nil
}

// headConn is what gorilla talks HTTP on: its reads end with the empty line
// behind the answer's head, its writes at 4 KiB, and it owns nothing.
type headConn struct {
	noDeadlines
	tail    [4]byte
	in, out int
}

func (h *headConn) Close() error { return nil }

// Read goes byte by byte: only the empty line tells where the head ends.
func (h *headConn) Read(b []byte) (int, error) {
	if bytes.Equal(h.tail[:], []byte("\r\n\r\n")) {
		return 0, io.EOF
	}
	if h.in == maxResponseHead {
		return 0, fmt.Errorf("answer longer than %d bytes", maxResponseHead)
	}
	n, err := h.Conn.Read(b[:min(1, len(b))])
	if n == 1 {
		h.in++
		copy(h.tail[:], h.tail[1:])
		h.tail[3] = b[0]
	}
	return n, err
}

func (h *headConn) Write(b []byte) (int, error) {
	if h.out+len(b) > maxRequestOut {
		return 0, fmt.Errorf("request longer than %d bytes", maxRequestOut)
	}
	n, err := h.Conn.Write(b)
	h.out += n
	return n, err
}
