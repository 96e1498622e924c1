package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vncgate/layers"
	"vncgate/rfb"
)

// ErrNotArrived is the error of a display that has not dialled in.
var ErrNotArrived = errors.New("gateway: the display has not dialled in")

// Bounds on displays that dial in.
const (
	// maxHalfOpen is how many may be connected without having said what they
	// are. One more, and the oldest makes room.
	maxHalfOpen = 64
	// perAddress is how many of one address and target may wait that state no
	// ID. One more, and the oldest makes room.
	perAddress = 4
)

// Arrivals takes in displays that dial out to us, and keeps them until a viewer
// wants them: in listening mode (the display speaks RFB at once, as with
// x11vnc -connect host:port) and as UltraVNC's repeater in mode II (250 bytes
// "ID:<n>" come first). Each is bound to a target by Bind, and the Target's
// Dial is what Dialer returns.
//
// Its fields are set before the first call and not changed afterwards.
type Arrivals struct {
	// Allow says which addresses may dial in at all; it is asked once the
	// layers are stacked, so that a PROXY header counts. Nil allows all.
	Allow func(from net.Addr) bool
	// Bind says which target a display is. id is "" in listening mode, where
	// the address is all there is. Nil takes nobody.
	Bind func(id string, from net.Addr) (target string, ok bool)
	// Max is how many displays may wait in all (256). More are closed.
	Max int
	// Timeout is the time from accept to the display's first words (10 s).
	Timeout time.Duration
	// Log is told of arrivals; nil discards.
	Log *slog.Logger

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
	halfOpen  []net.Conn // oldest first
	waiting   []*arrival // oldest first
	wanted    map[string][]chan *arrival
	running   sync.WaitGroup
	quiet     rate.Sometimes
}

// Serve accepts displays on ln until Close or an error that is not of one
// connection, and stacks the layers on each of them, bottom first. It closes
// ln, and returns ErrClosed after Close.
func (a *Arrivals) Serve(ln net.Listener, stack ...layers.Layer) error {
	if !a.track(ln) {
		_ = ln.Close()
		return ErrClosed
	}
	defer a.untrack(ln)
	var wait backoff
	for {
		c, err := ln.Accept()
		if err != nil {
			if a.isClosed() {
				return ErrClosed
			}
			if !wait.temporary(err) {
				return err
			}
			a.log().Warn("accept failed, trying again", "listener", ln.Addr().String(), "error", err)
			wait.sleep()
			continue
		}
		wait.reset()
		if a.enter(c) {
			go guarded(a.log(), "the display's connection", func() { a.arrive(c, stack) })
		}
	}
}

// Dialer returns the Dial of a target whose displays dial in: it takes the one
// that came last, or waits for one. Its error matches ErrNotArrived when ctx
// ends first.
func (a *Arrivals) Dialer(target string) func(ctx context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		for {
			d, err := a.next(ctx, target)
			if err != nil {
				return nil, err
			}
			if d.stop(); d.err == nil { // else it has left just now
				return d.watched, nil
			}
			_ = d.Close()
		}
	}
}

// next takes a display of target, or waits for one.
func (a *Arrivals) next(ctx context.Context, target string) (*arrival, error) {
	d, wait, err := a.take(target)
	if d != nil || err != nil {
		return d, err
	}
	open := true
	select {
	case d, open = <-wait:
	case <-ctx.Done():
		if d = a.unwant(target, wait); d == nil {
			return nil, fmt.Errorf("%w: %w", ErrNotArrived, context.Cause(ctx))
		}
	}
	if !open {
		return nil, ErrClosed
	}
	return d, nil
}

// Add takes a display in that somebody has connected for us, as if it had dialled
// in for target. It owns c, also after an error.
func (a *Arrivals) Add(target string, c net.Conn) error {
	err := a.keep(&arrival{watched: &watched{Conn: c}, target: target})
	if err != nil {
		_ = c.Close()
	}
	return err
}

// Waiting returns how many displays wait for a viewer.
func (a *Arrivals) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting)
}

// Close closes the listeners and the displays that wait, and returns when all
// is over. Displays that a viewer has are that session's.
func (a *Arrivals) Close() {
	a.mu.Lock()
	a.closed = true
	for ln := range a.listeners {
		_ = ln.Close()
	}
	for _, c := range a.halfOpen {
		_ = c.Close()
	}
	for _, w := range a.waiting {
		w.taken = true
		_ = w.Close()
	}
	for _, list := range a.wanted {
		for _, wait := range list {
			close(wait)
		}
	}
	waiting := a.waiting
	a.waiting, a.wanted = nil, nil
	a.mu.Unlock()
	for _, w := range waiting {
		w.stop()
	}
	a.running.Wait()
}

// arrive owns one accepted connection until it waits or is closed.
func (a *Arrivals) arrive(c net.Conn, stack []layers.Layer) {
	defer a.running.Done()
	ctx, cancel := context.WithTimeout(context.Background(), orDefault(a.Timeout, 10*time.Second))
	defer cancel()
	arrived, err := a.identify(ctx, c, stack)
	a.leave(c)
	if err == nil {
		err = a.keep(arrived)
	}
	if err != nil {
		_ = c.Close()
		a.quiet.Do(func() {
			a.log().Warn("display turned away", "display", addressOf(c), "error", err.Error())
		})
	}
}

// identify finds out which target dials in.
func (a *Arrivals) identify(ctx context.Context, c net.Conn, stack []layers.Layer) (*arrival, error) {
	stacked, err := layers.Stack(ctx, c, stack...)
	if err != nil {
		return nil, err
	}
	from := stacked.RemoteAddr()
	if a.Allow != nil && !a.Allow(from) {
		return nil, fmt.Errorf("gateway: arrivals: %v may not dial in", from)
	}
	w := &watched{Conn: stacked}
	id, err := announced(ctx, w)
	if err != nil {
		return nil, err
	}
	target, ok := "", false
	if a.Bind != nil {
		target, ok = a.Bind(id, from)
	}
	if !ok {
		return nil, fmt.Errorf("gateway: arrivals: no target is bound to ID %q from %v", id, from)
	}
	return &arrival{watched: w, target: target, id: id}, nil
}

// announced reads what a display says first: its ProtocolVersion, of which the
// beginning is kept, or an ID.
func announced(ctx context.Context, w *watched) (id string, err error) {
	head := make([]byte, 4)
	err = layers.Interrupt(ctx, w.Conn, func() error {
		_, err := io.ReadFull(w.Conn, head)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("gateway: arrivals: %w", err)
	}
	w.kept = head
	if string(head) == "RFB " {
		return "", nil
	}
	if !bytes.HasPrefix(head, []byte("ID:")) {
		return "", &rfb.NotRFBError{Greeting: head}
	}
	r, err := rfb.ReadRepeater(ctx, w)
	return r.ID, err
}

func (a *Arrivals) track(ln net.Listener) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	if a.listeners == nil {
		a.listeners = map[net.Listener]struct{}{}
		a.quiet.Interval = time.Second
	}
	a.listeners[ln] = struct{}{}
	return true
}

func (a *Arrivals) untrack(ln net.Listener) {
	_ = ln.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.listeners, ln)
}

func (a *Arrivals) isClosed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

func (a *Arrivals) log() *slog.Logger {
	if a.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return a.Log
}
