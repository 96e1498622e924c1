package gateway

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vncgate/auth"
	"vncgate/rfb"
)

// relayed is a session past its handshakes, between two ends in memory that
// take everything, so that it can run by a clock that is not real.
type relayed struct {
	*Session
	atViewer, atDisplay net.Conn // the far ends

	seenMu sync.Mutex
	shown  int          // bytes, to the viewer
	got    bytes.Buffer // by the display
	ended  sync.WaitGroup
}

func newRelayed(t *testing.T, grant auth.Grant, front ...Front) *relayed {
	t.Helper()
	if front == nil {
		front = []Front{{Target: "display"}}
	}
	g := &Gateway{}
	s, err := g.Admit(front[0])
	if err != nil {
		t.Fatal(err)
	}
	r := &relayed{Session: s}
	var ours, theirs net.Conn
	ours, r.atViewer = net.Pipe()
	theirs, r.atDisplay = net.Pipe()
	s.below = &watched{Conn: ours}
	s.viewer = &rfb.Conn{Conn: ours}
	s.display = &rfb.Conn{Conn: theirs}
	s.init = rfb.ServerInit{Width: 64, Height: 48, Format: rfb.Format32()}
	s.first(grant)
	g.boards.open(s)
	r.ended.Go(func() { _, _ = io.Copy(writerFunc(r.show), r.atViewer) })
	r.ended.Go(func() { _, _ = io.Copy(writerFunc(r.take), r.atDisplay) })
	return r
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

func (r *relayed) show(b []byte) {
	r.seenMu.Lock()
	defer r.seenMu.Unlock()
	r.shown += len(b)
}

func (r *relayed) take(b []byte) {
	r.seenMu.Lock()
	defer r.seenMu.Unlock()
	r.got.Write(b)
}

func (r *relayed) seen() int {
	r.seenMu.Lock()
	defer r.seenMu.Unlock()
	return r.shown
}

// typeEvery types until the session has ended.
func (r *relayed) typeEvery(pause time.Duration) {
	for {
		time.Sleep(pause)
		if _, err := r.atViewer.Write(rfb.AppendKeyEvent(nil, true, 'a')); err != nil {
			return
		}
	}
}

// close ends what is left of it.
func (r *relayed) close() {
	_ = r.atViewer.Close()
	_ = r.atDisplay.Close()
	r.ended.Wait()
	r.Release()
}

// start runs the relay; ended has its end.
func (r *relayed) start(t *testing.T) (ended <-chan ending) {
	done := make(chan ending, 1)
	r.g.Observe = func(e Event) {
		if e.Kind == SessionClosed {
			done <- ending{reason: e.Reason, words: e.Words, err: e.Err}
		}
	}
	r.relay(t.Context())
	synctest.Wait()
	return done
}
