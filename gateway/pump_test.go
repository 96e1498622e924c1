package gateway

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/layers/layertest"
	"vncgate/rfb"
)

// endless is a connection that fills every Read, and notes how large it was.
type endless struct {
	net.Conn
	mu    sync.Mutex
	sizes []int
	then  func(reads int)
}

func (e *endless) Read(b []byte) (int, error) {
	e.mu.Lock()
	e.sizes = append(e.sizes, len(b))
	n := len(e.sizes)
	e.mu.Unlock()
	e.then(n)
	if n == 40 {
		return 0, io.EOF
	}
	return len(b), nil
}

// TestPumpPieces: what a direction reads with grows while it is alone, and
// shrinks as soon as somebody else is there.
func TestPumpPieces(t *testing.T) {
	near, far := layertest.Pipe()
	sink, viewer := layertest.Pipe()
	defer near.Close()
	defer far.Close()
	defer sink.Close()
	go func() { _, _ = io.Copy(io.Discard, viewer) }()
	var f fair
	var owners []int
	src := &endless{Conn: near, then: func(reads int) {
		if reads%10 == 5 && reads > 10 {
			owners = append(owners, int(f.owners.Load()))
		}
		switch reads {
		case 20: // two directions of another relay
			f.enter()
			f.enter()
		case 30:
			f.leave()
			f.leave()
		}
	}}
	r := newRelay(sink, src, &auth.Grant{Rights: auth.AllRights}, rfb.ServerInit{Format: rfb.Format32()}, time.Minute, nil)
	r.fair = &f
	f.enter() // the other direction
	if readErr, writeErr := r.down.run(); readErr != io.EOF || writeErr != nil {
		t.Fatal(readErr, writeErr)
	}
	_ = sink.Close()
	about := func(at, want int) {
		t.Helper()
		if got := src.sizes[at]; got < want || got > want+maxHeadroom {
			t.Errorf("read %d with %d bytes, want %d", at, got, want)
		}
	}
	about(0, smallRead)
	about(1, bulkRead)
	about(2, wideRead)
	about(19, wideRead)
	about(20, bulkRead)
	about(29, bulkRead)
	about(31, wideRead)
	if f.awake.Load() != 1 || f.owners.Load() != 0 || r.down.lent != nil || r.down.owns {
		t.Errorf("left behind: %d awake, %d owners, lent %v", f.awake.Load(), f.owners.Load(), r.down.lent != nil)
	}
	if want := []int{0, 1, 0}; !slices.Equal(owners, want) {
		t.Errorf("threads owned: %v, want %v", owners, want)
	}
	if !(&f).alone() || (*fair)(nil).alone() {
		t.Error("who is alone")
	}
}

// TestPumpIntact sends streams both ways through each stack while pieces grow
// and shrink, because other relays move and rest, and both ends dawdle now and
// then: what arrives is what was sent.
func TestPumpIntact(t *testing.T) {
	size := 6 << 20
	if testing.Short() {
		size = 1 << 20
	}
	for name, stack := range parkStacks(t) {
		t.Run(name, func(t *testing.T) {
			var f fair
			front, viewer := stackedPair(t, stack[0], stack[1])
			back, display := stackedPair(t, nil, nil)
			r := newRelay(front, back, &auth.Grant{Rights: auth.AllRights}, rfb.ServerInit{Format: rfb.Format32()}, time.Minute, nil)
			r.fair = &f
			ended := make(chan ending, 1)
			r.start(func(e ending) { ended <- e })
			stop := make(chan struct{})
			var others sync.WaitGroup
			others.Go(func() { comeAndGo(&f, stop) })
			down, up := randomStream(size), cutTexts(size)
			var streams sync.WaitGroup
			streams.Go(func() { passes(t, "down", display, viewer, down) })
			streams.Go(func() { passes(t, "up", viewer, display, up) })
			streams.Wait()
			close(stop)
			others.Wait()
			r.cut(endShutdown)
			<-ended
			for _, c := range []net.Conn{front, viewer, back, display} {
				_ = c.Close()
			}
		})
	}
}

// comeAndGo are the other relays.
func comeAndGo(f *fair, stop <-chan struct{}) {
	for {
		f.enter()
		pause(stop)
		f.leave()
		select {
		case <-stop:
			return
		default:
			pause(stop)
		}
	}
}

func pause(stop <-chan struct{}) {
	select {
	case <-stop:
	case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
	}
}

func randomStream(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{1})
	_, _ = src.Read(b)
	return b
}

// cutTexts are clipboard messages of all sizes, about n bytes in all.
func cutTexts(n int) (b []byte) {
	for len(b) < n {
		b = rfb.AppendPointerEvent(b, 0, uint16(len(b)), 7)
		b = rfb.AppendClientCutText(b, string(bytes.Repeat([]byte{byte('a' + len(b)%26)}, rand.IntN(1<<rand.IntN(21)))))
	}
	return b
}

// passes writes the stream in odd pieces, reads it in others, and compares.
func passes(t *testing.T, way string, from, to net.Conn, stream []byte) {
	var writing sync.WaitGroup
	writing.Go(func() {
		for b := stream; len(b) > 0; {
			n := min(len(b), 1+rand.IntN(1<<rand.IntN(21)))
			if _, err := from.Write(b[:n]); err != nil {
				t.Errorf("%s: %v", way, err)
				return
			}
			b = b[n:]
			if rand.IntN(8) == 0 {
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
			}
		}
	})
	sum := sha256.New()
	buf := make([]byte, 256<<10)
	for left := len(stream); left > 0; {
		n, err := to.Read(buf[:1+rand.IntN(min(left, len(buf)))])
		if err != nil {
			t.Errorf("%s: %v, %d bytes missing", way, err, left)
			break
		}
		sum.Write(buf[:n])
		left -= n
		if rand.IntN(16) == 0 {
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		}
	}
	writing.Wait()
	if want := sha256.Sum256(stream); !t.Failed() && !bytes.Equal(sum.Sum(nil), want[:]) {
		t.Errorf("%s: the stream has changed", way)
	}
}
