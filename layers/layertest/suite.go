package layertest

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"vncgate/layers"
)

// patience is how long anything in the suite may take that should come at once.
const patience = 20 * time.Second

// A Subject is a layer, or a stack of them, that TestLayer tests.
type Subject struct {
	// Base makes the connected pair that the layers are put on; nil is Pipe.
	// Tests that hold bytes back always use a Pipe, and are left out with
	// another base.
	Base func(t testing.TB) (near, far net.Conn)
	// Near and Far are the two sides of the layer; nil adds nothing.
	Near, Far layers.Layer
	// EndMark says that the protocol marks the end of its stream, so that a
	// cut connection is ErrTruncated and not io.EOF.
	EndMark bool
	// Sparse tries fewer places to cut at, for a stack of layers that have
	// each been tested alone.
	Sparse bool
	// Parallel runs the suite beside other parallel tests. A goroutine left
	// behind is then found by Main only.
	Parallel bool
}

// TestLayer runs the conformance suite: the contract of net.Conn and of package
// layers.
func TestLayer(t *testing.T, s Subject) {
	tests := suite
	if s.Base == nil {
		s.Base = func(testing.TB) (net.Conn, net.Conn) { return Pipe() }
		tests = slices.Concat(suite, pipeSuite)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if s.Parallel {
				t.Parallel()
			} else {
				CheckLeaks(t)
			}
			test.run(t, s)
		})
	}
}

type suiteTest struct {
	name string
	run  func(*testing.T, Subject)
}

// suite runs over any base.
var suite = []suiteTest{
	{"transfer", testTransfer},
	{"nothing", testNothing},
	{"end", testEnd},
	{"half-close", testHalfClose},
	{"read deadline", testReadDeadline},
	{"write deadline", testWriteDeadline},
	{"close wakes Read", testCloseWakesRead},
	{"close wakes Write", testCloseWakesWrite},
	{"all at once", testAllAtOnce},
	{"walk", testWalk},
}

// pipeSuite holds bytes back, or cuts.
var pipeSuite = []suiteTest{
	{"one byte at a time", testOneByte},
	{"cut", testCut},
	{"resume", testResume},
	{"handshake cancelled", testHandshakeCancelled},
}

// connect makes a connected pair of subjects over the subject's base.
func (s Subject) connect(t testing.TB) (near, far net.Conn) {
	t.Helper()
	near, far = s.Base(t)
	return s.over(t, near, far)
}

// connectPipe makes one over a Pipe, whose ends it returns as well.
func (s Subject) connectPipe(t testing.TB) (near, far net.Conn, nearPipe, farPipe *PipeConn) {
	t.Helper()
	a, b := Pipe()
	near, far = s.over(t, a, b)
	return near, far, a.(*PipeConn), b.(*PipeConn)
}

func (s Subject) over(t testing.TB, nearBase, farBase net.Conn) (near, far net.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	near, far, nearErr, farErr := s.handshake(ctx, nearBase, farBase)
	if nearErr != nil || farErr != nil {
		_ = nearBase.Close()
		_ = farBase.Close()
		t.Fatalf("handshake: near: %v; far: %v", nearErr, farErr)
	}
	t.Cleanup(func() {
		_ = near.Close()
		_ = far.Close()
	})
	return near, far
}

// handshake puts the layers on both ends at the same time.
func (s Subject) handshake(ctx context.Context, nearBase, farBase net.Conn) (near, far net.Conn, nearErr, farErr error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		far, farErr = put(ctx, s.Far, farBase)
	}()
	near, nearErr = put(ctx, s.Near, nearBase)
	<-done
	return near, far, nearErr, farErr
}

func put(ctx context.Context, l layers.Layer, c net.Conn) (net.Conn, error) {
	if l == nil {
		return c, nil
	}
	return l(ctx, c)
}

// within fails the test if f takes longer than anything should.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s does not return", what)
	}
}
