package rfb_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/layers/layertest"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// displayKey and viewerKey are as short as they may be, for speed.
func displayKey() (*rsa.PrivateKey, error) { return rsaKeys().display, nil }
func viewerKey() (*rsa.PrivateKey, error)  { return rsaKeys().viewer, nil }

type keyPairs struct{ display, viewer *rsa.PrivateKey }

var rsaKeys = sync.OnceValue(func() keyPairs { return keyPairs{makeKey(1024), makeKey(1032)} })

func makeKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func serverRSA(as rfb.SecurityType) rfb.ServerRSAAES {
	return rfb.ServerRSAAES{As: as, Key: displayKey, Verify: verify}
}

func clientRSA(as rfb.SecurityType, user, password string) rfb.ClientRSAAES {
	return rfb.ClientRSAAES{As: as, Key: viewerKey, VerifyKey: pinned, Credentials: credentials(user, password)}
}

var rsaTypes = []rfb.SecurityType{rfb.TypeRA2, rfb.TypeRA2ne, rfb.TypeRA256, rfb.TypeRAne256}

// pinned knows the display's key by its fingerprint.
func pinned(key *rsa.PublicKey) error {
	if rfb.RSAFingerprint(key) != rfb.RSAFingerprint(&rsaKeys().display.PublicKey) {
		return errors.New("not the key that is pinned")
	}
	return nil
}

// TestRSAPasswordOnly: a display may ask for no user, and hears none.
func TestRSAPasswordOnly(t *testing.T) {
	for _, as := range rsaTypes {
		server := serverRSA(as)
		server.PasswordOnly = true
		server.Verify = func(_ context.Context, user, password string) error {
			if user != "" || password != goodPassword {
				return errWrong
			}
			return nil
		}
		o := handshake(t, rfb.Version38, 0, &rfb.ServerConfig{Security: []rfb.Security{server}},
			&rfb.ClientConfig{Security: []rfb.Security{clientRSA(as, "somebody", goodPassword)}})
		if o.viewerErr != nil || o.displayErr != nil || o.display.Secured.User != "" {
			t.Errorf("%s: viewer: %v, display: %v", as, o.viewerErr, o.displayErr)
		}
	}
}

// TestRSAWhereTheSessionIs: types 5 and 129 stay in records, the others leave
// them.
func TestRSAWhereTheSessionIs(t *testing.T) {
	for _, as := range rsaTypes {
		o := handshake(t, rfb.Version38, 0, &rfb.ServerConfig{Security: []rfb.Security{serverRSA(as)}},
			&rfb.ClientConfig{Security: []rfb.Security{clientRSA(as, goodUser, goodPassword)}})
		if o.viewerErr != nil || o.displayErr != nil {
			t.Fatal(o.viewerErr, o.displayErr)
		}
		got := ""
		if layer, ok := o.display.Conn.(interface{ LayerName() string }); ok {
			got = layer.LayerName()
		}
		want := map[rfb.SecurityType]string{rfb.TypeRA2: "rsa-aes(128)", rfb.TypeRA256: "rsa-aes(256)"}[as]
		if got != want {
			t.Errorf("%s: %q, want %q", as, got, want)
		}
	}
}

// TestRecords runs what every layer must pass over the records of types 5 and
// 129, the handshake included.
func TestRecords(t *testing.T) {
	for _, as := range []rfb.SecurityType{rfb.TypeRA2, rfb.TypeRA256} {
		t.Run(as.String(), func(t *testing.T) {
			near := func(ctx context.Context, c net.Conn) (net.Conn, error) {
				return asConn(rfb.Client(ctx, c, &rfb.ClientConfig{Security: []rfb.Security{clientRSA(as, goodUser, goodPassword)}}))
			}
			far := func(ctx context.Context, c net.Conn) (net.Conn, error) {
				return asConn(rfb.Server(ctx, c, &rfb.ServerConfig{Security: []rfb.Security{serverRSA(as)}}))
			}
			layertest.TestLayer(t, layertest.Subject{Near: near, Far: far, Sparse: true})
		})
	}
}

func asConn(c *rfb.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// wireTap keeps what is written, write by write.
type wireTap struct {
	net.Conn
	writes [][]byte
}

func (w *wireTap) Write(b []byte) (int, error) {
	w.writes = append(w.writes, bytes.Clone(b))
	return w.Conn.Write(b)
}

// TestRSAWrites: length and what it counts leave in one write, which noVNC
// needs, and nothing in clear is among them.
func TestRSAWrites(t *testing.T) {
	front, back := layertest.Pipe()
	defer front.Close()
	defer back.Close()
	tap := &wireTap{Conn: front}
	done := make(chan error, 1)
	var display rfb.Secured
	go func() {
		var err error
		display, err = serverRSA(rfb.TypeRA2).Handshake(context.Background(), tap)
		done <- err
	}()
	viewer, err := clientRSA(rfb.TypeRA2, goodUser, goodPassword).Handshake(context.Background(), back)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("a picture"), 10000)
	go func() { _, _ = display.Conn.Write(big) }()
	if _, err := io.ReadFull(viewer.Conn, make([]byte, len(big))); err != nil {
		t.Fatal(err)
	}
	for i, w := range tap.writes {
		if bytes.Contains(w, []byte("picture")) {
			t.Errorf("write %d is in clear", i)
		}
		if i == 0 { // the public key
			continue
		}
		for len(w) > 0 {
			n := 2 + int(w[0])<<8 + int(w[1])
			if i > 1 { // records, with tags
				if n > 2+8192 {
					t.Errorf("write %d has a record of %d bytes", i, n)
				}
				n += 16
			}
			if n > len(w) {
				t.Fatalf("write %d ends inside what it counts", i)
			}
			w = w[n:]
		}
	}
}

// TestRSAKeys: keys that are not keys are refused by both sides.
func TestRSAKeys(t *testing.T) {
	good := rsaKeys().display
	number := func(n *big.Int, size int) []byte { return n.FillBytes(make([]byte, size)) }
	even := new(big.Int).Sub(good.N, big.NewInt(1))
	e := big.NewInt(65537)
	for _, tt := range []struct {
		name string
		in   []byte
		want string
	}{
		{"short", []byte{0, 0, 3, 255}, "key of 1023 bits"},
		{"long", []byte{0, 0, 32, 1}, "key of 8193 bits"},
		{"vast", []byte{255, 255, 255, 255}, "key of 4294967295 bits"},
		{"zero", append([]byte{0, 0, 4, 0}, make([]byte, 256)...), "impossible modulus"},
		{"even", append(append([]byte{0, 0, 4, 0}, number(even, 128)...), number(e, 128)...), "impossible modulus"},
		{"shorter than it says", append(append([]byte{0, 0, 4, 8}, number(good.N, 129)...), number(e, 129)...), "impossible modulus"},
		{"exponent 1", append(append([]byte{0, 0, 4, 0}, number(good.N, 128)...), number(big.NewInt(1), 128)...), "impossible exponent"},
		{"exponent 2", append(append([]byte{0, 0, 4, 0}, number(good.N, 128)...), number(big.NewInt(2), 128)...), "impossible exponent"},
		{"vast exponent", append(append([]byte{0, 0, 4, 0}, number(good.N, 128)...), number(good.N, 128)...), "impossible exponent"},
		{"cut", append([]byte{0, 0, 4, 0}, make([]byte, 255)...), "unexpected EOF"},
	} {
		for _, s := range []rfb.Security{serverRSA(rfb.TypeRA2), clientRSA(rfb.TypeRA2, "u", "p")} {
			_, err := s.Handshake(context.Background(), rfbtest.NewScript(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
			}
		}
	}
}

// TestRSAOwnFaults: what is missing on our side is an error before a secret is
// told.
func TestRSAOwnFaults(t *testing.T) {
	good := rsaKeys().display
	hello := displayHello(good)
	noKey := func() (*rsa.PrivateKey, error) { return nil, errLookup }
	small := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(77), E: 3}}
	odd := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: good.N, E: 1 << 40}}
	key := func(k *rsa.PrivateKey) func() (*rsa.PrivateKey, error) {
		return func() (*rsa.PrivateKey, error) { return k, nil }
	}
	with := func(k func() (*rsa.PrivateKey, error)) rfb.Security {
		return rfb.ServerRSAAES{As: rfb.TypeRA2, Key: k, Verify: verify}
	}
	unknown := clientRSA(rfb.TypeRA2, "u", "p")
	unknown.VerifyKey = nil
	other := clientRSA(rfb.TypeRA2, "u", "p")
	other.VerifyKey = func(*rsa.PublicKey) error { return errors.New("not the key that is pinned") }
	keyless := clientRSA(rfb.TypeRA2, "u", "p")
	keyless.Key = noKey
	for _, tt := range []struct {
		name string
		s    rfb.Security
		want string
	}{
		{"no key", with(noKey), "our key: cannot look it up"},
		{"a small key", with(key(small)), "our key has 7 bits"},
		{"a vast exponent", with(key(odd)), "too large an exponent"},
		{"no type", rfb.ServerRSAAES{As: rfb.TypeNone, Key: displayKey}, "none is no type of RSA-AES"},
		{"no type, client", rfb.ClientRSAAES{As: rfb.TypeVncAuth, VerifyKey: pinned, Key: displayKey}, "vnc is no type of RSA-AES"},
		{"nothing to verify with", unknown, "nothing to verify the display's key with"},
		{"another key", other, "not the key that is pinned"},
		{"no key, client", keyless, "our key: cannot look it up"},
	} {
		c := rfbtest.NewScript(hello)
		_, err := tt.s.Handshake(context.Background(), c)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if c.Out.Len() > 0 {
			t.Errorf("%s: %d bytes were sent", tt.name, c.Out.Len())
		}
	}
	for _, s := range []rfb.Security{rfb.ServerRSAAES{As: rfb.TypeTLS}, rfb.ClientRSAAES{As: rfb.TypeSASL}} {
		if s.Type() != rfb.TypeInvalid {
			t.Errorf("%s is a type of RSA-AES", s.Type())
		}
	}
}

// displayHello is the public key as a display of that key sends it.
func displayHello(key *rsa.PrivateKey) []byte {
	c := rfbtest.NewScript(nil)
	_, _ = rfb.ServerRSAAES{As: rfb.TypeRA2, Key: func() (*rsa.PrivateKey, error) { return key, nil }}.Handshake(context.Background(), c)
	return c.Out.Bytes()
}

// tamper flips a bit of the n-th byte read.
type tamper struct {
	net.Conn
	n int
}

func (c *tamper) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.n >= 0 && c.n < n {
		b[c.n] ^= 1
	}
	c.n -= n
	return n, err
}

// TestRSATampered: a bit that changes on the way ends the handshake, wherever
// it is, and no password is believed.
func TestRSATampered(t *testing.T) {
	viewerKey := rsaKeys().viewer
	size := viewerKey.Size()
	for _, at := range []int{3, 4, 4 + size - 1, 4 + 2*size - 1, 4 + 2*size, 4 + 2*size + 1, 4 + 2*size + 2, 4 + 2*size + 80, 4 + 2*size + 2 + 127,
		4 + 2*size + 130, 4 + 2*size + 131, 4 + 2*size + 132, 4 + 2*size + 130 + 37, 4 + 2*size + 130 + 38 + 1, 4 + 2*size + 130 + 38 + 3} {
		front, back := layertest.Pipe()
		// A length that has changed may have both sides wait for each other.
		_ = front.SetDeadline(time.Now().Add(time.Second / 5))
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = clientRSA(rfb.TypeRA2, goodUser, goodPassword).Handshake(context.Background(), back)
		}()
		server := serverRSA(rfb.TypeRA2)
		server.Verify = func(context.Context, string, string) error {
			t.Errorf("byte %d changed, and a password is asked about", at)
			return nil
		}
		if _, err := server.Handshake(context.Background(), &tamper{front, at}); err == nil {
			t.Errorf("byte %d changed, and all is well", at)
		}
		front.Close()
		<-done
		back.Close()
	}
}

// TestRSADecryptionTellsNothing: a session key with bad padding fails like one
// with good padding that is another: at the first record, and after the same
// bytes of ours.
func TestRSADecryptionTellsNothing(t *testing.T) {
	display := rsaKeys().display
	viewer := rsaKeys().viewer
	//lint:ignore SA1019 the protocol has no other padding
	other, err := rsa.EncryptPKCS1v15(rand.Reader, &display.PublicKey, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 the protocol has no other padding
	long, err := rsa.EncryptPKCS1v15(rand.Reader, &display.PublicKey, make([]byte, 17))
	if err != nil {
		t.Fatal(err)
	}
	garbage := make([]byte, len(other))
	garbage[len(garbage)-1] = 2
	record := append([]byte{0, 20}, make([]byte, 36)...)
	var texts []string
	for _, sealed := range [][]byte{other, long, garbage} {
		in := append(displayHello(viewer), 0, byte(len(sealed)))
		in = append(append(in, sealed...), record...)
		c := rfbtest.NewScript(in)
		_, err := serverRSA(rfb.TypeRA2).Handshake(context.Background(), c)
		if err == nil || c.Left() != 0 {
			t.Fatalf("%v with %d bytes left", err, c.Left())
		}
		texts = append(texts, err.Error()+string(rune(c.Out.Len())))
	}
	if texts[0] != texts[1] || texts[0] != texts[2] || !strings.Contains(texts[0], "does not authenticate") {
		t.Errorf("%q", texts)
	}
}

// TestRSATooMuch: credentials that do not fit, a kind that is none, more than
// was asked for.
func TestRSATooMuch(t *testing.T) {
	client := clientRSA(rfb.TypeRA2, goodUser, strings.Repeat("x", 256))
	o := handshake(t, rfb.Version38, 0, &rfb.ServerConfig{Security: []rfb.Security{serverRSA(rfb.TypeRA2)}},
		&rfb.ClientConfig{Security: []rfb.Security{client}})
	if o.viewerErr == nil || !strings.Contains(o.viewerErr.Error(), "more than 255") {
		t.Error(o.viewerErr)
	}
	client.Credentials = func(context.Context) (string, string, error) { return "", "", errLookup }
	o = handshake(t, rfb.Version38, 0, &rfb.ServerConfig{Security: []rfb.Security{serverRSA(rfb.TypeRA2)}},
		&rfb.ClientConfig{Security: []rfb.Security{client}})
	if !errors.Is(o.viewerErr, errLookup) {
		t.Error(o.viewerErr)
	}
}

// TestRSAOwnKey: a viewer without a key makes one.
func TestRSAOwnKey(t *testing.T) {
	client := clientRSA(rfb.TypeRAne256, goodUser, goodPassword)
	client.Key = nil
	o := handshake(t, rfb.Version38, 0, &rfb.ServerConfig{Security: []rfb.Security{serverRSA(rfb.TypeRAne256)}},
		&rfb.ClientConfig{Security: []rfb.Security{client}})
	if o.viewerErr != nil || o.displayErr != nil {
		t.Error(o.viewerErr, o.displayErr)
	}
}

func TestRSAFingerprint(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 1023)
	key := &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
	wire := append([]byte{0, 0, 4, 0, 0x80}, make([]byte, 126)...)
	wire = append(wire, 1)
	wire = append(append(wire, make([]byte, 125)...), 1, 0, 1)
	if rfb.RSAFingerprint(key) != sha256.Sum256(wire) {
		t.Error("not the SHA-256 of the key as it is sent")
	}
	// As noVNC's page and sha1sum have it.
	if got := rfb.RSASignature(key); got != "1d-1a-7d-0c-fe-0c-1d-28" {
		t.Error(got)
	}
}

// TestRSACancel ends the context at points of the handshake, on both sides.
func TestRSACancel(t *testing.T) {
	client := &rfb.ClientConfig{Security: []rfb.Security{clientRSA(rfb.TypeRA256, goodUser, goodPassword)}}
	server := &rfb.ServerConfig{Security: []rfb.Security{serverRSA(rfb.TypeRA256)}}
	display := func(ctx context.Context, c net.Conn) error { _, err := rfb.Server(ctx, c, server); return err }
	viewer := func(ctx context.Context, c net.Conn) error { _, err := rfb.Client(ctx, c, client); return err }
	ignore := func(f func(context.Context, net.Conn) error) func(context.Context, net.Conn) {
		return func(ctx context.Context, c net.Conn) { _ = f(ctx, c) }
	}
	for _, n := range []int{13, 14, 17, 18, 100, 274, 275, 276, 403, 404, 405, 420, 453, 454, 472, 473, 490} {
		if err := cancelAt(t, n, ignore(display), viewer); !errors.Is(err, errGaveUp) {
			t.Errorf("viewer, display silent after %d bytes: %v", n, err)
		}
	}
	for _, n := range []int{12, 13, 16, 17, 140, 274, 275, 276, 404, 405, 406, 454, 455, 460} {
		if err := cancelAt(t, n, ignore(viewer), display); !errors.Is(err, errGaveUp) {
			t.Errorf("display, viewer silent after %d bytes: %v", n, err)
		}
	}
}

// FuzzRSAAES: both sides with anything at all.
func FuzzRSAAES(f *testing.F) {
	hello := displayHello(rsaKeys().viewer)
	f.Add(hello)
	f.Add(append(bytes.Clone(hello), append([]byte{0, 128}, make([]byte, 128+38)...)...))
	f.Add(append(bytes.Clone(hello), append([]byte{0, 129}, make([]byte, 129+38)...)...))
	accept := func(context.Context, string, string) error { return nil }
	anyKey := func(*rsa.PublicKey) error { return nil }
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, as := range []rfb.SecurityType{rfb.TypeRA2, rfb.TypeRAne256} {
			for _, s := range []rfb.Security{
				rfb.ServerRSAAES{As: as, Key: displayKey, Verify: accept},
				rfb.ClientRSAAES{As: as, Key: viewerKey, VerifyKey: anyKey, Credentials: credentials("u", "p")},
			} {
				samePieces(t, in, func(c *rfbtest.Script) error {
					_, err := s.Handshake(context.Background(), c)
					return err
				})
			}
		}
	})
}
