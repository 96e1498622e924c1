package layers_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// muxOver puts a Mux on both ends; near is the opener.
func muxOver(t testing.TB, near, far net.Conn, cfg layers.MuxConfig) (*layers.Mux, *layers.Mux) {
	t.Helper()
	a, err := layers.NewMux(near, true, cfg)
	if err != nil {
		t.Fatal(err)
	}
	b, err := layers.NewMux(far, false, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.Close()
		_ = b.Close()
	})
	return a, b
}

// muxStream opens a stream from a to b.
func muxStream(t testing.TB, a, b *layers.Mux) (near, far *layers.MuxStream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	near, err := a.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	far, err = b.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = near.Close()
		_ = far.Close()
	})
	return near, far
}

func TestMuxStreamIsANetConn(t *testing.T) {
	certs := layertest.Certificates(t)
	bases := map[string]func(t testing.TB) (net.Conn, net.Conn){
		"pipe": func(testing.TB) (net.Conn, net.Conn) { return layertest.Pipe() },
		"tcp":  layertest.TCP,
		"tls": func(t testing.TB) (net.Conn, net.Conn) {
			near, far := layertest.TCP(t)
			return join(t, near, far, layers.TLSClient(certs.Client), layers.TLSServer(certs.Server))
		},
	}
	for name, base := range bases {
		for _, opens := range []string{"opener opens", "other opens"} {
			t.Run(name+"/"+opens, func(t *testing.T) {
				layertest.TestLayer(t, layertest.Subject{Base: func(t testing.TB) (net.Conn, net.Conn) {
					x, y := base(t)
					a, b := muxOver(t, x, y, layers.MuxConfig{})
					if opens == "other opens" {
						a, b = b, a
					}
					return muxStream(t, a, b)
				}})
			})
		}
	}
}

func TestMuxLayersOnAStream(t *testing.T) {
	certs := layertest.Certificates(t)
	layertest.TestLayer(t, layertest.Subject{
		Base: func(t testing.TB) (net.Conn, net.Conn) {
			x, y := layertest.Pipe()
			a, b := muxOver(t, x, y, layers.MuxConfig{})
			return muxStream(t, a, b)
		},
		Near: layers.TLSClient(certs.Client), Far: layers.TLSServer(certs.Server), EndMark: true,
	})
}

func TestMuxCloseSaysLastWords(t *testing.T) {
	x, y := layertest.Pipe()
	a, b := muxOver(t, x, y, layers.MuxConfig{})
	near, far := muxStream(t, a, b)
	_, _ = near.Write(make([]byte, 60<<10))
	_ = near.CloseWrite()
	_ = a.Close()
	if n, err := io.Copy(io.Discard, far); n != 60<<10 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}
