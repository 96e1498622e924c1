package rfbtest_test

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/xdg-go/scram"

	"vncgate/layers/layertest"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

var update = flag.Bool("update", false, "record the transcripts anew from the programs themselves")

func TestMain(m *testing.M) { layertest.Main(m) }

// The secrets of all sessions, none of which is one.
const (
	user   = "mary"
	secret = "sesame"
)

// A session is one that was had with a program of other people.
type session struct {
	name  string // of its file
	about string // the program, and what it shows
	// security is our side; TLS is made by the tape out of what it is given.
	security func(tlsOf func(rfb.Upgrade) rfb.Upgrade, real rfb.Upgrade) rfb.Security
	// peer runs the program against or at an address; see record_test.go.
	peer func(r *recording)
}

// viewers are sessions of theirs with our Server.
var viewers = []session{
	{"vncviewer-none", "TigerVNC vncviewer 1.12, None, a key and a click", plain(rfb.None{}), (*recording).vncviewer},
	{"vncviewer-vnc", "TigerVNC vncviewer 1.12, VncAuth", plain(ourVncAuth()), (*recording).vncviewer},
	{"vncviewer-x509-plain", "TigerVNC vncviewer 1.12, VeNCrypt X509Plain", x509Server(rfb.ServerPlain{Verify: verify}), (*recording).vncviewer},
	{"vncviewer-x509-vnc", "TigerVNC vncviewer 1.12, VeNCrypt X509Vnc", x509Server(ourVncAuth()), (*recording).vncviewer},
	{"gtk-vnc-x509-sasl", "gtk-vnc 1.3, VeNCrypt X509SASL with SCRAM-SHA-256", x509Server(rfb.ServerSASL{Mechanisms: []string{"SCRAM-SHA-256"}, Start: startScram}), (*recording).gtkvnc},
	{"gtk-vnc-x509-plain", "gtk-vnc 1.3, VeNCrypt X509Plain", x509Server(rfb.ServerPlain{Verify: verify}), (*recording).gtkvnc},
	{"gtk-vnc-ard", "gtk-vnc 1.3, Apple's Diffie-Hellman", plain(rfb.ServerARD{Verify: verify}), (*recording).gtkvnc},
	{"novnc-vnc", "noVNC 1.3 in Chromium, VncAuth", plain(ourVncAuth()), (*recording).novnc},
	{"gvnccapture-none", "gvnccapture of gtk-vnc 1.3, None", plain(rfb.None{}), (*recording).gvnccapture},
	{"vncviewer16-ra2", "TigerVNC vncviewer 1.16.80, RA2", plain(ourRSA(rfb.TypeRA2)), (*recording).vncviewer16},
	{"vncviewer16-ra2ne", "TigerVNC vncviewer 1.16.80, RA2ne", plain(ourRSA(rfb.TypeRA2ne)), (*recording).vncviewer16},
	{"vncviewer16-ra2-256", "TigerVNC vncviewer 1.16.80, RA2_256", plain(ourRSA(rfb.TypeRA256)), (*recording).vncviewer16},
	{"vncviewer16-ra2ne-256", "TigerVNC vncviewer 1.16.80, RA2ne_256", plain(ourRSA(rfb.TypeRAne256)), (*recording).vncviewer16},
	{"vncviewer16-ard", "TigerVNC vncviewer 1.16.80, DH", plain(rfb.ServerARD{Verify: verify}), (*recording).vncviewer16},
	{"novnc17-ra2ne", "noVNC 1.7 in Chromium, RA2ne", plain(ourRSA(rfb.TypeRA2ne)), (*recording).novnc17},
	{"novnc17-ard", "noVNC 1.7 in Chromium, Apple's Diffie-Hellman", plain(rfb.ServerARD{Verify: verify}), (*recording).novnc17},
	{"novnc17-tight-none", "noVNC 1.7 in Chromium, Tight with None", plain(ourTight(rfb.None{})), (*recording).novnc17},
	{"novnc17-tight-vnc", "noVNC 1.7 in Chromium, Tight with VncAuth", plain(ourTight(ourVncAuth())), (*recording).novnc17},
	{"novnc17-tight-plain", "noVNC 1.7 in Chromium, Tight with Unix login", plain(ourTight(rfb.ServerPlain{Verify: verify})), (*recording).novnc17},
}

// displays are sessions of our Client with theirs.
var displays = []session{
	{"xvnc-none", "TigerVNC Xvnc 1.12, None", plain(rfb.None{}), (*recording).xvnc},
	{"xvnc-vnc", "TigerVNC Xvnc 1.12, VncAuth", plain(theirVncAuth(secret)), (*recording).xvnc},
	{"xvnc-vnc-wrong", "TigerVNC Xvnc 1.12, VncAuth, a wrong password", plain(theirVncAuth("wrong")), (*recording).xvnc},
	{"xvnc-x509-vnc", "TigerVNC Xvnc 1.12, VeNCrypt X509Vnc", x509Client(theirVncAuth(secret)), (*recording).xvnc},
	{"xvnc-tls-vnc", "TigerVNC Xvnc 1.12, VeNCrypt TLSVnc, which cannot be spoken", x509Client(theirVncAuth(secret)), (*recording).xvnc},
	{"qemu-none", "QEMU 7.2, None", plain(rfb.None{}), (*recording).qemu},
	{"qemu-vnc-wrong", "QEMU 7.2, VncAuth, a wrong password", plain(theirVncAuth("wrong")), (*recording).qemu},
	{"qemu-x509-vnc", "QEMU 7.2, VeNCrypt X509Vnc", x509Client(theirVncAuth(secret)), (*recording).qemu},
	{"qemu-x509-sasl", "QEMU 7.2, VeNCrypt X509SASL with SCRAM-SHA-256", x509Client(rfb.ClientSASL{Choose: chooseScram(secret)}), (*recording).qemu},
	{"qemu-x509-sasl-wrong", "QEMU 7.2, VeNCrypt X509SASL with SCRAM-SHA-256, a wrong password", x509Client(rfb.ClientSASL{Choose: chooseScram("wrong")}), (*recording).qemu},
	{"x11vnc-vnc", "x11vnc 0.9 (libvncserver), VncAuth", plain(theirVncAuth(secret)), (*recording).x11vnc},
	{"x11vnc-none", "x11vnc 0.9 (libvncserver), None", plain(rfb.None{}), (*recording).x11vnc},
	{"libvncserver-tight-none", "libvncserver 0.9, Tight with None", plain(theirTight(rfb.None{})), (*recording).libvncserver},
	{"libvncserver-tight-vnc", "libvncserver 0.9, Tight with VncAuth", plain(theirTight(theirVncAuth(secret))), (*recording).libvncserver},
	{"libvncserver-tight-vnc-wrong", "libvncserver 0.9, Tight with VncAuth, a wrong password", plain(theirTight(theirVncAuth("wrong"))), (*recording).libvncserver},
	{"x0vncserver-ra2", "TigerVNC x0vncserver 1.16.80, RA2", plain(theirRSA(rfb.TypeRA2, secret)), (*recording).x0vncserver},
	{"x0vncserver-ra2-wrong", "TigerVNC x0vncserver 1.16.80, RA2, a wrong password", plain(theirRSA(rfb.TypeRA2, "wrong")), (*recording).x0vncserver},
	{"x0vncserver-ra2ne", "TigerVNC x0vncserver 1.16.80, RA2ne", plain(theirRSA(rfb.TypeRA2ne, secret)), (*recording).x0vncserver},
	{"x0vncserver-ra2ne-wrong", "TigerVNC x0vncserver 1.16.80, RA2ne, a wrong password", plain(theirRSA(rfb.TypeRA2ne, "wrong")), (*recording).x0vncserver},
	{"x0vncserver-ra2-256", "TigerVNC x0vncserver 1.16.80, RA2_256", plain(theirRSA(rfb.TypeRA256, secret)), (*recording).x0vncserver},
	{"x0vncserver-ra2-user", "TigerVNC x0vncserver 1.16.80, RA2 with a user", plain(theirRSA(rfb.TypeRA2, secret)), (*recording).x0vncserverOfUsers},
	{"x0vncserver-ra2ne-256-user-wrong", "TigerVNC x0vncserver 1.16.80, RA2ne_256 with a user and a wrong password", plain(theirRSA(rfb.TypeRAne256, "wrong")), (*recording).x0vncserverOfUsers},
	{"x0vncserver-ra2ne-256", "TigerVNC x0vncserver 1.16.80, RA2ne_256", plain(theirRSA(rfb.TypeRAne256, secret)), (*recording).x0vncserver},
}

type securityOf = func(func(rfb.Upgrade) rfb.Upgrade, rfb.Upgrade) rfb.Security

func plain(s rfb.Security) securityOf {
	return func(func(rfb.Upgrade) rfb.Upgrade, rfb.Upgrade) rfb.Security { return s }
}

func x509Server(inner rfb.Security) securityOf {
	return func(tlsOf func(rfb.Upgrade) rfb.Upgrade, real rfb.Upgrade) rfb.Security {
		return rfb.ServerVeNCrypt{Subtypes: []rfb.Security{rfb.ServerX509{TLS: tlsOf(real), Inner: inner}}}
	}
}

func x509Client(inner rfb.Security) securityOf {
	return func(tlsOf func(rfb.Upgrade) rfb.Upgrade, real rfb.Upgrade) rfb.Security {
		return rfb.ClientVeNCrypt{Subtypes: []rfb.Security{rfb.ClientX509{TLS: tlsOf(real), Inner: inner}}}
	}
}

// seed is what all randomness of crypto/rand's comes from while a session is
// recorded and while it is replayed, so that keys and paddings come out the
// same.
const seed = 1

// steady is randomness that a replay can repeat.
type steady struct{}

func (steady) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(i)
	}
	return len(b), nil
}

func ourVncAuth() rfb.Security {
	return rfb.ServerVncAuth{Rand: steady{}, Passwords: func(context.Context) ([]string, error) { return []string{secret}, nil }}
}

// rsaKey is the one of all displays here, theirs included, and of our viewer.
func rsaKey() (*rsa.PrivateKey, error) {
	b, err := os.ReadFile(filepath.Join("testdata", "rsa.pem"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}

func ourRSA(as rfb.SecurityType) rfb.Security {
	return rfb.ServerRSAAES{As: as, Key: rsaKey, Verify: verify}
}

func theirRSA(as rfb.SecurityType, password string) rfb.Security {
	return rfb.ClientRSAAES{
		As: as, Key: rsaKey,
		VerifyKey: func(key *rsa.PublicKey) error {
			want, err := rsaKey()
			if err == nil && rfb.RSAFingerprint(key) != rfb.RSAFingerprint(&want.PublicKey) {
				err = errors.New("another key")
			}
			return err
		},
		Credentials: func(context.Context) (string, string, error) { return user, password, nil },
	}
}

func ourTight(inner rfb.Security) rfb.Security { return rfb.ServerTight{Auths: []rfb.Security{inner}} }

func theirTight(inner rfb.Security) rfb.Security {
	return rfb.ClientTight{Auths: []rfb.Security{inner}}
}

func theirVncAuth(password string) rfb.Security {
	return rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return password, nil }}
}

func verify(_ context.Context, u, p string) error {
	if u != user || p != secret {
		return errors.New("wrong user or password")
	}
	return nil
}

func steadyNonce() string { return "steadynonce" }

// scramServer is SCRAM-SHA-256 for the one user.
type scramServer struct{ *scram.ServerConversation }

func startScram(context.Context, string, net.Conn) (rfb.SASLMechanism, error) {
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		client, err := scram.SHA256.NewClient(user, secret, "")
		if err != nil {
			return scram.StoredCredentials{}, err
		}
		return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt", Iters: 4096})
	})
	if err != nil {
		return nil, err
	}
	return scramServer{server.WithNonceGenerator(steadyNonce).NewConversation()}, nil
}

func (s scramServer) Next(response []byte) ([]byte, bool, error) {
	challenge, err := s.Step(string(response))
	return []byte(challenge), s.Done(), err
}

type scramClient struct{ *scram.ClientConversation }

func chooseScram(password string) func(context.Context, []string, net.Conn) (rfb.SASLClientMechanism, error) {
	return func(context.Context, []string, net.Conn) (rfb.SASLClientMechanism, error) {
		client, err := scram.SHA256.NewClient(user, password, "")
		if err != nil {
			return nil, err
		}
		return scramClient{client.WithNonceGenerator(steadyNonce).NewConversation()}, nil
	}
}

func (s scramClient) Start() (string, []byte, error) {
	first, err := s.Step("")
	return "SCRAM-SHA-256", []byte(first), err
}

func (s scramClient) Next(challenge []byte) ([]byte, error) {
	response, err := s.Step(string(challenge))
	return []byte(response), err
}

func (s scramClient) Done() bool { return s.Valid() }

// smallInit keeps the pictures in transcripts small.
var smallInit = rfb.ServerInit{Width: 16, Height: 8, Format: rfb.Format32(), Name: "transcript"}

// serve is our side of a viewer's session: it ends with the viewer.
func (s session) serve(tape rfbtest.Tape, real rfb.Upgrade, d *rfbtest.Display) (result string) {
	d.Init = smallInit
	d.Config.Security = []rfb.Security{s.security(tape.TLS, real)}
	ctx := context.Background()
	conn, shared, err := d.Handshake(ctx, tape)
	if err != nil {
		return fmt.Sprintf("error %v\n", err)
	}
	result = fmt.Sprintf("version %s\nmethod %s\nuser %q\nshared %v\n", conn.Version, conn.Secured.Method, conn.Secured.User, shared)
	end := d.Run(conn)
	var kinds []string
	for _, msg := range d.Messages() {
		kinds = append(kinds, fmt.Sprintf("%d:%d", msg[0], len(msg)))
	}
	return result + fmt.Sprintf("messages %s\nend %v\n", strings.Join(kinds, " "), end)
}

// view is our side of a session with a display: it ends behind ServerInit.
func (s session) view(tape rfbtest.Tape, real rfb.Upgrade) (result string) {
	v, err := rfbtest.NewViewer(context.Background(), tape, s.security(tape.TLS, real))
	if err != nil {
		return fmt.Sprintf("error %v\n", err)
	}
	return fmt.Sprintf("version %s\nmethod %s\nsize %dx%d\nformat %+v\nname %q\n",
		v.Version, v.Secured.Method, v.Init.Width, v.Init.Height, v.Init.Format, v.Init.Name)
}

func TestViewerTranscripts(t *testing.T) {
	pair := layertest.Certificates(t)
	for _, s := range viewers {
		t.Run(s.name, func(t *testing.T) {
			path := filepath.Join("testdata", "viewers", s.name+".txtar")
			if *update {
				cryptotest.SetGlobalRandom(t, seed)
				recordViewer(t, s, path, pair)
			}
			tr := load(t, path)
			cryptotest.SetGlobalRandom(t, seed)
			if got := s.serve(tr.Replay(rfbtest.ByDisplay), nil, new(rfbtest.Display)); got != tr.Result {
				t.Errorf("got\n%s, want\n%s", got, tr.Result)
			}
		})
	}
}

func TestDisplayTranscripts(t *testing.T) {
	pair := layertest.Certificates(t)
	for _, s := range displays {
		t.Run(s.name, func(t *testing.T) {
			path := filepath.Join("testdata", "displays", s.name+".txtar")
			if *update {
				cryptotest.SetGlobalRandom(t, seed)
				recordDisplay(t, s, path, pair)
			}
			tr := load(t, path)
			cryptotest.SetGlobalRandom(t, seed)
			if got := s.view(tr.Replay(rfbtest.ByViewer), nil); got != tr.Result {
				t.Errorf("got\n%s, want\n%s", got, tr.Result)
			}
		})
	}
}

// TestFilteredTranscripts: with everything allowed, a filter hands on what
// real viewers send as it came.
func TestFilteredTranscripts(t *testing.T) {
	all := rfb.Policy{
		Keyboard: true, Pointer: true, ClipboardIn: true, Resize: true, Power: true, FileTransfer: true,
		ClipboardOut: true, Bell: true, Audio: true,
	}
	for _, s := range viewers {
		d := new(rfbtest.Display)
		cryptotest.SetGlobalRandom(t, seed)
		s.serve(load(t, filepath.Join("testdata", "viewers", s.name+".txtar")).Replay(rfbtest.ByDisplay), nil, d)
		var out strings.Builder
		f := rfb.NewFilter(&out, all)
		var sent strings.Builder
		for _, msg := range d.Messages() {
			sent.Write(msg)
		}
		if _, err := io.WriteString(f, sent.String()); err != nil || out.String() != sent.String() {
			t.Errorf("%s: %d of %d bytes, %v", s.name, out.Len(), sent.Len(), err)
		}
		if f.Passed() != uint64(len(d.Messages())) {
			t.Errorf("%s: %d messages of %d", s.name, f.Passed(), len(d.Messages()))
		}
	}
}

func load(t *testing.T, path string) *rfbtest.Transcript {
	t.Helper()
	tr, err := rfbtest.LoadTranscript(path)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func save(t *testing.T, path string, tr *rfbtest.Transcript) {
	t.Helper()
	if err := os.WriteFile(path, tr.Format(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func tlsServer(cfg *tls.Config) rfb.Upgrade {
	return func(ctx context.Context, c net.Conn) (net.Conn, error) {
		t := tls.Server(c, cfg)
		return t, t.HandshakeContext(ctx)
	}
}

func tlsClient(cfg *tls.Config) rfb.Upgrade {
	return func(ctx context.Context, c net.Conn) (net.Conn, error) {
		t := tls.Client(c, cfg)
		return t, t.HandshakeContext(ctx)
	}
}
