package recording

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// A track follows a recording that is being written, and makes keyframes of it. It
// is given what is written, and so knows what they know who play it.
type track struct {
	workers *Workers
	every   int64           // the cost of playing from one keyframe to the next
	post    func(item) bool // into the index; false: not now
	done    chan struct{}   // closed behind close, when all is done

	mu     sync.Mutex
	todo   []piece
	busy   bool // somebody works on it, or it is scheduled
	ended  bool // nothing is looked at any more
	closed bool // nothing more comes

	// Of whoever works on it:
	f      *display.Follower // nil: the recording has not begun
	early  []inputAt         // what the viewer had said by then
	zstd   *zstd.Encoder
	at     time.Duration // of what is looked at
	place  int64
	cost   int64 // of playing what lies behind the last keyframe
	before int64 // where the last message ended
	raw    []byte
}

// A piece is what was written at once.
type piece struct {
	begin  *rfb.ServerInit // the recording begins
	blocks []*block
	input  []inputAt
	n      int64         // bytes that it holds
	at     time.Duration // of its end
	place  int64
}

const (
	// keyframeCost is Options.KeyframeEvery where it is 0.
	keyframeCost = 24 << 20
	// byteCost is the cost of a byte that the display says, that of a pixel drawn
	// being 1.
	byteCost = 8
	// trackEnd is how long a recording's end waits for its last keyframes.
	trackEnd = 10 * time.Second
)

func newTrack(w *Workers, every int64, post func(item) bool) *track {
	return &track{workers: w, every: every, post: post, done: make(chan struct{})}
}

// add has a piece be looked at. It reports whether the blocks of p are the track's
// now.
func (t *track) add(p piece) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.closed {
		return false
	}
	if !t.workers.hold(p.n) {
		t.ended = true
		t.say("the workers do not keep up: there are no keyframes from here on", p.at, p.place)
		return false
	}
	t.todo = append(t.todo, p)
	t.run()
	return true
}

// run has somebody work, if nobody does. t.mu is held.
func (t *track) run() {
	if !t.busy {
		t.busy = true
		t.workers.schedule(t)
	}
}

// close has done be closed when all is done. It does not wait for that for longer
// than some seconds; what is not done by then is not.
func (t *track) close() {
	t.mu.Lock()
	t.closed = true
	t.run()
	t.mu.Unlock()
	timer := time.NewTimer(trackEnd)
	defer timer.Stop()
	select {
	case <-t.done:
		return
	case <-timer.C:
	}
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	<-t.done
}

// work does what there is to do, of one piece: others wait too.
func (t *track) work() {
	t.mu.Lock()
	if len(t.todo) == 0 {
		t.busy = false
		if t.closed {
			t.release()
		}
		t.mu.Unlock()
		return
	}
	p := t.todo[0]
	t.todo[0] = piece{}
	t.todo = t.todo[1:]
	ended := t.ended
	t.mu.Unlock()
	if !ended {
		t.look(p)
	}
	for _, b := range p.blocks {
		b.free()
	}
	t.workers.release(p.n)
	t.workers.schedule(t)
}

// release gives back what the track holds.
func (t *track) release() {
	if t.f != nil {
		t.f.Close()
	}
	close(t.done)
}

// end has nothing more be looked at.
func (t *track) end(why string) {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.say(why, t.at, t.place)
}

// say says in the index why there are no more keyframes.
func (t *track) say(why string, at time.Duration, place int64) {
	var q batch
	q.mark("keyframes-end", why, at, place)
	t.post(q.items[0])
}

// look follows a piece.
func (t *track) look(p piece) {
	if p.begin != nil {
		if err := t.begin(*p.begin); err != nil {
			t.end(err.Error())
			return
		}
	}
	for _, b := range p.blocks {
		from := 0
		for _, s := range b.said {
			t.at = s.at
			said := b.b[from:s.end]
			from = s.end
			for len(said) > 0 {
				p.input = t.inputs(p.input)
				n := len(said)
				if len(p.input) > 0 {
					n = int(min(int64(n), p.input[0].place-t.place))
				}
				t.place += int64(n)
				if err := t.f.Display(said[:n]); err != nil {
					t.end("what the display says is not understood from here on: " + err.Error())
					return
				}
				said = said[n:]
			}
		}
	}
	t.inputs(p.input)
}

// inputs follows what the viewer has said up to the place, and returns the rest.
func (t *track) inputs(in []inputAt) []inputAt {
	for len(in) > 0 && in[0].place <= t.place {
		if t.f != nil {
			_ = t.f.Viewer(in[0].msg)
		} else {
			t.early = keepLast(t.early, in[0])
		}
		in = in[1:]
	}
	return in
}

// keepLast adds to what the viewer has said before the display has said anything.
// Of each type of message the last is what counts, and nothing else is kept:
// however long the display is silent, the viewer need not be.
func keepLast(early []inputAt, in inputAt) []inputAt {
	early = slices.DeleteFunc(early, func(e inputAt) bool { return e.msg[0] == in.msg[0] })
	in.msg = bytes.Clone(in.msg) // the rest of the batch is not kept with it
	return append(early, in)
}

func (t *track) begin(init rfb.ServerInit) error {
	f, err := display.NewFollower(init)
	if err != nil {
		return err
	}
	t.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		f.Close()
		return err
	}
	t.f = f
	f.Each = t.message
	t.early = t.inputs(t.early)
	return nil
}

// message is told of each message of the display's.
func (t *track) message(m display.Message) {
	place := t.f.Offset()
	size := m.Drawn.Size()
	t.cost += int64(size.X)*int64(size.Y) + byteCost*(place-t.before)
	t.before = place
	if m.Resized {
		size := t.f.Image().Rect.Size()
		t.post(item{TypeSize, t.at, place, be.AppendUint16(be.AppendUint16(nil, uint16(size.X)), uint16(size.Y))})
	}
	if t.cost >= t.every {
		t.keyframe(place)
	}
}

// keyframe makes one.
func (t *track) keyframe(place int64) {
	var err error
	t.raw, err = t.f.Keyframe(t.raw[:0])
	resumable := err == nil
	if err != nil && !errors.Is(err, display.ErrNotResumable) {
		return
	}
	body := t.zstd.EncodeAll(t.raw, []byte{boolByte(resumable)})
	t.post(item{TypeKeyframe, t.at, place, body})
	if t.cost = 0; !resumable {
		t.cost = t.every / 2
	}
}
