package layers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// maxRequestHead bounds the HTTP request that WebSocketServer reads.
const maxRequestHead = 8 << 10

// binaryProtocol is the only subprotocol there is for RFB; peers of today offer
// it or none.
const binaryProtocol = "binary"

// WebSocketUpgrade takes over the connection of an HTTP/1.1 request. It selects
// the subprotocol "binary" if the client offered it, and none if it offered
// none. A request that cannot be upgraded has been answered when it returns an
// error: 400 for a bad one or only unknown subprotocols, 403 for a foreign
// Origin, 405 for a method other than GET, 426 for another protocol version than
// 13 and its last two drafts, 8 and 7, whose frames are the same.
func WebSocketUpgrade(w http.ResponseWriter, r *http.Request, config WebSocketConfig) (*WebSocketConn, error) {
	c, err := upgrade(w, r, config)
	if err != nil {
		return nil, fmt.Errorf("layers: websocket: %w", err)
	}
	return c, nil
}

func upgrade(w http.ResponseWriter, r *http.Request, config WebSocketConfig) (*WebSocketConn, error) {
	if status, reason := checkUpgrade(r); status != 0 {
		w.Header().Set("Sec-WebSocket-Version", "13, 8, 7")
		http.Error(w, reason, status)
		return nil, fmt.Errorf("refused with %d: %s", status, reason)
	}
	u := websocket.Upgrader{
		CheckOrigin:  config.CheckOrigin,
		Subprotocols: []string{binaryProtocol},
	}
	held := &heldAnswer{ResponseWriter: w, hold: config.SpeaksFirst}
	g, err := u.Upgrade(held, asVersion13(r), nil)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "websocket: "))
	}
	c := newWebSocket(ownTLS(held.conn), false, g.Subprotocol())
	if len(held.answer) > 0 {
		c.answer.Store(&held.answer)
	}
	return c, nil
}

// heldAnswer is where gorilla answers: the bytes of the answer are kept for the
// connection to send, if it is to hold them.
type heldAnswer struct {
	http.ResponseWriter
	conn   net.Conn
	hold   bool
	answer []byte
}

// Hijack has the library write to us.
func (h *heldAnswer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = c
	return answering{c, h}, rw, nil
}

// answering is the connection that gorilla sees.
type answering struct {
	net.Conn
	held *heldAnswer
}

// Write takes the answer.
func (a answering) Write(b []byte) (int, error) {
	if !a.held.hold {
		return a.Conn.Write(b)
	}
	a.held.answer = append(a.held.answer, b...)
	return len(b), nil
}

// checkUpgrade refuses what gorilla would let pass or answer less precisely.
func checkUpgrade(r *http.Request) (status int, reason string) {
	if !websocket.IsWebSocketUpgrade(r) {
		return 0, "" // gorilla says what is missing
	}
	switch r.Header.Get("Sec-WebSocket-Version") {
	case "13", "8", "7":
	default:
		return http.StatusUpgradeRequired, "only the WebSocket versions 13, 8 and 7 are spoken here"
	}
	offered := websocket.Subprotocols(r)
	if len(offered) > 0 && !slices.Contains(offered, binaryProtocol) {
		return http.StatusBadRequest, "Invalid protocol selected: only binary is spoken here"
	}
	return 0, ""
}

// asVersion13 puts a request of a draft in the words of the standard, in which
// they differ: the number, and the header that names the page's origin.
func asVersion13(r *http.Request) *http.Request {
	if r.Header.Get("Sec-WebSocket-Version") == "13" {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Set("Sec-WebSocket-Version", "13")
	if origin := r.Header.Values("Sec-WebSocket-Origin"); len(origin) > 0 && len(r.Header.Values("Origin")) == 0 {
		r.Header["Origin"] = origin
	}
	return r
}

// WebSocketServer is the server side on a raw connection, for listeners that
// serve nothing but WebSocket: it reads one request of at most 8 KiB, whatever
// its path, and answers it. Only a GET of HTTP/1.1 is upgraded; anything else
// is refused with 400. An HTTP server uses WebSocketUpgrade instead.
func WebSocketServer(config WebSocketConfig) Layer {
	return func(ctx context.Context, below net.Conn) (net.Conn, error) {
		var c *WebSocketConn
		err := Interrupt(ctx, below, func() (err error) {
			c, err = answerUpgrade(below, config)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("layers: websocket: %w", err)
		}
		return c, nil
	}
}

func answerUpgrade(below net.Conn, config WebSocketConfig) (*WebSocketConn, error) {
	w := &rawResponse{below: below, header: http.Header{}}
	head, err := readHead(below)
	if err != nil {
		if errors.Is(err, errHead) {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		return nil, errors.Join(err, w.flush())
	}
	r, err := parseHead(head)
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return nil, errors.Join(err, w.flush())
	}
	c, err := upgrade(w, r, config)
	if err != nil {
		return nil, errors.Join(err, w.flush())
	}
	c.below = below
	return c, nil
}

// errHead marks request heads that are answered with 400.
var errHead = errors.New("bad request head")

// readHead reads up to the empty line that ends the request. A client must wait
// for the answer, so a byte beyond it is an error and not kept.
func readHead(r io.Reader) ([]byte, error) {
	head := make([]byte, 0, 1024)
	for {
		if len(head) == cap(head) {
			head = slices.Grow(head, min(len(head), maxRequestHead+1-len(head)))
		}
		n, err := r.Read(head[len(head):min(cap(head), maxRequestHead+1)])
		head = head[:len(head)+n]
		end := bytes.Index(head, []byte("\r\n\r\n"))
		switch {
		case end == len(head)-4 && end >= 0:
			return head, nil
		case end >= 0:
			return nil, fmt.Errorf("%w: bytes behind it", errHead)
		case len(head) > maxRequestHead:
			return nil, fmt.Errorf("%w: longer than %d bytes", errHead, maxRequestHead)
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
	}
}

// parseHead reads a whole request head and insists on GET and HTTP/1.1.
func parseHead(head []byte) (*http.Request, error) {
	r, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(head), len(head)))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errHead, err)
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return nil, fmt.Errorf("%w: %s instead of HTTP/1.1", errHead, r.Proto)
	case r.Method != http.MethodGet:
		return nil, fmt.Errorf("%w: %s instead of GET", errHead, r.Method)
	}
	return r, nil
}

// rawResponse lets an http.Handler's code answer on a bare connection: once,
// then the connection is closed.
type rawResponse struct {
	below  net.Conn
	header http.Header
	status int
	body   strings.Builder
}

func (w *rawResponse) Header() http.Header         { return w.header }
func (w *rawResponse) WriteHeader(status int)      { w.status = status }
func (w *rawResponse) Write(b []byte) (int, error) { return w.body.Write(b) }

// Hijack hands out the connection without its deadlines: those are Interrupt's.
func (w *rawResponse) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c := noDeadlines{w.below}
	return c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), nil
}

// flush sends the answer, if there is one.
func (w *rawResponse) flush() error {
	if w.status == 0 {
		return nil
	}
	res := http.Response{
		StatusCode: w.status, ProtoMajor: 1, ProtoMinor: 1, Header: w.header, Close: true,
		Body: io.NopCloser(strings.NewReader(w.body.String())), ContentLength: int64(w.body.Len()),
	}
	var b bytes.Buffer
	_ = res.Write(&b) // into memory
	_, err := w.below.Write(b.Bytes())
	return err
}

// noDeadlines keeps a library from touching deadlines that are not its own.
type noDeadlines struct{ net.Conn }

func (noDeadlines) SetDeadline(time.Time) error      { return nil }
func (noDeadlines) SetReadDeadline(time.Time) error  { return nil }
func (noDeadlines) SetWriteDeadline(time.Time) error { return nil }
