package layers_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// plainCodec wraps nothing, so that tests can write tokens by hand.
func plainCodec() layers.SASLCodec {
	same := func(b []byte) ([]byte, error) { return b, nil }
	return layers.SASLCodec{Wrap: same, Unwrap: same, MaxSend: 1000, MaxReceive: 2000, SSF: 1}
}

func token(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

// saslOver puts a codec on one end of a pipe and returns the bare other end.
func saslOver(t testing.TB, codec layers.SASLCodec) (*layers.SASLConn, *layertest.PipeConn) {
	t.Helper()
	near, far := layertest.Pipe()
	c, err := layers.SASL(codec)(context.Background(), near)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), far.Close() })
	return c.(*layers.SASLConn), far.(*layertest.PipeConn)
}

func TestSASLTokens(t *testing.T) {
	c, peer := saslOver(t, plainCodec())
	if c.SSF() != 1 || c.LayerName() != "sasl(ssf=1)" {
		t.Errorf("SSF %d, name %q", c.SSF(), c.LayerName())
	}
	_, _ = peer.Write(bytes.Join([][]byte{token("RFB 003"), token(".008\n")}, nil))
	got := make([]byte, 12)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "RFB 003.008\n" {
		t.Errorf("read %q, %v", got, err)
	}
	if n, err := c.Write(make([]byte, 2500)); n != 2500 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	for _, want := range []int{1000, 1000, 500} {
		head := make([]byte, 4)
		if _, err := io.ReadFull(peer, head); err != nil || binary.BigEndian.Uint32(head) != uint32(want) {
			t.Fatalf("token of % x, %v; want %d", head, err, want)
		}
		if _, err := io.ReadFull(peer, make([]byte, want)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSASLBadTokens(t *testing.T) {
	refused := plainCodec()
	refused.Unwrap = func([]byte) ([]byte, error) { return nil, errors.New("bad checksum") }
	for _, test := range []struct {
		name  string
		sent  []byte
		codec layers.SASLCodec
		want  string
	}{
		{"too long", []byte{0, 0, 0x07, 0xD1}, plainCodec(), "token of 2001 bytes, at most 2000"},
		{"far too long", []byte{0xFF, 0xFF, 0xFF, 0xFF}, plainCodec(), "token of 4294967295 bytes"},
		{"empty", []byte{0, 0, 0, 0}, plainCodec(), "token of 0 bytes"},
		{"refused", token("x"), refused, "bad checksum"},
		{"cut in the length", []byte{0, 0}, plainCodec(), layers.ErrTruncated.Error()},
		{"cut behind the length", []byte{0, 0, 0, 5}, plainCodec(), layers.ErrTruncated.Error()},
		{"cut in the token", []byte{0, 0, 0, 5, 'x'}, plainCodec(), layers.ErrTruncated.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, peer := saslOver(t, test.codec)
			_, _ = peer.Write(test.sent)
			_ = peer.CloseWrite()
			n, err := c.Read(make([]byte, 10))
			if n != 0 || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Read = %d, %v; want %q", n, err, test.want)
			}
			if _, again := c.Read(make([]byte, 10)); again != err {
				t.Errorf("again: %v", again)
			}
		})
	}
}

func TestSASLWriteFailsForGood(t *testing.T) {
	codec := plainCodec()
	codec.Wrap = func([]byte) ([]byte, error) { return nil, errors.New("context expired") }
	c, _ := saslOver(t, codec)
	_, err := c.Write([]byte("x"))
	if err == nil || !strings.Contains(err.Error(), "context expired") {
		t.Errorf("Write: %v", err)
	}
	c, peer := saslOver(t, plainCodec())
	_ = peer.Close()
	for range 2 {
		if n, err := c.Write([]byte("x")); n != 0 || err == nil {
			t.Errorf("Write to a closed peer: %d, %v", n, err)
		}
	}
}

func TestSASLNeedsACodec(t *testing.T) {
	near, far := layertest.Pipe()
	defer near.Close()
	defer far.Close()
	if c, err := layers.SASL(layers.SASLCodec{})(context.Background(), near); c != nil || err == nil {
		t.Errorf("SASL = %v, %v", c, err)
	}
}

// FuzzSASLTokens: however the bytes are cut, the same comes out, never more than
// went in, and it ends in an error that stays.
func FuzzSASLTokens(f *testing.F) {
	f.Add(bytes.Join([][]byte{token("RFB 003"), token(".008\n")}, nil), uint8(1))
	f.Add([]byte{0, 0, 0x07, 0xD1}, uint8(3))
	f.Add([]byte{0, 0, 0, 5, 'x'}, uint8(0))
	f.Fuzz(func(t *testing.T, sent []byte, chunk uint8) {
		sent = sent[:min(len(sent), 16<<10)]
		read := func(chunk int) ([]byte, error) {
			c, peer := saslOver(t, plainCodec())
			peer.Chunk(chunk)
			_, _ = peer.Write(sent)
			_ = peer.CloseWrite()
			return io.ReadAll(c)
		}
		whole, wholeErr := read(0)
		cut, cutErr := read(1 + int(chunk))
		if !bytes.Equal(whole, cut) || (wholeErr == nil) != (cutErr == nil) || len(whole) > len(sent) {
			t.Errorf("whole %q, %v; cut %q, %v", whole, wholeErr, cut, cutErr)
		}
	})
}

var _ net.Conn = (*layers.SASLConn)(nil)
