package layers_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// talk is two conversations over one channel: Alice writes to Joe, Mary to Bob.
type talk struct {
	alice, mary io.Writer
	joe, bob    io.Reader
	// stuck tells that Alice can go on only when Joe reads.
	stuck func() bool
}

const (
	tenWindows  = 10 * 256 << 10
	marysWords  = "Joe may read now"
	talkMinutes = time.Minute
)

// run has Joe read nothing until Bob tells him to, Bob tell him when he has heard
// from Mary, and Mary speak when Alice, who has much to say to Joe, is stuck. It
// returns who has finished when both have, or when that takes too long.
func (c talk) run(t *testing.T, tooLong time.Duration) (finished []string) {
	t.Helper()
	bobSays := make(chan struct{})
	done := make(chan string, 4)
	do := func(who string, f func() error) {
		go func() {
			if f() == nil {
				done <- who
			}
		}()
	}
	do("Joe", func() error {
		<-bobSays
		_, err := io.CopyN(io.Discard, c.joe, tenWindows)
		return err
	})
	do("Bob", func() error {
		heard := make([]byte, len(marysWords))
		_, err := io.ReadFull(c.bob, heard)
		if err == nil && string(heard) != marysWords {
			t.Errorf("Bob heard %q", heard)
		}
		close(bobSays)
		return err
	})
	do("Alice", func() error {
		_, err := c.alice.Write(make([]byte, tenWindows))
		return err
	})
	eventually(t, "Alice is stuck", c.stuck)
	do("Mary", func() error {
		_, err := io.WriteString(c.mary, marysWords)
		return err
	})
	for over := time.After(tooLong); len(finished) < 4; {
		select {
		case who := <-done:
			finished = append(finished, who)
		case <-over:
			return finished
		}
	}
	return finished
}

// eventually waits for something that comes, however loaded the machine is.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(talkMinutes); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in a minute: %s", what)
		}
	}
}

func TestMuxDoesNotDeadlock(t *testing.T) {
	near, far := layertest.Pipe()
	a, b := muxOver(t, near, far, layers.MuxConfig{})
	alice, joe := muxStream(t, a, b)
	mary, bob := muxStream(t, a, b)
	c := talk{alice: alice, joe: joe, mary: mary, bob: bob, stuck: func() bool { return alice.Stats().Credit == 0 }}
	if finished := c.run(t, talkMinutes); len(finished) != 4 {
		t.Errorf("only these finished: %v", finished)
	}
}

// TestQueueDeadlocks is the control: the same script over a channel with one
// queue and without credit.
func TestQueueDeadlocks(t *testing.T) {
	near, far := layertest.Pipe()
	toJoe, toBob := newQueue(), newQueue()
	q := &queueMux{c: near}
	delivered := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(delivered)
		deliver(far, []*queue{toJoe, toBob}, stop)
	}()
	c := talk{
		alice: q.stream(0), mary: q.stream(1), joe: toJoe, bob: toBob,
		stuck: func() bool { // nothing moves: Joe's queue is full, and so is the channel
			return len(toJoe.pieces) == cap(toJoe.pieces) && far.(*layertest.PipeConn).Waiting() == 64<<10
		},
	}
	if finished := c.run(t, 200*time.Millisecond); len(finished) != 0 {
		t.Errorf("the script does not need more than a queue: %v finished", finished)
	}
	_ = near.Close()
	_ = far.Close()
	close(stop)
	<-delivered
}

// queueMux writes pieces of 1 KiB at most, one after another as they come.
type queueMux struct {
	mu sync.Mutex
	c  net.Conn
}

type queueStream struct {
	*queueMux
	id byte
}

func (q *queueMux) stream(id byte) io.Writer { return queueStream{q, id} }

func (s queueStream) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		piece := b[:min(len(b), 1<<10)]
		frame := append([]byte{s.id, byte(len(piece) >> 8), byte(len(piece))}, piece...)
		s.mu.Lock()
		_, err := s.c.Write(frame)
		s.mu.Unlock()
		if err != nil {
			return n, err
		}
		n += len(piece)
		b = b[len(piece):]
	}
	return n, nil
}

// queue holds eight pieces.
type queue struct {
	pieces chan []byte
	rest   []byte
}

func newQueue() *queue { return &queue{pieces: make(chan []byte, 8)} }

func (q *queue) Read(b []byte) (int, error) {
	if len(q.rest) == 0 {
		piece, ok := <-q.pieces
		if !ok {
			return 0, io.EOF
		}
		q.rest = piece
	}
	n := copy(b, q.rest)
	q.rest = q.rest[n:]
	return n, nil
}

// deliver waits where a queue is full, and everything behind it waits as well.
func deliver(c net.Conn, to []*queue, stop <-chan struct{}) {
	defer func() {
		for _, q := range to {
			close(q.pieces)
		}
	}()
	var head [3]byte
	for {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		piece := make([]byte, binary.BigEndian.Uint16(head[1:]))
		if _, err := io.ReadFull(c, piece); err != nil {
			return
		}
		select {
		case to[head[0]].pieces <- piece:
		case <-stop:
			return
		}
	}
}

// TestMuxBesideAStalledStream floods one stream that nobody reads, beside 99 that
// send and receive: those finish, and the memory stays within its bound.
func TestMuxBesideAStalledStream(t *testing.T) {
	const each = 256 << 10
	memory := layers.NewMuxMemory(16<<20, nil)
	near, far := layertest.TCP(t)
	a, b := muxOver(t, near, far, layers.MuxConfig{Memory: memory})
	stalled, unread := muxStream(t, a, b)
	go flood(stalled)
	eventually(t, "the stream is stalled", func() bool { return stalled.Stats().Credit == 0 })
	var most atomic.Int64
	var all sync.WaitGroup
	for i := range 99 {
		p, q := muxStream(t, a, b)
		data := bytes.Repeat([]byte(fmt.Sprintf("%7d\n", i)), each/8)
		all.Go(func() {
			_, _ = io.Copy(q, q)
			_ = q.Close()
		})
		all.Go(func() { _, _ = p.Write(data); _ = p.CloseWrite() })
		all.Go(func() {
			got, err := io.ReadAll(p)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("stream %d: %d bytes, %v", i, len(got), err)
			}
			most.Store(max(most.Load(), memory.Used()))
		})
	}
	all.Wait()
	if used, limit := most.Load(), memory.Limit(); used > limit || used == 0 {
		t.Errorf("windows hold %d bytes, the limit is %d", used, limit)
	}
	if s := stalled.Stats(); s.Credit != 0 || s.Waited == 0 || s.Out != s.In+unread.Stats().In {
		t.Errorf("the stalled stream: %+v; read: %+v", s, unread.Stats())
	}
}

func TestMuxThousandStreams(t *testing.T) {
	const n, each = 1000, 40 << 10
	near, far := layertest.TCP(t)
	a, b := muxOver(t, near, far, layers.MuxConfig{}) // the 64 MiB that are usual
	var all sync.WaitGroup
	for i := range n {
		p, q := muxStream(t, a, b)
		all.Go(func() { _, _ = q.Write(bytes.Repeat([]byte{byte(i)}, each)); _ = q.Close() })
		all.Go(func() {
			got, err := io.ReadAll(p)
			if err != nil || len(got) != each || bytes.Count(got, []byte{byte(i)}) != each {
				t.Errorf("stream %d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	all.Wait()
	if s := b.Stats(); s.Accepted != n || s.Refused != 0 || s.Out < n*each {
		t.Errorf("%+v", s)
	}
}
