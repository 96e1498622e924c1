// Package player shows recordings and running sessions to viewers: whoever looks
// has an ordinary display before him, which package screen shows.
//
// A Player plays a recording, with pause, speed and seek. A Live follows a
// session that runs, from what its gateway hands on of it.
//
// Neither has an input: keys, buttons and texts of viewers lead nowhere.
package player

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"vncgate/rfb/display"
	"vncgate/rfb/display/screen"
)

// The speeds that a recording is played at.
const (
	MinSpeed = 0.1
	MaxSpeed = 16
)

// leadIn is how much of an idle time is played that is skipped: before what ends
// it.
const leadIn = 300 * time.Millisecond

// A Tape is a recording, as a Player wants it.
type Tape struct {
	// Duration is how long it is.
	Duration time.Duration
	// Open begins to play it at a moment. It may take as long as a seek may.
	Open func(at time.Duration) (*Reel, error)
}

// A Reel is a Tape from a moment on. It is for one goroutine at a time.
type Reel struct {
	// Follower has drawn what was shown at the moment, and draws what is next.
	Follower *display.Follower
	// Next says when the next thing happens, as a time since the beginning. Its
	// error is io.EOF where nothing more does.
	Next func() (time.Duration, error)
	// Advance gives the Follower all that happens up to a moment.
	Advance func(to time.Duration) error
	// Close ends it, and the Follower.
	Close func()
}

// Options say how a recording is played.
type Options struct {
	// Label makes the desktop's name of the one in the recording; nil leaves it as
	// it is.
	Label func(name string) string
	// Speed is how fast it is at first; 0 is 1. Paused has it wait for Play.
	Speed  float64
	Paused bool
	// SkipIdle leaves times out in which nothing happens for longer than that; 0
	// leaves out none.
	SkipIdle time.Duration
	// MaxViewers bounds those who look; 0 is screen.DefaultMaxViewers.
	MaxViewers int
}

// State is how far a Player is.
type State struct {
	Position time.Duration `json:"position"`
	Duration time.Duration `json:"duration"`
	Speed    float64       `json:"speed"`
	Playing  bool          `json:"playing"` // it would go on, if it is not at the end
	AtEnd    bool          `json:"at_end"`
	SkipIdle time.Duration `json:"skip_idle"`
	Viewers  int           `json:"viewers"`
	// Err is why the rest cannot be played, in words; "": it can.
	Err string `json:"error,omitempty"`
}

// A Player plays a recording to any number of viewers, who see the same of it. It
// stands still while nobody looks, and at the end, on the last picture. Its
// methods may be called concurrently.
type Player struct {
	tape  Tape
	stage *stage
	wake  chan struct{} // holds one token: look at the fields below
	done  chan struct{} // closed when run has ended

	reel  *Reel     // run's, as the next
	shown time.Time // when the last picture was

	mu       sync.Mutex
	speed    float64
	playing  bool
	skipIdle time.Duration
	viewers  int
	position time.Duration
	since    time.Time      // when position was; zero while it stands still
	seek     *time.Duration // is to be done; nil: nothing
	atEnd    bool
	err      error
	closed   bool
}

// New plays a recording. The error is that it cannot be played at all. Close it.
func New(tape Tape, o Options) (*Player, error) {
	reel, err := tape.Open(0)
	if err != nil {
		return nil, fmt.Errorf("player: %w", err)
	}
	if o.Label == nil {
		o.Label = func(name string) string { return name }
	}
	p := &Player{
		tape: tape, reel: reel, wake: make(chan struct{}, 1), done: make(chan struct{}),
		speed: 1, playing: !o.Paused, skipIdle: o.SkipIdle,
	}
	if o.Speed != 0 {
		p.speed = min(max(o.Speed, MinSpeed), MaxSpeed)
	}
	p.stage = newStage(reel.Follower, screen.Options{
		MaxViewers: o.MaxViewers, Full: wordsFullTape,
		Input: screen.Input{Joined: func(int) { p.crowd(1) }, Left: func(int) { p.crowd(-1) }},
	}, o.Label)
	p.thread(reel)
	p.picture()
	go p.run()
	return p, nil
}

const wordsFullTape = "As many watch this recording as may. Try again later."

// ServeConn shows the recording to the viewer at c, which it owns and closes. It
// returns when that one has left, when ctx ended, or with screen.ErrClosed.
func (p *Player) ServeConn(ctx context.Context, c net.Conn) error {
	return p.stage.screen.ServeConn(ctx, c)
}

// Close ends it for all who look, and waits for them.
func (p *Player) Close() {
	p.change(func() { p.closed = true })
	<-p.done
	p.stage.screen.Close()
}

// Play goes on, from the beginning where the end has been reached.
func (p *Player) Play() {
	p.change(func() {
		if p.playing = true; p.atEnd && p.seek == nil {
			p.seek = new(time.Duration)
		}
	})
}

// Pause stands still.
func (p *Player) Pause() { p.change(func() { p.playing = false }) }

// Seek goes to a moment, or to the nearest there is.
func (p *Player) Seek(to time.Duration) {
	to = min(max(to, 0), p.tape.Duration)
	p.change(func() { p.seek = &to })
}

// SetSpeed plays it so many times as fast as it was, from MinSpeed to MaxSpeed.
func (p *Player) SetSpeed(speed float64) error {
	if !(speed >= MinSpeed && speed <= MaxSpeed) {
		return fmt.Errorf("player: speed %v: from %v to %v", speed, MinSpeed, MaxSpeed)
	}
	p.change(func() { p.speed = speed })
	return nil
}

// SetSkipIdle leaves times out in which nothing happens for longer than d; 0
// leaves out none.
func (p *Player) SetSkipIdle(d time.Duration) {
	p.change(func() { p.skipIdle = max(d, 0) })
}

// State is how far it is now. After Seek it is where that leads.
func (p *Player) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{
		Position: p.at(time.Now()), Duration: p.tape.Duration, Speed: p.speed, Playing: p.playing,
		AtEnd: p.atEnd, SkipIdle: p.skipIdle, Viewers: p.viewers,
	}
	if p.seek != nil {
		s.Position, s.AtEnd = *p.seek, false
	}
	if p.err != nil {
		s.Err = p.err.Error()
	}
	return s
}

// crowd counts a viewer in or out.
func (p *Player) crowd(more int) { p.change(func() { p.viewers += more }) }

// change changes how it is played, from where it is now.
func (p *Player) change(f func()) {
	p.mu.Lock()
	p.stand(time.Now())
	f()
	p.start(time.Now())
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// at is where it is at a time. The caller holds the lock, as for the next two.
func (p *Player) at(now time.Time) time.Duration {
	if p.since.IsZero() {
		return p.position
	}
	gone := time.Duration(float64(now.Sub(p.since)) * p.speed)
	return min(p.position+max(gone, 0), p.tape.Duration)
}

// stand stops its clock.
func (p *Player) stand(now time.Time) {
	p.position, p.since = p.at(now), time.Time{}
}

// start has its clock go, where it is to.
func (p *Player) start(now time.Time) {
	if p.since = (time.Time{}); p.playing && p.viewers > 0 && !p.atEnd && p.seek == nil && !p.closed {
		p.since = now
	}
}

// run plays until Close.
func (p *Player) run() {
	defer close(p.done)
	defer func() { p.reel.Close() }()
	for {
		to, closed := p.wanted()
		switch {
		case closed:
			return
		case to != nil:
			p.jump(*to)
		default:
			p.rest(p.step())
		}
	}
}

// wanted is where to go, nil for nowhere, or that there is nothing more to do.
func (p *Player) wanted() (to *time.Duration, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seek, p.closed
}

// thread has what a reel draws noted.
func (p *Player) thread(reel *Reel) {
	p.reel = reel
	reel.Follower.Each = func(m display.Message) { p.stage.saw(reel.Follower, m) }
}

// jump goes to a moment. Where that cannot be, it stays where it is.
func (p *Player) jump(to time.Duration) {
	reel, err := p.tape.Open(to)
	if err == nil {
		p.reel.Close()
		p.thread(reel)
		p.stage.turn(reel.Follower)
		p.picture()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.fail(err)
	} else {
		p.position, p.atEnd, p.err = to, to >= p.tape.Duration, nil
	}
	if p.seek != nil && *p.seek == to { // else somebody wants to go on elsewhere
		p.seek = nil
	}
	p.start(time.Now())
}

// fail notes that no more can be played. The caller holds the lock.
func (p *Player) fail(err error) { p.err, p.atEnd, p.since = err, true, time.Time{} }

// step plays what is due, and returns how long nothing more will be; 0: until
// something is changed.
func (p *Player) step() time.Duration {
	next, err := p.reel.Next()
	p.mu.Lock()
	now := time.Now()
	if p.since.IsZero() {
		p.mu.Unlock()
		return 0
	}
	at := p.at(now)
	switch {
	case errors.Is(err, io.EOF):
		next = p.tape.Duration
		if at >= next {
			p.position, p.atEnd, p.since = next, true, time.Time{}
			p.mu.Unlock()
			return 0
		}
	case err != nil:
		p.fail(err)
		p.mu.Unlock()
		return 0
	}
	if p.skipIdle > 0 && next-at > max(p.skipIdle, leadIn) {
		at = next - leadIn
		p.position, p.since = at, now
	}
	wait := time.Duration(float64(next-at) / p.speed)
	p.mu.Unlock()
	if wait > 0 {
		return wait
	}
	if early := frameTime - now.Sub(p.shown); early > 0 {
		return early
	}
	if err := p.reel.Advance(at); err != nil && !errors.Is(err, io.EOF) {
		p.mu.Lock()
		p.fail(err)
		p.mu.Unlock()
	}
	p.picture()
	return frameTime
}

// picture shows what there is.
func (p *Player) picture() {
	p.stage.show(p.reel.Follower)
	p.shown = time.Now()
}

// rest waits for a while, 0 for ever, or until something is changed.
func (p *Player) rest(wait time.Duration) {
	if wait <= 0 {
		<-p.wake
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.wake:
	}
}
