package layers_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

var errBroken = errors.New("broken")

// counted counts the Writes that reach it, and drops what breaks it.
type counted struct {
	net.Conn
	writes atomic.Int64
	breaks bool
	left   int // until it breaks
}

func (c *counted) Write(b []byte) (int, error) {
	c.writes.Add(1)
	switch {
	case !c.breaks:
		return c.Conn.Write(b)
	case len(b) > c.left:
		return c.left, errBroken
	}
	c.left -= len(b)
	return len(b), nil
}

func (c *counted) NetConn() net.Conn { return c.Conn }

// countedTLS is a TLS session of the version whose server's Writes below are
// counted.
func countedTLS(t *testing.T, version uint16) (client, server net.Conn, below *counted) {
	t.Helper()
	certs := layertest.Certificates(t)
	config := certs.Server.Clone()
	config.MinVersion, config.MaxVersion = version, version
	near, far := layertest.Pipe()
	below = &counted{Conn: far}
	client, server = join(t, near, below, layers.TLSClient(certs.Client), layers.TLSServer(config))
	return client, server, below
}

// TestTLSOneWriteBelow: what was written together goes out together, from the
// first Write on, when records are short, and intact.
func TestTLSOneWriteBelow(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client, server, below := countedTLS(t, version)
		for _, size := range []int{1, 1 << 10, 1<<10 + 1, 16 << 10, 64<<10 + 10, 64 << 10} {
			sent := randomBytes(size)
			before := below.writes.Load()
			done := make(chan error, 1)
			go func() {
				_, err := server.Write(sent)
				done <- err
			}()
			got := make([]byte, size)
			if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if n := below.writes.Load() - before; n != 1 {
				t.Errorf("%s: %d bytes in %d Writes", tls.VersionName(version), size, n)
			}
		}
		before := below.writes.Load()
		go func() { _, _ = server.Write(make([]byte, 1<<20)) }()
		if _, err := io.ReadFull(client, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if n := below.writes.Load() - before; n < 8 || n > 10 {
			t.Errorf("1 MiB in %d Writes, want pieces of about 128 KiB", n)
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// TestTLSGatherConcurrent has several goroutines write whole messages at once,
// long and short: none may be torn or lost, in either direction.
func TestTLSGatherConcurrent(t *testing.T) {
	client, server, _, _ := tlsPair(t)
	const writers, messages = 4, 40
	for w := range writers {
		go func() {
			for i := range messages {
				size := []int{1, 900, 5000, 70000}[(w+i)%4]
				msg := bytes.Repeat([]byte{byte(w)}, size)
				msg = append([]byte{byte(w), byte(size >> 16), byte(size >> 8), byte(size)}, msg...)
				if _, err := server.Write(msg); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	for range writers * messages {
		var head [4]byte
		if _, err := io.ReadFull(client, head[:]); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, int(head[1])<<16|int(head[2])<<8|int(head[3]))
		if _, err := io.ReadFull(client, body); err != nil {
			t.Fatal(err)
		}
		if bytes.Count(body, head[:1]) != len(body) {
			t.Fatalf("a message of writer %d is torn", head[0])
		}
	}
}

// TestTLSGatherSlowPeer sends through a connection that takes little at a time,
// to a peer that reads odd pieces.
func TestTLSGatherSlowPeer(t *testing.T) {
	client, server, _, serverPipe := tlsPair(t)
	serverPipe.Chunk(777)
	sent := randomBytes(600_000)
	go func() {
		for b := sent; len(b) > 0; {
			n := min(len(b), 1+rand.IntN(100_000))
			if _, err := server.Write(b[:n]); err != nil {
				t.Error(err)
				return
			}
			b = b[n:]
		}
	}()
	sum := sha256.New()
	buf := make([]byte, 5000)
	for left := len(sent); left > 0; {
		n, err := client.Read(buf[:1+rand.IntN(min(left, len(buf)))])
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(buf[:n])
		left -= n
	}
	if want := sha256.Sum256(sent); !bytes.Equal(sum.Sum(nil), want[:]) {
		t.Error("the stream has changed")
	}
}

// TestTLSGatherFails: an error below is that of the Write, and of all after it.
func TestTLSGatherFails(t *testing.T) {
	for _, after := range []int{0, 1, 40_000, 150_000, 299_000} {
		_, server, below := countedTLS(t, tls.VersionTLS13)
		below.breaks, below.left = true, after
		if n, err := server.Write(make([]byte, 300_000)); n != 0 || !errors.Is(err, errBroken) {
			t.Errorf("after %d bytes: %d, %v", after, n, err)
		}
		for _, size := range []int{1, 5000} {
			if _, err := server.Write(make([]byte, size)); !errors.Is(err, errBroken) {
				t.Errorf("after %d bytes, again: %v", after, err)
			}
		}
	}
}

// TestTLSGatherDeadline: a Write that is stuck ends by its deadline, and the
// session with it, for a record was cut.
func TestTLSGatherDeadline(t *testing.T) {
	_, server, clientPipe, serverPipe := tlsPair(t)
	go func() { _, _ = io.Copy(io.Discard, clientPipe) }()
	serverPipe.StallAfter(100_000)
	_ = server.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := server.Write(make([]byte, 200_000)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("stuck: %d, %v", n, err)
	}
	_ = server.SetWriteDeadline(time.Time{})
	if _, err := server.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("again: %v", err)
	}
}

// TestTLSGatherAlert: what a Read has to say while a Write is under way is said,
// behind the records of that Write.
func TestTLSGatherAlert(t *testing.T) {
	certs := layertest.Certificates(t)
	near, far := layertest.Pipe()
	client, server := join(t, near, far, layers.TLSClient(certs.Client), layers.TLSServer(certs.Server))
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for {
			if _, err := server.Write(make([]byte, 50_000)); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	if _, err := client.Read(buf); err != nil {
		t.Fatal(err)
	}
	// A record that cannot be decrypted: bad_record_mac, a fatal alert.
	if _, err := near.Write(append([]byte{23, 3, 3, 0, 32}, make([]byte, 32)...)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = server.Read(make([]byte, 1)) }()
	for {
		_, err := client.Read(buf)
		if err == nil {
			continue
		}
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "remote error" {
			t.Errorf("the peer read %v, want our alert", err)
		}
		break
	}
	<-stop
}

// TestTLSUpgradeGathers: a browser's connection that net/http has had is again
// one whose records go out together.
func TestTLSUpgradeGathers(t *testing.T) {
	certs := layertest.Certificates(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := layers.NewSplit(ln, layers.SplitConfig{TLS: certs.Server})
	defer s.Close()
	gathers := make(chan bool, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := layers.WebSocketUpgrade(w, r, layers.WebSocketConfig{})
		if err != nil {
			t.Error(err)
			return
		}
		_, ok := layers.As[*layers.TLSConn](c)
		gathers <- ok
		_, _ = c.Write(make([]byte, 200_000))
		_ = c.Close()
	})}
	defer server.Close()
	go func() { _ = server.Serve(s.HTTP()) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ws, err := layers.Stack(context.Background(), c, layers.TLSClient(certs.Client), layers.WebSocketClient("wss://localhost/", nil))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(ws); len(got) != 200_000 || err != nil {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if !<-gathers {
		t.Error("no TLSConn below the WebSocket")
	}
}
