package layers_test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// muxWord is the head of one frame of yamux.
type muxWord struct {
	kind, flags uint16
	id          uint32
	length      uint32
}

const (
	muxData   = 0
	muxUpdate = 1
	muxPing   = 2
	muxGoAway = 3

	syn = 1
	ack = 2
	fin = 4
	rst = 8
)

// readMuxWord reads one frame from the far end of a Mux.
func readMuxWord(c io.Reader) (muxWord, []byte, error) {
	var b [12]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return muxWord{}, nil, err
	}
	f := muxWord{uint16(b[1]), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])}
	var payload []byte
	if f.kind == muxData {
		payload = make([]byte, f.length)
		if _, err := io.ReadFull(c, payload); err != nil {
			return f, nil, err
		}
	}
	return f, payload, nil
}

// bytes is the frame on the wire, with that much of its payload.
func (f muxWord) bytes(payload ...byte) []byte {
	b := []byte{0, byte(f.kind)}
	b = binary.BigEndian.AppendUint16(b, f.flags)
	b = binary.BigEndian.AppendUint32(b, f.id)
	b = binary.BigEndian.AppendUint32(b, f.length)
	return append(b, payload...)
}

// byHand is a Mux, which is the other end's opener, and its far end without one.
func byHand(t testing.TB, cfg layers.MuxConfig) (*layers.Mux, *layertest.PipeConn) {
	t.Helper()
	near, far := layertest.Pipe()
	m, err := layers.NewMux(near, true, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = far.Close()
		_ = m.Close()
	})
	return m, far.(*layertest.PipeConn)
}

// TestMuxOrder fills the tunnel with bulk of one stream, queues two frames of each
// of three others, and then has a small write and a credit frame overtake it all.
func TestMuxOrder(t *testing.T) {
	const much, two = 1 << 20, 32000
	m, far := byHand(t, layers.MuxConfig{})
	var streams []*layers.MuxStream
	for range 6 {
		s, err := m.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
		_, _ = far.Write(muxWord{muxUpdate, ack, s.Stats().ID, much}.bytes())
	}
	filler, bulk, small, read := streams[0], streams[1:4], streams[4], streams[5]
	for range 2 {
		_, _ = far.Write(muxWord{muxData, 0, read.Stats().ID, 64 << 10}.bytes(make([]byte, 64<<10)...))
	}
	eventually(t, "all has come", func() bool { return read.Stats().Unread == 128<<10 && read.Stats().Credit >= much })
	go func() { _, _ = filler.Write(make([]byte, much)) }()
	eventually(t, "the tunnel is full", func() bool { return far.Waiting() == 64<<10 && m.Stats().Queued >= 32000 })
	if queued := m.Stats().Queued; queued > 32<<10 {
		t.Errorf("%d bytes are queued of one stream", queued)
	}
	for _, s := range bulk {
		if n, err := s.Write(make([]byte, two)); n != two || err != nil {
			t.Fatal(n, err)
		}
	}
	eventually(t, "the others wait", func() bool { return m.Stats().Queued >= 32000+3*two })
	queued := m.Stats().Queued
	if _, err := small.Write([]byte("key")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(read, make([]byte, 128<<10)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both wait", func() bool { return m.Stats().Queued >= queued+len("key")+12 })

	var turns []uint32
	key, credit, before := false, false, 0
	for len(turns) < 6 {
		f, payload, err := readMuxWord(far)
		switch {
		case err != nil:
			t.Fatal(err)
		case f.id == small.Stats().ID && f.kind == muxData:
			key = string(payload) == "key"
		case f.id == read.Stats().ID && f.flags == 0:
			credit = true
		case f.kind != muxData:
		case f.length > 16<<10:
			t.Errorf("a frame of %d bytes", f.length)
		case f.id == filler.Stats().ID && (!key || !credit):
			before += len(payload)
		case f.id != filler.Stats().ID:
			turns = append(turns, f.id)
			if !key || !credit {
				t.Errorf("bulk before the small write (%v) or the credit (%v)", key, credit)
			}
		}
	}
	if before > 64<<10+16<<10 { // what the pipe holds, and what was being written
		t.Errorf("%d bytes came before both", before)
	}
	if want := []uint32{3, 5, 7, 3, 5, 7}; !slices.Equal(turns, want) {
		t.Errorf("turns of %v, not of %v", turns, want)
	}
}

// TestMuxSmallWritesLeaveRoom has small writes without end beside bulk: half of
// the way is the bulk's.
func TestMuxSmallWritesLeaveRoom(t *testing.T) {
	const much = 4 << 20
	m, far := byHand(t, layers.MuxConfig{})
	var streams []*layers.MuxStream
	for range 40 {
		s, err := m.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
		_, _ = far.Write(muxWord{muxUpdate, ack, s.Stats().ID, much}.bytes())
	}
	eventually(t, "all have credit", func() bool { return streams[39].Stats().Credit > much })
	bulk := streams[0]
	for _, s := range streams[1:] {
		go func() {
			for _, err := s.Write(make([]byte, 1<<10)); err == nil; {
				_, err = s.Write(make([]byte, 1<<10))
			}
		}()
	}
	eventually(t, "the tunnel is full of small ones", func() bool { return far.Waiting() == 64<<10 && m.Stats().Queued >= 32<<10 })
	go flood(bulk)
	for n, total := 0, 0; n < 1<<20; {
		f, _, err := readMuxWord(far)
		if err != nil {
			t.Fatal(err)
		}
		if total += int(f.length); f.id == bulk.Stats().ID && f.kind == muxData {
			n += int(f.length)
		}
		if total > 64<<20 {
			t.Fatalf("%d bytes of bulk in %d", n, total)
		}
	}
}

// TestMuxFramesSuitWrites cuts writes into equal parts.
func TestMuxFramesSuitWrites(t *testing.T) {
	for size, want := range map[int]int{1: 1, 1024: 1, 16372: 1, 16384: 2, 65536: 5} {
		m, far := byHand(t, layers.MuxConfig{})
		s, err := m.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = far.Write(muxWord{muxUpdate, ack, s.Stats().ID, 1 << 20}.bytes())
		eventually(t, "it has credit", func() bool { return s.Stats().Credit > 1<<20 })
		go func(c net.Conn) { _, _ = c.Write(make([]byte, size)) }(s)
		frames, least := 0, size
		for got := 0; got < size; {
			f, payload, err := readMuxWord(far)
			if err != nil {
				t.Fatal(err)
			}
			if f.kind == muxData {
				frames++
				got += len(payload)
				least = min(least, len(payload))
			}
		}
		if frames != want || least < size/want-want {
			t.Errorf("%d bytes went in %d frames of %d bytes at least, not in %d", size, frames, least, want)
		}
	}
}
