package rfb

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"vncgate/layers/layertest"
)

// hostileKey is the peer's, ourKey the other one's.
var (
	hostileKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, MinRSABits) })
	ourKey     = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, MinRSABits) })
)

// A hostile peer keeps to the handshake as far as the session keys; what it
// does then is up to it.
type hostile func(x *rsaExchange, records *recordConn) error

// meet runs s against a peer, hangs up and returns what s made of it.
func meet(t *testing.T, s Security, as SecurityType, peer hostile) (Secured, error) {
	t.Helper()
	ours, theirs := layertest.Pipe()
	t.Cleanup(func() { ours.Close() })
	_ = ours.SetDeadline(time.Now().Add(20 * time.Second))
	done := make(chan error, 1)
	go func() {
		defer theirs.Close()
		done <- peer.run(as, theirs)
	}()
	secured, err := s.Handshake(context.Background(), ours)
	_ = ours.(*layertest.PipeConn).CloseWrite()
	if peerErr := <-done; peerErr != nil {
		t.Errorf("the peer: %v", peerErr)
	}
	return secured, err
}

func (h hostile) run(as SecurityType, c net.Conn) error {
	x, err := newRSAExchange(as, hostileKey)
	if err != nil {
		return err
	}
	if _, err := c.Write(x.ours); err != nil {
		return err
	}
	if x.peer, x.theirs, err = readRSAKey(c); err != nil {
		return err
	}
	half := make([]byte, x.half)
	if err := x.sendHalf(c, half); err != nil {
		return err
	}
	theirHalf, err := x.readHalf(c)
	if err != nil {
		return err
	}
	records, err := newRecordConn(c, x.sum(half, theirHalf)[:x.half], x.sum(theirHalf, half)[:x.half])
	if err != nil {
		return err
	}
	return h(x, records)
}

// says sends each piece as the plain text of a record.
func says(pieces ...func(*rsaExchange) []byte) hostile {
	return func(x *rsaExchange, records *recordConn) error {
		for _, p := range pieces {
			if _, err := records.Conn.Write(records.sealOne(p(x))); err != nil {
				return err
			}
		}
		// What we sent on is read, so that our end meets an end and no reset.
		_, _ = io.Copy(io.Discard, records.Conn)
		return nil
	}
}

// sealOne makes a record of b, an empty one too.
func (r *recordConn) sealOne(b []byte) []byte {
	if len(b) > 0 {
		return r.seal(nil, b)
	}
	return r.out.Seal([]byte{0, 0}, r.sent.next(), nil, []byte{0, 0})
}

func proof(x *rsaExchange) []byte { return x.sum(x.ours, x.theirs) }

func text(s string) func(*rsaExchange) []byte {
	return func(*rsaExchange) []byte { return []byte(s) }
}

func proofAnd(s string) func(*rsaExchange) []byte {
	return func(x *rsaExchange) []byte { return append(proof(x), s...) }
}

func TestHostileDisplay(t *testing.T) {
	for _, tt := range []struct {
		name string
		peer hostile
		want string // of the error, "" for none
	}{
		{"as it should be", says(proof, text("\x01")), ""},
		{"password alone", says(proof, text("\x02")), ""},
		{"all in one record", says(proofAnd("\x01")), ""},
		{"empty records", says(text(""), proof, text(""), text(""), text("\x01")), ""},
		{"a hash of other keys", says(func(x *rsaExchange) []byte { return x.sum(x.theirs, x.ours) }), "saw other keys"},
		{"a kind that is none", says(proof, text("\x03")), "unknown kind 3"},
		{"kind 0", says(proof, text("\x00")), "unknown kind 0"},
	} {
		for _, as := range []SecurityType{TypeRA2, TypeRA256} {
			client := ClientRSAAES{
				As: as, Key: ourKey, VerifyKey: func(*rsa.PublicKey) error { return nil },
				Credentials: func(context.Context) (string, string, error) { return "mary", "sesame", nil },
			}
			_, err := meet(t, client, as, tt.peer)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, %s: %v, want %q", tt.name, as, err, tt.want)
			}
		}
	}
}

func TestHostileViewer(t *testing.T) {
	const who = "\x04mary\x06sesame"
	for _, tt := range []struct {
		name string
		as   SecurityType
		peer hostile
		want string // of the error; "" for none
	}{
		{"as it should be", TypeRA2, says(proof, text(who)), ""},
		{"all in one record", TypeRA2ne, says(proofAnd(who)), ""},
		{"each byte a record", TypeRA2ne, says(proof, text("\x04"), text("mary"), text(""), text("\x06ses"), text("ame")), ""},
		{"more behind, in records", TypeRA2, says(proof, text(who+"\x01")), ""},
		{"more behind, where records end", TypeRA2ne, says(proof, text(who+"\x01")), "more than the credentials"},
		{"a hash of other keys", TypeRA256, says(func(x *rsaExchange) []byte { return x.sum(x.theirs, x.ours) }, text(who)), "saw other keys"},
		{"the hash of the other hash", TypeRAne256, says(func(*rsaExchange) []byte { return make([]byte, 32) }, text(who)), "saw other keys"},
		{"a wrong password", TypeRA2ne, says(proof, text("\x04mary\x05wrong")), "Authentication failed"},
		{"nothing", TypeRA2, says(proof, text("\x00\x00")), "Authentication failed"},
	} {
		server := ServerRSAAES{As: tt.as, Key: ourKey, Verify: func(_ context.Context, user, password string) error {
			if user != "mary" || password != "sesame" {
				return errors.New("wrong")
			}
			return nil
		}}
		secured, err := meet(t, server, tt.as, tt.peer)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if err == nil && secured.User != "mary" {
			t.Errorf("%s: user %q", tt.name, secured.User)
		}
	}
}

// pairOfRecords returns two ends of a stream in records over a pipe.
func pairOfRecords(t *testing.T) (near, far *recordConn, below net.Conn) {
	a, b := layertest.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	near, err := newRecordConn(a, make([]byte, 16), bytes.Repeat([]byte{1}, 16))
	if err != nil {
		t.Fatal(err)
	}
	far, err = newRecordConn(b, bytes.Repeat([]byte{1}, 16), make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	return near, far, a
}

// TestRecordsOutOfPlace: a record that comes twice, is left out, comes from the
// other direction or has another length ends the stream for good.
func TestRecordsOutOfPlace(t *testing.T) {
	for name, send := range map[string]func(near, far *recordConn) []byte{
		"twice": func(near, _ *recordConn) []byte {
			r := near.sealOne([]byte("x"))
			return append(r, r...)
		},
		"left out": func(near, _ *recordConn) []byte {
			first := near.sealOne([]byte("x"))
			near.sealOne([]byte("y"))
			return append(first, near.sealOne([]byte("z"))...)
		},
		"reflected": func(near, far *recordConn) []byte {
			return append(near.sealOne([]byte("x")), far.sealOne([]byte("y"))...)
		},
		"shorter": func(near, _ *recordConn) []byte {
			first, r := near.sealOne([]byte("x")), near.sealOne([]byte("yy"))
			r[1] = 1
			return append(first, r...)
		},
	} {
		near, far, below := pairOfRecords(t)
		if _, err := below.Write(send(near, far)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if n, err := far.Read(b); n != 1 || b[0] != 'x' || err != nil {
			t.Fatalf("%s: %q, %v", name, b[:n], err)
		}
		for range 2 {
			if n, err := far.Read(b); n != 0 || !errors.Is(err, errEAX) {
				t.Errorf("%s: %q, %v", name, b[:n], err)
			}
		}
	}
}

// TestCounter: the nonce is little-endian and carries.
func TestCounter(t *testing.T) {
	var c counter
	for range 256 {
		c.next()
	}
	if got := c.next(); got[0] != 0 || got[1] != 1 || got[2] != 0 {
		t.Errorf("the 257th nonce is %x", got)
	}
	c = counter(bytes.Repeat([]byte{0xff}, 16))
	c.next()
	if c != (counter{}) {
		t.Errorf("behind the last nonce comes %x", c)
	}
}

// TestLongRecords: a peer's records may be as long as their length can say.
func TestLongRecords(t *testing.T) {
	near, far, below := pairOfRecords(t)
	long := bytes.Repeat([]byte("x"), 65535)
	head := []byte{0xff, 0xff}
	go func() { _, _ = below.Write(near.out.Seal(head[:2:2], near.sent.next(), long, head)) }()
	got := make([]byte, len(long))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, long) {
		t.Errorf("%v", err)
	}
}

// said is a connection whose peer has said all it will ever say.
type said struct {
	net.Conn
	io.Reader
	out bytes.Buffer
}

func (s *said) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s *said) Write(b []byte) (int, error) { return s.out.Write(b) }

// sealed returns the records of a stream, each of at most size bytes.
func sealed(t testing.TB, stream []byte, size int) []byte {
	r, err := newRecordConn(nil, make([]byte, 16), make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for len(stream) > 0 {
		n := min(len(stream), size)
		out = append(out, r.sealOne(stream[:n])...)
		stream = stream[n:]
	}
	return out
}

// opened puts records over what a peer said.
func opened(t testing.TB, r io.Reader) *recordConn {
	c, err := newRecordConn(&said{Reader: r}, make([]byte, 16), make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzRecords: a stream comes out as it went in, in whatever records and
// pieces; a bit that changes ends it, with nothing that was not sent; and bytes
// that are no records at all are none.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("a stream"), uint16(3), uint32(0))
	f.Add(bytes.Repeat([]byte("x"), 300), uint16(127), uint32(1234))
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint16(1), uint32(7))
	f.Fuzz(func(t *testing.T, stream []byte, size uint16, bit uint32) {
		records := sealed(t, stream, 1+int(size)%maxRecord)
		for _, r := range []io.Reader{bytes.NewReader(records), iotest.OneByteReader(bytes.NewReader(records)), iotest.DataErrReader(bytes.NewReader(records))} {
			if got, err := io.ReadAll(opened(t, r)); err != nil || !bytes.Equal(got, stream) {
				t.Fatalf("%d bytes of %d, %v", len(got), len(stream), err)
			}
		}
		if len(records) > 0 {
			records[int(bit/8)%len(records)] ^= 1 << (bit % 8)
			if got, err := io.ReadAll(opened(t, bytes.NewReader(records))); err == nil || !bytes.HasPrefix(stream, got) || len(got) == len(stream) {
				t.Fatalf("changed, and %d bytes of %d, %v", len(got), len(stream), err)
			}
		}
		if got, err := io.ReadAll(opened(t, bytes.NewReader(stream))); len(got) > 0 || len(stream) > 0 && err == nil {
			t.Fatalf("no records, and %q, %v", got, err)
		}
	})
}

// FuzzRSACredentials: what a viewer says inside its records is cut where its
// lengths say; what a display asks for is answered or refused.
func FuzzRSACredentials(f *testing.F) {
	f.Add([]byte("\x04mary\x06sesame"), uint16(100))
	f.Add([]byte("\x00\x06sesame"), uint16(1))
	f.Add([]byte("\xffmary"), uint16(1))
	f.Fuzz(func(t *testing.T, stream []byte, size uint16) {
		r := bytes.NewReader(sealed(t, stream, 1+int(size)%maxRecord))
		user, password, err := ServerRSAAES{As: TypeRA2}.ask(opened(t, r))
		if err == nil {
			want := string([]byte{byte(len(user))}) + user + string([]byte{byte(len(password))}) + password
			if !bytes.HasPrefix(stream, []byte(want)) {
				t.Fatalf("%q read as %q and %q", stream, user, password)
			}
		}
		r = bytes.NewReader(sealed(t, stream, 1+int(size)%maxRecord))
		err = ClientRSAAES{As: TypeRA2, Credentials: func(context.Context) (string, string, error) {
			return "mary", "sesame", nil
		}}.tell(context.Background(), opened(t, r))
		if asked := len(stream) > 0 && (stream[0] == 1 || stream[0] == 2); asked != (err == nil) {
			t.Fatalf("%q: %v", stream, err)
		}
	})
}

func BenchmarkRecords(b *testing.B) {
	sink, err := newRecordConn(discard{}, make([]byte, 32), make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if _, err := sink.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }
