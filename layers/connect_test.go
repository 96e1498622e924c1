package layers_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// answerConnect is the other end: it reads one request and answers.
func answerConnect(answer string) layers.Layer {
	return func(ctx context.Context, c net.Conn) (net.Conn, error) {
		err := layers.Interrupt(ctx, c, func() error {
			var head []byte
			for b := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, b[0]) {
				if _, err := c.Read(b); err != nil {
					return err
				}
			}
			_, err := io.WriteString(c, answer)
			return err
		})
		if err != nil {
			return nil, err
		}
		return c, nil
	}
}

const connectOK = "HTTP/1.1 200 OK\r\nServer: test\r\n\r\n"

func TestHTTPConnectLayer(t *testing.T) {
	near := layers.HTTPConnect("/console?ref=1", nil)
	layertest.TestLayer(t, layertest.Subject{Near: near, Far: answerConnect(connectOK), Sparse: true})
	layertest.TestLayer(t, layertest.Subject{Base: layertest.TCP, Near: near, Far: answerConnect(connectOK)})
}

func TestHTTPConnect(t *testing.T) {
	for _, test := range []struct {
		answer, rest, err string
	}{
		{connectOK, "", ""},
		{connectOK + greeting, greeting, ""},
		{"HTTP/1.0 200 Connection established\r\n\r\n" + greeting, greeting, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + greeting, greeting, ""},
		{"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "", "answered 403 Forbidden"},
		{"HTTP/1.1 204 No Content\r\n\r\n", "", "answered 204"},
		{greeting + "\r\n\r\n", "", "not HTTP"},
		{"HTTP/1.1 200 OK\r\n", "", "unexpected EOF"},
		{"", "", "unexpected EOF"},
		{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 9000), "", "longer than 8192"},
	} {
		near, far := layertest.Pipe()
		_, _ = io.WriteString(far, test.answer)
		_ = layers.CloseWrite(far)
		c, err := layers.HTTPConnect("/console", nil)(context.Background(), near)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), "layers: connect: ") ||
			err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%.40q: %v, want %q", test.answer, err, test.err)
		}
		if err == nil {
			if rest, err := io.ReadAll(c); string(rest) != test.rest || err != nil {
				t.Errorf("%.40q: then %q, %v", test.answer, rest, err)
			}
			if layers.Describe(c) != "pipe→connect" || layers.Raw(c) != near {
				t.Errorf("as %s", layers.Describe(c))
			}
		}
		_ = near.Close()
		_ = far.Close()
	}
}

// FuzzHTTPConnect: whatever is answered, nothing behind its head is touched.
func FuzzHTTPConnect(f *testing.F) {
	for _, s := range []string{connectOK, "HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 OK\n\n", greeting, "HTTP/1.1 403 No\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		near, far := layertest.Pipe()
		defer near.Close()
		defer far.Close()
		answer = answer[:min(len(answer), 10<<10)]
		_, _ = io.WriteString(far, answer+greeting)
		_ = layers.CloseWrite(far)
		c, err := layers.HTTPConnect("/", nil)(context.Background(), near)
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(c)
		if head, _, ok := strings.Cut(answer+greeting, "\r\n\r\n"); !ok || head+"\r\n\r\n"+string(rest) != answer+greeting {
			t.Errorf("%q: then %q", answer, rest)
		}
	})
}

func TestHTTPConnectRequest(t *testing.T) {
	near, far := layertest.Pipe()
	defer near.Close()
	_, _ = io.WriteString(far, connectOK)
	header := http.Header{"Host": {"hypervisor.test"}, "Authorization": {"Bearer x"}, "X-Odd": {"a\r\nb: c"}}
	if _, err := layers.HTTPConnect("/a?b=c", header)(context.Background(), near); err != nil {
		t.Fatal(err)
	}
	_ = near.Close()
	r := bufio.NewReader(far)
	for _, want := range []string{
		"CONNECT /a?b=c HTTP/1.1", "Authorization: Bearer x", "Host: hypervisor.test", "X-Odd: a  b: c", "",
	} {
		if line, err := r.ReadString('\n'); line != want+"\r\n" || err != nil {
			t.Errorf("line %q, %v, want %q", line, err, want)
		}
	}
}

func TestHTTPConnectRefusesPaths(t *testing.T) {
	for _, path := range []string{"", "/a b", "/a\r\nX: y", "/a\x00", "/ä", "/" + strings.Repeat("a", 4096)} {
		near, far := layertest.Pipe()
		if _, err := layers.HTTPConnect(path, nil)(context.Background(), near); err == nil || far.(*layertest.PipeConn).Waiting() > 0 {
			t.Errorf("%.10q: %v", path, err)
		}
		_ = near.Close()
	}
}

func TestHTTPConnectTime(t *testing.T) {
	near, _ := layertest.Pipe()
	defer near.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := layers.HTTPConnect("/", nil)(ctx, near); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
