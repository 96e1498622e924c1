package layers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// opening is what a connection begins with, and what it is.
var opening = []struct {
	text string
	kind layers.Kind
}{
	{"\x16\x03\x01\x02\x00\x01", layers.KindTLS},
	{"\x16", layers.KindTLS},
	{"\x80\x2e\x01\x00\x02", layers.KindTLS},
	{"GET / HTTP/1.1\r\n", layers.KindHTTP},
	{"HEAD /", layers.KindHTTP},
	{"POST /", layers.KindHTTP},
	{"OPTIONS *", layers.KindHTTP},
	{"PUT /", layers.KindHTTP},
	{"DELETE /", layers.KindHTTP},
	{"CONNECT host:1", layers.KindHTTP},
	{"PATCH /", layers.KindHTTP},
	{"TRACE /", layers.KindHTTP},
	{"PRI * HTTP/2.0\r\n", layers.KindHTTP},
	{"RFB 003.008\n", layers.KindRFB},
	{"GETTY ", layers.KindUnknown},
	{"get /", layers.KindUnknown},
	{"RFC ", layers.KindUnknown},
	{"\x00\x00\x00\x00", layers.KindUnknown},
	{"\r\n", layers.KindUnknown},
	{"SSH-2.0-x\r\n", layers.KindUnknown},
	{"\x15\x03\x01", layers.KindUnknown},
}

// sniffOver sends text, in pieces of n bytes if that is not 0, and returns what
// Sniff takes it for and what can then be read.
func sniffOver(t *testing.T, text string, n int) (layers.Kind, string, error) {
	t.Helper()
	near, far := layertest.Pipe()
	defer near.Close()
	defer far.Close()
	near.(*layertest.PipeConn).Chunk(n)
	_, _ = io.WriteString(near, text)
	_ = layers.CloseWrite(near)
	kind, c, err := layers.Sniff(context.Background(), far, layers.SniffConfig{Silence: -1})
	if err != nil {
		return kind, "", err
	}
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if layers.Raw(c) != far {
		t.Errorf("%q: it does not step aside", text)
	}
	return kind, string(all), nil
}

func TestSniff(t *testing.T) {
	for _, test := range opening {
		for _, chunk := range []int{0, 1, 3} {
			kind, all, err := sniffOver(t, test.text, chunk)
			if kind != test.kind || all != test.text || err != nil {
				t.Errorf("%q by %d: %v, %q, %v", test.text, chunk, kind, all, err)
			}
		}
	}
}

// FuzzSniff: however the bytes are cut, they are the same kind, and come back.
func FuzzSniff(f *testing.F) {
	for _, test := range opening {
		f.Add(test.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		kind, all, err := sniffOver(t, text, 0)
		slowly, again, slowErr := sniffOver(t, text, 1)
		if kind != slowly || all != again || (err == nil) != (slowErr == nil) {
			t.Errorf("%q: %v, %v; byte by byte %v, %v", text, kind, err, slowly, slowErr)
		}
		if err == nil && all != text {
			t.Errorf("%q came back as %q", text, all)
		}
	})
}

func TestSniffSilence(t *testing.T) {
	near, far := layertest.Pipe()
	defer near.Close()
	kind, c, err := layers.Sniff(context.Background(), far, layers.SniffConfig{Silence: time.Millisecond})
	if kind != layers.KindRFB || err != nil {
		t.Fatalf("silence: %v, %v", kind, err)
	}
	if layers.Raw(c) != far || layers.Describe(c) != "pipe" {
		t.Errorf("a silent connection as %s", layers.Describe(c))
	}
	go func() { _, _ = io.WriteString(near, greeting) }()
	b := make([]byte, len(greeting))
	if _, err := io.ReadFull(c, b); string(b) != greeting || err != nil {
		t.Errorf("after the silence: %q, %v", b, err)
	}
	_ = c.Close()
}

// TestSniffGivesBack reads the bytes in small pieces: until they are out the
// layer must not be stepped around.
func TestSniffGivesBack(t *testing.T) {
	near, far := layertest.Pipe()
	defer near.Close()
	_, _ = io.WriteString(near, "GET /")
	_, c, err := layers.Sniff(context.Background(), far, layers.SniffConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i, want := range "GET /" {
		if layers.Raw(c) != c {
			t.Errorf("stepped aside after %d bytes", i)
		}
		b := make([]byte, 1)
		if n, err := c.Read(nil); n != 0 || err != nil {
			t.Errorf("Read of nothing: %d, %v", n, err)
		}
		if n, err := c.Read(b); n != 1 || b[0] != byte(want) || err != nil {
			t.Errorf("Read = %q, %v", b, err)
		}
	}
	if layers.Raw(c) != far {
		t.Error("does not step aside")
	}
}

func TestSniffFails(t *testing.T) {
	reason := errors.New("out of time")
	for name, sent := range map[string]string{"nothing": "", "a part": "GE"} {
		near, far := layertest.Pipe()
		_, _ = io.WriteString(near, sent)
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Millisecond, reason)
		kind, c, err := layers.Sniff(ctx, far, layers.SniffConfig{Silence: -1})
		if kind != layers.KindUnknown || c != nil || !errors.Is(err, reason) {
			t.Errorf("%s: %v, %v, %v", name, kind, c, err)
		}
		_ = near.Close()
		_, _, err = layers.Sniff(context.Background(), far, layers.SniffConfig{})
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s, then the end: %v", name, err)
		}
		cancel()
		_ = far.Close()
	}
}

func TestKindString(t *testing.T) {
	var names []string
	for k := layers.KindUnknown; k <= layers.KindRFB; k++ {
		names = append(names, k.String())
	}
	if got := strings.Join(names, " "); got != "unknown TLS HTTP RFB" {
		t.Error(got)
	}
}

// sniffing makes a layer of Sniff for a client that begins with "GET ".
func sniffing(ctx context.Context, c net.Conn) (net.Conn, error) {
	_, c, err := layers.Sniff(ctx, c, layers.SniffConfig{Silence: -1})
	if err != nil {
		return nil, err
	}
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || !bytes.Equal(b, []byte("GET ")) {
		return nil, errors.New("the bytes do not come back")
	}
	return c, nil
}

func sayGet(_ context.Context, c net.Conn) (net.Conn, error) {
	_, err := io.WriteString(c, "GET ")
	return c, err
}

// TestSniffLayer runs the conformance suite on sniffed connections.
func TestSniffLayer(t *testing.T) {
	certs := layertest.Certificates(t)
	layertest.TestLayer(t, layertest.Subject{Near: sayGet, Far: cancellable(sniffing), Sparse: true})
	layertest.TestLayer(t, layertest.Subject{Base: layertest.TCP, Near: sayGet, Far: sniffing})
	t.Run("tls", func(t *testing.T) {
		layertest.TestLayer(t, layertest.Subject{
			Near: stack(sayGet, layers.TLSClient(certs.Client)), Far: stack(cancellable(sniffing), layers.TLSServer(certs.Server)),
			EndMark: true, Sparse: true,
		})
	})
}

// cancellable makes a test's own Reads end with ctx as those of a layer do.
func cancellable(l layers.Layer) layers.Layer {
	return func(ctx context.Context, c net.Conn) (net.Conn, error) {
		above, err := l(ctx, c)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return above, err
	}
}
