package layertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"vncgate/layers"
)

// transferSize and transferPieces are those of QEMU's channel tests.
const (
	transferSize   = 1 << 20
	transferPieces = 250
)

// noise is n bytes that differ from seed to seed.
func noise(n int, seed uint64) []byte {
	b := make([]byte, 0, n+8)
	r := rand.NewPCG(seed, 1)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// testTransfer moves 1 MiB each way at the same time, in pieces of odd sizes.
func testTransfer(t *testing.T, s Subject) {
	near, far := s.connect(t)
	var all sync.WaitGroup
	for i, ends := range [][2]net.Conn{{near, far}, {far, near}} {
		data := noise(transferSize, uint64(i))
		all.Go(func() { sendPieces(t, ends[0], data) })
		all.Go(func() {
			got, err := receivePieces(ends[1], len(data))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("direction %d: %d bytes, %v; equal: %v", i, len(got), err, bytes.Equal(got, data))
			}
		})
	}
	within(t, "the transfer", all.Wait)
}

func sendPieces(t *testing.T, c net.Conn, data []byte) {
	r := rand.New(rand.NewPCG(7, uint64(len(data))))
	for len(data) > 0 {
		piece := data[:min(len(data), 1+r.IntN(2*transferSize/transferPieces))]
		kept := bytes.Clone(piece)
		n, err := c.Write(piece)
		if err != nil || n != len(piece) {
			t.Errorf("write of %d bytes: %d, %v", len(piece), n, err)
			return
		}
		if !bytes.Equal(piece, kept) {
			t.Error("Write changed its argument")
		}
		data = data[n:]
	}
}

func receivePieces(c net.Conn, n int) ([]byte, error) {
	r := rand.New(rand.NewPCG(8, uint64(n)))
	got := make([]byte, 0, n)
	for len(got) < n {
		k := 1 + r.IntN(2*transferSize/transferPieces)
		m, err := c.Read(got[len(got):min(n, len(got)+k)])
		got = got[:len(got)+m]
		if err != nil {
			return got, err
		}
	}
	return got, nil
}

// testOneByte reads in the smallest pieces, and from a base that gives them.
func testOneByte(t *testing.T, s Subject) {
	near, far, nearPipe, _ := s.connectPipe(t)
	nearPipe.Chunk(1)
	_ = far.SetReadDeadline(time.Now().Add(patience))
	data := noise(700, 3)
	go func() { _, _ = near.Write(data) }()
	got := make([]byte, len(data))
	if _, err := io.ReadFull(iotest.OneByteReader(far), got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("one byte at a time: %v, equal: %v", err, bytes.Equal(got, data))
	}
	go func() { _, _ = near.Write(data) }()
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("from one byte at a time: %v, equal: %v", err, bytes.Equal(got, data))
	}
}

// testNothing reads and writes empty slices, which must not end anything.
func testNothing(t *testing.T, s Subject) {
	near, far := s.connect(t)
	if n, err := near.Write(nil); n != 0 || err != nil {
		t.Errorf("Write(nil) = %d, %v", n, err)
	}
	if n, err := far.Read(nil); n != 0 || err != nil {
		t.Errorf("Read(nil) = %d, %v", n, err)
	}
	exchange(t, near, far, "after nothing")
}

// exchange sends s both ways.
func exchange(t *testing.T, near, far net.Conn, s string) {
	t.Helper()
	pass(t, near, far, s)
	pass(t, far, near, s)
}

func pass(t *testing.T, from, to net.Conn, s string) {
	t.Helper()
	if n, err := io.WriteString(from, s); n != len(s) || err != nil {
		t.Errorf("write %q: %d, %v", s, n, err)
	}
	within(t, "a read", func() {
		got := make([]byte, len(s))
		if _, err := io.ReadFull(to, got); err != nil || string(got) != s {
			t.Errorf("read %q, %v instead of %q", got, err, s)
		}
	})
}

// testEnd closes one end: the other reads what was written, then io.EOF, always.
func testEnd(t *testing.T, s Subject) {
	near, far := s.connect(t)
	if _, err := io.WriteString(far, "the last words"); err != nil {
		t.Fatal(err)
	}
	within(t, "Close", func() {
		if err := far.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		_ = far.Close() // twice must be harmless
	})
	within(t, "the end", func() {
		got, err := io.ReadAll(near)
		if string(got) != "the last words" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if n, err := near.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("after the end: %d, %v", n, err)
		}
	})
	if _, err := far.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
}

// testCut ends the base without the layers' leave, between two writes and
// inside one, byte by byte.
func testCut(t *testing.T, s Subject) {
	const words = "twelve bytes"
	_, far, _, pipe := s.connectPipe(t)
	before := pipe.Sent()
	if _, err := io.WriteString(far, words); err != nil {
		t.Fatal(err)
	}
	size := pipe.Sent() - before
	for n := 0; n <= size; n += s.stride(n) {
		near, far, _, pipe := s.connectPipe(t)
		pipe.CutAfter(n)
		_, _ = io.WriteString(far, words)
		got, err := io.ReadAll(near)
		s.checkCut(t, n, size, string(got), words, err)
	}
}

// checkCut judges what came of words when n of size bytes came through.
func (s Subject) checkCut(t *testing.T, n, size int, got, words string, err error) {
	t.Helper()
	plain := size == len(words) // no framing: each byte stands for itself
	switch {
	case !strings.HasPrefix(words, got), n == size && got != words, plain && got != words[:n]:
		t.Errorf("cut after %d of %d: read %q", n, size, got)
	case s.EndMark, !plain && n > 0 && n < size:
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d of %d: %v instead of ErrTruncated", n, size, err)
		}
	case err != nil:
		t.Errorf("cut after %d of %d: %v instead of io.EOF", n, size, err)
	}
}

// testHalfClose ends one direction and uses the other, or finds the connection
// as it was.
func testHalfClose(t *testing.T, s Subject) {
	near, far := s.connect(t)
	exchange(t, near, far, "before")
	err := layers.CloseWrite(near)
	if errors.Is(err, layers.ErrNoHalfClose) {
		exchange(t, near, far, "still open")
		return
	}
	if err != nil {
		t.Fatalf("CloseWrite: %v", err)
	}
	within(t, "the end", func() {
		if got, err := io.ReadAll(far); len(got) != 0 || err != nil {
			t.Errorf("far read %q, %v", got, err)
		}
	})
	pass(t, far, near, "the other way")
	if _, err := near.Write([]byte("x")); err == nil {
		t.Error("Write after CloseWrite succeeded")
	}
}

// stride is the step between the places to cut at.
func (s Subject) stride(n int) int {
	if s.Sparse {
		return 1 + n/2
	}
	return 1 + n/32
}
