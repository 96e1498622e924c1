package layers_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// FuzzMux has a Mux read what a hostile end says: it never panics, holds no more
// memory than it may, and ends with an error when that end does; what it reads on
// streams is not more than what was said.
func FuzzMux(f *testing.F) {
	for _, lie := range liesToMux() {
		if len(lie.says) < 1<<16 {
			f.Add(lie.says)
		}
	}
	for _, said := range muxTranscript(f) {
		f.Add(said)
		for n := 1; n < len(said); n *= 2 {
			f.Add(said[:n])
		}
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		gateway := layers.NewMuxMemory(1<<20, nil)
		near, far := layertest.Pipe()
		m, err := layers.NewMux(near, true, layers.MuxConfig{Memory: gateway, Streams: 10})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var all sync.WaitGroup
		read := make(chan int64, 64)
		serve := func(s *layers.MuxStream) {
			n, _ := io.Copy(s, s)
			read <- n
			_ = s.Close()
		}
		for range 2 {
			s, err := m.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() { serve(s) })
		}
		all.Go(func() {
			for {
				s, err := m.Accept(t.Context())
				if err != nil {
					return
				}
				all.Go(func() { serve(s) })
			}
		})
		all.Go(func() { _, _ = io.Copy(io.Discard, far) })
		_, _ = far.Write(said)
		if used := gateway.Used(); used > gateway.Limit() {
			t.Errorf("%d bytes of %d are used", used, gateway.Limit())
		}
		_ = far.(*layertest.PipeConn).CloseWrite()
		within(t, m.Done())
		if err := m.Err(); !errors.Is(err, layers.ErrMuxLost) || errors.Is(err, net.ErrClosed) {
			t.Errorf("lost: %v", err)
		}
		_ = m.Close()
		_ = far.Close()
		go func() { all.Wait(); close(read) }()
		var total int64
		for n := range read {
			total += n
		}
		if total > int64(len(said)) {
			t.Errorf("%d bytes were read of %d", total, len(said))
		}
		if gateway.Used() != 0 {
			t.Errorf("%d bytes are used by nobody", gateway.Used())
		}
	})
}

// muxTranscript is what two honest ends say to each other, both ways.
func muxTranscript(t testing.TB) [][]byte {
	t.Helper()
	near, far := layertest.Pipe()
	a, b := &taped{Conn: near}, &taped{Conn: far}
	x, y := muxOver(t, a, b, layers.MuxConfig{})
	for _, ends := range [][2]*layers.Mux{{x, y}, {y, x}} {
		p, q := muxStream(t, ends[0], ends[1])
		_, _ = p.Write([]byte("RFB 003.008\n"))
		_, _ = io.ReadFull(q, make([]byte, 12))
		_, _ = q.Write(make([]byte, 3000))
		_ = q.CloseWrite()
		_, _ = io.Copy(io.Discard, p)
		_ = p.Close()
		_ = q.Close()
	}
	_, _ = x.Close(), y.Close()
	return [][]byte{a.said(), b.said()}
}

// taped keeps what is written.
type taped struct {
	net.Conn
	mu   sync.Mutex
	tape bytes.Buffer
}

func (c *taped) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.tape.Write(b)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *taped) said() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.tape.Bytes())
}
