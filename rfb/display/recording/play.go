package recording

import (
	"errors"
	"io"
	"slices"
	"time"

	"vncgate/rfb/display"
)

// Kind is what a Step is.
type Kind uint8

// The kinds of steps.
const (
	StepDisplay Kind = iota // the display said Bytes
	StepInput               // the viewer said Bytes, a message
)

// A Step is what happens next in a recording. Bytes are good until the next call.
type Step struct {
	At    time.Duration
	Kind  Kind
	Bytes []byte
}

// A Playhead is a place in a recording: what was on the screen there, and what
// comes. It is for one goroutine.
type Playhead struct {
	r      *Recording
	f      *display.Follower
	in     *screenReader
	end    func()
	place  int64
	at     time.Duration
	buf    []byte
	unread []byte // of buf
	unAt   time.Duration
	err    error         // behind unread
	spent  time.Duration // drawing what lies behind the last keyframe

	refs   []ref // of the inputs that follow
	inputs []inputAt
	bodies []byte
}

// At returns a Playhead at a time: behind all that had happened by then. Close it.
func (r *Recording) At(t time.Duration) (*Playhead, error) {
	for i := len(r.keyframes) - 1; i >= 0; i-- {
		k := r.keyframes[i]
		if k.at > t {
			continue
		}
		if l, ok := r.learned.before(t); ok && l.place > k.place {
			break
		}
		if b, _, err := r.keyframe(k); err == nil {
			if p, err := r.resume(b, k.at, k.place); err == nil {
				return p.arrive(t)
			}
		}
	}
	if l, ok := r.learned.before(t); ok {
		if b, err := unzip(l.b); err == nil {
			if p, err := r.resume(b, l.at, l.place); err == nil {
				return p.arrive(t)
			}
		}
	}
	p, err := r.begin()
	if err != nil {
		return nil, err
	}
	return p.arrive(t)
}

// arrive goes to a time.
func (p *Playhead) arrive(t time.Duration) (*Playhead, error) {
	if err := p.Forward(t); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// begin is the Playhead at the very beginning.
func (r *Recording) begin() (*Playhead, error) {
	f, err := display.NewFollower(r.init)
	if err != nil {
		return nil, err
	}
	return r.playFrom(f, 0)
}

// resume is the Playhead at a keyframe.
func (r *Recording) resume(b []byte, at time.Duration, place int64) (*Playhead, error) {
	f, err := display.Resume(b)
	if err != nil {
		return nil, err
	}
	p, err := r.playFrom(f, place)
	if err == nil {
		p.at = at
	}
	return p, err
}

// playFrom is the Playhead of f, which knows all up to a place.
func (r *Recording) playFrom(f *display.Follower, place int64) (*Playhead, error) {
	i, found := slices.BinarySearchFunc(r.parts, place, func(p part, to int64) int { return int(min(max(p.place-to, -1), 1)) })
	if !found {
		i--
	}
	in, end, err := r.from(r.parts[max(i, 0)])
	if err != nil {
		f.Close()
		return nil, err
	}
	p := &Playhead{r: r, f: f, in: in, end: end, place: r.parts[max(i, 0)].place, buf: make([]byte, 64<<10)}
	if err := p.skipTo(place); err != nil {
		p.Close()
		return nil, err
	}
	for _, at := range r.refs {
		if at.kind == TypeInput {
			p.refs = append(p.refs, at)
		}
	}
	p.inputsFrom(place)
	return p, nil
}

// skipTo passes over what f knows.
func (p *Playhead) skipTo(place int64) error {
	for p.place < place {
		n, err := p.in.Read(p.buf[:min(place-p.place, int64(len(p.buf)))])
		if p.place += int64(n); err != nil && p.place < place {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	p.at = p.in.At()
	return nil
}

// inputsFrom passes over what f knows of the viewer.
func (p *Playhead) inputsFrom(place int64) {
	for {
		for len(p.inputs) > 0 && p.inputs[0].place < place {
			p.inputs = p.inputs[1:]
		}
		if len(p.inputs) > 0 || !p.moreInputs() {
			return
		}
	}
}

// moreInputs reads the next of them.
func (p *Playhead) moreInputs() bool {
	if len(p.refs) == 0 {
		return false
	}
	at := p.refs[0]
	p.refs = p.refs[1:]
	body, err := p.r.body(at)
	if err != nil {
		p.refs = nil
		return false
	}
	p.bodies = append(p.bodies[:0], body...)
	p.inputs = p.inputs[:0]
	eachInput(record{at: at.at, place: at.place, body: p.bodies}, func(in inputAt) { p.inputs = append(p.inputs, in) })
	return true
}

// Peek returns what comes next, without that it happens. The error is io.EOF at
// the recording's end, also where it is cut.
func (p *Playhead) Peek() (Step, error) {
	for len(p.inputs) == 0 && p.moreInputs() {
	}
	if len(p.inputs) > 0 && p.inputs[0].place <= p.place {
		in := p.inputs[0]
		return Step{max(in.at, p.at), StepInput, in.msg}, nil
	}
	for len(p.unread) == 0 {
		if p.err != nil {
			return Step{}, p.err
		}
		var n int
		n, p.err = p.in.Read(p.buf)
		p.unread, p.unAt = p.buf[:n], p.in.At()
		if p.err != nil {
			p.err = io.EOF
		}
	}
	b := p.unread
	if len(p.inputs) > 0 {
		b = b[:min(int64(len(b)), p.inputs[0].place-p.place)]
	}
	return Step{max(p.unAt, p.at), StepDisplay, b}, nil
}

// Next has the next step happen, and returns it. The error is io.EOF at the end,
// or what the display has said that cannot be understood.
func (p *Playhead) Next() (Step, error) {
	s, err := p.Peek()
	if err != nil {
		return s, err
	}
	p.at = s.At
	if s.Kind == StepInput {
		p.inputs = p.inputs[1:]
		_ = p.f.Viewer(s.Bytes)
		return s, nil
	}
	p.unread = p.unread[len(s.Bytes):]
	p.place += int64(len(s.Bytes))
	from := time.Now()
	err = p.f.Display(s.Bytes)
	if p.spent += time.Since(from); p.spent > learnAfter && p.f.Between() {
		p.spent = 0
		p.r.learned.learn(p.f, p.at, p.place)
	}
	return s, err
}

// Forward has all happen up to a time, which is not before Time. At the end of the
// recording it stays there, without an error.
func (p *Playhead) Forward(t time.Duration) error {
	for {
		s, err := p.Peek()
		switch {
		case err == io.EOF || err == nil && s.At > t:
			p.at = max(p.at, min(t, p.r.duration))
			return nil
		case err != nil:
			return err
		}
		if _, err := p.Next(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// Follower knows what is on the screen. It is the Playhead's to close.
func (p *Playhead) Follower() *display.Follower { return p.f }

// Time is where the Playhead is.
func (p *Playhead) Time() time.Duration { return p.at }

// Close gives back what the Playhead holds.
func (p *Playhead) Close() {
	p.end()
	p.f.Close()
}
