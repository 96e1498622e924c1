//go:build unix

package layers_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"vncgate/layers"
)

func TestSplitPanicEndsOneConnection(t *testing.T) {
	var log bytes.Buffer
	var armed atomic.Bool
	armed.Store(true)
	ln := listenAt(t, "127.0.0.1:0")
	split := layers.NewSplit(ln, layers.SplitConfig{
		NoHTTP: true, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Below: func(_ context.Context, c net.Conn) (net.Conn, error) {
			if armed.Load() {
				panic("s3cr3t")
			}
			return c, nil
		},
	})
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("the connection is not closed: %v", err)
	}
	armed.Store(false)
	c, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	other, err := split.Raw().Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = other.Close()
	_ = split.Close()
	if text := log.String(); !strings.Contains(text, "split_panic_test.go") || strings.Contains(text, "s3cr3t") {
		t.Errorf("the log says %q", text)
	}
}
