package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/iotest"
)

// readConn is a connection that only reads.
type readConn struct {
	net.Conn
	io.Reader
}

func (c readConn) Read(b []byte) (int, error)  { return c.Reader.Read(b) }
func (c readConn) Write(b []byte) (int, error) { return len(b), nil }

// all reads a stream to its end.
func all(s stream) ([]byte, error) {
	var got []byte
	for {
		b, err := s.next()
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, b...)
	}
}

func text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

func TestWebSocketStream(t *testing.T) {
	for _, size := range []int{0, 1, 7, 125, 126, 1000, 65535, 65536, 200000} {
		for _, client := range []bool{true, false} {
			sender := newWebSocketStream(readConn{}, client, 512)
			payload := text(size)
			wire := append(sender.packed(payload, 70000), frame(nil, 0x80|wsClose, nil, client)...)
			for name, hostile := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader,
				"halves": iotest.HalfReader, "data with the error": iotest.DataErrReader,
			} {
				got, err := all(newWebSocketStream(readConn{Reader: hostile(bytes.NewReader(wire))}, !client, 512))
				if err != nil || !bytes.Equal(got, payload) {
					t.Errorf("%d bytes, client %v, %s: %d bytes came, %v", size, client, name, len(got), err)
				}
			}
		}
	}
}

// answers keeps what is written.
type answers struct {
	readConn
	bytes.Buffer
}

func (a *answers) Read(b []byte) (int, error)  { return a.readConn.Read(b) }
func (a *answers) Write(b []byte) (int, error) { return a.Buffer.Write(b) }

func TestPingIsAnswered(t *testing.T) {
	wire := slices.Concat(frame(nil, wsBinary, []byte("be"), false), frame(nil, 0x80|wsPing, []byte("there?"), false), frame(nil, wsBinary, []byte("fore"), false))
	c := &answers{readConn: readConn{Reader: bytes.NewReader(wire)}}
	got, err := all(newWebSocketStream(c, true, 64))
	if string(got) != "before" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if want := frame(nil, 0x80|wsPong, []byte("there?"), true); !bytes.Equal(c.Bytes(), want) {
		t.Errorf("the answer is % x", c.Bytes())
	}
}

func FuzzWebSocketStream(f *testing.F) {
	f.Add([]byte("hello"), 3, 1, true)
	f.Add(text(70000), 66000, 300, false)
	f.Fuzz(func(t *testing.T, payload []byte, frameSize, piece int, client bool) {
		if frameSize < 1 || piece < 1 {
			return
		}
		wire := newWebSocketStream(readConn{}, client, 64).packed(payload, frameSize)
		r := &pieces{wire, piece}
		got, err := all(newWebSocketStream(readConn{Reader: r}, !client, 64))
		if err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%d of %d bytes came, %v", len(got), len(payload), err)
		}
	})
}

// pieces reads up to size bytes at a time.
type pieces struct {
	b    []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(p.size, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

func TestUnmaskAnywhere(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	for at := range 4 {
		for n := range 40 {
			b, want := text(n), text(n)
			for i := range want {
				want[i] ^= key[(at+i)%4]
			}
			if next := unmask(b, key, at); next != (at+n)%4 || !bytes.Equal(b, want) {
				t.Errorf("%d bytes from %d: % x, next %d", n, at, b, next)
			}
		}
	}
}

// flooded is the beginning of a flood.
func flooded(n int) []byte {
	var out []byte
	message := floodMessage()
	for i := uint64(0); len(out) < n; i++ {
		number(message, i)
		out = append(out, message...)
	}
	return out[:n]
}

func TestCheckFollowsAFlood(t *testing.T) {
	flood := flooded(3*floodSize + 1000)
	cut := func(from, to int) []byte { return slices.Concat(flood[:from], flood[to:]) }
	for _, test := range []struct {
		what   string
		stream []byte
		sound  bool
	}{
		{"as it was sent", flood, true},
		{"a byte lost", cut(5000, 5001), false},
		{"a message lost", cut(floodSize, 2*floodSize), false},
		{"a message twice", slices.Concat(flood[:2*floodSize], flood[floodSize:]), false},
		{"two changed places", slices.Concat(flood[:floodSize], flood[2*floodSize:3*floodSize], flood[floodSize:2*floodSize]), false},
	} {
		for _, whole := range []bool{false, true} {
			for _, piece := range []int{100, 4096, 1 << 17, 1 << 20} {
				c, err := newCheck(whole), error(nil)
				for b := range slices.Chunk(test.stream, piece) {
					if err = c.see(b); err != nil {
						break
					}
				}
				if (err == nil) != test.sound || err != nil && !errors.Is(err, errBroken) {
					t.Errorf("%s, in pieces of %d, whole %v: %v", test.what, piece, whole, err)
				}
			}
		}
	}
	c := newCheck(true)
	flood[floodSize+40000] ^= 1
	if err := c.see(flood); err == nil {
		t.Error("a changed byte is not seen where every byte is looked at")
	}
}
