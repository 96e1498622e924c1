package layertest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m) }

func ExamplePipe() {
	near, far := layertest.Pipe()
	defer near.Close()
	_, _ = io.WriteString(far, "RFB 003.008\n")
	_ = far.Close()
	_, _ = io.Copy(os.Stdout, near)
	// Output: RFB 003.008
}

// TestPipe holds the pipe itself to the contract.
func TestPipe(t *testing.T) { layertest.TestLayer(t, layertest.Subject{}) }

func TestSockets(t *testing.T) {
	t.Run("tcp", func(t *testing.T) { layertest.TestLayer(t, layertest.Subject{Base: layertest.TCP}) })
	t.Run("unix", func(t *testing.T) { layertest.TestLayer(t, layertest.Subject{Base: layertest.Unix}) })
}

func pipe(t *testing.T) (near net.Conn, far *layertest.PipeConn) {
	a, b := layertest.Pipe()
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b.(*layertest.PipeConn)
}

func read(t *testing.T, c net.Conn, want string, wantErr error) {
	t.Helper()
	b := make([]byte, 100)
	n, err := c.Read(b)
	if string(b[:n]) != want || !errors.Is(err, wantErr) {
		t.Errorf("Read = %q, %v; want %q, %v", b[:n], err, want, wantErr)
	}
}

func TestPipeStall(t *testing.T) {
	near, far := pipe(t)
	far.StallAfter(3)
	_, _ = io.WriteString(far, "abcdef")
	_ = far.CloseWrite()
	read(t, near, "abc", nil)
	_ = near.SetReadDeadline(time.Now().Add(time.Millisecond))
	read(t, near, "", os.ErrDeadlineExceeded)
	_ = near.SetReadDeadline(time.Time{})
	far.StallAfter(-1)
	read(t, near, "def", nil)
	read(t, near, "", io.EOF)
}

func TestPipeFaults(t *testing.T) {
	near, far := pipe(t)
	far.CutAfter(2)
	_, _ = io.WriteString(far, "abc")
	read(t, near, "ab", nil)
	read(t, near, "", io.EOF)
	broken := errors.New("broken")
	far.FailAfter(0, broken)
	read(t, near, "", broken)
}

func TestPipeChunkAndCounters(t *testing.T) {
	near, far := pipe(t)
	far.Chunk(2)
	_, _ = io.WriteString(far, "abcde")
	if far.Sent() != 5 || near.(*layertest.PipeConn).Waiting() != 5 {
		t.Errorf("Sent %d, Waiting %d", far.Sent(), near.(*layertest.PipeConn).Waiting())
	}
	read(t, near, "ab", nil)
	far.Chunk(0)
	read(t, near, "cde", nil)
}

func TestPipeAfterClose(t *testing.T) {
	near, far := pipe(t)
	_ = near.Close()
	if _, err := far.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write to a closed peer: %v", err)
	}
	read(t, far, "", io.EOF)
	read(t, near, "", net.ErrClosed)
	if _, err := near.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
}

func TestCertificates(t *testing.T) {
	certs := layertest.Certificates(t)
	near, far := pipe(t)
	server := tls.Server(far, certs.Server)
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	client := tls.Client(near, certs.Client)
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	if name := server.ConnectionState().VerifiedChains[0][0].Subject.CommonName; name != "viewer" {
		t.Errorf("the client is %q", name)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(certs.CAPEM) || !pool.Equal(certs.CA) {
		t.Error("CAPEM is not CA")
	}
	for _, name := range []string{layertest.ServerName, "localhost", "127.0.0.1", "::1"} {
		if _, err := certs.Server.Certificates[0].Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: certs.CA}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// recorder is a testing.TB that takes note.
type recorder struct {
	testing.TB
	cleanup func()
	errors  []string
}

func (r *recorder) Helper()                        {}
func (r *recorder) Cleanup(f func())               { r.cleanup = f }
func (r *recorder) Failed() bool                   { return false }
func (r *recorder) Errorf(format string, _ ...any) { r.errors = append(r.errors, format) }

func TestCheckLeaks(t *testing.T) {
	clean := &recorder{}
	layertest.CheckLeaks(clean)
	ended := make(chan struct{})
	go func() { time.Sleep(10 * time.Millisecond); close(ended) }()
	if clean.cleanup(); len(clean.errors) != 0 {
		t.Errorf("a goroutine that ends soon: %q", clean.errors)
	}
	<-ended
	if testing.Short() {
		return // a leak takes its time to be one
	}
	leaky := &recorder{}
	layertest.CheckLeaks(leaky)
	stop := make(chan struct{})
	go func() { <-stop }()
	if leaky.cleanup(); len(leaky.errors) != 1 {
		t.Errorf("a goroutine that stays: %q", leaky.errors)
	}
	close(stop)
}

// broken are layers that each break one promise, and the test of the suite that
// has to say so.
var broken = map[string]struct {
	test string
	wrap func(net.Conn) net.Conn
}{
	"spoils a byte at a deadline": {"resume", func(c net.Conn) net.Conn { return garbled{below{c}, new(bool)} }},
	"ends when cut":               {"cut", func(c net.Conn) net.Conn { return c }},
	"leaks":                       {"walk", func(c net.Conn) net.Conn { go func() { select {} }(); return below{c} }},
	"hides what is below":         {"walk", func(c net.Conn) net.Conn { return hidden{c} }},
	"changes what is written":     {"transfer", func(c net.Conn) net.Conn { return vandal{below{c}} }},
	"sleeps through Close":        {"close wakes Read", func(c net.Conn) net.Conn { return deaf{below{c}} }},
}

type below struct{ net.Conn }

func (b below) NetConn() net.Conn { return b.Conn }

type hidden struct{ net.Conn }

// garbled spoils the first byte after a missed deadline.
type garbled struct {
	below
	missed *bool
}

func (g garbled) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if n > 0 && *g.missed {
		b[0]++
		*g.missed = false
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		*g.missed = true
	}
	return n, err
}

type vandal struct{ below }

func (v vandal) Write(b []byte) (int, error) {
	n, err := v.Conn.Write(b)
	clear(b)
	return n, err
}

type deaf struct{ below }

func (d deaf) Read(b []byte) (int, error) {
	n, err := d.Conn.Read(b)
	if errors.Is(err, net.ErrClosed) {
		err = io.ErrNoProgress
	}
	return n, err
}

const brokenVariable = "LAYERTEST_BROKEN"

// TestBroken runs the suite on a broken layer; TestSuiteCanFail starts it.
func TestBroken(t *testing.T) {
	name, ok := os.LookupEnv(brokenVariable)
	if !ok {
		t.Skip("started by TestSuiteCanFail")
	}
	layer := func(_ context.Context, c net.Conn) (net.Conn, error) { return broken[name].wrap(c), nil }
	layertest.TestLayer(t, layertest.Subject{Near: layer, Far: layer, EndMark: true})
}

// TestSuiteCanFail: a suite that everything passes proves nothing.
func TestSuiteCanFail(t *testing.T) {
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pattern := "TestBroken/^" + strings.ReplaceAll(b.test, " ", "_") + "$"
			cmd := exec.Command(os.Args[0], "-test.run="+pattern, "-test.timeout=60s")
			cmd.Env = append(os.Environ(), brokenVariable+"="+name, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: "+strings.TrimSuffix(strings.ReplaceAll(pattern, "^", ""), "$")) {
				t.Errorf("%s passed (%v):\n%s", b.test, err, out)
			}
		})
	}
}
