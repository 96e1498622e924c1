package rfb_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"encoding/binary"
	"math/big"
	"math/bits"
	"net"
	"strings"
	"testing"

	"vncgate/layers/layertest"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// ardHello is what a display of Apple's says: generator, prime, public key.
func ardHello(g uint16, size int, p, public *big.Int) []byte {
	b := binary.BigEndian.AppendUint16(nil, g)
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = append(b, p.FillBytes(make([]byte, size))...)
	return append(b, public.FillBytes(make([]byte, size))...)
}

// oakley2 is the 1024-bit prime of RFC 2409, 6.2, the length that Apple uses.
const oakley2 = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD" +
	"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"

func hexNumber(t testing.TB, s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 16)
	if !ok {
		t.Fatalf("%s is no number", s)
	}
	return n
}

// TestARDOfApple: our client towards a display that counts for itself.
func TestARDOfApple(t *testing.T) {
	p, secret := hexNumber(t, oakley2), big.NewInt(0x1234567)
	c := rfbtest.NewScript(ardHello(2, 128, p, new(big.Int).Exp(big.NewInt(2), secret, p)))
	if _, err := (rfb.ClientARD{Credentials: credentials("marÿ", goodPassword)}).Handshake(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	said := c.Out.Bytes()
	if len(said) != 256 {
		t.Fatalf("%d bytes", len(said))
	}
	shared := new(big.Int).Exp(new(big.Int).SetBytes(said[128:]), secret, p).FillBytes(make([]byte, 128))
	key := md5.Sum(shared)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, 128)
	for at := 0; at < 128; at += 16 {
		block.Decrypt(plain[at:], said[at:])
	}
	if !bytes.HasPrefix(plain, []byte("marÿ\x00")) || !bytes.HasPrefix(plain[64:], []byte(goodPassword+"\x00")) {
		t.Errorf("%q", plain)
	}
}

func TestARDGroupsThatAreNone(t *testing.T) {
	p := hexNumber(t, oakley2)
	minus1 := new(big.Int).Sub(p, big.NewInt(1))
	for _, tt := range []struct {
		name string
		in   []byte
		want string
	}{
		{"short", []byte{0, 2, 0, 127}, "key of 127 bytes"},
		{"long", []byte{0, 2, 4, 1}, "key of 1025 bytes"},
		{"zero", ardHello(2, 128, new(big.Int), big.NewInt(5)), "group is none"},
		{"even", ardHello(2, 128, minus1, big.NewInt(5)), "group is none"},
		{"small", ardHello(2, 128, big.NewInt(23), big.NewInt(5)), "group is none"},
		{"generator 1", ardHello(1, 128, p, big.NewInt(5)), "group is none"},
		{"public key 0", ardHello(2, 128, p, new(big.Int)), "degenerate"},
		{"public key 1", ardHello(2, 128, p, big.NewInt(1)), "degenerate"},
		{"public key p-1", ardHello(2, 128, p, minus1), "degenerate"},
		{"public key p", ardHello(2, 128, p, p), "degenerate"},
		{"cut", ardHello(2, 128, p, big.NewInt(5))[:259], "unexpected EOF"},
	} {
		c := rfbtest.NewScript(tt.in)
		_, err := (rfb.ClientARD{Credentials: credentials("u", "p")}).Handshake(context.Background(), c)
		if err == nil || !strings.Contains(err.Error(), tt.want) || c.Out.Len() > 0 {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestARDDegenerateViewer: a public key that would fix the shared secret is no
// proof of anything, whatever was encrypted under that.
func TestARDDegenerateViewer(t *testing.T) {
	asked := rfb.ServerARD{Verify: func(context.Context, string, string) error {
		t.Error("a password is asked about")
		return nil
	}}
	hello := rfbtest.NewScript(nil)
	_, _ = asked.Handshake(context.Background(), hello)
	p := new(big.Int).SetBytes(hello.Out.Bytes()[4:260])
	for _, y := range []*big.Int{new(big.Int), big.NewInt(1), new(big.Int).Sub(p, big.NewInt(1)), p, new(big.Int).Add(p, big.NewInt(1))} {
		in := append(make([]byte, 128), y.FillBytes(make([]byte, 256))...)
		if _, err := asked.Handshake(context.Background(), rfbtest.NewScript(in)); err == nil || !strings.Contains(err.Error(), "degenerate") {
			t.Error(err)
		}
	}
}

// TestARDGroup: the group is the one of RFC 3526, 3, by that text's formula
// 2^2048 - 2^1984 - 1 + 2^64 * { [2^1918 pi] + 124476 }, and its prime is safe.
func TestARDGroup(t *testing.T) {
	c := rfbtest.NewScript(nil)
	_, _ = rfb.ServerARD{}.Handshake(context.Background(), c)
	hello := c.Out.Bytes()
	if len(hello) != 4+512 || !bytes.Equal(hello[:4], []byte{0, 2, 1, 0}) {
		t.Fatalf("%x", hello[:4])
	}
	p := new(big.Int).SetBytes(hello[4:260])
	power := func(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }
	want := new(big.Int).Add(piBits(1918), big.NewInt(124476))
	want.Lsh(want, 64)
	want.Add(want, power(2048)).Sub(want, power(1984)).Sub(want, big.NewInt(1))
	if p.Cmp(want) != 0 {
		t.Errorf("the prime is %x", p)
	}
	if q := new(big.Int).Rsh(p, 1); !p.ProbablyPrime(1) || !q.ProbablyPrime(1) {
		t.Error("the prime is not safe")
	}
}

// piBits returns 2^n·π rounded down, by Machin's formula.
func piBits(n uint) *big.Int {
	const guard = 64
	arctan := func(x int64) *big.Int { // of 1/x
		term := new(big.Int).Quo(new(big.Int).Lsh(big.NewInt(1), n+guard), big.NewInt(x))
		sum := new(big.Int).Set(term)
		for k, sign := int64(3), int64(-1); term.Sign() != 0; k, sign = k+2, -sign {
			term.Quo(term, big.NewInt(x*x))
			sum.Add(sum, new(big.Int).Quo(term, big.NewInt(sign*k)))
		}
		return sum
	}
	pi := arctan(5)
	pi.Mul(pi, big.NewInt(4)).Sub(pi, arctan(239)).Mul(pi, big.NewInt(4))
	return pi.Rsh(pi, guard)
}

// TestFieldsThatDoNotFit: names and passwords are not cut in silence.
func TestFieldsThatDoNotFit(t *testing.T) {
	ard := string(ardHello(2, 128, hexNumber(t, oakley2), big.NewInt(5)))
	msLogon := string(msLogonHello(5, 0x7fffffff, 77))
	for _, tt := range []struct {
		in         string
		user, pass string
		want       string
	}{
		{ard, strings.Repeat("u", 64), "p", "user of more than 63 bytes"},
		{ard, "u", strings.Repeat("p", 64), "password of more than 63 bytes"},
		{ard, "u\x00", "p", "user with a NUL"},
		{msLogon, strings.Repeat("u", 256), "p", "user of more than 255 bytes"},
		{msLogon, "u", strings.Repeat("p", 64), "password of more than 63 bytes"},
		{msLogon, "u", "p\x00", "password with a NUL"},
	} {
		var s rfb.Security = rfb.ClientARD{Credentials: credentials(tt.user, tt.pass)}
		if tt.in == msLogon {
			s = rfb.ClientMSLogonII{Credentials: credentials(tt.user, tt.pass)}
		}
		c := rfbtest.NewScript([]byte(tt.in))
		_, err := s.Handshake(context.Background(), c)
		if err == nil || !strings.Contains(err.Error(), tt.want) || c.Out.Len() > 0 {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}

func msLogonHello(numbers ...uint64) []byte {
	var b []byte
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// serverMSLogon is UltraVNC's side of MSLogonII.
type serverMSLogon struct{ g, p, secret uint64 }

func (serverMSLogon) Type() rfb.SecurityType { return rfb.TypeMSLogonII }

func (s serverMSLogon) power(base uint64) uint64 {
	n := func(x uint64) *big.Int { return new(big.Int).SetUint64(x) }
	return n(0).Exp(n(base), n(s.secret), n(s.p)).Uint64()
}

func (s serverMSLogon) Handshake(ctx context.Context, c net.Conn) (rfb.Secured, error) {
	if _, err := c.Write(msLogonHello(s.g, s.p, s.power(s.g))); err != nil {
		return rfb.Secured{}, err
	}
	b := make([]byte, 8+256+64)
	for n := 0; n < len(b); {
		k, err := c.Read(b[n:])
		if n += k; err != nil {
			return rfb.Secured{}, err
		}
	}
	shared := binary.BigEndian.AppendUint64(nil, s.power(binary.BigEndian.Uint64(b)))
	block, err := des.NewCipher(binary.LittleEndian.AppendUint64(nil, bits.Reverse64(binary.BigEndian.Uint64(shared))))
	if err != nil {
		return rfb.Secured{}, err
	}
	field := func(b []byte) string {
		cipher.NewCBCDecrypter(block, shared).CryptBlocks(b, b)
		text, _, _ := bytes.Cut(b, []byte{0})
		return string(text)
	}
	done := rfb.Secured{Conn: c, Method: "mslogon2"}
	if err := verify(ctx, field(b[8:264]), field(b[264:])); err != nil {
		return done, &rfb.Refusal{Reason: "Authentication failed", Err: err}
	}
	return done, nil
}

func TestMSLogonII(t *testing.T) {
	for _, server := range []serverMSLogon{
		{2, 0x7fffffff, 0x12345}, {5, 4294967291, 99}, {3, 18446744073709551557, 1 << 60},
	} {
		for _, chunk := range []int{0, 1} {
			for p, want := range map[string]string{goodPassword: "", "wrong": "Authentication failed"} {
				o := handshake(t, rfb.Version38, chunk, &rfb.ServerConfig{Security: []rfb.Security{server}},
					&rfb.ClientConfig{Security: []rfb.Security{rfb.ClientMSLogonII{Credentials: credentials(goodUser, p)}}})
				if (o.viewerErr == nil) != (want == "") || want != "" && !strings.Contains(o.viewerErr.Error(), want) {
					t.Errorf("%+v, %s: %v, %v", server, p, o.viewerErr, o.displayErr)
				}
			}
		}
	}
	for _, p := range []uint64{0, 1} {
		_, err := (rfb.ClientMSLogonII{}).Handshake(context.Background(), rfbtest.NewScript(msLogonHello(2, p, 3)))
		if err == nil || !strings.Contains(err.Error(), "group is none") {
			t.Error(err)
		}
	}
}

// serverIdent takes anyone's word.
type serverIdent struct{}

func (serverIdent) Type() rfb.SecurityType { return rfb.TypeIdent }

func (serverIdent) Handshake(_ context.Context, c net.Conn) (rfb.Secured, error) {
	b := make([]byte, 4+len(goodUser))
	for n := 0; n < len(b); {
		k, err := c.Read(b[n:])
		if n += k; err != nil {
			return rfb.Secured{}, err
		}
	}
	return rfb.Secured{Conn: c, Method: "ident", User: string(b[4:])}, nil
}

func TestIdent(t *testing.T) {
	pair := layertest.Certificates(t)
	client := rfb.ClientIdent{User: password(goodUser)}
	for _, tt := range []struct {
		method         string
		server, client rfb.Security
	}{
		{"ident", serverIdent{}, client},
		{"x509-ident", rfb.ServerX509{TLS: tlsServer(pair), Inner: serverIdent{}}, rfb.ClientX509{TLS: tlsClient(pair), Inner: client}},
	} {
		if tt.client.Type().String() != tt.method {
			t.Errorf("%s is %s", tt.method, tt.client.Type())
		}
		o := handshake(t, rfb.Version38, 1,
			&rfb.ServerConfig{Security: []rfb.Security{rfb.ServerVeNCrypt{Subtypes: []rfb.Security{tt.server}}}},
			&rfb.ClientConfig{Security: []rfb.Security{rfb.ClientVeNCrypt{Subtypes: []rfb.Security{tt.client}}}})
		if o.viewerErr != nil || o.displayErr != nil || o.display.Secured.User != goodUser || o.viewer.Secured.Method != tt.method {
			t.Errorf("%s: %v, %v", tt.method, o.viewerErr, o.displayErr)
		}
	}
	for want, user := range map[string]func(context.Context) (string, error){
		"cannot look it up": func(context.Context) (string, error) { return "", errLookup },
		"more than 1024":    password(strings.Repeat("x", 1025)),
	} {
		_, err := (rfb.ClientIdent{User: user}).Handshake(context.Background(), rfbtest.NewScript(nil))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestARDCancel ends the context at points of the handshake, on both sides.
func TestARDCancel(t *testing.T) {
	client := &rfb.ClientConfig{Security: []rfb.Security{rfb.ClientARD{Credentials: credentials(goodUser, goodPassword)}}}
	server := &rfb.ServerConfig{Security: []rfb.Security{rfb.ServerARD{Verify: verify}}}
	display := func(ctx context.Context, c net.Conn) { _, _ = rfb.Server(ctx, c, server) }
	viewer := func(ctx context.Context, c net.Conn) { _, _ = rfb.Client(ctx, c, client) }
	for _, n := range []int{14, 15, 17, 18, 274, 529, 530, 533} {
		err := cancelAt(t, n, display, func(ctx context.Context, c net.Conn) error { _, err := rfb.Client(ctx, c, client); return err })
		if err == nil || !strings.Contains(err.Error(), errGaveUp.Error()) {
			t.Errorf("viewer, display silent after %d bytes: %v", n, err)
		}
	}
	for _, n := range []int{13, 14, 140, 141, 396} {
		err := cancelAt(t, n, viewer, func(ctx context.Context, c net.Conn) error { _, err := rfb.Server(ctx, c, server); return err })
		if err == nil || !strings.Contains(err.Error(), errGaveUp.Error()) {
			t.Errorf("display, viewer silent after %d bytes: %v", n, err)
		}
	}
}

// FuzzARD: both sides. Nothing an unknown peer encrypts is taken for longer
// than its fields.
func FuzzARD(f *testing.F) {
	f.Add(ardHello(2, 128, hexNumber(f, oakley2), big.NewInt(5)))
	f.Add(append(make([]byte, 128), bytes.Repeat([]byte{7}, 256)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		verify := func(_ context.Context, user, password string) error {
			if len(user) > 63 || len(password) > 63 {
				t.Errorf("%q and %q", user, password)
			}
			return nil
		}
		for _, s := range []rfb.Security{rfb.ServerARD{Verify: verify}, rfb.ClientARD{Credentials: credentials("u", "p")}} {
			samePieces(t, in, func(c *rfbtest.Script) error {
				// The answer to wrong credentials is not waited for.
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				_, err := s.Handshake(ctx, c)
				return err
			})
		}
	})
}

// FuzzMSLogonII: whatever numbers a display sends, what goes back has its
// length.
func FuzzMSLogonII(f *testing.F) {
	f.Add(msLogonHello(2, 0x7fffffff, 77))
	f.Add(msLogonHello(0, 0, 0))
	f.Add(msLogonHello(7, 2, 1<<63))
	f.Fuzz(func(t *testing.T, in []byte) {
		samePieces(t, in, func(c *rfbtest.Script) error {
			_, err := (rfb.ClientMSLogonII{Credentials: credentials("u", "p")}).Handshake(context.Background(), c)
			if err == nil && c.Out.Len() != 8+256+64 {
				t.Errorf("%d bytes", c.Out.Len())
			}
			return err
		})
	})
}
