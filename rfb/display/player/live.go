package player

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/display/screen"
)

// DefaultQueue is how many bytes of a session may wait to be drawn.
const DefaultQueue = 32 << 20

const (
	// gather is how much waits to be drawn while nobody looks: a session costs a
	// wake-up for each so many bytes then, and none while it rests.
	gather = 128 << 10
	// pieceSize is the longest piece of the queue, in bytes.
	pieceSize = 32 << 10
	// frameTime is the least time between two pictures.
	frameTime = time.Second / 30
)

// Errors of Live.
var (
	// ErrOver is that the session has ended.
	ErrOver = errors.New("player: the session is over")
	// ErrBehind is that drawing fell behind the session by more than the queue.
	ErrBehind = errors.New("player: the session is faster than it can be drawn")
)

// LiveOptions say how a session is followed.
type LiveOptions struct {
	// Init is what the session's viewer was told of the display.
	Init rfb.ServerInit
	// Label makes the desktop's name, for those who look on, of the session's;
	// nil leaves it as it is.
	Label func(name string) string
	// Queue bounds the bytes that wait to be drawn; 0 is DefaultQueue.
	Queue int
	// Turns bounds how many sessions are drawn at a time: as many as it has room
	// for. All that share a processor share it. Nil: this one asks nobody.
	Turns chan struct{}
	// MaxViewers bounds those who look on; 0 is screen.DefaultMaxViewers.
	MaxViewers int
	// Lost is told, once, why the session can be followed no longer before it is
	// over. It must return at once. Nil: nobody.
	Lost func(error)
}

// A Live shows a session to those who look on, from the bytes that pass in it. It
// takes them as gateway.Recorder does, never makes the session wait and never
// ends it.
//
// Compression runs through a whole session, so it is drawn from its beginning,
// whoever looks: that costs the memory of its screen and of what waits, and the
// time of a viewer that draws. While nobody looks, nothing but that is done, a
// hundred kilobytes at a time; pictures are made for those who look.
//
// Drawing that is slower than the session catches up where it can, which those
// who look on read in the desktop's name; they are shown no picture until then.
// What waits is bounded by LiveOptions.Queue. Beyond it the session cannot be
// taken up again: those who look on are told so in the last picture, and nobody
// else gets in.
type Live struct {
	o        LiveOptions
	follower *display.Follower // the worker's
	stage    *stage            // the worker's; nil while nobody looks
	turned   *sync.Cond        // of mu: shown, over or lost is another

	mu      sync.Mutex
	queue   []piece
	waiting int // bytes that are not drawn
	working bool
	asked   bool // the worker is to look, whatever waits
	over    bool
	ended   bool  // over, and all is drawn
	lost    error // why no more can be drawn
	late    bool  // half of the queue was full, and it has not been empty since
	lookers int
	shown   *screen.Screen // the stage's; nil until there is a picture on it
}

// A piece is what one side has said.
type piece struct {
	viewer bool
	b      []byte
}

// NewLive follows a session from its beginning. The error is that its display has
// no picture. It ends by Close.
func NewLive(o LiveOptions) (*Live, error) {
	f, err := display.NewFollower(o.Init)
	if err != nil {
		return nil, fmt.Errorf("player: %w", err)
	}
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.Label == nil {
		o.Label = func(name string) string { return name }
	}
	l := &Live{o: o, follower: f}
	l.turned = sync.NewCond(&l.mu)
	f.Each = func(m display.Message) {
		if l.stage != nil {
			l.stage.saw(f, m)
		}
	}
	return l, nil
}

// Display takes what the session's viewer gets of the display. It returns nil: who
// looks on ends no session.
func (l *Live) Display(b []byte) error { l.take(false, b); return nil }

// Viewer takes what the display gets of the session's viewer.
func (l *Live) Viewer(b []byte) error { l.take(true, b); return nil }

// Close says that the session is over. Those who look on see the rest of it that
// waits, and are hung up on.
func (l *Live) Close(string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.turned.Broadcast()
	l.kick()
}

// take queues b.
func (l *Live) take(viewer bool, b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over || l.lost != nil:
		return
	case l.waiting+len(b) > l.o.Queue:
		l.lose(ErrBehind)
		return
	}
	l.waiting += len(b)
	l.late = l.late || l.waiting > l.o.Queue/2
	if n := len(l.queue); n > 0 && l.queue[n-1].viewer == viewer {
		last := &l.queue[n-1]
		fits := min(len(b), cap(last.b)-len(last.b))
		last.b, b = append(last.b, b[:fits]...), b[fits:]
	}
	if len(b) > 0 {
		l.queue = append(l.queue, piece{viewer, append(make([]byte, 0, max(len(b), roomFor(len(b)))), b...)})
	}
	l.kick()
}

// roomFor is the room of a piece that begins with n bytes: little where little is
// said.
func roomFor(n int) int { return min(max(16*n, 512), pieceSize) }

// lose gives the session up. The caller holds the lock.
func (l *Live) lose(err error) {
	l.lost, l.queue, l.waiting, l.asked = err, nil, 0, true
	l.turned.Broadcast()
	if l.o.Lost != nil {
		l.o.Lost(err)
	}
	l.kick()
}

// kick has the worker run if there is something to do. The caller holds the lock.
func (l *Live) kick() {
	if l.due() && !l.working && !l.ended {
		l.working = true
		go l.work()
	}
}

// due reports whether something is to be done now. The caller holds the lock.
func (l *Live) due() bool {
	return l.asked || l.over || l.waiting >= gather || l.lookers > 0 && l.waiting > 0
}

// ServeConn shows the session to the viewer at c, which it owns and closes. It
// returns when that one has left, or when ctx ended; with ErrOver when the
// session has, and with another error if it cannot be shown.
func (l *Live) ServeConn(ctx context.Context, c net.Conn) error {
	s, err := l.enter()
	if err != nil {
		_ = c.Close()
		return err
	}
	defer l.leave()
	if err = s.ServeConn(ctx, c); errors.Is(err, screen.ErrClosed) {
		return ErrOver
	}
	return err
}

// Lookers is how many look on.
func (l *Live) Lookers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lookers
}

// Err is why nobody gets in any more: ErrOver, ErrBehind, or what was not
// understood of the session; nil while somebody may.
func (l *Live) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return ErrOver
	}
	return l.lost
}

// enter counts somebody who looks on, and waits until there is a picture.
func (l *Live) enter() (*screen.Screen, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lookers++
	for l.shown == nil && !l.over && l.lost == nil {
		l.asked = true
		l.kick()
		l.turned.Wait()
	}
	switch {
	case l.lost != nil:
		l.lookers--
		return nil, l.lost
	case l.over:
		l.lookers--
		return nil, ErrOver
	}
	return l.shown, nil
}

// leave counts somebody out. With the last one goes what was made for them.
func (l *Live) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lookers--; l.lookers == 0 {
		l.shown, l.asked = nil, true
		l.kick()
	}
}

// work draws what waits until there is nothing left to do.
func (l *Live) work() {
	for again := true; again; again = l.rest() {
		l.turn(l.draw)
	}
}

// rest waits until the next picture is due, or ends the worker.
func (l *Live) rest() (again bool) {
	l.mu.Lock()
	switch {
	case l.over && len(l.queue) == 0:
		l.ended = true
		l.mu.Unlock()
		l.end()
		return false
	case !l.due():
		l.working = false
		l.mu.Unlock()
		return false
	}
	hurry := l.over || l.late || l.lookers == 0
	l.mu.Unlock()
	if !hurry {
		time.Sleep(frameTime)
	}
	return true
}

// end hangs up on those who look.
func (l *Live) end() {
	if l.stage != nil {
		l.stage.screen.Close()
	}
	l.follower.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.working = false
	l.turned.Broadcast()
}

// turn calls f when it is this session's turn.
func (l *Live) turn(f func()) {
	if l.o.Turns != nil {
		l.o.Turns <- struct{}{}
		defer func() { <-l.o.Turns }()
	}
	f()
}

// draw draws what waits now, and shows it.
func (l *Live) draw() {
	l.mu.Lock()
	queue, looked := l.queue, l.lookers > 0
	l.queue, l.asked = nil, false
	if l.shown == nil {
		l.stage = nil
	}
	l.mu.Unlock()
	drawn := 0
	for _, p := range queue {
		l.feed(p)
		drawn += len(p.b)
	}
	l.mu.Lock()
	l.waiting = max(l.waiting-drawn, 0)
	l.late = l.late && l.waiting > 0
	late, lost := l.late, l.lost
	l.mu.Unlock()
	if !looked {
		return
	}
	l.show(late, lost)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lookers > 0 {
		l.shown = l.stage.screen
		l.turned.Broadcast()
	}
}

// feed draws a piece. What is not understood is the end of it.
func (l *Live) feed(p piece) {
	if p.viewer {
		_ = l.follower.Viewer(p.b) // the picture goes on
		return
	}
	if err := l.follower.Display(p.b); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.lost == nil && !l.ended {
			l.lose(err)
		}
	}
}

// show shows what is drawn to those who look.
func (l *Live) show(late bool, lost error) {
	begins := l.stage == nil
	if begins {
		l.stage = newStage(l.follower, screen.Options{MaxViewers: l.o.MaxViewers, Full: wordsFull}, l.o.Label)
	}
	switch {
	case errors.Is(lost, ErrBehind):
		l.stage.last(l.follower, wordsBehind)
	case lost != nil:
		l.stage.last(l.follower, wordsLost)
	case late && !begins:
		l.stage.state = wordsLate
		l.stage.rename(l.follower)
	default:
		l.stage.state = ""
		l.stage.show(l.follower)
	}
}

// What those who look on read.
const (
	wordsFull   = "As many look on in this session as may. Try again later."
	wordsLate   = " (behind, catching up)"
	wordsBehind = "The session goes on, faster than it can be shown here. This is its last picture."
	wordsLost   = "The session goes on, and cannot be shown any more. This is its last picture."
)
