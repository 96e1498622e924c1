package gateway

import (
	"errors"
	"net"
	"os"
	"time"

	"vncgate/layers"
)

// maxKept is how many bytes of a peer are kept while it is watched: more than
// a viewer says before its SecurityResult, or a display before its greeting is
// answered. Whoever says more is not watched any longer.
const maxKept = 512

// past is a deadline that has been missed already.
var past = time.Unix(1, 0)

// watched is a connection whose peer can be seen leaving while nobody reads
// from it. What the peer says meanwhile is kept and read later. It owns the
// connection below.
type watched struct {
	net.Conn
	kept  []byte
	err   error // how reading ended while it was watched
	ahead bool  // small Reads take in what there is, for those that follow
}

// readAhead is how much a small Read asks for then: enough for WebSocket to find
// header and payload in one (its own reading in pieces takes a system call for the
// length, one for the mask and one for the payload), and more than a browser says
// at once before it sees the display.
const readAhead = 256

// NetConn returns the connection below.
func (w *watched) NetConn() net.Conn { return w.Conn }

// LayerName leaves it out of descriptions.
func (w *watched) LayerName() string { return "" }

// CloseWrite ends our direction as the connection below does it.
func (w *watched) CloseWrite() error { return layers.CloseWrite(w.Conn) }

// Bypass returns the connection below once nothing is kept.
func (w *watched) Bypass() net.Conn {
	if len(w.kept) > 0 || w.err != nil {
		return nil
	}
	return w.Conn
}

// Read returns what was kept first.
func (w *watched) Read(b []byte) (int, error) {
	if len(w.kept) > 0 {
		n := copy(b, w.kept)
		if w.kept = w.kept[n:]; len(w.kept) == 0 {
			w.kept = nil
		}
		return n, nil
	}
	if w.err != nil {
		return 0, w.err
	}
	if !w.ahead || len(b) == 0 || len(b) >= readAhead {
		return w.Conn.Read(b)
	}
	more := make([]byte, readAhead)
	n, err := w.Conn.Read(more)
	k := copy(b, more[:n])
	if k < n {
		w.kept = more[k:n]
	}
	return k, err
}

// watch calls gone once, in a goroutine of its own, if the peer leaves before
// stop is called. Until stop has returned nobody else may read; afterwards the
// connection has no read deadline.
func (w *watched) watch(gone func(error)) (stop func()) {
	done := make(chan struct{})
	go w.lookOut(gone, done)
	return func() {
		_ = w.Conn.SetReadDeadline(past)
		<-done
		_ = w.Conn.SetReadDeadline(time.Time{})
	}
}

func (w *watched) lookOut(gone func(error), done chan<- struct{}) {
	defer close(done)
	defer func() {
		if v := recover(); v != nil {
			w.err = caught(v)
			gone(w.err)
		}
	}()
	var buf [64]byte
	for w.err == nil && len(w.kept) < maxKept {
		n, err := w.Conn.Read(buf[:])
		w.kept = append(w.kept, buf[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		w.err = err
	}
	if w.err != nil {
		gone(w.err)
	}
}
