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
	// arrivalTimeout is the time from accept to the display's first words.
	arrivalTimeout = 10 * time.Second
)

// Arrivals takes in displays that dial out to us, and keeps them until a viewer
// wants them: in listening mode (the display speaks RFB at once, as with
// x11vnc -connect host:port) and as UltraVNC's repeater in mode II (250 bytes
// "ID:<n>" come first). Each is bound to a target by Bind, and the Target's
// Dial is what Dialer returns.
//
// Its fields are set before the first call and not changed afterwards.
type Arrivals struct {
	// Layers are stacked on every accepted connection, bottom first.
	Layers []layers.Layer
	// Allow says which addresses may dial in at all; it is asked once the
	// layers are stacked, so that a PROXY header counts. Nil allows all.
	Allow func(from net.Addr) bool
	// Bind says which target a display is. id is "" in listening mode, where
	// the address is all there is. Nil takes nobody.
	Bind func(id string, from net.Addr) (target string, ok bool)
	// Max is how many displays may wait in all (256). More are closed.
	Max int
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

// arrival is a display that waits for a viewer.
type arrival struct {
	*watched
	target, id string
	stop       func() // of watching it
	taken      bool   // Arrivals.mu
}

// key is what a newcomer replaces the oldest of.
func (a *arrival) key() string {
	if a.id != "" {
		return "id " + a.id
	}
	host, _, err := net.SplitHostPort(a.RemoteAddr().String())
	if err != nil {
		host = a.RemoteAddr().String()
	}
	return "from " + host
}

// Serve accepts displays on ln until Close or an error that is not of one
// connection. It closes ln, and returns ErrClosed after Close.
func (a *Arrivals) Serve(ln net.Listener) error {
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
		a.running.Go(func() { a.arrive(c) })
	}
}

// Dialer returns the Dial of a target whose displays dial in: it takes the one
// that came last, or waits for one. Its error matches ErrNotArrived when ctx
// ends first.
func (a *Arrivals) Dialer(target string) func(ctx context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		got, wait, err := a.take(target)
		if err != nil {
			return nil, err
		}
		if got == nil {
			select {
			case got = <-wait:
			case <-ctx.Done():
				if got = a.unwant(target, wait); got == nil {
					return nil, fmt.Errorf("%w: %w", ErrNotArrived, context.Cause(ctx))
				}
			}
		}
		if got == nil {
			return nil, ErrClosed
		}
		got.stop()
		return got.watched, nil
	}
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
func (a *Arrivals) arrive(c net.Conn) {
	a.enter(c)
	ctx, cancel := context.WithTimeout(context.Background(), arrivalTimeout)
	defer cancel()
	arrived, err := a.identify(ctx, c)
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
func (a *Arrivals) identify(ctx context.Context, c net.Conn) (*arrival, error) {
	stacked, err := layers.Stack(ctx, c, a.Layers...)
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

// keep hands the display to a viewer that waits for it, or has it wait.
func (a *Arrivals) keep(d *arrival) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	log := a.log().With("target", d.target, "display", addressOf(d), "id", d.id)
	if list := a.wanted[d.target]; len(list) > 0 {
		d.stop = func() {}
		list[0] <- d
		a.wanted[d.target] = list[1:]
		log.Info("display dialled in")
		return nil
	}
	a.makeRoom(d)
	if len(a.waiting) >= orDefault(a.Max, 256) {
		return errors.New("gateway: arrivals: too many displays wait")
	}
	a.waiting = append(a.waiting, d)
	d.stop = d.watch(func(error) { a.lost(d) })
	log.Info("display dialled in and waits")
	return nil
}

// makeRoom closes the oldest that d replaces; a.mu is held.
func (a *Arrivals) makeRoom(d *arrival) {
	most := perAddress
	if d.id != "" {
		most = 1
	}
	oldest, n := -1, 0
	for i, w := range a.waiting {
		if w.target == d.target && w.key() == d.key() {
			if n++; oldest < 0 {
				oldest = i
			}
		}
	}
	if n >= most {
		a.drop(oldest)
	}
}

// drop closes a waiting display; a.mu is held. Closing it ends the watch.
func (a *Arrivals) drop(i int) {
	d := a.waiting[i]
	a.waiting = append(a.waiting[:i:i], a.waiting[i+1:]...)
	d.taken = true
	_ = d.Close()
	a.log().Info("display replaced by a newer one", "target", d.target, "display", addressOf(d), "id", d.id)
}

// lost forgets a display that has left while it waited.
func (a *Arrivals) lost(d *arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.taken {
		return
	}
	for i, w := range a.waiting {
		if w == d {
			a.waiting = append(a.waiting[:i:i], a.waiting[i+1:]...)
			break
		}
	}
	d.taken = true
	_ = d.Close()
	a.log().Info("display left before a viewer came", "target", d.target, "display", addressOf(d), "id", d.id)
}

// take returns the display that came last, or a channel on which the next one
// comes.
func (a *Arrivals) take(target string) (*arrival, chan *arrival, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, nil, ErrClosed
	}
	for i := len(a.waiting) - 1; i >= 0; i-- {
		if d := a.waiting[i]; d.target == target {
			a.waiting = append(a.waiting[:i:i], a.waiting[i+1:]...)
			d.taken = true
			return d, nil, nil
		}
	}
	if a.wanted == nil {
		a.wanted = map[string][]chan *arrival{}
	}
	wait := make(chan *arrival, 1)
	a.wanted[target] = append(a.wanted[target], wait)
	return nil, wait, nil
}

// unwant gives up waiting; what came at the last moment is returned.
func (a *Arrivals) unwant(target string, wait chan *arrival) *arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.wanted[target]
	for i, w := range list {
		if w == wait {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if a.wanted[target] = list; len(list) == 0 {
		delete(a.wanted, target)
	}
	select {
	case got := <-wait:
		return got
	default:
		return nil
	}
}

// enter counts c among those that have not said what they are; the oldest
// makes room.
func (a *Arrivals) enter(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.halfOpen = append(a.halfOpen, c)
	if len(a.halfOpen) > maxHalfOpen {
		_ = a.halfOpen[0].Close()
		a.halfOpen = a.halfOpen[1:]
	}
	if a.closed {
		_ = c.Close()
	}
}

func (a *Arrivals) leave(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, o := range a.halfOpen {
		if o == c {
			a.halfOpen = append(a.halfOpen[:i:i], a.halfOpen[i+1:]...)
			return
		}
	}
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
