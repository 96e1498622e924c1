package rfb_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"

	"vncgate/layers/layertest"
	"vncgate/rfb"
)

func TestMain(m *testing.M) { layertest.Main(m) }

// The one user that the server sides of these tests know.
const (
	goodUser     = "mary"
	goodPassword = "sesame"
)

var errWrong = errors.New("wrong user or password")

func passwords(ps ...string) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) { return ps, nil }
}

func password(p string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return p, nil }
}

func credentials(user, password string) func(context.Context) (string, string, error) {
	return func(context.Context) (string, string, error) { return user, password, nil }
}

func verify(_ context.Context, user, password string) error {
	if user != goodUser || password != goodPassword {
		return errWrong
	}
	return nil
}

// tlsServer and tlsClient are layers of the plainest kind.
func tlsServer(p *layertest.TLSPair) rfb.Upgrade {
	return func(ctx context.Context, c net.Conn) (net.Conn, error) {
		t := tls.Server(c, p.Server)
		return t, t.HandshakeContext(ctx)
	}
}

func tlsClient(p *layertest.TLSPair) rfb.Upgrade {
	return func(ctx context.Context, c net.Conn) (net.Conn, error) {
		t := tls.Client(c, p.Client)
		return t, t.HandshakeContext(ctx)
	}
}

// namedMechanism is a mechanism of go-sasl's that tells whom it proved.
type namedMechanism struct {
	sasl.Server
	user *string
}

func (m namedMechanism) Username() string { return *m.user }

// startMechanism begins the server side of PLAIN or SCRAM-SHA-256.
func startMechanism(_ context.Context, name string, _ net.Conn) (rfb.SASLMechanism, error) {
	user := new(string)
	switch name {
	case sasl.Plain:
		return namedMechanism{sasl.NewPlainServer(func(_, u, p string) error {
			*user = u
			return verify(context.Background(), u, p)
		}), user}, nil
	case "SCRAM-SHA-256":
		server, err := scram.SHA256.NewServer(scramCredentials)
		if err != nil {
			return nil, err
		}
		return namedMechanism{scramServer{server.NewConversation(), user}, user}, nil
	}
	return nil, errors.New("no such mechanism")
}

func scramCredentials(user string) (scram.StoredCredentials, error) {
	if user != goodUser {
		return scram.StoredCredentials{}, errWrong
	}
	client, err := scram.SHA256.NewClient(goodUser, goodPassword, "")
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt", Iters: 4096})
}

type scramServer struct {
	conv *scram.ServerConversation
	user *string
}

func (s scramServer) Next(response []byte) ([]byte, bool, error) {
	challenge, err := s.conv.Step(string(response))
	*s.user = s.conv.Username()
	return []byte(challenge), s.conv.Done(), err
}

// chooseMechanism begins the client side of the first mechanism of wanted that
// is offered.
func chooseMechanism(user, password string, wanted ...string) func(context.Context, []string, net.Conn) (rfb.SASLClientMechanism, error) {
	return func(_ context.Context, offered []string, _ net.Conn) (rfb.SASLClientMechanism, error) {
		for _, w := range wanted {
			for _, o := range offered {
				if w == o && w == sasl.Plain {
					return sasl.NewPlainClient("", user, password), nil
				}
				if w == o {
					return newScramClient(user, password)
				}
			}
		}
		return nil, errors.New("none of ours")
	}
}

type scramClient struct{ conv *scram.ClientConversation }

func newScramClient(user, password string) (scramClient, error) {
	client, err := scram.SHA256.NewClient(user, password, "")
	if err != nil {
		return scramClient{}, err
	}
	return scramClient{client.NewConversation()}, nil
}

func (s scramClient) Start() (string, []byte, error) {
	first, err := s.conv.Step("")
	return "SCRAM-SHA-256", []byte(first), err
}

func (s scramClient) Next(challenge []byte) ([]byte, error) {
	response, err := s.conv.Step(string(challenge))
	return []byte(response), err
}

func (s scramClient) Done() bool { return s.conv.Valid() }

// rot is a security layer that anyone can see through: it flips every bit.
func rot(_ context.Context, c net.Conn) (net.Conn, error) { return rotConn{c}, nil }

type rotConn struct{ net.Conn }

func (c rotConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for i := range b[:n] {
		b[i] ^= 0xff
	}
	return n, err
}

func (c rotConn) Write(b []byte) (int, error) {
	flipped := make([]byte, len(b))
	for i := range b {
		flipped[i] = b[i] ^ 0xff
	}
	return c.Conn.Write(flipped)
}

// layered adds the security layer to a mechanism, of either side.
type layered struct{ rfb.SASLMechanism }

func (layered) SecurityLayer() rfb.Upgrade { return rot }

type layeredClient struct{ rfb.SASLClientMechanism }

func (layeredClient) SecurityLayer() rfb.Upgrade { return rot }

// oldDisplay lets the viewer at this end see a display of another version.
type oldDisplay struct {
	net.Conn
	line []byte
}

func (o *oldDisplay) Read(b []byte) (int, error) {
	if len(o.line) == 0 {
		return o.Conn.Read(b)
	}
	n, err := o.Conn.Read(b[:min(len(b), len(o.line))])
	n = copy(b, o.line[:n])
	o.line = o.line[n:]
	return n, err
}

// outcome is what both ends of a handshake ended with.
type outcome struct {
	viewer, display       *rfb.Conn
	viewerErr, displayErr error
}

// handshake runs Server against Client in a version and with reads of at most
// chunk bytes. Each end that fails is closed, as by its owner.
func handshake(t *testing.T, v rfb.Version, chunk int, s *rfb.ServerConfig, c *rfb.ClientConfig) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	front, back := layertest.Pipe()
	t.Cleanup(func() { front.Close(); back.Close() })
	front.(*layertest.PipeConn).Chunk(chunk)
	back.(*layertest.PipeConn).Chunk(chunk)
	var o outcome
	done := make(chan struct{})
	go func() {
		defer close(done)
		if o.display, o.displayErr = rfb.Server(ctx, front, s); o.displayErr != nil {
			front.Close()
		}
	}()
	old := &oldDisplay{back, []byte("RFB 003.00" + v.String()[2:] + "\n")}
	if o.viewer, o.viewerErr = rfb.Client(ctx, old, c); o.viewerErr != nil {
		back.Close()
	}
	<-done
	return o
}

// exchange says something both ways over a finished handshake.
func exchange(t *testing.T, o outcome) {
	t.Helper()
	for _, ends := range [][2]net.Conn{{o.viewer, o.display}, {o.display, o.viewer}} {
		const text = "something behind the handshake"
		if _, err := io.WriteString(ends[0], text); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(text))
		if _, err := io.ReadFull(ends[1], got); err != nil || string(got) != text {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}
