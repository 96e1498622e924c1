package layers_test

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// liesToMux are what no honest end sends to an opener that has opened stream 1
// and granted it 256 KiB, and why the tunnel ends then.
func liesToMux() map[string]struct {
	says []byte
	want string
} {
	type lie = struct {
		says []byte
		want string
	}
	many := func(n int, f func(i uint32) muxWord) []byte {
		var all []byte
		for i := range n {
			all = append(all, f(uint32(i)).bytes()...)
		}
		return all
	}
	piece := muxWord{muxData, 0, 1, 64 << 10}.bytes(make([]byte, 64<<10)...)
	return map[string]lie{
		"version":           {append([]byte{1}, make([]byte, 11)...), "version 1"},
		"type":              {muxWord{9, 0, 1, 0}.bytes(), "unknown type"},
		"flags of data":     {muxWord{muxData, syn, 2, 1}.bytes(), "unknown flags"},
		"flags of credit":   {muxWord{muxUpdate, fin | rst, 1, 1}.bytes(), "unknown flags"},
		"flags of a ping":   {muxWord{muxPing, 0, 0, 1}.bytes(), "unknown flags"},
		"flags of an open":  {muxWord{muxUpdate, syn | fin, 2, 1}.bytes(), "unknown flags"},
		"huge length":       {muxWord{muxData, 0, 1, 1<<32 - 1}.bytes(), "frame too long"},
		"long frame":        {muxWord{muxData, 0, 1, 64<<10 + 1}.bytes(), "frame too long"},
		"window exceeded":   {slices.Repeat(piece, 5), "window exceeded"},
		"no such stream":    {muxWord{muxData, 0, 77, 1}.bytes(), "never was"},
		"nor of theirs":     {muxWord{muxData, 0, 2, 1}.bytes(), "never was"},
		"data for stream 0": {muxWord{muxData, 0, 0, 1}.bytes(), "never was"},
		"credit for none":   {muxWord{muxUpdate, 0, 4, 1}.bytes(), "never was"},
		"our number":        {muxWord{muxUpdate, syn, 3, 0}.bytes(), "wrong end"},
		"number 0":          {muxWord{muxUpdate, syn, 0, 0}.bytes(), "wrong end"},
		"opened twice":      {many(2, func(uint32) muxWord { return muxWord{muxUpdate, syn, 2, 0} }), "opened twice"},
		"much credit":       {muxWord{muxUpdate, 0, 1, 1<<32 - 1}.bytes(), "too much credit"},
		"credit by pieces":  {many(3, func(uint32) muxWord { return muxWord{muxUpdate, ack, 1, 1 << 29} }), "too much credit"},
		"open with much":    {muxWord{muxUpdate, syn, 2, 1<<32 - 1}.bytes(), "too much credit"},
		"end with credit":   {muxWord{muxUpdate, fin, 1, 1<<32 - 256<<10}.bytes(), "an end that grants credit"},
		"ended twice":       {many(2, func(uint32) muxWord { return muxWord{muxUpdate, fin, 1, 0} }), "ended twice"},
		"resets":            {many(5000, func(uint32) muxWord { return muxWord{muxUpdate, rst, 1, 0} }), "flood of frames"},
		"data after end":    {append(muxWord{muxUpdate, fin, 1, 0}.bytes(), muxWord{muxData, 0, 1, 1}.bytes(0)...), "after the end"},
		"pings":             {many(5000, func(i uint32) muxWord { return muxWord{muxPing, syn, 0, i} }), "flood of frames"},
		"pongs":             {many(5000, func(i uint32) muxWord { return muxWord{muxPing, ack, 0, i} }), "flood of frames"},
		"no bytes":          {many(5000, func(uint32) muxWord { return muxWord{muxData, 0, 1, 0} }), "flood of frames"},
		"no credit":         {many(5000, func(uint32) muxWord { return muxWord{muxUpdate, 0, 1, 0} }), "flood of frames"},
		"opens":             {many(300000, func(i uint32) muxWord { return muxWord{muxUpdate, syn, 2 + 2*i, 0} }), "flood of streams"},
		"goodbye":           {muxWord{muxGoAway, 0, 0, 0}.bytes(), "closed by the other end"},
		"cut in a head":     {[]byte{0, 0, 0}, "unexpected EOF"},
		"cut in a payload":  {muxWord{muxData, 0, 1, 10}.bytes(1), "unexpected EOF"},
		"nothing":           {nil, "EOF"},
	}
}

func TestMuxCutsLiars(t *testing.T) {
	memory := layers.NewMuxMemory(8<<20, nil)
	x, y := layertest.Pipe()
	honest, other := muxOver(t, x, y, layers.MuxConfig{Memory: memory})
	bystander, itsFar := muxStream(t, honest, other)
	idle := memory.Used()
	for name, lie := range liesToMux() {
		t.Run(name, func(t *testing.T) {
			m, far := byHand(t, layers.MuxConfig{Memory: memory})
			s, err := m.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(io.Discard, far) }()
			go func() {
				_, _ = far.Write(lie.says)
				_ = far.CloseWrite()
			}()
			within(t, m.Done())
			if err := m.Err(); !errors.Is(err, layers.ErrMuxLost) || !strings.Contains(err.Error(), lie.want) {
				t.Errorf("lost: %v, want %q", err, lie.want)
			}
			_, err = io.Copy(io.Discard, s)
			endsFirst := name == "data after end" || name == "ended twice"
			if !endsFirst && !errors.Is(err, layers.ErrMuxLost) {
				t.Errorf("its stream: %v", err)
			}
			if used := memory.Used(); used != idle {
				t.Errorf("%d bytes are in use, before it were %d", used, idle)
			}
			go func() { _, _ = itsFar.Write([]byte(name)) }()
			got := make([]byte, len(name))
			if _, err := io.ReadFull(bystander, got); err != nil || string(got) != name {
				t.Errorf("a bystander reads %q, %v", got, err)
			}
		})
	}
}

// within waits for something that comes soon.
func within(t testing.TB, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("not in a minute")
	}
}

// TestMuxCountsWhatSmallFramesCost has a peer that stays within its windows, with
// single bytes that cost fifty times as much: its stream is cut, others stay.
func TestMuxCountsWhatSmallFramesCost(t *testing.T) {
	memory := layers.NewMuxMemory(1<<20, nil)
	m, far := byHand(t, layers.MuxConfig{Memory: memory})
	go func() { _, _ = io.Copy(io.Discard, far) }()
	var streams []*layers.MuxStream
	for range 2 {
		s, err := m.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
	}
	victim, other := streams[0], streams[1]
	go func() {
		crumb := muxWord{muxData, 0, victim.Stats().ID, 1}.bytes(7)
		for range 8 {
			_, _ = far.Write(slices.Repeat(crumb, 3000))
		}
		_, _ = far.Write(muxWord{muxData, 0, other.Stats().ID, 3}.bytes([]byte("yes")...))
	}()
	got := make([]byte, 3)
	if _, err := io.ReadFull(other, got); err != nil || string(got) != "yes" {
		t.Errorf("the other stream: %q, %v", got, err)
	}
	if _, err := io.Copy(io.Discard, victim); !errors.Is(err, layers.ErrMuxMemory) {
		t.Errorf("the stream of crumbs: %v", err)
	}
	if memory.Used() > memory.Limit() {
		t.Errorf("%d bytes of %d", memory.Used(), memory.Limit())
	}
	_, _ = victim.Close(), other.Close()
	if memory.Used() != 0 {
		t.Errorf("%d bytes are in use by nobody", memory.Used())
	}
}

// TestMuxCutHarmsNobodyElse has that happen between two honest ends, in the
// middle of bulk the other way.
func TestMuxCutHarmsNobodyElse(t *testing.T) {
	x, y := layertest.Pipe()
	a, b := muxOver(t, x, y, layers.MuxConfig{Memory: layers.NewMuxMemory(1<<20, nil)})
	p, q := muxStream(t, a, b)
	other, itsFar := muxStream(t, a, b)
	go flood(q)
	go func() { _, _ = io.Copy(struct{ io.Writer }{io.Discard}, p) }()
	var err error
	for err == nil { // crumbs that nobody reads
		_, err = p.Write([]byte{1})
	}
	if !errors.Is(err, layers.ErrMuxMemory) || !strings.Contains(err.Error(), "by the other end") {
		t.Errorf("the stream of crumbs: %v", err)
	}
	for _, way := range [][2]*layers.MuxStream{{other, itsFar}, {itsFar, other}} {
		_, _ = way[0].Write([]byte("go on"))
		got := make([]byte, 5)
		if _, err := io.ReadFull(way[1], got); err != nil || string(got) != "go on" {
			t.Errorf("the other stream: %q, %v", got, err)
		}
	}
	_, _ = p.Close(), q.Close()
	if s, _ := muxStream(t, a, b); s == nil || a.Err() != nil || b.Err() != nil {
		t.Errorf("the tunnel: %v, %v", a.Err(), b.Err())
	}
}

// TestMuxCrumbsThatAreRead are no reason for anything.
func TestMuxCrumbsThatAreRead(t *testing.T) {
	x, y := layertest.Pipe()
	a, b := muxOver(t, x, y, layers.MuxConfig{Memory: layers.NewMuxMemory(512<<10, nil)})
	from, to := muxStream(t, a, b)
	ahead := make(chan struct{}, 1000) // of the reader
	go func() {
		for i := range 20000 {
			ahead <- struct{}{}
			_, _ = from.Write([]byte{byte(i)})
		}
		_ = from.Close()
	}()
	buf, sum := make([]byte, 64), 0
	for {
		n, err := to.Read(buf)
		for sum += n; n > 0; n-- {
			<-ahead
		}
		if err != nil {
			if err != io.EOF || sum != 20000 {
				t.Errorf("%d, %v", sum, err)
			}
			return
		}
	}
}

// TestMuxAnswersAreTaken cuts who asks for answers and does not read them.
func TestMuxAnswersAreTaken(t *testing.T) {
	x, y := net.Pipe()
	defer y.Close()
	m, err := layers.NewMux(x, true, layers.MuxConfig{Streams: -1, Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	go func() {
		for i := range uint32(20000) {
			_, _ = y.Write(muxWord{muxUpdate, syn, 2 + 2*i, 0}.bytes())
		}
	}()
	within(t, m.Done())
	if err := m.Err(); !strings.Contains(err.Error(), "does not take the answers") {
		t.Errorf("lost: %v", err)
	}
}

// TestMuxStreamGone tells of ends that no Read and no Write sees.
func TestMuxStreamGone(t *testing.T) {
	x, y := layertest.Pipe()
	a, b := muxOver(t, x, y, layers.MuxConfig{})
	near, far := muxStream(t, a, b)
	_ = far.CloseWrite()
	if _, err := near.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	_ = near.Close()
	within(t, near.Gone())
	near, far = muxStream(t, a, b)
	_, _ = far.Write([]byte("last"))
	select {
	case <-near.Gone():
		t.Error("nobody has left")
	default:
	}
	_ = far.Close()
	within(t, near.Gone())
	if last, err := io.ReadAll(near); err != nil || string(last) != "last" {
		t.Errorf("it had said %q, %v", last, err)
	}
	near, far = muxStream(t, a, b)
	_ = x.Close()
	within(t, near.Gone())
	within(t, far.Gone())
}

// TestMuxStreamAborted has the other end know that it was no ordinary end.
func TestMuxStreamAborted(t *testing.T) {
	x, y := layertest.Pipe()
	a, b := muxOver(t, x, y, layers.MuxConfig{})
	for _, how := range []func(near, far *layers.MuxStream){
		func(*layers.MuxStream, *layers.MuxStream) {},
		func(near, _ *layers.MuxStream) { _, _ = near.Write(make([]byte, 100<<10)) },
		func(_, far *layers.MuxStream) { _ = far.CloseWrite() },
		func(near, _ *layers.MuxStream) { _ = near.CloseWrite() },
	} {
		near, far := muxStream(t, a, b)
		how(near, far)
		_ = near.Abort()
		within(t, far.Gone())
		if _, err := far.Write([]byte("x")); !errors.Is(err, layers.ErrMuxLost) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Write: %v", err)
		}
		_ = far.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, far); err != nil && !errors.Is(err, layers.ErrMuxLost) {
			t.Errorf("Read: %v", err)
		}
		_ = far.Close()
	}
	near, far := muxStream(t, a, b)
	reads := make(chan error)
	go func() { _, err := far.Read(make([]byte, 1)); reads <- err }()
	_ = near.Abort()
	if err := <-reads; !errors.Is(err, layers.ErrMuxLost) || !strings.Contains(err.Error(), "behind the other end") {
		t.Errorf("a Read that waits: %v", err)
	}
	if a.Err() != nil || b.Err() != nil {
		t.Errorf("the tunnel went with it: %v, %v", a.Err(), b.Err())
	}
}

func TestMuxLost(t *testing.T) {
	t.Run("no answer", func(t *testing.T) {
		m, _ := byHand(t, layers.MuxConfig{Ping: 20 * time.Millisecond, Timeout: 20 * time.Millisecond})
		s, err := m.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Read(make([]byte, 1))
		if !errors.Is(err, layers.ErrMuxLost) || !strings.Contains(err.Error(), "no answer to a ping") {
			t.Errorf("Read: %v", err)
		}
	})
	t.Run("nothing is taken", func(t *testing.T) {
		x, y := net.Pipe()
		defer y.Close()
		m, err := layers.NewMux(x, true, layers.MuxConfig{Timeout: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		within(t, m.Done())
		if err := m.Err(); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "write") {
			t.Errorf("lost: %v", err)
		}
		_ = m.Close()
	})
	t.Run("while nothing moves", func(t *testing.T) {
		x, y := layertest.Pipe()
		a, b := muxOver(t, x, y, layers.MuxConfig{})
		failed := make(chan error, 20)
		for i := range 10 {
			p, q := muxStream(t, a, b)
			if i%2 == 0 {
				_ = p.SetReadDeadline(time.Now().Add(time.Hour))
			}
			for _, s := range []*layers.MuxStream{p, q} {
				go func() { _, err := s.Read(make([]byte, 1)); failed <- err }()
			}
		}
		_, _ = x.Close(), y.Close()
		for range cap(failed) {
			if err := <-failed; !errors.Is(err, layers.ErrMuxLost) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		}
	})
	t.Run("cable pulled", func(t *testing.T) {
		x, y := layertest.Pipe()
		a, b := muxOver(t, x, y, layers.MuxConfig{})
		var ends []*layers.MuxStream
		for range 10 {
			p, q := muxStream(t, a, b)
			ends = append(ends, p, q)
		}
		failed := make(chan error, 2*len(ends))
		for _, s := range ends {
			go func() { _, err := s.Read(make([]byte, 1)); failed <- err }()
			go func() {
				_, err := s.Write(make([]byte, 1<<20))
				failed <- err
			}()
		}
		eventually(t, "all wait", func() bool {
			return !slices.ContainsFunc(ends, func(s *layers.MuxStream) bool { return s.Stats().In == 0 })
		})
		_, _ = x.Close(), y.Close()
		wrong := 0
		for range 2 * len(ends) {
			if err := <-failed; err != nil && !errors.Is(err, layers.ErrMuxLost) {
				t.Error(err)
			} else if err == nil {
				wrong++ // a Read that had something
			}
		}
		if wrong > len(ends) {
			t.Errorf("%d of %d did not fail", wrong, 2*len(ends))
		}
		if _, err := a.Open(t.Context()); !errors.Is(err, layers.ErrMuxLost) {
			t.Errorf("Open: %v", err)
		}
		if _, err := b.Accept(t.Context()); !errors.Is(err, layers.ErrMuxLost) {
			t.Errorf("Accept: %v", err)
		}
	})
	t.Run("closed here and there", func(t *testing.T) {
		x, y := layertest.Pipe()
		a, b := muxOver(t, x, y, layers.MuxConfig{})
		_ = a.Close()
		within(t, b.Done())
		if err := a.Err(); !errors.Is(err, net.ErrClosed) || !errors.Is(err, layers.ErrMuxLost) {
			t.Errorf("here: %v", err)
		}
		if err := b.Err(); errors.Is(err, net.ErrClosed) || err.Error() != "layers: tunnel lost: closed by the other end" {
			t.Errorf("there: %v", err)
		}
	})
}
