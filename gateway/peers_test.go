package gateway_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/layers/layertest"
	"vncgate/rfb"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// testDisplay is a small real display: it shakes hands and then hands each
// connection to serve.
type testDisplay struct {
	ln     net.Listener
	config rfb.ServerConfig
	serve  func(net.Conn)
	shared chan bool
}

var testInit = rfb.ServerInit{Width: 640, Height: 480, Format: rfb.Format32(), Name: "a display"}

// newDisplay starts a display with the given security; serve is called on its
// connections, which are closed when it returns.
func newDisplay(t *testing.T, security []rfb.Security, serve func(net.Conn)) *testDisplay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &testDisplay{ln: ln, config: rfb.ServerConfig{Security: security}, serve: serve, shared: make(chan bool, 1000)}
	var running sync.WaitGroup
	running.Go(func() { d.accept(&running) })
	t.Cleanup(func() { _ = ln.Close(); running.Wait() })
	return d
}

func (d *testDisplay) accept(running *sync.WaitGroup) {
	for {
		c, err := d.ln.Accept()
		if err != nil {
			return
		}
		running.Go(func() { d.handle(c) })
	}
}

func (d *testDisplay) handle(c net.Conn) {
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	viewer, err := rfb.Server(ctx, c, &d.config)
	if err != nil {
		return
	}
	shared, err := viewer.ReadClientInit(ctx)
	if err != nil {
		return
	}
	d.shared <- shared
	if viewer.WriteServerInit(ctx, testInit) == nil {
		d.serve(viewer)
	}
}

// target reaches the display, proving ourselves with security.
func (d *testDisplay) target(security ...rfb.Security) *gateway.Target {
	return &gateway.Target{
		Name: "display",
		Dial: func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", d.ln.Addr().String())
		},
		Security: func() []rfb.Security { return security },
	}
}

// echo sends everything back until the viewer leaves.
func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// testGateway is a gateway with one listener and a log to read.
type testGateway struct {
	*gateway.Gateway
	addr string
	log  *lockedBuffer
}

// newGateway serves target to viewers that are offered security. configure may
// change the gateway before it serves.
func newGateway(t *testing.T, target *gateway.Target, front gateway.Front, configure ...func(*gateway.Gateway)) *testGateway {
	t.Helper()
	log := &lockedBuffer{}
	g := &gateway.Gateway{
		Resolve: func(_ context.Context, name string) (*gateway.Target, error) {
			if name != "display" {
				return nil, gateway.ErrNoTarget
			}
			return target, nil
		},
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, change := range configure {
		change(g)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front.Name = "front"
	if front.Target == "" {
		front.Target = "display"
	}
	if front.Security == nil {
		front.Security = offer(rfb.None{})
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(ln, front) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = g.Shutdown(ctx)
		<-served
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return &testGateway{g, ln.Addr().String(), log}
}

func offer(list ...rfb.Security) func(net.Conn, string) []rfb.Security {
	return func(net.Conn, string) []rfb.Security { return list }
}

// dial connects to the gateway and cleans up after the test.
func (g *testGateway) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// view comes in as a viewer and returns the connection behind ServerInit.
func (g *testGateway) view(t *testing.T, security ...rfb.Security) *rfb.Conn {
	t.Helper()
	viewer, err := viewOver(g.dial(t), security...)
	if err != nil {
		t.Fatal(err)
	}
	_ = viewer.SetDeadline(time.Now().Add(patience))
	return viewer
}

func viewOver(c net.Conn, security ...rfb.Security) (*rfb.Conn, error) {
	if len(security) == 0 {
		security = []rfb.Security{rfb.None{}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	viewer, err := rfb.Client(ctx, c, &rfb.ClientConfig{Security: security})
	if err != nil {
		_ = c.Close() // as viewers do when they are refused
		return nil, err
	}
	if err := viewer.WriteClientInit(ctx, true); err != nil {
		return nil, err
	}
	_, err = viewer.ReadServerInit(ctx)
	return viewer, err
}

// eventually waits until ok is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestMain(m *testing.M) { layertest.Main(m) }
